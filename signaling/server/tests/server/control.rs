//! Rooms under control: who sets them up, who gets in, what hosts do there, and what everybody else is refused.

use livekit_protocol::signal_response as told;
use livekit_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use sluice_server::{AccountsConfig, Directory, NewUser, ServerConfig};
use sluice_store::{Lifetime, Room, UnixMillis};

use crate::fixture::{Answer, Client, Fixture, join_request, open_store, wrap};

pub(crate) fn sign(identity: &str, grants: VideoGrants) -> String {
    let token = AccessToken::with_api_key("devkey", "secret").with_identity(identity);
    token.with_grants(grants).to_jwt().unwrap()
}

pub(crate) fn back_end(room: &str) -> String {
    sign("back end", VideoGrants { room_admin: true, room: room.into(), ..Default::default() })
}

fn creator() -> String {
    sign("", VideoGrants { room_create: true, ..Default::default() })
}

/// Development mode makes everybody a host; here it takes a token.
pub(crate) fn production() -> ServerConfig {
    let keys = vec![("devkey".to_owned(), "secret".to_owned())];
    ServerConfig { open_rooms: true, ..ServerConfig::new(keys) }
}

pub(crate) async fn ask(server: &Fixture, method: &str, target: &str, token: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = if token.is_empty() { vec![] } else { vec![("authorization", bearer.as_str())] };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    server.request(method, target, &headers, &body).await
}

pub(crate) fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error_code())
}

/// Makes a room; its id and its host key.
pub(crate) async fn room(server: &Fixture, settings: Value) -> (String, String) {
    let made = server.post("/api/rooms", &settings).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    (made["id"].as_str().unwrap().to_owned(), made["host_key"].as_str().unwrap().to_owned())
}

async fn join(server: &Fixture, id: &str, who: Value) -> Answer {
    server.post(&format!("/api/rooms/{id}/join"), &who).await
}

pub(crate) fn token_of(joined: &Answer) -> String {
    assert_eq!(joined.status, 200, "{}", joined.body);
    joined.json()["token"].as_str().unwrap().to_owned()
}

pub(crate) async fn connect(server: &Fixture, token: &str) -> Result<Client, u16> {
    let target = format!("/rtc/v1?join_request={}", wrap(&join_request()));
    let mut client = server.open(server.stream().await, &target, Some(token)).await?;
    client.joined().await;
    Ok(client)
}

/// In the room, with a token. Only hosts say themselves who they are; for others with an identity a back end does.
pub(crate) async fn enter(server: &Fixture, id: &str, who: Value) -> (Client, String) {
    let token = match who["identity"].as_str().filter(|_| who["host_key"].is_null()) {
        Some(identity) => participant(id, identity, who["name"].as_str().unwrap()),
        None => token_of(&join(server, id, who).await),
    };
    (connect(server, &token).await.unwrap(), token)
}

/// As the native API signs them.
fn participant(room: &str, identity: &str, name: &str) -> String {
    let token = AccessToken::with_api_key("devkey", "secret").with_identity(identity).with_name(name);
    let token = token.with_attributes([("sluice.role", "participant")]);
    let grants = VideoGrants { room_join: true, room: room.into(), ..Default::default() };
    token.with_grants(grants).to_jwt().unwrap()
}

#[tokio::test]
async fn a_room_is_what_its_maker_said_and_outlives_who_was_in_it() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Fixture::over(open_store(&home).await, production()).await;
    let settings = json!({
        "id": "consultation", "name": "Consultation", "lasting": true, "password": "s3cret", "lobby": true, "guests": true,
        "keeps_chat": true, "max_participants": 4, "last_cameras": 2,
    });
    let made = ask(&server, "POST", "/api/rooms", &creator(), settings.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let made = made.json();
    assert_eq!(made["host_key"].as_str().unwrap().len(), 22);
    let expected = json!({
        "id": "consultation", "name": "Consultation", "lasting": true, "has_password": true, "lobby": true, "locked": false,
        "guests": true, "keeps_chat": true, "max_participants": 4, "last_cameras": 2, "loudest_microphones": 0,
        "live": false, "num_participants": 0,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&made[field], value, "{field}");
    }
    let twice = ask(&server, "POST", "/api/rooms", &creator(), settings).await;
    assert_eq!(refusal(&twice), (409, "room_exists".into()));
    server.stop();
    (&mut server.task).await.unwrap().unwrap();

    let server = Fixture::over(open_store(&home).await, production()).await;
    let looked = server.get("/api/rooms/consultation").await.json();
    assert_eq!((&looked["name"], &looked["has_password"]), (&json!("Consultation"), &json!(true)));
    assert!(looked["host_key"].is_null() && looked["created_by"].is_null(), "secrets are shown once");
    // An SDK with a token of its own finds the room as it was set up, without password and lobby: its back end decided.
    let _ada = server.join("consultation", "ada").await;
    let looked = server.get("/api/rooms/consultation").await.json();
    assert_eq!(
        (&looked["live"], &looked["max_participants"], &looked["last_cameras"]),
        (&json!(true), &json!(4), &json!(2))
    );
    assert!(looked["session_id"].as_str().unwrap().starts_with("RM_") && looked["session_state"].is_string());

    let change = json!({ "name": "Consultation 2", "password": null, "max_participants": 1 });
    let changed = ask(&server, "PATCH", "/api/rooms/consultation", &back_end("consultation"), change).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let changed = changed.json();
    assert_eq!((&changed["name"], &changed["has_password"]), (&json!("Consultation 2"), &json!(false)));
    assert_eq!((&changed["full"], &changed["created_by"]), (&json!(true), &json!("devkey")));
    let gone = ask(&server, "DELETE", "/api/rooms/consultation", &back_end("consultation"), Value::Null).await;
    assert_eq!(gone.status, 204);
    assert_eq!(refusal(&server.get("/api/rooms/consultation").await), (404, "room_not_found".into()));
}

