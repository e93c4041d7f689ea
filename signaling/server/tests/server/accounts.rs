//! People sign in with a password, stay signed in, and are out when they or somebody else say so.

use serde_json::{Value, json};
use sluice_server::{AccountsConfig, Directory, NewUser, Rates, Role, ServerConfig};
use sluice_store::Store;
use tempfile::TempDir;

use crate::fixture::{Answer, Fixture, open_store, token, within};

const PASSWORD: &str = "correct horse";

/// A server where people sign in, outside development mode.
pub(crate) struct House {
    pub(crate) server: Fixture,
    pub(crate) directory: Directory,
    pub(crate) store: Store,
    config: ServerConfig,
    home: TempDir,
}

impl House {
    pub(crate) async fn with(accounts: AccountsConfig) -> Self {
        let accounts = AccountsConfig { enabled: true, ..accounts };
        Self::of(ServerConfig { dev: false, accounts, ..ServerConfig::development() }).await
    }

    async fn of(config: ServerConfig) -> Self {
        let roles = [("therapist".to_owned(), Role { moderate: true, ..Role::default() })];
        let config = ServerConfig { roles: roles.into(), ..config };
        let home = tempfile::tempdir().unwrap();
        let store = open_store(&home).await;
        let directory = Directory::new(store.clone(), &config);
        let server = Fixture::over(store.clone(), config.clone()).await;
        Self { server, directory, store, config, home }
    }

    /// With an administrator called root.
    async fn start() -> Self {
        let house = Self::with(AccountsConfig::default()).await;
        house.add("root", &["admin"]).await;
        house
    }

    /// The next server over the same store.
    async fn restart(mut self) -> Self {
        self.server.stop();
        within(&mut self.server.task).await.unwrap().unwrap();
        self.store.close().await;
        let store = open_store(&self.home).await;
        let directory = Directory::new(store.clone(), &self.config);
        let server = Fixture::over(store.clone(), self.config.clone()).await;
        Self { server, directory, store, ..self }
    }

    async fn add(&self, login: &str, roles: &[&str]) -> String {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let new = NewUser { login: login.into(), password: Some(PASSWORD.into()), roles, ..NewUser::default() };
        self.directory.create(new).await.unwrap().id.to_string()
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.server.request(method, target, headers, &body).await
    }

    async fn log_in(&self, login: &str, password: &str) -> Answer {
        self.server
            .post("/api/accounts/login", &json!({ "login": login, "password": password }))
            .await
    }

    async fn signed_in(&self, login: &str) -> SignedIn {
        SignedIn::of(&self.log_in(login, PASSWORD).await)
    }

    /// The status for whoever shows this token.
    pub(crate) async fn me(&self, access: &str) -> Answer {
        self.ask("GET", "/api/accounts/me", &[("authorization", access)], &Value::Null).await
    }

    async fn refresh(&self, cookie: &str) -> Answer {
        self.ask("POST", "/api/accounts/refresh", &[("cookie", cookie)], &Value::Null).await
    }
}

/// What a browser has after signing in.
pub(crate) struct SignedIn {
    /// The header.
    pub(crate) access: String,
    /// Name and value.
    pub(crate) cookie: String,
    pub(crate) user: Value,
}

impl SignedIn {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let json = answer.json();
        Self {
            access: format!("Bearer {}", json["access_token"].as_str().unwrap()),
            cookie: answer.headers["set-cookie"].split(';').next().unwrap().to_owned(),
            user: json["user"].clone(),
        }
    }
}

fn refused(answer: &Answer) -> (u16, String) {
    (answer.status, answer.error_code())
}

fn why(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn whoever_signs_in_has_a_token_and_a_cookie_no_script_reads() {
    let house = House::start().await;
    let answer = house.log_in(" Root ", PASSWORD).await;
    let root = SignedIn::of(&answer);

    let cookie = &answer.headers["set-cookie"];
    assert!(cookie.starts_with("sluice_refresh=") && cookie.contains("; Path=/api/accounts; "), "{cookie}");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && cookie.contains("; Max-Age=2592000"), "{cookie}");
    assert!(!cookie.contains("Secure"), "over plain HTTP a browser would not keep it");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.json()["expires_in_s"], 900);
    assert!(answer.json().get("refresh_token").is_none(), "scripts have no need of it");

    let me = house.me(&root.access).await;
    assert_eq!((me.status, me.json()), (200, root.user.clone()));
    assert_eq!(
        (&root.user["login"], &root.user["roles"], &root.user["disabled"]),
        (&json!("root"), &json!(["admin"]), &json!(false))
    );
    assert!(root.user["created_at"].as_i64().unwrap() > 1_600_000_000_000 && root.user.get("password_hash").is_none());

    let forwarded = [("x-forwarded-proto", "https")];
    let credentials = json!({ "login": "root", "password": PASSWORD });
    let answer = house.ask("POST", "/api/accounts/login", &forwarded, &credentials).await;
    assert!(answer.headers["set-cookie"].ends_with("; Secure"));
}

