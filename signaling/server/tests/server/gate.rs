//! Who may ask, and how often: addresses behind proxies, rates, pages, and the door for operators.

use livekit_token::{AccessToken, VideoGrants};
use sluice_server::{Rates, ServerConfig};

use crate::fixture::{Answer, Fixture, join_request, token, within, wrap};

/// Behind a proxy on this machine.
fn behind_a_proxy(rates: Rates) -> ServerConfig {
    let trusted_proxies = vec![("127.0.0.1".parse().unwrap(), 32)];
    ServerConfig { behind_proxy: true, trusted_proxies, rates, ..ServerConfig::development() }
}

fn retry_after_s(answer: &Answer) -> u64 {
    answer.headers["retry-after"].parse().unwrap()
}

async fn info_for(server: &Fixture, client: &str) -> Answer {
    server.request("GET", "/api/info", &[("x-forwarded-for", client)], "").await
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again_and_nobody_else_is() {
    let server = Fixture::with(behind_a_proxy(Rates { api_requests_per_ip: 3, ..Rates::UNBOUNDED })).await;
    for _ in 0..3 {
        assert_eq!(info_for(&server, "203.0.113.9").await.status, 200);
    }
    let refused = info_for(&server, "203.0.113.9").await;
    assert_eq!((refused.status, refused.error_code().as_str()), (429, "rate_limited"));
    assert!(refused.headers["access-control-expose-headers"].contains("retry-after"));
    assert!((1..=20).contains(&retry_after_s(&refused)));
    assert_eq!(refused.headers["access-control-allow-origin"], "*", "scripts may read why");
    // What the client itself says of where it comes from changes nothing.
    assert_eq!(info_for(&server, "198.51.100.1, 203.0.113.9").await.status, 429);
    assert_eq!(info_for(&server, "203.0.113.10").await.status, 200);

    // One line of IPv6 has more addresses than anybody could count.
    for neighbour in ["2001:db8::1", "2001:db8::2", "[2001:db8::3]:99"] {
        assert_eq!(info_for(&server, neighbour).await.status, 200);
    }
    assert_eq!(info_for(&server, "2001:db8::ffff:1").await.status, 429);
    assert_eq!(info_for(&server, "2001:db8:0:1::1").await.status, 200);

    // Back ends read errors of another form.
    let method = "/twirp/livekit.RoomService/ListRooms";
    let refused = server.request("POST", method, &[("x-forwarded-for", "203.0.113.9")], "{}").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (429, Some("resource_exhausted")));
    assert!(retry_after_s(&refused) >= 1);
    assert_eq!(server.metric("sluice_rate_limited_total", "kind=\"api\"").await, 4.0);
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_stranger_does_not_choose_its_address() {
    let rates = Rates { api_requests_per_ip: 2, ..Rates::UNBOUNDED };
    let server = Fixture::with(ServerConfig { rates, ..ServerConfig::development() }).await;
    for n in 0..2 {
        assert_eq!(info_for(&server, &format!("203.0.113.{n}")).await.status, 200);
    }
    assert_eq!(info_for(&server, "203.0.113.77").await.status, 429);
}

#[tokio::test]
async fn behind_a_proxy_nobody_trusts_all_are_not_held_as_one() {
    let rates = Rates { api_requests_per_ip: 2, joins_per_ip: 2, failed_tokens_per_ip: 2, ..Rates::UNBOUNDED };
    let server = Fixture::with(ServerConfig { behind_proxy: true, rates, ..ServerConfig::development() }).await;
    for _ in 0..5 {
        assert_eq!(info_for(&server, "203.0.113.9").await.status, 200);
        assert_eq!(server.get("/rtc/validate?access_token=x").await.status, 401);
    }
}

#[tokio::test]
async fn joins_have_a_bound_of_their_own() {
    let server = Fixture::with(behind_a_proxy(Rates { joins_per_ip: 2, ..Rates::UNBOUNDED })).await;
    let target = format!("/rtc/v1?join_request={}", wrap(&join_request()));
    for identity in ["ada", "bob"] {
        let token = token("math", identity);
        server.open(server.stream().await, &target, Some(&token)).await.unwrap();
    }
    let late = server.open(server.stream().await, &target, Some(&token("math", "cyd"))).await;
    assert_eq!(late.err(), Some(429));
    assert_eq!(server.get("/api/info").await.status, 200);
    assert_eq!(server.metric("sluice_rate_limited_total", "kind=\"join\"").await, 1.0);
}

#[tokio::test]
async fn after_too_many_wrong_tokens_none_is_looked_at() {
    let server = Fixture::with(behind_a_proxy(Rates { failed_tokens_per_ip: 3, ..Rates::UNBOUNDED })).await;
    let validate = async |token: &str, client: &str| {
        let target = format!("/rtc/validate?access_token={token}");
        server.request("GET", &target, &[("x-forwarded-for", client)], "").await
    };
    let good = token("math", "ada");
    for _ in 0..5 {
        assert_eq!(validate(&good, "203.0.113.9").await.status, 200, "right ones are free");
    }
    let forged = AccessToken::with_api_key("devkey", "guessed")
        .with_identity("ada")
        .with_grants(VideoGrants { room_join: true, room: "math".into(), ..Default::default() })
        .to_jwt()
        .unwrap();
    for wrong in ["x.y.z", &forged, &forged] {
        assert_eq!(validate(wrong, "203.0.113.9").await.status, 401);
    }
    let unseen = validate(&good, "203.0.113.9").await;
    assert_eq!((unseen.status, unseen.error_code().as_str()), (429, "rate_limited"), "even a right one");
    assert_eq!(validate(&good, "203.0.113.10").await.status, 200);
    // The same at the other doors that take tokens.
    let headers = [("x-forwarded-for", "203.0.113.9"), ("authorization", &format!("Bearer {good}"))];
    let answer = server.request("POST", "/twirp/livekit.RoomService/ListRooms", &headers, "{}").await;
    assert_eq!(answer.json()["code"], "resource_exhausted");
    assert_eq!(server.metric("sluice_rate_limited_total", "bound=\"failed_tokens\"").await, 2.0);
}

#[tokio::test]
async fn a_key_is_used_up_by_its_own_tokens_only() {
    let server = Fixture::with(behind_a_proxy(Rates { joins_per_key: 2, ..Rates::UNBOUNDED })).await;
    let forged = AccessToken::with_api_key("devkey", "guessed").with_identity("eve").to_jwt().unwrap();
    for _ in 0..5 {
        assert_eq!(server.get(&format!("/rtc/validate?access_token={forged}")).await.status, 401);
    }
    let target = format!("/rtc/validate?access_token={}", token("math", "ada"));
    for (client, expected) in [("203.0.113.1", 200), ("203.0.113.2", 200), ("203.0.113.3", 429)] {
        let answer = server.request("GET", &target, &[("x-forwarded-for", client)], "").await;
        assert_eq!(answer.status, expected);
    }
}

#[tokio::test]
async fn who_is_in_a_room_uses_up_no_key() {
    let rates = Rates { api_requests_per_key: 2, api_requests_per_ip: 4, ..Rates::UNBOUNDED };
    // From nowhere in particular, so that no address counts.
    let config = ServerConfig { behind_proxy: true, rates, ..ServerConfig::development() };
    let server = Fixture::with(config).await;
    let ask = async |token: &str| {
        let bearer = format!("Bearer {token}");
        server.request("GET", "/api/events", &[("authorization", &bearer)], "").await.status
    };
    for identity in ["ada", "bob"] {
        let token = token("math", identity);
        for _ in 0..4 {
            assert_eq!(ask(&token).await, 403, "heard, and refused for another reason");
        }
        assert_eq!(ask(&token).await, 429, "{identity} has asked enough");
    }
    assert_eq!(ask(&token("physics", "ada")).await, 403, "in another room");
    let back_end = AccessToken::with_api_key("devkey", "secret")
        .with_grants(VideoGrants { room_list: true, ..Default::default() })
        .to_jwt()
        .unwrap();
    assert_eq!([ask(&back_end).await, ask(&back_end).await, ask(&back_end).await], [200, 200, 429]);
    assert_eq!(server.metric("sluice_rate_limited_total", "bound=\"participant\"").await, 2.0);
    assert_eq!(server.metric("sluice_rate_limited_total", "bound=\"key\"").await, 1.0);
}

/// A page that connects again and again is its own trouble.
#[tokio::test]
async fn who_comes_back_all_the_time_keeps_nobody_else_out() {
    let rates = Rates { joins_per_key: 4, joins_per_ip: 2, ..Rates::UNBOUNDED };
    let config = ServerConfig { behind_proxy: true, rates, ..ServerConfig::development() };
    let server = Fixture::with(config).await;
    let enter = async |identity: &str| {
        server
            .get(&format!("/rtc/validate?access_token={}", token("math", identity)))
            .await
            .status
    };
    let mut answers = Vec::new();
    for identity in ["ada", "ada", "ada", "ada", "bob", "cyd", "dan"] {
        answers.push(enter(identity).await);
    }
    assert_eq!(answers, [200, 200, 429, 429, 200, 200, 429]);
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_ask() {
    let allowed_origins = vec!["https://good.com".to_owned()];
    let server = Fixture::with(ServerConfig { allowed_origins, ..ServerConfig::development() }).await;
    let own = format!("http://{}", server.address);
    let target = format!("/rtc/validate?access_token={}", token("math", "ada"));
    for origin in ["https://good.com", own.as_str()] {
        let answer = server.request("GET", &target, &[("origin", origin)], "").await;
        assert_eq!((answer.status, answer.headers["access-control-allow-origin"].as_str()), (200, origin));
        assert!(answer.headers["vary"].to_lowercase().contains("origin"));
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
    for evil in ["https://good.com.evil", "https://evil", "null", "http://good.com"] {
        let preflight = [("origin", evil), ("access-control-request-method", "POST")];
        let answer = server.request("OPTIONS", "/api/rooms", &preflight, "").await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{evil}");
        let answer = server.request("GET", &target, &[("origin", evil)], "").await;
        assert_eq!((answer.status, answer.error_code().as_str()), (403, "origin_not_allowed"), "{evil}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{evil}");
    }
    // What is no browser says no origin.
    assert_eq!(server.get(&target).await.status, 200);
    server.join("math", "ada").await;
}

#[tokio::test]
async fn a_page_runs_nothing_that_did_not_come_from_here() {
    let server = Fixture::start().await;
    let home = server.get("/").await;
    let policy = &home.headers["content-security-policy"];
    assert!(!policy.contains("unsafe") && policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("script-src 'self';") && policy.contains("base-uri 'none'"), "{policy}");
    // Nothing in the page needs more: scripts are files, and a style in the page is named by its hash.
    let scripts = home.body.split("<script").skip(1);
    assert!(scripts.map(|script| script.split('>').next().unwrap()).all(|tag| tag.contains("src=\"/")));
    assert!(!home.body.contains(" style=") && !home.body.contains(" onload="));
    assert_eq!(home.body.contains("<style"), policy.contains("style-src 'sha256-"));
    assert_eq!(home.headers["x-frame-options"], "DENY");
}

#[tokio::test]
async fn operators_have_a_door_of_their_own() {
    let config = ServerConfig { separate_admin: true, ..ServerConfig::development() };
    let server = Fixture::with(config).await;
    let admin = server.admin;
    assert_eq!(server.get("/metrics").await.status, 404, "though metrics are open");
    assert_eq!(server.get("/readyz").await.status, 200);
    for (target, status) in [("/metrics", 200), ("/healthz", 200), ("/readyz", 200), ("/api/info", 404), ("/", 404)] {
        let answer = within(admin.get(target)).await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{target}");
    }
}