#[tokio::test]
async fn lasting_rooms_and_chosen_ids_are_for_people_who_are_known() {
    let server = Fixture::with(production()).await;
    for settings in [json!({ "lasting": true }), json!({ "id": "mine" }), json!({ "default_role": "host" })] {
        assert_eq!(refusal(&server.post("/api/rooms", &settings).await), (403, "sign_in_required".into()));
        let participant = sign("ada", VideoGrants { room_join: true, room: "x".into(), ..Default::default() });
        let answer = ask(&server, "POST", "/api/rooms", &participant, settings).await;
        assert_eq!(refusal(&answer), (403, "sign_in_required".into()));
    }
    for (settings, code) in [
        (json!({ "id": "a\nb" }), "bad_id"),
        (json!({ "password": "" }), "bad_password"),
        (json!({ "default_role": "wizard" }), "unknown_role"),
        (json!({ "default_role": "admin" }), "unknown_role"),
    ] {
        let answer = ask(&server, "POST", "/api/rooms", &creator(), settings).await;
        assert_eq!(refusal(&answer), (400, code.into()));
    }
    assert_eq!(refusal(&ask(&server, "POST", "/api/rooms", "nonsense", json!({})).await), (401, "bad_token".into()));
}

#[tokio::test]
async fn a_request_that_is_sent_again_makes_one_room() {
    let server = Fixture::with(production()).await;
    let post =
        async |key: &str, body: &str| server.request("POST", "/api/rooms", &[("idempotency-key", key)], body).await;
    let first = post("k1-of-somebody-at-home", r#"{"name":"Weekly"}"#).await;
    let again = post("k1-of-somebody-at-home", r#"{ "name": "Weekly" }"#).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());
    assert_ne!(post("k2-of-somebody-at-home", r#"{"name":"Weekly"}"#).await.json()["id"], first.json()["id"]);
    assert_eq!(
        refusal(&post("k1-of-somebody-at-home", r#"{"name":"Daily"}"#).await),
        (409, "idempotency_conflict".into())
    );
    for bad in ["k".repeat(256), "short".to_owned()] {
        assert_eq!(refusal(&post(&bad, "{}").await), (400, "bad_idempotency_key".into()), "{bad}");
    }
    let headers = [("idempotency-key", "short"), ("authorization", &format!("Bearer {}", creator()))];
    assert_eq!(server.request("POST", "/api/rooms", &headers, "{}").await.status, 201, "who is known is told apart");
}

#[tokio::test]
async fn who_knows_the_password_gets_in_and_who_guesses_does_not_get_far() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({ "password": "s3cret" })).await;
    assert_eq!(refusal(&join(&server, &id, json!({ "name": "Ada" })).await), (401, "password_required".into()));
    let joined = join(&server, &id, json!({ "name": "Ada", "password": "s3cret" })).await.json();
    assert_eq!(joined["role"], "participant");
    let hosting = join(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await.json();
    assert_eq!(hosting["role"], "host");
    let key = join(&server, &id, json!({ "name": "Eva", "host_key": "not it" })).await;
    assert_eq!(refusal(&key), (403, "wrong_host_key".into()));
    let mut wrong = 1;
    let limited = loop {
        let answer = join(&server, &id, json!({ "name": "Ada", "password": "guess" })).await;
        if answer.status == 429 {
            break answer;
        }
        assert_eq!(refusal(&answer), (403, "wrong_password".into()));
        wrong += 1;
        assert!(wrong < 60, "guessing goes on and on");
    };
    assert!(wrong >= 30, "{wrong}");
    assert!(limited.headers["retry-after"].parse::<u32>().unwrap() > 0);
    let (other, _) = room(&server, json!({ "password": "s3cret" })).await;
    assert_eq!(join(&server, &other, json!({ "name": "Ada", "password": "s3cret" })).await.status, 200);
}

#[tokio::test]
async fn a_room_without_guests_wants_people_who_are_known() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({ "guests": false })).await;
    let answer = join(&server, &id, json!({ "name": "Ada", "host_key": host_key })).await;
    assert_eq!(refusal(&answer), (403, "sign_in_required".into()));
    let target = format!("/api/rooms/{id}/join");
    let joined = ask(&server, "POST", &target, &back_end(&id), json!({ "name": "Ada" })).await;
    assert_eq!((joined.status, &joined.json()["role"]), (200, &json!("host")));
}

#[tokio::test]
async fn nobody_becomes_somebody_who_moderates() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "identity": "eva", "host_key": host_key })).await;
    let twin = join(&server, &id, json!({ "name": "Eva", "identity": "eva" })).await;
    assert_eq!(refusal(&twin), (409, "identity_taken".into()));
    let target = format!("/api/rooms/{id}/join");
    let herself = ask(&server, "POST", &target, &eva, json!({ "name": "Eva", "identity": "eva" })).await;
    assert_eq!((herself.status, &herself.json()["role"]), (200, &json!("host")));
}

