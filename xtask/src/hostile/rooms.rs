//! What strangers and participants try at the doors of rooms: the native API. Each play makes rooms of its own, as a guest.

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::plays::{Outcome, Played};
use super::wire::{Answer, Socket, Target};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A room, and what makes a host in it.
struct Room {
    path: String,
    host_key: String,
}

impl Room {
    /// `None` where guests make no rooms.
    fn make(target: &Target, settings: &Value) -> anyhow::Result<Option<Self>> {
        let made = target.ask("POST", "/api/rooms", &[JSON], &settings.to_string())?;
        if made.status == 403 {
            return Ok(None);
        }
        let made = value(&made, 201)?;
        let of = |field: &str| made[field].as_str().unwrap_or_default().to_owned();
        Ok(Some(Self { path: format!("/api/rooms/{}", of("id")), host_key: of("host_key") }))
    }

    fn join(&self, target: &Target, who: &Value) -> anyhow::Result<Answer> {
        target.ask("POST", &format!("{}/join", self.path), &[JSON], &who.to_string())
    }

    /// Somebody who is in the room: the token, and the connection that keeps it there.
    fn enter(&self, target: &Target, who: &Value) -> anyhow::Result<(String, Socket)> {
        let joined = value(&self.join(target, who)?, 200)?;
        let token = joined["token"].as_str().context("no token")?.to_owned();
        let mut socket = match Socket::open(target, &format!("/rtc?access_token={token}"), &[])? {
            Ok(socket) => socket,
            Err(answer) => bail!("who has joined is answered {}", answer.status),
        };
        ensure!(socket.is_served()?, "who has joined is not served");
        Ok((token, socket))
    }

    /// A request about the room, with a token.
    fn ask(&self, target: &Target, token: &str, method: &str, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let bearer = format!("Bearer {token}");
        target.ask(method, &format!("{}{path}", self.path), &[JSON, ("Authorization", &bearer)], &body.to_string())
    }
}

const NO_GUESTS: &str = "guests cannot make rooms: rooms.open is false";

fn value(answer: &Answer, status: u16) -> anyhow::Result<Value> {
    ensure!(answer.status == status, "answered {} and not {status}: {}", answer.status, answer.body);
    serde_json::from_str(&answer.body).context("the answer is not JSON")
}

/// The code of a refusal.
fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body["error"]["code"].as_str().unwrap_or_default().to_owned()
}

