//! Who is what in a room: whose it is, and who gives which role.

use serde_json::{Value, json};
use sluice_server::{Role, ServerConfig};

use crate::control::{ask, back_end, enter, production, refusal, room};
use crate::fixture::Fixture;

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