#[tokio::test]
async fn guests_wait_until_a_host_lets_them_in() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({ "lobby": true })).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await;
    let mut tickets = Vec::new();
    for name in ["Ada", "Bob", "Cy", "Dan"] {
        let waiting = join(&server, &id, json!({ "name": name, "identity": name.to_lowercase() })).await;
        assert_eq!(waiting.status, 202, "{}", waiting.body);
        let waiting = waiting.json()["waiting"].clone();
        assert_eq!(waiting["position"], tickets.len() + 1);
        tickets.push(waiting["ticket"].as_str().unwrap().to_owned());
    }
    let lobby = format!("/api/rooms/{id}/lobby");
    let line = ask(&server, "GET", &lobby, &eva, Value::Null).await.json();
    assert_eq!(line["waiting"].as_array().unwrap().len(), 4);
    assert_eq!(line["waiting"][0]["name"], "Ada");
    let ada = line["waiting"][0]["identity"].as_str().unwrap();
    assert!(ada.starts_with("ada-"), "who proves nothing does not say who it is: {ada}");
    assert!(line["waiting"][0]["since"].as_i64().unwrap() > 1_600_000_000_000);

    let stand = async |ticket: &str| server.get(&format!("{lobby}/{ticket}")).await;
    assert_eq!(stand(&tickets[1]).await.json(), json!({ "state": "waiting", "position": 2 }));
    let admitted = ask(&server, "POST", &format!("{lobby}/{}/admit", tickets[0]), &eva, json!({})).await;
    assert_eq!(admitted.status, 204);
    let admitted = stand(&tickets[0]).await.json();
    assert_eq!(
        (&admitted["state"], &admitted["identity"], &admitted["role"]),
        (&json!("admitted"), &json!(ada), &json!("participant"))
    );
    let mut connected = connect(&server, admitted["token"].as_str().unwrap()).await.unwrap();

    assert_eq!(
        ask(&server, "POST", &format!("{lobby}/{}/refuse", tickets[1]), &eva, json!({}))
            .await
            .status,
        204
    );
    assert_eq!(stand(&tickets[1]).await.json(), json!({ "state": "refused" }));
    assert_eq!(ask(&server, "DELETE", &format!("{lobby}/{}", tickets[2]), "", Value::Null).await.status, 204);
    assert_eq!(refusal(&stand(&tickets[2]).await), (404, "ticket_not_found".into()));
    let all = ask(&server, "POST", &format!("{lobby}/admit-all"), &eva, json!({})).await;
    assert_eq!(all.json(), json!({ "admitted": 1 }));
    assert_eq!(stand(&tickets[3]).await.json()["state"], "admitted");
    let late = ask(&server, "POST", &format!("{lobby}/{}/admit", tickets[1]), &eva, json!({})).await;
    assert_eq!(refusal(&late), (404, "ticket_not_found".into()));
    // A ticket is for its room.
    let (other, _) = room(&server, json!({})).await;
    let elsewhere = server.get(&format!("/api/rooms/{other}/lobby/{}", tickets[3])).await;
    assert_eq!(refusal(&elsewhere), (404, "ticket_not_found".into()));

    let open = ask(&server, "PATCH", &format!("/api/rooms/{id}"), &eva, json!({ "lobby": false })).await;
    assert_eq!(open.json()["lobby"], false);
    assert_eq!(join(&server, &id, json!({ "name": "Finn" })).await.status, 200);
    let record = server.trail().into_iter().find(|record| record["what"] == "lobby.admit").unwrap();
    assert_eq!(record["whom"], ada, "people, not tickets");
    connected.send(livekit_protocol::signal_request::Message::Leave(Default::default())).await;
}

#[tokio::test]
async fn a_locked_room_lets_nobody_new_in_but_hosts() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await;
    let unused = token_of(&join(&server, &id, json!({ "name": "Ada", "identity": "ada" })).await);
    let locked = ask(&server, "PATCH", &format!("/api/rooms/{id}"), &eva, json!({ "locked": true })).await;
    assert_eq!(locked.json()["locked"], true);
    assert_eq!(refusal(&join(&server, &id, json!({ "name": "Bob" })).await), (403, "room_locked".into()));
    assert_eq!(join(&server, &id, json!({ "name": "Cohost", "host_key": host_key })).await.status, 200);
    let target = format!("/rtc/v1?join_request={}", wrap(&join_request()));
    let mut ada = server.open(server.stream().await, &target, Some(&unused)).await.unwrap();
    assert!(matches!(ada.next().await, told::Message::Leave(_)), "a token from before opens it no more");
}

