//! Who is what in a room: whose it is, who gives which role, and what an account brings along.

use serde_json::{Value, json};
use sluice_server::{AccountsConfig, Directory, NewUser, Role, ServerConfig, UserChange};
use sluice_store::UserId;
use tempfile::TempDir;

use crate::control::{ask, back_end, connect, enter, production, refusal, room, token_of};
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

/// A server with accounts, where therapists moderate.
async fn practice() -> (Fixture, Directory, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home).await;
    let accounts = AccountsConfig { enabled: true, ..AccountsConfig::default() };
    let therapist = Role { moderate: true, record: false, ..Role::default() };
    let config = ServerConfig { accounts, roles: [("therapist".to_owned(), therapist)].into(), ..production() };
    let directory = Directory::new(store.clone(), &config);
    (Fixture::over(store, config).await, directory, home)
}

/// Somebody with an account, and an access token for it.
async fn signed_in(server: &Fixture, directory: &Directory, login: &str, roles: &[&str]) -> (UserId, String) {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let new = NewUser { login: login.into(), password: Some("correct horse".into()), roles, ..NewUser::default() };
    let account = directory.create(new).await.unwrap().id;
    let login = json!({ "login": login, "password": "correct horse" });
    let signed_in = server.post("/api/accounts/login", &login).await.json();
    (account, signed_in["access_token"].as_str().unwrap().to_owned())
}

