//! What is tried with the passes of recordings, which open a file without a token: altered, of other files and recordings, of
//! another server, and when their time is over.
//!
//! The row knows the secret, and so what a good pass is: one whose time is over is signed as well as any.

use anyhow::{Context as _, ensure};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::grounds::{Alone, Grounds, SECRET};
use super::plays::{Outcome, Played};
use super::recordings::{code, finished, owner, server, talkers};
use super::wire::now_s;

/// A pass as a server with this secret signs it.
fn signed(secret: &str, recording: &str, file: &str, until: &str) -> String {
    let root = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let drawn = hmac::sign(&root, b"sluice: playback of recordings");
    let key = hmac::Key::new(hmac::HMAC_SHA256, drawn.as_ref());
    let signature = hmac::sign(&key, format!("{until} {recording}\n{file}").as_bytes());
    format!("{until}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Names and addresses of a recording's files, as its owner is given them.
fn given(server: &Alone, id: &str) -> anyhow::Result<Vec<(String, String)>> {
    let bearer = format!("Bearer {}", owner(server));
    let path = format!("/api/recordings/{id}/playback");
    let answer = server.target.ask("POST", &path, &[("Authorization", &bearer)], "")?;
    ensure!(answer.status == 200, "its owner is answered {}: {}", answer.status, answer.body);
    let body: Value = serde_json::from_str(&answer.body)?;
    let files = body["files"].as_array().context("no files")?;
    let text = |file: &Value, field: &str| file[field].as_str().map(ToOwned::to_owned).context("no text");
    files.iter().map(|file| Ok((text(file, "name")?, text(file, "url")?))).collect()
}

/// So that it is one part of a path, or one value of a query, whatever is in it.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") }
    };
    text.bytes().map(byte).collect()
}

/// What is no pass for this file, and what it is instead.
fn bad(one: &str, other: &str, file: &str, good: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    let (until, signature) = good.split_once('.').context("a pass has two parts")?;
    let until_s: u64 = until.parse()?;
    let now = now_s();
    let with = |until_s: u64| format!("{until_s}.{signature}");
    let own = |until: String| signed(SECRET, one, file, &until);
    let other_letter = if signature.starts_with('A') { "B" } else { "A" };
    let altered = format!("{until}.{other_letter}{}", signature.get(1..).unwrap_or_default());
    // Of the last letter two bits count for nothing: a signature is written in one way.
    let written_otherwise = ["B", "F", "J"].map(|last| format!("{until}.{}{last}", &signature[..signature.len() - 1]));
    let mut all = vec![
        ("nothing", String::new()),
        ("two nothings", ".".to_owned()),
        ("no signature", until.to_owned()),
        ("an empty signature", format!("{until}.")),
        ("no time", format!(".{signature}")),
        ("no number", format!("x.{signature}")),
        ("another signature", altered),
        ("something behind it", format!("{good}A")),
        ("padding", format!("{good}=")),
        ("NUL behind it", format!("{good}\0")),
        ("a line end behind it", format!("{good}\n")),
        ("a longer time", with(until_s + 1)),
        ("all time", with(u64::try_from(i64::MAX)?)),
        ("more than all time", format!("99999999999999999999.{signature}")),
        ("much", "1".repeat(10_000)),
        ("a time that is over", own((now - 1).to_string())),
        ("a time that is over now", own(now.to_string())),
        ("a time long ago", own("0".to_owned())),
        ("a time before all time", own("-1".to_owned())),
        ("of another file", signed(SECRET, one, "another.webm", until)),
        ("of another recording", signed(SECRET, other, file, until)),
        ("of another server", signed("another server's secret, as long as ours", one, file, until)),
    ];
    all.extend(
        written_otherwise
            .into_iter()
            .filter(|pass| pass != good)
            .map(|pass| ("written otherwise", pass)),
    );
    Ok(all)
}

/// Passes that open nothing, and what good ones do not open.
pub(crate) fn passes(grounds: &Grounds) -> Played {
    let (server, _) = server(grounds, "recording-passes")?;
    let talkers = talkers(grounds, &server)?;
    let (one, other) = (finished(&server, "it")?, finished(&server, "it")?);
    drop(talkers);
    let ask = |method: &str, path: &str, headers: &[(&str, &str)]| {
        server.target.be_somebody_else();
        server.target.ask(method, path, headers, "")
    };

    let files = given(&server, &one)?;
    let (file, url) = files.iter().find(|(name, _)| name.starts_with("recording.")).context("no media")?;
    let (path, good) = url.split_once("?pass=").context("no pass")?;
    let until = good.split_once('.').map_or("", |(until, _)| until);
    ensure!(signed(SECRET, &one, file, until) == good, "passes are not signed as this row takes them to be: {good}");
    for (name, url) in &files {
        let answer = ask("GET", url, &[])?;
        ensure!(answer.status == 200 && !answer.body.is_empty(), "{name} is answered {} with its pass", answer.status);
    }
    for (what, pass) in bad(&one, &other, file, good)? {
        let answer = ask("GET", &format!("{path}?pass={}", encoded(&pass)), &[])?;
        let said = (answer.status, code(&answer));
        ensure!(said == (403, "pass_over".to_owned()), "{what} is answered {said:?}");
        // Whether there is a recording is not told either.
        let of_nobody = ask("GET", &format!("/api/recordings/EG_x/files/{file}?pass={}", encoded(&pass)), &[])?;
        ensure!((of_nobody.status, code(&of_nobody)) == said, "{what} tells what there is");
    }
    // Even a good signature leads to nothing but what was recorded.
    for name in
        ["..", "../manifest.json", "../../sluice.db", "/etc/passwd", "manifest.json\0", "a\u{202e}mbew", "stored.json"]
    {
        let pass = signed(SECRET, &one, name, until);
        let answer = ask("GET", &format!("/api/recordings/{one}/files/{}?pass={pass}", encoded(name)), &[])?;
        ensure!(answer.status == 404, "{name:?} is answered {}", answer.status);
    }
    // And a pass is for its file alone, and no token.
    let bearer = format!("Bearer {good}");
    for (method, rest) in
        [("GET", ""), ("GET", "/manifest"), ("POST", "/playback"), ("POST", "/composite"), ("DELETE", "")]
    {
        for (query, headers) in
            [(format!("?pass={good}"), &[][..]), (String::new(), &[("Authorization", bearer.as_str())])]
        {
            let answer = ask(method, &format!("/api/recordings/{one}{rest}{query}"), headers)?;
            ensure!(answer.status == 401, "{method} {rest} with a pass is answered {}", answer.status);
        }
    }
    let of_owner = format!("Bearer {}", owner(&server));
    let answer = ask("DELETE", &format!("/api/recordings/{one}"), &[("Authorization", &of_owner)])?;
    ensure!((200..300).contains(&answer.status), "its owner's DELETE is answered {}", answer.status);
    let answer = ask("GET", url, &[])?;
    ensure!(answer.status == 404, "a pass of what is deleted is answered {}", answer.status);
    server.ensure_well()?;
    Ok(Outcome::Pass)
}