#[tokio::test]
async fn a_promotion_counts_at_once_and_a_demotion_too() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "identity": "eva", "host_key": host_key })).await;
    let (mut ada, token) = enter(&server, &id, json!({ "name": "Ada", "identity": "ada" })).await;
    let people = format!("/api/rooms/{id}/participants");
    let mute_all = format!("/api/rooms/{id}/mute-all");
    assert_eq!(refusal(&ask(&server, "POST", &mute_all, &token, json!({})).await), (403, "not_permitted".into()));

    let promoted = ask(&server, "POST", &format!("{people}/ada/role"), &eva, json!({ "role": "host" })).await;
    assert_eq!(promoted.status, 204, "{}", promoted.body);
    ada.update(|info| info.identity == "ada" && info.attributes.get("sluice.role").is_some_and(|role| role == "host"))
        .await;
    assert_eq!(ask(&server, "POST", &mute_all, &token, json!({})).await.status, 204, "with the old token");

    let demoted = ask(&server, "POST", &format!("{people}/eva/role"), &token, json!({ "role": "participant" })).await;
    assert_eq!(demoted.status, 204);
    assert_eq!(refusal(&ask(&server, "POST", &mute_all, &eva, json!({})).await), (403, "not_permitted".into()));
    // Nor does she come back as what her token says.
    let mut again = connect(&server, &eva).await.unwrap();
    assert_eq!(refusal(&ask(&server, "POST", &mute_all, &eva, json!({})).await), (403, "not_permitted".into()));
    again.send(livekit_protocol::signal_request::Message::Leave(Default::default())).await;
    again.closed().await;
    assert_eq!(refusal(&ask(&server, "POST", &mute_all, &eva, json!({})).await), (403, "not_permitted".into()));
    for role in ["wizard", "admin"] {
        let unknown = ask(&server, "POST", &format!("{people}/ada/role"), &token, json!({ "role": role })).await;
        assert_eq!(refusal(&unknown), (400, "unknown_role".into()));
    }
}

#[tokio::test]
async fn who_is_kept_out_stays_out_with_any_token_and_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Fixture::over(open_store(&home).await, production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "identity": "eva", "host_key": host_key })).await;
    let (mut bob, bobs) = enter(&server, &id, json!({ "name": "Bob", "identity": "bob" })).await;
    let removal = json!({ "keep_out": true, "reason": "shouted" });
    let removed = ask(&server, "POST", &format!("/api/rooms/{id}/participants/bob/remove"), &eva, removal).await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    let leave = bob.wait(|message| if let told::Message::Leave(leave) = message { Some(leave.clone()) } else { None });
    assert_eq!(leave.await.reason(), livekit_protocol::DisconnectReason::ParticipantRemoved);
    let fresh = sign("bob", VideoGrants { room_join: true, room: id.clone(), ..Default::default() });
    for token in [&bobs, &fresh] {
        assert_eq!(connect(&server, token).await.err(), Some(401));
        let chat = ask(&server, "GET", &format!("/api/rooms/{id}/chat"), token, Value::Null).await;
        assert_eq!(refusal(&chat), (401, "bad_token".into()));
    }
    assert_eq!(refusal(&join(&server, &id, json!({ "name": "Bob", "identity": "bob" })).await), (403, "banned".into()));
    server.stop();
    (&mut server.task).await.unwrap().unwrap();

    let server = Fixture::over(open_store(&home).await, production()).await;
    for token in [&bobs, &fresh] {
        assert_eq!(connect(&server, token).await.err(), Some(401), "a restart forgets nothing");
    }
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "identity": "eva", "host_key": host_key })).await;
    let bans = ask(&server, "GET", &format!("/api/rooms/{id}/bans"), &eva, Value::Null).await.json();
    let ban = &bans["bans"][0];
    assert_eq!(
        (&ban["subject"], &ban["reason"], &ban["banned_by"]),
        (&json!("bob"), &json!("shouted"), &json!("eva (devkey)"))
    );
    let lift = format!("/api/rooms/{id}/bans/{}", ban["id"].as_str().unwrap());
    // By another room's host it is not there.
    let (other, other_key) = room(&server, json!({})).await;
    let (_max, max) = enter(&server, &other, json!({ "name": "Max", "host_key": other_key })).await;
    let elsewhere = lift.replace(&id, &other);
    assert_eq!(refusal(&ask(&server, "DELETE", &elsewhere, &max, Value::Null).await), (404, "ban_not_found".into()));
    assert_eq!(ask(&server, "DELETE", &lift, &eva, Value::Null).await.status, 204);
    assert_eq!(connect(&server, &bobs).await.err(), Some(401), "the token from before stays worthless");
    assert_eq!(join(&server, &id, json!({ "name": "Bob", "identity": "bob" })).await.status, 200);
}

