//! The command line as a person meets it: the real binary, its output, its exit codes.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod serving;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Output, Stdio};

use livekit_token::{Claims, TokenVerifier};

use serving::{Serving, sluice};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn run(arguments: &[&str]) -> Output {
    sluice(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The message of a run that was refused.
fn refusal(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn token(arguments: &[&str], key: &str, secret: &str) -> Claims {
    let token = stdout(&run(&[&["token", "create"], arguments].concat()));
    TokenVerifier::with_api_key(key, secret).verify(token.trim()).unwrap()
}

#[test]
fn help_teaches_the_first_steps() {
    let help = stdout(&run(&["--help"]));
    for words in ["sluice serve --dev", "http://localhost:7880", "token create", "keys generate"] {
        assert!(help.contains(words), "{help}");
    }
    assert!(stdout(&run(&["serve", "--help"])).contains("SLUICE_RTC__UDP_PORT"));
    assert!(stdout(&run(&["token", "create", "--help"])).contains("--can-publish"));
}

#[test]
fn a_token_says_what_was_asked_and_verifies() {
    let claims = token(
        &[
            "--dev",
            "--identity",
            "ann",
            "--room",
            "lobby",
            "--name",
            "Ann",
            "--ttl",
            "90s",
            "--metadata",
            "m",
            "--attribute",
            "role=host",
            "--attribute",
            "seat=4",
            "--can-publish=false",
            "--can-publish-sources",
            "camera,microphone",
        ],
        "devkey",
        "secret",
    );
    assert_eq!((claims.sub.as_str(), claims.name.as_str(), claims.metadata.as_str()), ("ann", "Ann", "m"));
    assert_eq!(claims.attributes.len(), 2);
    assert_eq!(claims.exp - claims.nbf, 90);
    assert!(claims.video.room_join && claims.video.room == "lobby");
    assert_eq!(claims.video.can_publish, Some(false));
    assert_eq!(claims.video.can_subscribe, Some(true));
    assert_eq!(claims.video.can_publish_sources, ["camera", "microphone"]);
}

#[test]
fn a_token_for_the_server_api_joins_nothing() {
    let claims = token(&["--key", "APIabc", "--secret", SECRET, "--room-create", "--room-list"], "APIabc", SECRET);
    assert!(claims.video.room_create && claims.video.room_list && !claims.video.room_join);
}

#[test]
fn a_token_is_signed_with_the_key_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sluice.toml");
    std::fs::write(&file, format!("[keys]\nAPIone = \"{SECRET}\"\nAPItwo = \"{SECRET}\"\n")).unwrap();
    let arguments = ["--config", file.to_str().unwrap(), "--identity", "ann", "--room", "lobby"];

    let ambiguous = refusal(&run(&[&["token", "create"], &arguments[..]].concat()));
    assert!(ambiguous.contains("APIone, APItwo"), "{ambiguous}");
    assert_eq!(token(&[&arguments[..], &["--key", "APItwo"]].concat(), "APItwo", SECRET).iss, "APItwo");
}

#[test]
fn generated_keys_are_a_configuration() {
    let toml = stdout(&run(&["keys", "generate"]));
    assert_ne!(toml, stdout(&run(&["keys", "generate"])), "keys come from randomness");

    let file = sluice_config::File { name: "generated", text: &format!("http.behind_proxy = true\n{toml}") };
    let config = sluice_config::Config::load(Some(file), [], Vec::new()).unwrap();
    assert_eq!(config.keys.len(), 1);
}

#[test]
fn an_audit_trail_is_verified_without_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let key = sluice_audit::SigningKey::from_seed(&[5; 32]).unwrap();
    let public_key = key.verifying_key().to_string();
    let mut trail = sluice_audit::AuditLog::open(&path, key, 1_000).unwrap();
    for number in 2..=5 {
        let entry = sluice_audit::Entry {
            who: Some("host".to_owned()),
            what: "participant.remove".to_owned(),
            whom: Some(format!("guest{number}")),
            room: Some("lobby".to_owned()),
            from: None,
            result: sluice_audit::Outcome::Done,
            request_id: None,
            detail: None,
        };
        trail.append(&entry, number * 1_000).unwrap();
    }
    let head = directory.path().join("kept.head");
    std::fs::write(&head, trail.head().unwrap().to_string()).unwrap();
    let (path, head) = (path.to_str().unwrap(), head.to_str().unwrap());

    let good = stdout(&run(&["audit", "verify", path]));
    assert!(good.contains("good: 5 records") && good.contains(&public_key) && good.contains("compare it"), "{good}");
    let good = stdout(&run(&["audit", "verify", path, "--public-key", &public_key, "--head", head]));
    assert!(good.contains("good: 5 records") && !good.contains("compare it"), "{good}");
    let lines = stdout(&run(&["audit", "export", path, "--from-ms", "3000", "--to-ms", "5000"]));
    let exported: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        exported.iter().map(|record| record["whom"].as_str().unwrap()).collect::<Vec<_>>(),
        ["guest3", "guest4"]
    );

    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, text.replace("guest4", "guest5")).unwrap();
    let message = refusal(&run(&["audit", "verify", path]));
    assert!(message.contains("record 4: its hash does not follow"), "{message}");
    assert!(refusal(&run(&["audit", "export", path])).contains("record 4"));
    let other = "0".repeat(64);
    assert!(refusal(&run(&["audit", "verify", path, "--public-key", &other])).contains("another key"));
}