#[tokio::test]
async fn nobody_learns_whether_the_login_or_the_password_was_wrong() {
    let house = House::start().await;
    house
        .directory
        .create(NewUser { login: "elsewhere".into(), ..NewUser::default() })
        .await
        .unwrap();
    let gone = house.add("gone", &[]).await;
    let change = sluice_server::UserChange { disabled: Some(true), ..Default::default() };
    house.directory.change(&gone.as_str().into(), change).await.unwrap();
    let mut said = Vec::new();
    for (login, password) in [
        ("root", "wrong horse"),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("elsewhere", ""),
        ("gone", PASSWORD),
        ("root\u{0}", PASSWORD),
    ] {
        let answer = house.log_in(login, password).await;
        assert_eq!(refused(&answer), why(401, "wrong_credentials"), "{login}");
        assert!(!answer.headers.contains_key("set-cookie"));
        said.push(answer.json()["error"]["message"].clone());
    }
    assert!(said.iter().all(|message| *message == said[0]));
    let counted = house.server.metric("sluice_sign_ins_total", "way=\"password\"").await;
    assert_eq!(counted, 6.0);
    let bad = house.server.post("/api/accounts/login", &json!({ "login": "root" })).await;
    assert_eq!(refused(&bad), why(400, "bad_json"));
}

#[tokio::test]
async fn a_refresh_token_is_used_once_and_one_that_comes_twice_ends_the_sign_in() {
    let house = House::start().await;
    let first = house.signed_in("root").await;
    let other_browser = house.signed_in("root").await;
    let second = SignedIn::of(&house.refresh(&first.cookie).await);
    assert_ne!(first.cookie, second.cookie);
    assert_eq!(house.me(&second.access).await.status, 200);
    // It was asked twice, as for an answer that did not arrive.
    assert_eq!(SignedIn::of(&house.refresh(&first.cookie).await).cookie, second.cookie);
    let third = SignedIn::of(&house.refresh(&second.cookie).await);

    assert_eq!(refused(&house.refresh(&first.cookie).await), why(401, "session_ended"), "somebody has a copy");
    assert_eq!(refused(&house.refresh(&third.cookie).await), why(401, "not_signed_in"), "and nobody knows who");
    SignedIn::of(&house.refresh(&other_browser.cookie).await);
    assert_eq!(refused(&house.refresh("sluice_refresh=guessed").await), why(401, "not_signed_in"));
    assert_eq!(refused(&house.refresh("a=b").await), why(401, "not_signed_in"));
}