/// Everybody in a room reads everybody's identity.
#[tokio::test]
async fn nobody_is_somebody_else_by_saying_a_name() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({ "password": "s3cret" })).await;
    let with_password = |mut who: Value| {
        who["password"] = json!("s3cret");
        who
    };
    // Before she comes: a token for it would be a host's once she is there.
    let early = join(&server, &id, with_password(json!({ "name": "Mallory", "identity": "eva" }))).await;
    assert!(early.json()["identity"].as_str().unwrap().starts_with("mallory-"), "{}", early.body);

    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "identity": "eva", "host_key": host_key })).await;
    let joined = join(&server, &id, with_password(json!({ "name": "Bob" }))).await;
    let (bob, return_key) = (joined.json()["identity"].clone(), joined.json()["return_key"].clone());
    let token = token_of(&joined);
    let mut connected = connect(&server, &token).await.unwrap();
    let taken = (409, "identity_taken".into());
    for key in [json!(null), json!(""), json!("1.AAAA"), json!(token)] {
        let shown = with_password(json!({ "name": "Bob", "identity": bob, "return_key": key }));
        assert_eq!(refusal(&join(&server, &id, shown).await), taken, "{key}");
    }
    let as_eva = with_password(json!({ "name": "Eva", "identity": "eva", "return_key": return_key }));
    assert_eq!(refusal(&join(&server, &id, as_eva).await), taken, "a key is of one person");

    // He himself needs no password again and is what he has become, also after he has left.
    let promote = format!("/api/rooms/{id}/participants/{}/role", bob.as_str().unwrap());
    assert_eq!(ask(&server, "POST", &promote, &eva, json!({ "role": "host" })).await.status, 204);
    let himself = json!({ "name": "Bob", "identity": bob, "return_key": return_key });
    for is_here in [true, false] {
        if !is_here {
            connected.send(livekit_protocol::signal_request::Message::Leave(Default::default())).await;
            connected.closed().await;
            let stale = ask(&server, "POST", &format!("/api/rooms/{id}/join"), &token, himself.clone()).await;
            assert_eq!(stale.json()["identity"], bob, "the key counts beside a token");
            let alone = json!({ "name": "Bob", "identity": bob });
            let alone = ask(&server, "POST", &format!("/api/rooms/{id}/join"), &token, alone).await;
            assert_eq!(refusal(&alone), (401, "password_required".into()), "a token does not renew itself for ever");
        }
        let back = join(&server, &id, himself.clone()).await;
        let seen = (back.status, back.json()["identity"].clone(), back.json()["role"].clone());
        assert_eq!(seen, (200, bob.clone(), json!("host")), "{is_here} {}", back.body);
    }

    // Sent away, the key is worth no more than his tokens: he comes like anybody.
    let _bob = connect(&server, &token_of(&join(&server, &id, himself.clone()).await)).await.unwrap();
    let remove = format!("/api/rooms/{id}/participants/{}/remove", bob.as_str().unwrap());
    assert_eq!(ask(&server, "POST", &remove, &eva, json!({})).await.status, 204);
    assert_eq!(refusal(&join(&server, &id, himself.clone()).await), (401, "password_required".into()));
    assert_ne!(join(&server, &id, with_password(himself)).await.json()["identity"], bob);
}

/// A host's token is as good as its bearer is one, at the server API too.
#[tokio::test]
async fn who_is_no_host_any_more_is_none_at_any_door() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "identity": "eva", "host_key": host_key })).await;
    let (_max, max) = enter(&server, &id, json!({ "name": "Max", "identity": "max", "host_key": host_key })).await;
    let metadata = json!({ "room": id, "metadata": "m" });
    let twirp = "/twirp/livekit.RoomService/UpdateRoomMetadata";
    let doors = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let steered = server.request("POST", twirp, &headers, &metadata.to_string()).await.status;
        let events = ask(&server, "GET", &format!("/api/events?room={id}"), token, Value::Null).await.status;
        let sessions = ask(&server, "GET", &format!("/api/sessions?room={id}"), token, Value::Null).await.status;
        (steered, events, sessions)
    };
    assert_eq!(doors(&max).await, (200, 200, 200));
    let people = format!("/api/rooms/{id}/participants/max");
    assert_eq!(
        ask(&server, "POST", &format!("{people}/role"), &eva, json!({ "role": "participant" }))
            .await
            .status,
        204
    );
    assert_eq!(doors(&max).await, (401, 403, 403), "demoted");
    assert_eq!(
        ask(&server, "POST", &format!("{people}/role"), &eva, json!({ "role": "host" }))
            .await
            .status,
        204
    );
    assert_eq!(doors(&max).await, (200, 200, 200), "and a host again");
    assert_eq!(
        ask(&server, "POST", &format!("{people}/remove"), &eva, json!({ "keep_out": true }))
            .await
            .status,
        204
    );
    assert_eq!(doors(&max).await, (401, 403, 403), "kept out");
    assert_eq!(doors(&back_end(&id)).await, (200, 200, 200), "a back end is what its token says");
}

