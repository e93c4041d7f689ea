//! Who is what in a room: whose it is, who gives which role, and what an account brings along.

use serde_json::{Value, json};
use sluice_server::{AccountsConfig, Directory, NewUser, Role, ServerConfig};

use crate::control::{ask, back_end, enter, production, refusal, room, token_of};
use crate::fixture::{Fixture, join_request, open_store, within, wrap};

/// A host is one for a call; the room is somebody's.
#[tokio::test]
async fn only_whose_it_is_forgets_a_room() {
    let server = Fixture::with(production()).await;
    let (id, host_key) = room(&server, json!({})).await;
    let own = format!("/api/rooms/{id}");
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "identity": "eva", "host_key": host_key })).await;
    assert_eq!(refusal(&ask(&server, "DELETE", &own, &eva, Value::Null).await), (403, "not_permitted".into()));
    let tried = server.trail().into_iter().find(|record| record["what"] == "room.delete").unwrap();
    assert_eq!((&tried["result"], &tried["room"]), (&json!("refused"), &json!(id)));
    assert_eq!(ask(&server, "POST", &format!("{own}/end"), &eva, json!({})).await.status, 204, "ending is a host's");
    assert_eq!(server.get(&own).await.status, 200);
    assert_eq!(ask(&server, "DELETE", &own, &back_end(&id), Value::Null).await.status, 204);
    assert_eq!(refusal(&server.get(&own).await), (404, "room_not_found".into()));
}

#[tokio::test]
async fn nobody_gives_or_takes_a_role_above_their_own() {
    let tutor = Role { moderate: true, record: false, ..Role::default() };
    let config = ServerConfig { roles: [("tutor".to_owned(), tutor)].into(), ..production() };
    let server = Fixture::with(config).await;
    let (id, host_key) = room(&server, json!({})).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "identity": "eva", "host_key": host_key })).await;
    let (_ada, ada) = enter(&server, &id, json!({ "name": "Ada", "identity": "ada" })).await;
    let (_bob, _) = enter(&server, &id, json!({ "name": "Bob", "identity": "bob" })).await;
    let give = async |token: &str, whom: &str, role: &str| {
        let target = format!("/api/rooms/{id}/participants/{whom}/role");
        ask(&server, "POST", &target, token, json!({ "role": role })).await
    };
    assert_eq!(give(&eva, "ada", "tutor").await.status, 204);
    assert_eq!(give(&ada, "bob", "tutor").await.status, 204, "her own");
    for (whom, role) in [("bob", "host"), ("ada", "host"), ("eva", "participant"), ("eva", "tutor")] {
        assert_eq!(refusal(&give(&ada, whom, role).await), (403, "not_permitted".into()), "{whom} {role}");
    }
    // What counts is what she is now, not what she came as.
    assert_eq!(give(&eva, "ada", "host").await.status, 204);
    assert_eq!(give(&ada, "eva", "tutor").await.status, 204);
    assert_eq!(refusal(&give(&eva, "bob", "host").await), (403, "not_permitted".into()), "with the token of a host");
}

/// What somebody is by their account they are in every room that lets them in, and the history knows them by it.
#[tokio::test]
async fn an_account_brings_its_role_and_its_history_along() {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let accounts = AccountsConfig { enabled: true, ..AccountsConfig::default() };
    let therapist = Role { moderate: true, record: false, ..Role::default() };
    let config = ServerConfig { accounts, roles: [("therapist".to_owned(), therapist)].into(), ..production() };
    let directory = Directory::new(store.clone(), &config);
    let server = Fixture::over(store, config).await;
    let roles = ["participant", "therapist"].map(str::to_owned).to_vec();
    let new = NewUser { login: "ruth".into(), password: Some("correct horse".into()), roles, ..NewUser::default() };
    let account = directory.create(new).await.unwrap().id.to_string();
    let login = json!({ "login": "ruth", "password": "correct horse" });
    let ruth = server.post("/api/accounts/login", &login).await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();

    let (id, host_key) = room(&server, json!({ "password": "s3cret", "lobby": true })).await;
    let (mut eva, eva_token) =
        enter(&server, &id, json!({ "name": "Eva", "identity": "eva", "host_key": host_key })).await;
    let target = format!("/api/rooms/{id}/join");
    let unasked = ask(&server, "POST", &target, &ruth, json!({ "name": "Ruth" })).await;
    assert_eq!(refusal(&unasked), (401, "password_required".into()), "a role opens no door");
    let waits = ask(&server, "POST", &target, &ruth, json!({ "name": "Ruth", "password": "s3cret" })).await;
    assert_eq!(waits.status, 202, "{}", waits.body);
    let ticket = format!("/api/rooms/{id}/lobby/{}", waits.json()["waiting"]["ticket"].as_str().unwrap());
    assert_eq!(ask(&server, "POST", &format!("{ticket}/admit"), &eva_token, json!({})).await.status, 204);
    let joined = server.get(&ticket).await;
    assert_eq!(joined.json()["role"], "therapist", "{}", joined.body);
    let token = token_of(&joined);
    // Neither says a client whose account it is, nor does it shed it.
    let mut claim = join_request();
    claim.participant_attributes = [("sluice.user".to_owned(), "somebody else".to_owned())].into();
    let door = format!("/rtc/v1?join_request={}", wrap(&claim));
    let mut client = server.open(server.stream().await, &door, Some(&token)).await.unwrap();
    client.joined().await;
    let seen = eva.update(|info| info.name == "Ruth").await;
    assert_eq!((&seen.attributes["sluice.role"], &seen.attributes["sluice.user"]), (&"therapist".into(), &account));
    let mute_all = format!("/api/rooms/{id}/mute-all");
    assert_eq!(ask(&server, "POST", &mute_all, &token, json!({})).await.status, 204, "she moderates");

    let listed = within(async {
        loop {
            let sessions = ask(&server, "GET", "/api/sessions", &ruth, Value::Null).await.json();
            if sessions["sessions"][0]["room_id"] == id.as_str() {
                return sessions;
            }
        }
    });
    let session = listed.await["sessions"][0]["session_id"].as_str().unwrap().to_owned();
    let looked = ask(&server, "GET", &format!("/api/sessions/{session}"), &ruth, Value::Null).await.json();
    let people = looked["participants"].as_array().unwrap();
    let her = people.iter().find(|person| person["name"] == "Ruth").unwrap();
    assert_eq!((&her["user_id"], &her["role"]), (&json!(account), &json!("therapist")));
}