/// A request again and again is one; another under its key is none.
pub(crate) fn replays(target: &Target) -> Played {
    let key = ("Idempotency-Key", "hostile-replay-of-a-request");
    let ask = |body: &str| target.ask("POST", "/api/rooms", &[JSON, key], body);
    let first = ask(r#"{"name":"once"}"#)?;
    if first.status == 403 {
        return Ok(Outcome::NotPlayed(NO_GUESTS.to_owned()));
    }
    let first = value(&first, 201)?;
    for _ in 0..100 {
        let again = value(&ask(r#"{"name":"once"}"#)?, 201)?;
        ensure!(again["id"] == first["id"], "a replayed request makes another room");
    }
    let other = ask(r#"{"name":"twice"}"#)?;
    ensure!(other.status == 409, "another body under the same key is answered {}", other.status);
    Ok(Outcome::Pass)
}

/// A participant, and the host of another room, try all that hosts do.
pub(crate) fn steering(target: &Target) -> Played {
    let Some(room) = Room::make(target, &json!({}))? else { return Ok(Outcome::NotPlayed(NO_GUESTS.to_owned())) };
    let elsewhere = Room::make(target, &json!({}))?.context("a second room")?;
    // A host says who it is; here it is only somebody to be steered.
    let (_, _bob) = room.enter(target, &json!({ "name": "Bob", "identity": "bob", "host_key": room.host_key }))?;
    let (eve, _eve) = room.enter(target, &json!({ "name": "Eve" }))?;
    let (mallory, _mallory) = elsewhere.enter(target, &json!({ "name": "Mallory", "host_key": elsewhere.host_key }))?;
    for (method, path, body) in [
        ("POST", "/participants/bob/mute", json!({ "source": "microphone" })),
        ("POST", "/participants/bob/ask-to-unmute", json!({ "source": "microphone" })),
        ("POST", "/participants/bob/remove", json!({ "keep_out": true })),
        ("POST", "/participants/eve/role", json!({ "role": "host" })),
        ("POST", "/participants/bob/hand", json!({ "raised": true })),
        ("POST", "/mute-all", json!({})),
        ("POST", "/lobby/admit-all", json!({})),
        ("GET", "/lobby", json!({})),
        ("GET", "/bans", json!({})),
        ("POST", "/end", json!({})),
        ("PATCH", "", json!({ "locked": true })),
        ("DELETE", "", json!({})),
    ] {
        let inside = room.ask(target, &eve, method, path, &body)?;
        ensure!(inside.status == 403, "{method} {path} of a participant is answered {}", inside.status);
        // Who has nothing to do with a room is not told whether it is there.
        let outside = room.ask(target, &mallory, method, path, &body)?;
        let nowhere = Room { path: "/api/rooms/nowhere0".to_owned(), host_key: String::new() };
        let nowhere = nowhere.ask(target, &mallory, method, path, &body)?;
        let (seen, expected) = ((outside.status, code(&outside)), (404, code(&nowhere)));
        ensure!(seen == expected, "{method} {path} of another room's host is answered {seen:?}");
    }
    Ok(Outcome::Pass)
}

/// Who is kept out tries its token, its return key, its name, and the name of somebody else.
pub(crate) fn kept_out(target: &Target) -> Played {
    let Some(room) = Room::make(target, &json!({}))? else { return Ok(Outcome::NotPlayed(NO_GUESTS.to_owned())) };
    let (host, _host) = room.enter(target, &json!({ "name": "Ada", "identity": "ada", "host_key": room.host_key }))?;
    let joined = value(&room.join(target, &json!({ "name": "Eve" }))?, 200)?;
    let eve = joined["identity"].as_str().context("no identity")?;
    let shown = json!({ "name": "Eve", "identity": eve, "return_key": joined["return_key"] });
    let (token, _eve) = room.enter(target, &shown)?;
    let remove = format!("/participants/{eve}/remove");
    let removed = room.ask(target, &host, "POST", &remove, &json!({ "keep_out": true }))?;
    ensure!(removed.status == 204, "a host's removal is answered {}", removed.status);

    let entered = target.get(&format!("/rtc/validate?access_token={token}"))?;
    ensure!(entered.status == 401, "the old token is answered {}", entered.status);
    for (who, expected) in [
        (json!({ "name": "Eve", "identity": eve }), "banned"),
        (shown, "banned"),
        (json!({ "name": "Ada", "identity": "ada" }), "identity_taken"),
        (json!({ "name": "Ada", "identity": "ada", "return_key": joined["return_key"] }), "identity_taken"),
    ] {
        let answer = room.join(target, &who)?;
        ensure!(code(&answer) == expected, "{who} is answered {} {}", answer.status, code(&answer));
    }
    Ok(Outcome::Pass)
}

/// Passwords, host keys and tickets, tried one after the other.
pub(crate) fn guesses(target: &Target) -> Played {
    let settings = json!({ "password": "correct horse", "lobby": true });
    let Some(room) = Room::make(target, &settings)? else { return Ok(Outcome::NotPlayed(NO_GUESTS.to_owned())) };
    for guess in ["password", "host_key"] {
        target.be_somebody_else();
        let mut looked_at = 0;
        loop {
            let answer = room.join(target, &json!({ "name": "Eve", guess: format!("guess {looked_at}") }))?;
            match answer.status {
                403 if looked_at < 60 => looked_at += 1,
                429 => {
                    ensure!(answer.header("retry-after").is_some(), "429 without Retry-After");
                    break;
                }
                status => bail!("guess {looked_at} of a {guess} is answered {status}"),
            }
        }
    }
    for ticket in ["0", "../lobby", "%00", &"x".repeat(22)] {
        let answer = target.get(&format!("{}/lobby/{ticket}", room.path))?;
        ensure!((400..500).contains(&answer.status), "a ticket that nobody gave is answered {}", answer.status);
    }
    Ok(Outcome::Pass)
}

/// More people than a lobby has places: the line has an end, and its room lives.
pub(crate) fn crowd(target: &Target) -> Played {
    let Some(room) = Room::make(target, &json!({ "lobby": true }))? else {
        return Ok(Outcome::NotPlayed(NO_GUESTS.to_owned()));
    };
    let mut waiting = 0;
    for n in 0..400 {
        // Each of them an address of its own: this is about the room's bound.
        target.be_somebody_else();
        let answer = room.join(target, &json!({ "name": format!("p{n}") }))?;
        match answer.status {
            202 => waiting += 1,
            409 => {
                ensure!(waiting >= 100, "the line is full with {waiting}");
                let host = room.enter(target, &json!({ "name": "Ada", "host_key": room.host_key }));
                host.context("the host does not get in")?;
                return Ok(Outcome::Pass);
            }
            status => bail!("person {n} is answered {status}"),
        }
    }
    bail!("{waiting} people wait in one line")
}