/// Calls of LiveKit's API open a room as it was set up.
#[tokio::test]
async fn a_room_that_a_back_end_opens_has_its_lock_and_its_lobby() {
    let server = Fixture::with(production()).await;
    let settings = json!({ "id": "board", "lasting": true, "guests": true, "lobby": true, "max_participants": 5 });
    assert_eq!(ask(&server, "POST", "/api/rooms", &creator(), settings).await.status, 201);
    let bearer = format!("Bearer {}", creator());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let made = server
        .request("POST", "/twirp/livekit.RoomService/CreateRoom", &headers, r#"{"name":"board"}"#)
        .await;
    assert_eq!((made.status, &made.json()["maxParticipants"]), (200, &json!(5)), "{}", made.body);
    assert_eq!(join(&server, "board", json!({ "name": "Ada" })).await.status, 202, "she waits");
}

#[tokio::test]
async fn who_is_sent_away_comes_back_by_joining_anew() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await;
    let (_bob, bobs) = enter(&server, &id, json!({ "name": "Bob", "identity": "bob" })).await;
    let remove = format!("/api/rooms/{id}/participants/bob/remove");
    assert_eq!(ask(&server, "POST", &remove, &eva, json!({})).await.status, 204);
    assert_eq!(connect(&server, &bobs).await.err(), Some(401));
    let nobody = ask(&server, "POST", &remove, &eva, json!({})).await;
    assert_eq!(refusal(&nobody), (404, "participant_not_found".into()));
    // In the second after that he is somebody else, whatever the old token says.
    let again = async || {
        loop {
            let token = token_of(&join(&server, &id, json!({ "name": "Bob", "identity": "bob" })).await);
            if let Ok(bob) = connect(&server, &token).await {
                return bob;
            }
        }
    };
    let _bob = crate::fixture::within(again()).await;
    let hand = format!("/api/rooms/{id}/participants/bob/hand");
    let stale = ask(&server, "POST", &hand, &bobs, json!({ "raised": true })).await;
    assert_eq!(refusal(&stale), (401, "bad_token".into()));
}

#[tokio::test]
async fn hands_go_up_and_down() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (mut eva, evas) = enter(&server, &id, json!({ "name": "Eva", "identity": "eva", "host_key": host_key })).await;
    let (_ada, adas) = enter(&server, &id, json!({ "name": "Ada", "identity": "ada" })).await;
    let hand = |identity: &str| format!("/api/rooms/{id}/participants/{identity}/hand");
    assert_eq!(ask(&server, "POST", &hand("ada"), &adas, json!({ "raised": true })).await.status, 204);
    let seen = eva
        .update(|info| info.identity == "ada" && info.attributes.contains_key("sluice.hand"))
        .await;
    assert!(seen.attributes["sluice.hand"].parse::<i64>().unwrap() > 1_600_000_000_000);
    let others = ask(&server, "POST", &hand("eva"), &adas, json!({ "raised": true })).await;
    assert_eq!(refusal(&others), (403, "not_permitted".into()));
    assert_eq!(ask(&server, "POST", &hand("ada"), &evas, json!({ "raised": false })).await.status, 204);
    eva.update(|info| info.identity == "ada" && !info.attributes.contains_key("sluice.hand"))
        .await;
}

#[tokio::test]
async fn a_host_mutes_and_asks_and_ends() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await;
    let (mut ada, _) = enter(&server, &id, json!({ "name": "Ada", "identity": "ada" })).await;
    let people = format!("/api/rooms/{id}/participants");
    for verb in ["mute", "ask-to-unmute"] {
        let target = format!("{people}/ada/{verb}");
        for (which, expected) in [
            (json!({}), (400, "bad_source")),
            (json!({ "source": "nose" }), (400, "bad_source")),
            (json!({ "source": "microphone" }), (404, "participant_not_found")),
            (json!({ "track_sid": "TR_none" }), (404, "participant_not_found")),
        ] {
            let answer = ask(&server, "POST", &target, &eva, which).await;
            assert_eq!(refusal(&answer), (expected.0, expected.1.into()));
        }
    }
    assert_eq!(ask(&server, "POST", &format!("/api/rooms/{id}/end"), &eva, json!({})).await.status, 204);
    let leave = ada.wait(|message| if let told::Message::Leave(leave) = message { Some(leave.clone()) } else { None });
    assert_eq!(leave.await.reason(), livekit_protocol::DisconnectReason::RoomDeleted);
    let looked = server.get(&format!("/api/rooms/{id}")).await.json();
    assert_eq!(looked["live"], false, "it stays as it was set up");
    assert_eq!(join(&server, &id, json!({ "name": "Ada" })).await.status, 200);
}

#[tokio::test]
async fn who_knocks_does_not_keep_a_room_and_who_enters_does() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let server = Fixture::over(store.clone(), production()).await;
    let (id, host_key) = room(&server, json!({ "lobby": true })).await;
    let name = id.as_str().into();
    let old = store.room(&name).await.unwrap().unwrap();
    let Lifetime::Temporary { expires } = old.lifetime else { panic!("nobody said that it lasts") };
    // Made most of a day ago.
    let soon = UnixMillis(expires.0 - 20 * 3_600_000);
    store.delete_room(&name).await.unwrap();
    store
        .create_room(&Room { lifetime: Lifetime::Temporary { expires: soon }, ..old })
        .await
        .unwrap();
    let lifetime = async || store.room(&name).await.unwrap().unwrap().lifetime;
    for _ in 0..3 {
        assert_eq!(join(&server, &id, json!({ "name": "Ada" })).await.status, 202);
    }
    assert_eq!(lifetime().await, Lifetime::Temporary { expires: soon });
    assert_eq!(join(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await.status, 200);
    assert_ne!(lifetime().await, Lifetime::Temporary { expires: soon });
}

