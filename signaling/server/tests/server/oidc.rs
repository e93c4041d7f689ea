//! People sign in by a provider: the browser goes there and comes back, and only what was begun here ends here.

use serde_json::{Value, json};
use sluice_server::{AccountsConfig, NewUser, OidcConfig, UserChange};

use crate::accounts::{House, SignedIn};
use crate::fixture::Answer;
use crate::provider::{IdProvider, Signer, encoded, fields};

const CALLBACK: &str = "/api/accounts/oidc/callback";

pub(crate) async fn house(oidc: OidcConfig) -> House {
    House::with(AccountsConfig { oidc: Some(oidc), ..AccountsConfig::default() }).await
}

/// A browser on its way.
pub(crate) struct Begun {
    pub(crate) location: String,
    pub(crate) ticket: String,
    state: String,
}

pub(crate) async fn begin(house: &House, next: &str) -> Begun {
    let answer = house.server.get(&format!("/api/accounts/oidc/start?next={}", encoded(next))).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let cookie = &answer.headers["set-cookie"];
    assert!(cookie.starts_with("sluice_sign_in=") && cookie.contains("; Path=/api/accounts/oidc; "), "{cookie}");
    assert!(cookie.contains("; Max-Age=600; HttpOnly; SameSite=Lax"), "{cookie}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let location = answer.headers["location"].clone();
    let state = fields(location.split_once('?').unwrap().1)["state"].clone();
    Begun { location, ticket: cookie.split(';').next().unwrap().to_owned(), state }
}

impl Begun {
    /// Where the provider sends it with a code.
    pub(crate) fn way_back(&self, code: &str) -> String {
        way_back(&self.state, code)
    }
}

fn way_back(state: &str, code: &str) -> String {
    format!("{CALLBACK}?code={}&state={}", encoded(code), encoded(state))
}

async fn come_back(house: &House, ticket: &str, state: &str, code: &str) -> Answer {
    let target = way_back(state, code);
    house.ask("GET", &target, &[("cookie", ticket)], &Value::Null).await
}

/// Signs in as `subject`, of whom the provider says the truth but for `lies`.
async fn sign_in(house: &House, provider: &IdProvider, subject: &str, lies: &Value) -> Answer {
    let begun = begin(house, "/sessions?x=1").await;
    let (asked, code) = provider.sign_in(&begun.location, subject, lies);
    assert_eq!(asked["redirect_uri"], format!("http://{}{CALLBACK}", house.server.address));
    come_back(house, &begun.ticket, &begun.state, &code).await
}

/// What the page then has.
async fn page(house: &House, answer: &Answer) -> SignedIn {
    assert_eq!((answer.status, answer.headers["location"].as_str()), (303, "/sessions?x=1"), "{}", answer.body);
    let cookie = refresh_cookie(answer);
    SignedIn::of(&house.ask("POST", "/api/accounts/refresh", &[("cookie", &cookie)], &Value::Null).await)
}

/// The cookie that stays; the one that was for the way is taken away.
fn refresh_cookie(answer: &Answer) -> String {
    let cookies = answer.cookies.iter().map(String::as_str);
    let cookie = cookies.clone().find(|cookie| cookie.starts_with("sluice_refresh=")).unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(
        cookies
            .into_iter()
            .any(|cookie| cookie.starts_with("sluice_sign_in=; ") && cookie.contains("Max-Age=0"))
    );
    cookie.split(';').next().unwrap().to_owned()
}

fn refused(answer: &Answer) -> (u16, String) {
    assert!(answer.cookies.is_empty());
    (answer.status, answer.error_code())
}

#[tokio::test]
async fn whom_the_provider_knows_has_an_account_from_then_on() {
    for signer in [Signer::es256(), Signer::rs256()] {
        let provider = IdProvider::start(signer).await;
        let house = house(provider.config()).await;
        assert_eq!(house.server.get("/api/info").await.json()["accounts"]["oidc"], json!({ "name": "Example ID" }));
        let said = json!({ "name": "Ada", "preferred_username": "Ada@example.org", "roles": ["admin"] });

        let ada = page(&house, &sign_in(&house, &provider, "sub-1", &said).await).await;

        assert_eq!((&ada.user["login"], &ada.user["name"]), (&json!("ada@example.org"), &json!("Ada")));
        assert_eq!(ada.user["roles"], json!([]), "roles are given here, unless the configuration says otherwise");
        assert_eq!(house.me(&ada.access).await.status, 200);
        let again = json!({ "name": "Ada L.", "preferred_username": "another" });
        let again = page(&house, &sign_in(&house, &provider, "sub-1", &again).await).await;
        assert_eq!(again.user["id"], ada.user["id"], "by what never changes");
        let bob = page(&house, &sign_in(&house, &provider, "sub-2", &json!({})).await).await;
        assert_ne!(bob.user["id"], ada.user["id"]);
        assert_eq!(provider.times_read(), 1, "what it says of itself is remembered");
    }
}

#[tokio::test]
async fn a_name_is_no_way_into_somebody_elses_account() {
    let provider = IdProvider::start(Signer::es256()).await;
    let house = house(provider.config()).await;
    let new = NewUser {
        login: "root".into(),
        password: Some("correct horse".into()),
        roles: vec!["admin".into()],
        name: None,
    };
    let root = house.directory.create(new).await.unwrap();

    let eve = page(&house, &sign_in(&house, &provider, "eve", &json!({ "preferred_username": "root" })).await).await;

    assert_ne!(eve.user["id"], root.id.as_str());
    assert_eq!(eve.user["roles"], json!([]));
    assert!(eve.user["login"].as_str().unwrap().starts_with("root-"));
    let body = json!({ "old": "", "new": "battery staple" });
    let answer = house
        .ask("POST", "/api/accounts/password", &[("authorization", &eve.access)], &body)
        .await;
    assert_eq!(refused(&answer), (409, "no_password".into()));
}

#[tokio::test]
async fn where_the_provider_decides_roles_it_does_so_each_time() {
    let provider = IdProvider::start(Signer::es256()).await;
    let house = house(OidcConfig { roles_claim: Some("realm_access.roles".into()), ..provider.config() }).await;
    let with = |roles: Value| json!({ "realm_access": { "roles": roles } });
    let roles = async |said: Value| {
        page(&house, &sign_in(&house, &provider, "ada", &with(said)).await).await.user["roles"].clone()
    };
    assert_eq!(roles(json!(["admin", "offline_access", "therapist", "admin"])).await, json!(["admin", "therapist"]));
    assert_eq!(roles(json!(["therapist"])).await, json!(["therapist"]));
    assert_eq!(roles(json!(null)).await, json!([]));
}

/// Who came, and as what, is written down before it is so.
#[tokio::test]
async fn an_account_that_a_provider_makes_and_what_it_becomes_stand_in_the_trail() {
    let provider = IdProvider::start(Signer::es256()).await;
    let house = house(OidcConfig { roles_claim: Some("roles".into()), ..provider.config() }).await;
    let as_role = |role: &str| json!({ "roles": [role], "preferred_username": "ada" });
    let ada = page(&house, &sign_in(&house, &provider, "ada", &as_role("therapist")).await).await;
    sign_in(&house, &provider, "ada", &as_role("therapist")).await;
    sign_in(&house, &provider, "ada", &as_role("admin")).await;
    let records = house.server.trail();
    let said = |record: &Value| {
        let [what, who, whom, result] = ["what", "who", "whom", "result"].map(|field| record[field].clone());
        assert_eq!((&whom, &result), (&ada.user["id"], &json!("done")));
        (what.as_str().unwrap().to_owned(), who.as_str().unwrap().to_owned(), record["detail"].clone())
    };
    let by_provider = |what: &str, roles: &str| (what.to_owned(), "provider (Example ID)".to_owned(), json!(roles));
    let herself = || ("account.login".to_owned(), format!("ada ({})", ada.user["id"].as_str().unwrap()), Value::Null);
    let expected = [
        by_provider("account.create", "roles: therapist"),
        herself(),
        herself(),
        by_provider("account.role", "roles: admin"),
        herself(),
    ];
    assert_eq!(records[1..].iter().map(said).collect::<Vec<_>>(), expected);

    house.server.break_trail();
    let refused_for = async |who: &str, role: &str| refused(&sign_in(&house, &provider, who, &as_role(role)).await);
    assert_eq!(refused_for("bob", "therapist").await, (503, "audit_unavailable".into()));
    assert_eq!(refused_for("ada", "therapist").await, (503, "audit_unavailable".into()));
    let users = house.directory.list(None, 9).await.unwrap();
    let kept: Vec<_> = users.iter().map(|user| (user.id.as_str(), user.roles.clone())).collect();
    assert_eq!(kept, [(ada.user["id"].as_str().unwrap(), vec!["admin".to_owned()])], "nobody came, nothing changed");
}

#[tokio::test]
async fn what_is_not_true_of_this_sign_in_signs_nobody_in() {
    let provider = IdProvider::start(Signer::es256()).await;
    let house = house(provider.config()).await;
    for lies in [
        json!({ "nonce": "of another sign-in" }),
        json!({ "nonce": null }),
        json!({ "aud": "another client" }),
        json!({ "aud": ["sluice", "another client"] }),
        json!({ "iss": "http://another.example" }),
        json!({ "exp": 1_700_000_000 }),
        json!({ "iat": 9_999_999_999_u64 }),
        json!({ "sub": "" }),
    ] {
        let answer = sign_in(&house, &provider, "eve", &lies).await;
        assert_eq!(refused(&answer), (401, "provider_not_believed".into()), "{lies}");
    }
    assert!(house.directory.list(None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_the_browser_that_began_a_sign_in_ends_it() {
    let provider = IdProvider::start(Signer::es256()).await;
    let house = house(provider.config()).await;
    let (ada, eve) = (begin(&house, "/").await, begin(&house, "/").await);
    let (_, code) = provider.sign_in(&eve.location, "eve", &json!({}));
    let (bad_state, declined) = ((400, "bad_state".to_owned()), (403, "sign_in_declined".to_owned()));

    // A link that would sign Ada in as Eve.
    assert_eq!(refused(&come_back(&house, &ada.ticket, &eve.state, &code).await), bad_state);
    assert_eq!(refused(&come_back(&house, "", &eve.state, &code).await), bad_state);
    assert_eq!(refused(&come_back(&house, &eve.ticket, "", &code).await), bad_state);
    assert_eq!(refused(&come_back(&house, "sluice_sign_in=x.y.z", &eve.state, &code).await), bad_state);
    // With Eve's code in her own sign-in, PKCE is in the way.
    let answer = come_back(&house, &ada.ticket, &ada.state, &code).await;
    assert_eq!(refused(&answer), declined);

    let (_, code) = provider.sign_in(&eve.location, "eve", &json!({}));
    assert_eq!(come_back(&house, &eve.ticket, &eve.state, &code).await.status, 303);
    let again = come_back(&house, &eve.ticket, &eve.state, &code).await;
    assert_eq!(refused(&again), declined, "a code is worth something once");

    let target = format!("{CALLBACK}?error=access_denied&state={}", encoded(&ada.state));
    let refusal = house.ask("GET", &target, &[("cookie", &ada.ticket)], &Value::Null).await;
    assert_eq!(refused(&refusal), declined);
    let target = format!("{CALLBACK}?code=x&state={}&iss={}", encoded(&ada.state), encoded("http://another.example"));
    let other = house.ask("GET", &target, &[("cookie", &ada.ticket)], &Value::Null).await;
    assert_eq!(refused(&other), (401, "provider_not_believed".into()));
}

#[tokio::test]
async fn nobody_is_led_to_another_server() {
    let provider = IdProvider::start(Signer::es256()).await;
    let house = house(provider.config()).await;
    for next in ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "evil", ""] {
        let answer = house.server.get(&format!("/api/accounts/oidc/start?next={}", encoded(next))).await;
        assert_eq!(refused(&answer), (400, "bad_next".into()), "{next:?}");
    }
    assert_eq!(house.server.get("/api/accounts/oidc/start").await.status, 303, "home, when nobody says where");
}

#[tokio::test]
async fn a_person_who_is_refused_sees_a_page() {
    let provider = IdProvider::start(Signer::es256()).await;
    let house = house(provider.config()).await;
    let begun = begin(&house, "/").await;
    let target = format!("{CALLBACK}?error=access_denied&state={}", encoded(&begun.state));
    let headers = [("cookie", begun.ticket.as_str()), ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    let refusal = house.ask("GET", &target, &headers, &Value::Null).await;
    assert_eq!((refusal.status, refusal.headers["location"].as_str()), (303, "/signin?error=sign_in_declined"));
    assert!(refusal.cookies[0].starts_with("sluice_sign_in=; ") && refusal.cookies.len() == 1);
    let stray = house
        .ask("GET", "/api/accounts/oidc/start?next=//evil.example", &headers, &Value::Null)
        .await;
    assert_eq!((stray.status, stray.headers["location"].as_str()), (303, "/signin?error=bad_next"));
}

#[tokio::test]
async fn a_locked_out_account_stays_so_whoever_vouches() {
    let provider = IdProvider::start(Signer::es256()).await;
    let house = house(provider.config()).await;
    let ada = page(&house, &sign_in(&house, &provider, "ada", &json!({})).await).await;
    let id = ada.user["id"].as_str().unwrap().into();
    house
        .directory
        .change(&id, UserChange { disabled: Some(true), ..UserChange::default() })
        .await
        .unwrap();
    assert_eq!(house.me(&ada.access).await.status, 401);
    let answer = sign_in(&house, &provider, "ada", &json!({})).await;
    assert_eq!(refused(&answer), (403, "account_disabled".into()));
}

#[tokio::test]
async fn a_provider_that_says_to_be_somebody_else_or_leads_astray_is_none() {
    let start = async |oidc: OidcConfig| {
        let house = house(oidc).await;
        refused(&house.server.get("/api/accounts/oidc/start").await)
    };
    let unavailable = (502, "provider_unavailable".to_owned());
    let provider = IdProvider::start(Signer::es256()).await;
    for lies in [
        json!({ "issuer": "http://another.example" }),
        json!({ "authorization_endpoint": "javascript:alert(1)" }),
        json!({ "jwks_uri": "file:///etc/passwd" }),
        json!({ "token_endpoint": null }),
    ] {
        provider.say_of_itself(lies.clone());
        assert_eq!(start(provider.config()).await, unavailable, "{lies}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_known_is_not_believed() {
    let provider = IdProvider::start(Signer::es256()).await;
    let house = house(provider.config()).await;
    page(&house, &sign_in(&house, &provider, "ada", &json!({})).await).await;
    // The same name, another key.
    provider.change_keys("k1", Signer::es256());
    let answer = sign_in(&house, &provider, "ada", &json!({})).await;
    assert_eq!(refused(&answer), (401, "provider_not_believed".into()));
    // A new name: its keys are asked for again, though not within a minute.
    provider.change_keys("k2", Signer::es256());
    let answer = sign_in(&house, &provider, "ada", &json!({})).await;
    assert_eq!(refused(&answer), (401, "provider_not_believed".into()));
    assert_eq!(provider.times_read(), 1);
}