#[test]
fn a_bad_configuration_is_refused_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sluice.toml");
    std::fs::write(&file, "[rtc]\nudp_prot = 7882\n").unwrap();
    let message = refusal(&run(&["serve", "--config", file.to_str().unwrap()]));
    assert!(message.contains("sluice.toml, line 2: unknown key `rtc.udp_prot`"), "{message}");
    assert!(message.contains("did you mean `rtc.udp_port`?"), "{message}");

    let message = refusal(&sluice(&["serve", "--dev"]).env("SLUICE_RTC__WORKERS", "many").output().unwrap());
    assert!(
        message.contains("environment variable SLUICE_RTC__WORKERS: `rtc.workers` cannot be \"many\""),
        "{message}"
    );

    let message = refusal(&run(&["serve", "--config", "/nowhere/sluice.toml"]));
    assert!(message.contains("cannot read the configuration file /nowhere/sluice.toml"), "{message}");

    let message = refusal(&run(&["serve", "--dev", "--listen", "127.0.0.1:0", "--log", "sluice=loud=er"]));
    assert!(message.contains("`log.filter`"), "{message}");
}

#[test]
fn unsafe_servers_are_refused() {
    let message = refusal(&run(&["serve"]));
    assert!(message.contains("no API keys") && message.contains("sluice keys generate"), "{message}");

    let serve = |keys: &str| sluice(&["serve"]).env("SLUICE_KEYS", keys).output().unwrap();
    let message = refusal(&serve("APIabc: short"));
    assert!(message.contains("`APIabc` has 5 bytes, at least 32 are needed"), "{message}");
    assert!(!message.contains("short"), "{message}");
    assert!(refusal(&serve(&format!("devkey: {SECRET}"))).contains("everybody knows"));
    assert!(refusal(&serve(&format!("APIabc: {SECRET}"))).contains("http.behind_proxy = true"));

    let message = refusal(&run(&["serve", "--dev", "--listen", "0.0.0.0:7880"]));
    assert!(message.contains("flag --listen: development mode listens on loopback only"), "{message}");
}

#[test]
fn a_missing_certificate_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let serve = |cert: &str| {
        sluice(&["serve", "--listen", "127.0.0.1:0"])
            .env("SLUICE_KEYS", format!("APIabc: {SECRET}"))
            .env("SLUICE_HTTP__TLS__CERT", cert)
            .env("SLUICE_HTTP__TLS__KEY", "/nowhere/key.pem")
            .output()
            .unwrap()
    };
    let message = refusal(&serve("/nowhere/cert.pem"));
    assert!(message.contains("/nowhere/cert.pem") && message.contains("`http.tls.cert`"), "{message}");
    let message = refusal(&serve(empty.to_str().unwrap()));
    assert!(message.contains("no certificate in"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_development_server_answers_and_ends_gracefully() {
    for signal in ["-TERM", "-INT"] {
        let server = Serving::start(&[]);
        let answer = server.get("/healthz");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        server.signal(signal);
        let (log, code) = server.ended();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("stopped"), "{log}");
    }
}

#[cfg(unix)]
#[test]
fn the_log_can_be_json() {
    let server = Serving::start(&["--log-format", "json"]);
    server.signal("-TERM");
    let (log, _) = server.ended();
    let last = log.lines().last().unwrap();
    assert!(last.starts_with('{') && last.ends_with('}') && last.contains("\"message\":\"stopped\""), "{last}");
}

#[test]
fn a_taken_port_is_named_with_advice() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = refusal(&run(&["serve", "--dev", "--listen", &address]));
    assert!(message.contains(&format!("cannot listen on {address}")) && message.contains("--listen"), "{message}");
}