/// Who is no host is refused at every route, in the same words wherever it must not learn anything.
#[tokio::test]
async fn each_route_refuses_who_is_no_host() {
    let server = Fixture::with(production()).await;
    let (id, _) = room(&server, json!({})).await;
    let (_ada, adas) = enter(&server, &id, json!({ "name": "Ada", "identity": "ada" })).await;
    let (other, other_key) = room(&server, json!({})).await;
    let (_max, max) = enter(&server, &other, json!({ "name": "Max", "host_key": other_key })).await;
    let routes = [
        ("PATCH", "", json!({ "locked": true })),
        ("DELETE", "", Value::Null),
        ("POST", "/end", json!({})),
        ("GET", "/lobby", Value::Null),
        ("POST", "/lobby/t/admit", json!({})),
        ("POST", "/lobby/t/refuse", json!({})),
        ("POST", "/lobby/admit-all", json!({})),
        ("POST", "/participants/ada/mute", json!({ "source": "microphone" })),
        ("POST", "/participants/ada/ask-to-unmute", json!({ "source": "microphone" })),
        ("POST", "/participants/ada/remove", json!({})),
        ("POST", "/participants/ada/role", json!({ "role": "host" })),
        ("POST", "/participants/bob/hand", json!({ "raised": true })),
        ("POST", "/mute-all", json!({})),
        ("GET", "/bans", Value::Null),
        ("DELETE", "/bans/b", Value::Null),
        ("DELETE", "/chat/m", Value::Null),
    ];
    for (method, rest, body) in routes {
        let here = format!("/api/rooms/{id}{rest}");
        let nobody = ask(&server, method, &here, "", body.clone()).await;
        assert_eq!(refusal(&nobody), (401, "no_token".into()), "{method} {rest}");
        let participant = ask(&server, method, &here, &adas, body.clone()).await;
        assert_eq!(refusal(&participant), (403, "not_permitted".into()), "{method} {rest}");
        let strange = ask(&server, method, &here, &max, body.clone()).await;
        let nowhere = ask(&server, method, &format!("/api/rooms/nowhere{rest}"), &max, body).await;
        assert_eq!(refusal(&strange), (404, "room_not_found".into()), "{method} {rest}");
        let words = |answer: &Answer| answer.json()["error"]["message"].clone();
        assert_eq!((refusal(&strange), words(&strange)), (refusal(&nowhere), words(&nowhere)));
    }
    let refused = server.trail().into_iter().filter(|record| record["result"] == "refused").count();
    assert_eq!(refused, routes_of_hosts(), "who is in the room and tries is written down");
    let kept = ask(&server, "GET", &format!("/api/rooms/{id}"), "", Value::Null).await.json();
    assert_eq!((&kept["locked"], &kept["num_participants"]), (&json!(false), &json!(1)));
}

/// As many as the table above has.
fn routes_of_hosts() -> usize {
    16
}

#[tokio::test]
async fn nothing_is_done_in_a_room_that_the_trail_cannot_take() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await;
    let (_ada, _) = enter(&server, &id, json!({ "name": "Ada", "identity": "ada" })).await;
    server.break_trail();
    for (method, rest, body) in [
        ("POST", "/participants/ada/remove", json!({ "keep_out": true })),
        ("PATCH", "", json!({ "locked": true })),
        ("POST", "/end", json!({})),
        ("DELETE", "", Value::Null),
    ] {
        let token = if method == "DELETE" { &creator() } else { &eva };
        let answer = ask(&server, method, &format!("/api/rooms/{id}{rest}"), token, body).await;
        assert_eq!(refusal(&answer), (503, "audit_unavailable".into()), "{method} {rest}");
    }
    let looked = server.get(&format!("/api/rooms/{id}")).await.json();
    assert_eq!((&looked["locked"], &looked["num_participants"]), (&json!(false), &json!(2)));
    let bans = ask(&server, "GET", &format!("/api/rooms/{id}/bans"), &eva, Value::Null).await.json();
    assert_eq!(bans["bans"], json!([]));
}