#[tokio::test]
async fn a_page_of_somebody_else_cannot_use_the_cookie_and_who_is_no_browser_needs_none() {
    let house = House::start().await;
    let root = house.signed_in("root").await;
    for site in ["cross-site", "same-site"] {
        let headers = [("cookie", root.cookie.as_str()), ("sec-fetch-site", site)];
        let answer = house.ask("POST", "/api/accounts/refresh", &headers, &Value::Null).await;
        assert_eq!(refused(&answer), why(401, "not_signed_in"), "{site}");
    }
    let headers = [("cookie", root.cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let root = SignedIn::of(&house.ask("POST", "/api/accounts/refresh", &headers, &Value::Null).await);

    let headers = [("cookie", root.cookie.as_str())];
    let root = SignedIn::of(&house.ask("POST", "/api/accounts/refresh", &headers, &json!({})).await);

    let (_, token) = root.cookie.split_once('=').unwrap();
    let answer = house.server.post("/api/accounts/refresh", &json!({ "refresh_token": token })).await;
    assert!(answer.status == 200 && !answer.headers.contains_key("set-cookie"));
    let next = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    let answer = house.server.post("/api/accounts/refresh", &json!({ "refresh_token": next })).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn whoever_signs_out_is_out_and_others_are_not() {
    let house = House::start().await;
    let (here, there) = (house.signed_in("root").await, house.signed_in("root").await);
    let headers = [("cookie", here.cookie.as_str()), ("authorization", here.access.as_str())];
    let answer = house.ask("POST", "/api/accounts/logout", &headers, &Value::Null).await;
    assert_eq!(answer.status, 204);
    assert!(
        answer.headers["set-cookie"].starts_with("sluice_refresh=; ")
            && answer.headers["set-cookie"].contains("Max-Age=0")
    );

    assert_eq!(refused(&house.me(&here.access).await), why(401, "bad_token"));
    assert_eq!(house.refresh(&here.cookie).await.status, 401);
    assert_eq!(house.me(&there.access).await.status, 200);
    let again = house.ask("POST", "/api/accounts/logout", &headers, &Value::Null).await;
    assert_eq!(again.status, 204, "who is out already is out");
}

#[tokio::test]
async fn a_disabled_account_is_out_with_its_next_request() {
    let house = House::start().await;
    let id = house.add("ann", &["therapist"]).await;
    let (root, ann) = (house.signed_in("root").await, house.signed_in("ann").await);
    assert_eq!(house.me(&ann.access).await.status, 200);
    let target = format!("/api/users/{id}");
    let root_asks =
        async |method: &str, body: &Value| house.ask(method, &target, &[("authorization", &root.access)], body).await;

    let answer = root_asks("PATCH", &json!({ "disabled": true })).await;
    assert_eq!((answer.status, answer.json()["disabled"].clone()), (200, json!(true)));
    assert_eq!(refused(&house.me(&ann.access).await), why(401, "bad_token"));
    assert_eq!(refused(&house.refresh(&ann.cookie).await), why(401, "not_signed_in"));
    assert_eq!(refused(&house.log_in("ann", PASSWORD).await), why(401, "wrong_credentials"));

    // What was out before does not come back with the account.
    assert_eq!(root_asks("PATCH", &json!({ "disabled": false })).await.status, 200);
    assert_eq!(house.me(&ann.access).await.status, 401);
    assert_eq!(house.refresh(&ann.cookie).await.status, 401);
    let ann = house.signed_in("ann").await;
    assert_eq!(house.me(&ann.access).await.status, 200);

    assert_eq!(root_asks("DELETE", &Value::Null).await.status, 204);
    assert_eq!(house.me(&ann.access).await.status, 401);
    assert_eq!(house.refresh(&ann.cookie).await.status, 401);
    assert_eq!(refused(&root_asks("DELETE", &Value::Null).await), why(404, "user_not_found"));
}

#[tokio::test]
async fn a_new_password_signs_everybody_out_but_who_set_it() {
    let house = House::start().await;
    let (here, there) = (house.signed_in("root").await, house.signed_in("root").await);
    let change = async |access: &str, old: &str, new: &str| {
        let body = json!({ "old": old, "new": new });
        house.ask("POST", "/api/accounts/password", &[("authorization", access)], &body).await
    };
    assert_eq!(refused(&change(&here.access, "wrong horse", "battery staple").await), why(401, "wrong_credentials"));
    assert_eq!(refused(&change(&here.access, PASSWORD, "short").await), why(400, "bad_password"));
    assert_eq!(house.me(&there.access).await.status, 200);

    let now = SignedIn::of(&change(&here.access, PASSWORD, "battery staple").await);

    assert_eq!(house.me(&now.access).await.status, 200);
    for old in [&here, &there] {
        assert_eq!(house.me(&old.access).await.status, 401);
        assert_eq!(house.refresh(&old.cookie).await.status, 401);
    }
    assert_eq!(house.log_in("root", PASSWORD).await.status, 401);
    assert_eq!(house.log_in("root", "battery staple").await.status, 200);
    assert_eq!(house.refresh(&now.cookie).await.status, 200);
}

#[tokio::test]
async fn a_restart_signs_nobody_out() {
    let house = House::start().await;
    let root = house.signed_in("root").await;
    let house = house.restart().await;
    assert_eq!(house.me(&root.access).await.status, 200);
    assert_eq!(house.refresh(&root.cookie).await.status, 200);
}

#[tokio::test]
async fn tokens_of_rooms_are_none_of_accounts_and_the_other_way_round() {
    let house = House::start().await;
    let root = house.signed_in("root").await;
    let bearer = format!("Bearer {}", token("math", "ada"));
    assert_eq!(refused(&house.me(&bearer).await), why(403, "not_an_account"));
    assert_eq!(refused(&house.server.get("/api/accounts/me").await), why(401, "no_token"));
    let access = root.access.strip_prefix("Bearer ").unwrap();
    let joined = house
        .server
        .open(house.server.stream().await, "/rtc/v1?access_token=x", Some(access))
        .await;
    assert_eq!(joined.err(), Some(401));

    // What says to be an access token, and is signed by somebody who has the API secret.
    let forged = livekit_token::AccessToken::with_api_key("sluice:accounts", "secret").with_identity("root");
    let forged = format!("Bearer {}", forged.to_jwt().unwrap());
    assert_eq!(refused(&house.me(&forged).await), why(401, "bad_token"));
    // A true one with other claims.
    let mut parts: Vec<&str> = access.split('.').collect();
    let (_, other) = (parts.remove(1), house.signed_in("root").await);
    parts.insert(1, other.access.split('.').nth(1).unwrap());
    assert_eq!(refused(&house.me(&format!("Bearer {}", parts.join("."))).await), why(401, "bad_token"));
}

#[tokio::test]
async fn administrators_oversee_rooms_and_keep_accounts() {
    let house = House::start().await;
    house.add("ann", &["therapist"]).await;
    let (root, ann) = (house.signed_in("root").await, house.signed_in("ann").await);
    let ask = async |who: &SignedIn, method: &str, target: &str, body: &Value| {
        house.ask(method, target, &[("authorization", &who.access)], body).await
    };
    assert_eq!(ask(&root, "GET", "/api/events", &Value::Null).await.status, 200);
    assert_eq!(refused(&ask(&ann, "GET", "/api/events", &Value::Null).await), why(403, "not_permitted"));
    let bob =
        json!({ "login": "Bob@example.org", "name": " Bob ", "password": "battery staple", "roles": ["host", "host"] });
    for (method, target, body) in [
        ("GET", "/api/users", Value::Null),
        ("POST", "/api/users", bob.clone()),
        ("PATCH", "/api/users/x", json!({ "roles": ["admin"] })),
        ("DELETE", "/api/users/x", Value::Null),
    ] {
        assert_eq!(refused(&ask(&ann, method, target, &body).await), why(403, "not_permitted"), "{method}");
        assert_eq!(refused(&house.ask(method, target, &[], &body).await), why(401, "no_token"), "{method}");
        let back_end = format!("Bearer {}", token("math", "ada"));
        let refusal = house.ask(method, target, &[("authorization", &back_end)], &body).await;
        assert_eq!(refused(&refusal), why(403, "not_permitted"), "{method}");
    }

    let made = ask(&root, "POST", "/api/users", &bob).await;
    assert_eq!(
        (made.status, made.json()["name"].clone(), made.json()["roles"].clone()),
        (201, json!("Bob"), json!(["host"]))
    );
    assert_eq!(made.json()["login"], "bob@example.org");
    assert_eq!(refused(&ask(&root, "POST", "/api/users", &bob).await), why(409, "login_taken"));
    for (body, code) in [
        (json!({ "login": "a b" }), "bad_login"),
        (json!({ "login": "cyd", "password": "short" }), "bad_password"),
        (json!({ "login": "cyd", "roles": ["surgeon"] }), "unknown_role"),
        (json!({ "login": "cyd", "name": "" }), "bad_name"),
        (json!({}), "bad_json"),
    ] {
        assert_eq!(refused(&ask(&root, "POST", "/api/users", &body).await), why(400, code));
    }
    let page = ask(&root, "GET", "/api/users?limit=2", &Value::Null).await.json();
    let logins: Vec<_> = page["users"].as_array().unwrap().iter().map(|user| user["login"].clone()).collect();
    assert_eq!((logins, &page["more"]), (vec![json!("ann"), json!("bob@example.org")], &json!(true)));
    let page = ask(&root, "GET", "/api/users?after=bob@example.org", &Value::Null).await.json();
    assert_eq!((page["users"].as_array().unwrap().len(), &page["more"]), (1, &json!(false)));
    assert_eq!(refused(&ask(&root, "GET", "/api/users?limit=0", &Value::Null).await), why(400, "bad_query"));

    // Roles count from the next request on.
    let ann_id = format!("/api/users/{}", ann.user["id"].as_str().unwrap());
    assert_eq!(ask(&root, "PATCH", &ann_id, &json!({ "roles": ["admin", "therapist"] })).await.status, 200);
    assert_eq!(ask(&ann, "GET", "/api/users", &Value::Null).await.status, 200);
    assert_eq!(refused(&ask(&root, "PATCH", "/api/users/%00", &json!({ "name": "x" })).await), why(400, "bad_text"));
    let own = format!("/api/users/{}", root.user["id"].as_str().unwrap());
    for (method, body) in
        [("PATCH", json!({ "roles": [] })), ("PATCH", json!({ "disabled": true })), ("DELETE", Value::Null)]
    {
        assert_eq!(refused(&ask(&root, method, &own, &body).await), why(409, "own_account"));
    }
    assert_eq!(ask(&root, "PATCH", &own, &json!({ "name": "Ruth" })).await.json()["name"], "Ruth");
}

#[tokio::test]
async fn guessing_is_slow_from_one_address_and_of_one_login() {
    let rates = Rates { logins_per_ip: 4, logins_per_login: 2, ..Rates::UNBOUNDED };
    let accounts = AccountsConfig { enabled: true, ..AccountsConfig::default() };
    let trusted_proxies = vec![("127.0.0.1".parse().unwrap(), 32)];
    let config = ServerConfig { dev: false, rates, accounts, trusted_proxies, ..ServerConfig::development() };
    let house = House::of(config).await;
    house.add("root", &[]).await;
    let attempt = async |address: &str, login: &str, password: &str| {
        let headers = [("x-forwarded-for", address)];
        let answer = house
            .ask("POST", "/api/accounts/login", &headers, &json!({ "login": login, "password": password }))
            .await;
        if answer.status == 429 {
            assert_eq!(answer.error_code(), "rate_limited");
            assert!((1..=60).contains(&answer.headers["retry-after"].parse::<u32>().unwrap()));
        }
        answer.status
    };
    assert_eq!(attempt("203.0.113.1", "root", "x").await, 401);
    assert_eq!(attempt("203.0.113.2", " ROOT", "x").await, 401);
    assert_eq!(attempt("203.0.113.3", "root", PASSWORD).await, 429, "many addresses, one login");
    for login in ["a", "b", "c", "d"] {
        assert_eq!(attempt("203.0.113.4", login, "x").await, 401, "whether there is such a login is not to be seen");
    }
    assert_eq!(attempt("203.0.113.4", "e", "x").await, 429, "one address, many logins");
    assert_eq!(attempt("203.0.113.5", "e", "x").await, 401);
    let limited = house.server.metric("sluice_rate_limited_total", "kind=\"login\"").await;
    assert_eq!(limited, 2.0);
}

#[tokio::test]
async fn whether_anybody_makes_an_account_the_configuration_says() {
    let house = House::start().await;
    let ann = json!({ "login": "ann", "password": PASSWORD, "name": "Ann", "roles": ["admin"] });
    assert_eq!(refused(&house.server.post("/api/accounts/register", &ann).await), why(403, "registration_closed"));

    let house = House::with(AccountsConfig { registration: true, ..AccountsConfig::default() }).await;
    let info = house.server.get("/api/info").await.json();
    assert_eq!(info["accounts"], json!({ "enabled": true, "registration": true, "oidc": null }));
    let made = house.server.post("/api/accounts/register", &ann).await;
    assert_eq!(
        (made.status, made.json()["user"]["roles"].clone()),
        (201, json!([])),
        "nobody makes themselves anything"
    );
    assert!(made.headers["set-cookie"].starts_with("sluice_refresh="));
    assert_eq!(refused(&house.server.post("/api/accounts/register", &ann).await), why(409, "login_taken"));
    house.signed_in("ann").await;

    house.server.break_trail();
    let bob = json!({ "login": "bob", "password": PASSWORD });
    let unwritten = house.server.post("/api/accounts/register", &bob).await;
    assert_eq!(refused(&unwritten), why(503, "audit_unavailable"));
    assert!(house.directory.find("bob").await.is_err(), "what cannot be written down is not done");
}

#[tokio::test]
async fn where_nobody_signs_in_there_is_nothing_to_find() {
    let server = Fixture::start().await;
    for (method, target) in [
        ("POST", "/api/accounts/login"),
        ("POST", "/api/accounts/refresh"),
        ("POST", "/api/accounts/logout"),
        ("GET", "/api/accounts/me"),
        ("GET", "/api/accounts/oidc/start"),
        ("GET", "/api/users"),
    ] {
        let answer = server.request(method, target, &[], "").await;
        assert_eq!(refused(&answer), why(404, "accounts_off"), "{target}");
    }
    let house = House::start().await;
    assert_eq!(refused(&house.server.get("/api/accounts/oidc/start").await), why(404, "no_provider"));
}