#[cfg(unix)]
#[test]
fn what_a_running_server_wrote_to_its_trail_verifies() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data/audit.log");
    let path = path.to_str().unwrap();
    for records in [2, 4] {
        let server = Serving::start_with(&[], &[("SLUICE_AUDIT__PATH", path)]);
        let made = server.call("CreateRoom", &creator(), r#"{"name":"math"}"#);
        assert!(made.starts_with("HTTP/1.1 200"), "{made}");
        let meanwhile = stdout(&run(&["audit", "verify", path]));
        assert!(meanwhile.contains(&format!("good: {records} records")), "{meanwhile}");
        server.signal("-KILL");
        server.ended();
        let killed = stdout(&run(&["audit", "verify", path]));
        assert!(killed.contains(&format!("good: {records} records")), "{killed}");
    }
    let lines = stdout(&run(&["audit", "export", path]));
    assert!(lines.contains("\"what\":\"room.create\"") && lines.contains("\"room\":\"math\""), "{lines}");
}

fn creator() -> String {
    let grants = livekit_token::VideoGrants { room_create: true, ..Default::default() };
    livekit_token::AccessToken::with_api_key("devkey", "secret")
        .with_grants(grants)
        .to_jwt()
        .unwrap()
}

#[test]
fn the_first_administrator_is_made_here_and_locked_out_beside_a_running_server() {
    let home = tempfile::tempdir().unwrap();
    let storage = format!("sqlite:{}", home.path().join("sluice.db").display());
    let trail = home.path().join("audit.log").to_str().unwrap().to_owned();
    let user = |arguments: &[&str], typed: &str| {
        let mut command = sluice(&[&["user"], arguments].concat());
        command.env("SLUICE_STORAGE__URL", &storage).env("SLUICE_AUDIT__PATH", &trail);
        command.env("SLUICE_ACCOUNTS__ENABLED", "true").env("SUDO_USER", "operator");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who does not read it may be gone.
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        child.wait_with_output().unwrap()
    };
    let made = stdout(&user(&["add", "Ruth", "--role", "admin"], ""));
    let (_, password) = made.trim_end().split_once("shown this once: ").unwrap();
    assert_eq!(password.len(), 20);
    assert!(stdout(&user(&["add", "ann", "--name", "Ann", "--password-stdin"], "correct horse\n")).contains("no role"));
    assert_eq!(stdout(&user(&["list"], "")), "ann\tAnn\t-\tenabled\nruth\truth\tadmin\tenabled\n");
    for (arguments, typed, said) in [
        (["add", "ruth", "--password-stdin"], "battery staple", "already an account"),
        (["add", "cyd", "--password-stdin"], "short", "at least 8 characters"),
        (["add", "cyd", "--password-stdin"], "", "standard input has no password"),
        (["add", "cyd", "--role=surgeon"], "", "no such role"),
        (["password", "cyd", "--password-stdin"], "battery staple", "no such account"),
    ] {
        let refusal = refusal(&user(&arguments, typed));
        assert!(refusal.contains(said), "{refusal}");
    }
    assert!(refusal(&run(&["user", "list", "--dev"])).contains("SLUICE_STORAGE__URL"));

    let variables = [
        ("SLUICE_STORAGE__URL", storage.as_str()),
        ("SLUICE_AUDIT__PATH", &trail),
        ("SLUICE_ACCOUNTS__ENABLED", "true"),
    ];
    let server = Serving::start_with(&[], &variables);
    let login = |password: &str| {
        let body = serde_json::json!({ "login": "ruth", "password": password }).to_string();
        let head = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        ask(server.port, &format!("POST /api/accounts/login HTTP/1.1\r\n{head}"), &body)
    };
    let (status, answer) = login(password);
    assert_eq!(status, 200, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let bearer = format!("authorization: Bearer {}\r\n", answer["access_token"].as_str().unwrap());
    let me = || ask(server.port, &format!("GET /api/accounts/me HTTP/1.1\r\n{bearer}"), "").0;
    assert_eq!(me(), 200);

    stdout(&user(&["disable", "ruth"], ""));
    assert_eq!((me(), login(password).0), (401, 401), "at once, in the server that runs");
    stdout(&user(&["enable", "ruth"], ""));
    stdout(&user(&["password", "ruth", "--password-stdin"], "battery staple\r\n"));
    assert_eq!((login(password).0, login("battery staple").0), (401, 200));

    let lines = stdout(&run(&["audit", "export", &trail]));
    let records = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let said: Vec<_> = records
        .filter(|record| record["who"] == "operator (command line)")
        .map(|record| ["what", "detail", "result"].map(|field| record[field].as_str().unwrap().to_owned()))
        .collect();
    let expected = [
        ["user.create", "roles: admin", "done"],
        ["user.create", "roles: ", "done"],
        ["user.create", "roles: ", "done"],
        ["user.create", "roles: ", "failed"],
        ["user.create", "roles: ", "done"],
        ["user.create", "roles: ", "failed"],
        ["user.create", "roles: surgeon", "done"],
        ["user.create", "roles: surgeon", "failed"],
        ["user.change", "disabled: true", "done"],
        ["user.change", "disabled: false", "done"],
        ["user.change", "password", "done"],
    ];
    assert_eq!(said, expected, "by itself, and by the server that runs");
}

#[test]
fn beside_a_server_that_writes_nothing_down_nothing_is_done() {
    let home = tempfile::tempdir().unwrap();
    let storage = format!("sqlite:{}", home.path().join("sluice.db").display());
    let add = || {
        let mut command = sluice(&["user", "add", "ruth"]);
        command
            .env("SLUICE_STORAGE__URL", &storage)
            .env("SLUICE_AUDIT__PATH", home.path().join("audit.log"));
        refusal(&command.output().unwrap())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lock = sluice_store::ServerLock::take(&storage, std::time::Duration::ZERO);
    let _lock = runtime.block_on(lock).unwrap();
    std::fs::write(home.path().join("sluice.db"), "").unwrap();
    let refused = add();
    assert!(refused.contains("another version"), "its tables are not made by another program: {refused}");

    runtime.block_on(async {
        let store = sluice_store::Store::open(&storage, &sluice_store::StoreOptions::default()).await.unwrap();
        store.close().await;
    });
    let refused = add();
    assert!(refused.contains("did not write it to its audit trail in 10 s"), "{refused}");
    runtime.block_on(async {
        let store = sluice_store::Store::open(&storage, &sluice_store::StoreOptions::default()).await.unwrap();
        assert_eq!(store.users(None, 9).await.unwrap(), []);
        let [left] = &store.owed_deeds(9).await.unwrap()[..] else { panic!("one was asked for") };
        assert_eq!((left.what.as_str(), left.state), ("user.create", sluice_store::DeedState::Failed), "nor later");
        store.close().await;
    });
}

/// The server here is the test: it answers what a server would, or what somebody with a hand in the database does.
#[test]
fn only_what_the_server_says_to_be_written_down_is_done() {
    use sluice_store::DeedState;
    let home = tempfile::tempdir().unwrap();
    let storage = format!("sqlite:{}", home.path().join("sluice.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lock = sluice_store::ServerLock::take(&storage, std::time::Duration::ZERO);
    let _lock = runtime.block_on(lock).unwrap();
    let options = sluice_store::StoreOptions::default();
    let store = runtime.block_on(sluice_store::Store::open(&storage, &options)).unwrap();
    let add = |answer: Option<DeedState>| {
        let mut command = sluice(&["user", "add", "ruth"]);
        command
            .env("SLUICE_STORAGE__URL", &storage)
            .env("SLUICE_AUDIT__PATH", home.path().join("audit.log"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        runtime.block_on(async {
            let asked = loop {
                let asked = store.owed_deeds(9).await.unwrap().into_iter().find(|deed| deed.state == DeedState::Asked);
                match asked {
                    Some(asked) => break asked.id,
                    None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                }
            };
            let answered = match answer {
                Some(state) => store.move_deed(&asked, DeedState::Asked, state, any_time()).await,
                None => store.take_deed(&asked, DeedState::Asked).await,
            };
            assert!(answered.unwrap());
        });
        child.wait_with_output().unwrap()
    };
    for (answer, said) in [(Some(DeedState::Refused), "does not know such a thing"), (None, "by somebody else")] {
        let refused = refusal(&add(answer));
        assert!(refused.contains("nothing was done") && refused.contains(said), "{refused}");
        runtime.block_on(async {
            assert_eq!(store.users(None, 9).await.unwrap(), []);
            assert_eq!(store.owed_deeds(9).await.unwrap(), [], "nothing is left behind");
        });
    }
    stdout(&add(Some(DeedState::Written)));
    runtime.block_on(async {
        assert_eq!(store.users(None, 9).await.unwrap()[0].login, "ruth");
        assert_eq!(store.owed_deeds(9).await.unwrap(), [], "it was taken");
        store.close().await;
    });
}

fn any_time() -> sluice_store::UnixMillis {
    sluice_store::UnixMillis(1_795_000_000_000)
}

/// A list in a pager holds no server up.
#[test]
fn a_server_may_start_while_somebody_reads_the_list_of_accounts() {
    let home = tempfile::tempdir().unwrap();
    let storage = format!("sqlite:{}", home.path().join("sluice.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = sluice_store::Store::open(&storage, &sluice_store::StoreOptions::default()).await.unwrap();
        let mut transaction = store.begin().await.unwrap();
        // More than a pipe holds.
        for number in 0..1_000 {
            let user = sluice_store::User {
                id: format!("u{number}").into(),
                login: format!("{number:0>100}"),
                name: "n".repeat(100),
                password_hash: None,
                foreign: None,
                roles: Vec::new(),
                disabled: false,
                created: any_time(),
                updated: any_time(),
            };
            transaction.create_user(&user).await.unwrap();
        }
        transaction.commit().await.unwrap();
        store.close().await;
    });
    let mut command = sluice(&["user", "list"]);
    let mut list = command.env("SLUICE_STORAGE__URL", &storage).stdout(Stdio::piped()).spawn().unwrap();
    let mut page = list.stdout.take().unwrap();
    page.read_exact(&mut [0]).unwrap();
    let lock = runtime.block_on(sluice_store::ServerLock::take(&storage, std::time::Duration::ZERO));
    assert!(lock.is_ok(), "{lock:?}");
    let mut rest = String::new();
    page.read_to_string(&mut rest).unwrap();
    assert!(list.wait().unwrap().success());
    assert_eq!(rest.lines().count(), 1_000);
}

/// Status and body of an answer.
fn ask(port: u16, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!("{head}host: localhost:{port}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn a_database_has_one_server_until_that_is_killed() {
    let home = tempfile::tempdir().unwrap();
    let storage = format!("sqlite:{}", home.path().join("sluice.db").display());
    let variables = [("SLUICE_STORAGE__URL", storage.as_str())];
    let server = Serving::start_with(&[], &variables);
    let made = server.call("CreateRoom", &creator(), r#"{"name":"math"}"#);
    assert!(made.starts_with("HTTP/1.1 200"), "{made}");

    let mut second = sluice(&["serve", "--dev", "--listen", "127.0.0.1:0", "--udp-port", "0"])
        .envs(variables)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut log = BufReader::new(second.stderr.take().unwrap());
    while log.read_line(&mut said).unwrap() > 0 && !said.contains("ready") {}
    let _ = second.kill();
    assert!(!second.wait().unwrap().success() && !said.contains("ready"), "{said}");
    assert!(said.contains("another server uses this storage") && said.contains("storage.url"), "{said}");
    let events = kinds_in_the_log(&storage);
    assert_eq!(events, ["room_started"], "the room of the first one was not ended");

    // SIGKILL.
    drop(server);
    drop(Serving::start_with(&[], &variables));
    assert_eq!(kinds_in_the_log(&storage), ["room_started", "room_finished"]);
}

/// What happened, from beside a server.
fn kinds_in_the_log(storage: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = sluice_store::Store::open(storage, &sluice_store::StoreOptions::default()).await.unwrap();
        let events = store.events(0, None, 100).await.unwrap().events;
        store.close().await;
        events.into_iter().map(|event| event.kind.to_string()).collect()
    })
}

#[test]
fn a_backup_of_a_running_server_is_a_database_and_overwrites_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let (url, copy) = (format!("sqlite:{}", path("sluice.db")), path("copy.db"));
    let backup = |copy: &str| sluice(&["backup", copy]).env("SLUICE_STORAGE__URL", &url).output().unwrap();
    let nothing = refusal(&backup(&copy));
    assert!(nothing.contains("there is no database"), "{nothing}");
    assert!(!home.path().join("sluice.db").exists(), "and none was made");

    let server = Serving::start_with(&[], &[("SLUICE_STORAGE__URL", &url)]);
    let made = server.call("CreateRoom", &creator(), r#"{"name":"math"}"#);
    assert!(made.starts_with("HTTP/1.1 200"), "{made}");
    stdout(&backup(&copy));
    let twice = refusal(&backup(&copy));
    assert!(twice.contains("exists already"), "{twice}");

    let copied = format!("sqlite:{copy}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = sluice_store::Store::open(&copied, &sluice_store::StoreOptions::default()).await.unwrap();
        assert_eq!(store.check().await.unwrap(), [] as [String; 0]);
        assert_eq!(store.active_sessions().await.unwrap()[0].room.as_str(), "math");
        store.close().await;
    });
    let elsewhere = sluice(&["backup", "x.db"])
        .env("SLUICE_STORAGE__URL", "postgres://u@h/d")
        .output()
        .unwrap();
    assert!(refusal(&elsewhere).contains("pg_dump"));
}