#[tokio::test]
async fn chat_is_kept_only_where_the_room_keeps_it() {
    let server = Fixture::with(production()).await;
    for keeps_chat in [false, true] {
        let (id, host_key) = room(&server, json!({ "keeps_chat": keeps_chat })).await;
        let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await;
        let (_ada, adas) = enter(&server, &id, json!({ "name": "Ada", "identity": "ada" })).await;
        let chat = format!("/api/rooms/{id}/chat");
        let said = ask(&server, "POST", &chat, &adas, json!({ "message": "hello" })).await;
        assert_eq!(said.status, 201, "{}", said.body);
        let said = said.json();
        assert_eq!((&said["identity"], &said["name"], &said["sender"]), (&json!("ada"), &json!("Ada"), &json!("user")));
        assert_eq!(said["sequence"].is_u64(), keeps_chat);
        let ours = ask(&server, "POST", &chat, &back_end(&id), json!({ "message": "news" })).await.json();
        assert_eq!(ours["identity"], "back end");
        let read = ask(&server, "GET", &chat, &adas, Value::Null).await.json();
        let texts: Vec<_> = read["messages"].as_array().unwrap().iter().map(|message| &message["message"]).collect();
        if !keeps_chat {
            assert!(texts.is_empty());
            continue;
        }
        assert_eq!(texts, ["hello", "news"]);
        assert_eq!((&read["messages"][0]["name"], &read["more"]), (&json!("Ada"), &json!(false)));
        let page = ask(&server, "GET", &format!("{chat}?after=0&limit=1"), &adas, Value::Null).await.json();
        assert_eq!((page["messages"].as_array().unwrap().len(), &page["more"]), (1, &json!(true)));
        let first = said["id"].as_str().unwrap();
        let deleted = ask(&server, "DELETE", &format!("{chat}/{first}"), &eva, Value::Null).await;
        assert_eq!(deleted.status, 204);
        let read = ask(&server, "GET", &chat, &adas, Value::Null).await.json();
        assert_eq!(read["messages"].as_array().unwrap().len(), 1);
        for bad in [json!({ "message": "" }), json!({ "message": "x".repeat(16 * 1024 + 1) })] {
            assert_eq!(refusal(&ask(&server, "POST", &chat, &adas, bad).await), (400, "bad_message".into()));
        }
        assert_eq!(
            refusal(&ask(&server, "GET", &format!("{chat}?limit=0"), &adas, Value::Null).await),
            (400, "bad_query".into())
        );
        let stranger = ask(&server, "GET", &chat, &back_end("elsewhere"), Value::Null).await;
        assert_eq!(refusal(&stranger), (404, "room_not_found".into()));
    }
}

#[tokio::test]
async fn a_room_is_its_makers_own_and_nothing_to_other_accounts() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let accounts = AccountsConfig { enabled: true, ..AccountsConfig::default() };
    let config = ServerConfig { open_rooms: false, accounts, ..production() };
    let directory = Directory::new(store.clone(), &config);
    let server = Fixture::over(store, config).await;
    let sign_in = async |login: &str, roles: &[&str]| {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let password = Some("correct horse".to_owned());
        directory
            .create(NewUser { login: login.into(), password, roles, ..NewUser::default() })
            .await
            .unwrap();
        let login = json!({ "login": login, "password": "correct horse" });
        let signed_in = server.post("/api/accounts/login", &login).await.json();
        signed_in["access_token"].as_str().unwrap().to_owned()
    };
    let (eva, max, root) = (sign_in("eva", &[]).await, sign_in("max", &[]).await, sign_in("root", &["admin"]).await);
    let settings =
        json!({ "name": "Consultation", "lasting": true, "guests": true, "lobby": true, "password": "s3cret" });
    let made = ask(&server, "POST", "/api/rooms", &eva, settings).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let own = format!("/api/rooms/{id}");

    let hers = ask(&server, "POST", &format!("{own}/join"), &eva, json!({ "name": "Eva" })).await;
    assert_eq!((hers.status, &hers.json()["role"]), (200, &json!("host")), "without key, password and waiting");
    let others =
        ask(&server, "POST", &format!("{own}/join"), &max, json!({ "name": "Max", "password": "s3cret" })).await;
    assert_eq!(others.status, 202);
    let guest = join(&server, &id, json!({ "name": "Ada", "password": "s3cret" })).await;
    assert_eq!(guest.status, 202, "guests come by link to a room that has them");
    assert_eq!(
        ask(&server, "GET", &format!("{own}/lobby"), &eva, Value::Null).await.json()["waiting"][0]["name"],
        "Max"
    );
    for (method, rest) in [("PATCH", ""), ("DELETE", ""), ("POST", "/end"), ("GET", "/lobby"), ("GET", "/chat")] {
        let body = if method == "GET" || method == "DELETE" { Value::Null } else { json!({}) };
        let answer = ask(&server, method, &format!("{own}{rest}"), &max, body).await;
        assert_eq!(refusal(&answer), (404, "room_not_found".into()), "{method} {rest}");
    }
    assert_eq!(refusal(&ask(&server, "GET", "/api/rooms", &max, Value::Null).await).0, 404);
    assert_eq!(ask(&server, "GET", "/api/rooms", &root, Value::Null).await.json()["rooms"][0]["id"], id.as_str());
    assert_eq!(ask(&server, "PATCH", &own, &root, json!({ "locked": true })).await.status, 200);
    assert_eq!(ask(&server, "DELETE", &own, &eva, Value::Null).await.status, 204);
    let records = server.trail();
    let deleted = records.iter().find(|record| record["what"] == "room.delete").unwrap();
    assert!(deleted["who"].as_str().unwrap().starts_with("eva ("), "{deleted}");
}

#[tokio::test]
async fn the_document_is_served() {
    let server = Fixture::with(production()).await;
    let document = server.get("/api/openapi.json").await;
    assert_eq!((document.status, document.headers["content-type"].as_str()), (200, "application/json"));
    let document = document.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let join = &document["paths"]["/api/rooms/{id}/join"]["post"];
    assert!(join["responses"]["202"].is_object() && join["responses"]["default"].is_object());
}