/// What somebody is by their account they are in every room that lets them in, and the history knows them by it.
#[tokio::test]
async fn an_account_brings_its_role_and_its_history_along() {
    let (server, directory, _home) = practice().await;
    let (account, ruth) = signed_in(&server, &directory, "ruth", &["participant", "therapist"]).await;
    let account = account.to_string();
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
    assert_eq!(seen.attributes["sluice.role"], "therapist");
    assert_eq!(seen.attributes.get("sluice.user"), None, "who meets her in two rooms does not know her again by that");
    let list = "/twirp/livekit.RoomService/ListParticipants";
    let listed = ask(&server, "POST", list, &back_end(&id), json!({ "room": id })).await.json();
    let people = listed["participants"].as_array().unwrap();
    let her = people.iter().find(|person| person["name"] == "Ruth").unwrap();
    assert_eq!(her["attributes"]["sluice.user"], account.as_str(), "a back end does");
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

/// A ticket is worth what the account behind it is when it is let in, not when it knocked.
#[tokio::test]
async fn who_waits_comes_in_as_what_its_account_is_by_then() {
    let (server, directory, _home) = practice().await;
    let (account, ruth) = signed_in(&server, &directory, "ruth", &["therapist"]).await;
    let (id, host_key) = room(&server, json!({ "lobby": true })).await;
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await;
    let mut tickets = Vec::new();
    for _ in 0..3 {
        let waits = ask(&server, "POST", &format!("/api/rooms/{id}/join"), &ruth, json!({ "name": "Ruth" })).await;
        assert_eq!(waits.status, 202, "{}", waits.body);
        let ticket = format!("/api/rooms/{id}/lobby/{}", waits.json()["waiting"]["ticket"].as_str().unwrap());
        assert_eq!(ask(&server, "POST", &format!("{ticket}/admit"), &eva, json!({})).await.status, 204);
        tickets.push(ticket);
    }
    assert_eq!(server.get(&tickets[0]).await.json()["role"], "therapist");
    let roles = Some(vec!["participant".to_owned()]);
    directory.change(&account, UserChange { roles, ..UserChange::default() }).await.unwrap();
    let admitted = server.get(&tickets[1]).await.json();
    assert_eq!((&admitted["state"], &admitted["role"]), (&json!("admitted"), &json!("participant")));
    let disabled = Some(true);
    directory
        .change(&account, UserChange { disabled, ..UserChange::default() })
        .await
        .unwrap();
    for _ in 0..2 {
        assert_eq!(refusal(&server.get(&tickets[2]).await), (404, "ticket_not_found".into()));
    }
}

/// With an account somebody is somebody new whenever it likes, and a host of it all the same.
#[tokio::test]
async fn who_is_kept_out_does_not_come_back_by_its_account() {
    let (server, directory, _home) = practice().await;
    let (_, ruth) = signed_in(&server, &directory, "ruth", &["therapist"]).await;
    let (id, host_key) = room(&server, json!({})).await;
    let own = format!("/api/rooms/{id}");
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await;
    let join = async || ask(&server, "POST", &format!("{own}/join"), &ruth, json!({ "name": "Ruth" })).await;
    let (here, spare) = (join().await, token_of(&join().await));
    let mut client = connect(&server, &token_of(&here)).await.unwrap();
    let identity = here.json()["identity"].as_str().unwrap().to_owned();
    let removal = json!({ "keep_out": true, "reason": "shouted" });
    let gone = ask(&server, "POST", &format!("{own}/participants/{identity}/remove"), &eva, removal).await;
    assert_eq!(gone.status, 204, "{}", gone.body);
    client.closed().await;

    assert_eq!(refusal(&join().await), (403, "banned".into()), "as somebody new");
    assert_eq!(connect(&server, &spare).await.err(), Some(401), "with a token from before");
    let mute_all = ask(&server, "POST", &format!("{own}/mute-all"), &spare, json!({})).await;
    assert_eq!(refusal(&mute_all), (401, "bad_token".into()), "nor does it moderate from outside");
    let bans = ask(&server, "GET", &format!("{own}/bans"), &eva, Value::Null).await.json();
    let [ban] = bans["bans"].as_array().unwrap().as_slice() else { panic!("one ban, not {bans}") };
    assert_eq!(
        (&ban["kind"], &ban["subject"], &ban["with_account"]),
        (&json!("identity"), &json!(identity), &json!(true)),
        "a host is not told which account it is"
    );
    let lift = format!("{own}/bans/{}", ban["id"].as_str().unwrap());
    assert_eq!(ask(&server, "DELETE", &lift, &eva, Value::Null).await.status, 204);
    let again = join().await;
    assert_eq!((again.status, &again.json()["role"]), (200, &json!("participant")), "{}", again.body);
}

/// A host's word holds for the next identity of the same account, too.
#[tokio::test]
async fn what_a_host_made_of_somebody_it_is_when_it_joins_anew() {
    let (server, directory, _home) = practice().await;
    let (_, ruth) = signed_in(&server, &directory, "ruth", &["therapist"]).await;
    let (id, host_key) = room(&server, json!({})).await;
    let own = format!("/api/rooms/{id}");
    let (_eva, eva) = enter(&server, &id, json!({ "name": "Eva", "host_key": host_key })).await;
    let join = async || ask(&server, "POST", &format!("{own}/join"), &ruth, json!({ "name": "Ruth" })).await;
    let (here, spare) = (join().await, token_of(&join().await));
    assert_eq!(here.json()["role"], "therapist");
    let _client = connect(&server, &token_of(&here)).await.unwrap();
    let people = format!("{own}/participants/{}", here.json()["identity"].as_str().unwrap());
    let role = async |role: &str| ask(&server, "POST", &format!("{people}/role"), &eva, json!({ "role": role })).await;
    assert_eq!(role("participant").await.status, 204);
    assert_eq!(join().await.json()["role"], "participant");
    let mute_all = format!("{own}/mute-all");
    let _other = connect(&server, &spare).await.unwrap();
    let refused = ask(&server, "POST", &mute_all, &spare, json!({})).await;
    assert_eq!(refusal(&refused), (403, "not_permitted".into()), "with a token from before");
    assert_eq!(role("host").await.status, 204);
    assert_eq!(join().await.json()["role"], "host", "a promotion holds as well");
    assert_eq!(ask(&server, "POST", &format!("{people}/remove"), &eva, json!({})).await.status, 204);
    assert_eq!(join().await.json()["role"], "participant", "who was sent away is nothing special");
    // In another room she is what she is.
    let (other, _) = room(&server, json!({})).await;
    let joined = ask(&server, "POST", &format!("/api/rooms/{other}/join"), &ruth, json!({ "name": "Ruth" })).await;
    assert_eq!(joined.json()["role"], "therapist");
}

/// Else whoever has the host key could take a room from its maker.
#[tokio::test]
async fn nobody_is_kept_out_of_a_room_of_its_own_for_good() {
    let (server, directory, _home) = practice().await;
    let (_, ruth) = signed_in(&server, &directory, "ruth", &["therapist"]).await;
    let made = ask(&server, "POST", "/api/rooms", &ruth, json!({ "guests": true })).await.json();
    let (id, host_key) = (made["id"].as_str().unwrap(), made["host_key"].clone());
    let own = format!("/api/rooms/{id}");
    let (_eva, eva) = enter(&server, id, json!({ "name": "Eva", "host_key": host_key })).await;
    let join = async || ask(&server, "POST", &format!("{own}/join"), &ruth, json!({ "name": "Ruth" })).await;
    let here = join().await;
    let _client = connect(&server, &token_of(&here)).await.unwrap();
    let target = format!("{own}/participants/{}/remove", here.json()["identity"].as_str().unwrap());
    assert_eq!(ask(&server, "POST", &target, &eva, json!({ "keep_out": true })).await.status, 204);
    let back = join().await;
    assert_eq!((back.status, &back.json()["role"]), (200, &json!("host")), "{}", back.body);
}
