//! What operators see, and the web app's door.

use std::sync::Arc;

use livekit_protocol::{LeaveRequest, leave_request, signal_response};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use sluice_server::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{Client, Fixture, within};

#[tokio::test]
async fn health_readiness_and_metrics_answer() {
    let server = Fixture::start().await;
    assert_eq!(server.get("/healthz").await.body, "ok");
    assert_eq!(server.get("/readyz").await.status, 200);
    let metrics = server.get("/metrics").await;
    assert!(metrics.headers["content-type"].starts_with("text/plain"));
    assert!(metrics.body.contains("sluice_rooms 0"));
}

/// What somebody is told who is let go.
async fn goodbye(client: &mut Client) -> LeaveRequest {
    let leave = |message: &signal_response::Message| match message {
        signal_response::Message::Leave(leave) => Some(leave.clone()),
        _ => None,
    };
    client.wait(leave).await
}

#[tokio::test]
async fn readiness_ends_with_the_last_worker_and_not_before() {
    let server = Fixture::spanning(2).await;
    let mut ada = server.join("math", "ada").await;
    server.drill.kill(0).unwrap();
    let leave = goodbye(&mut ada).await;
    assert_eq!(leave.action(), leave_request::Action::Reconnect, "{leave:?}");
    server.counts("sluice_workers_lost", "", 1.0).await;
    assert_eq!(server.get("/readyz").await.body, "ready", "another worker takes rooms");

    // She comes again as she was told, and finds it.
    let mut ada = server.join("math", "ada").await;
    server.drill.kill(1).unwrap();
    goodbye(&mut ada).await;
    server.counts("sluice_workers_lost", "", 2.0).await;
    let readyz = server.get("/readyz").await;
    assert_eq!((readyz.status, readyz.body.as_str()), (503, "no media worker is left: restart"));
    // The process lives: whoever asks may look.
    assert_eq!(server.get("/healthz").await.status, 200);
    server.counts("sluice_rooms", "", 0.0).await;
}

#[tokio::test]
async fn metrics_are_for_this_machine_only_unless_opened() {
    let server = Fixture::with(ServerConfig::new(vec![("k".into(), "s".into())])).await;
    assert_eq!(server.get("/metrics").await.status, 200);
    let through_a_proxy = server.request("GET", "/metrics", &[("x-forwarded-for", "203.0.113.9")], "").await;
    assert_eq!(through_a_proxy.status, 404);
}

#[tokio::test]
async fn every_answer_has_an_id_and_keeps_browsers_safe() {
    let server = Fixture::start().await;
    for target in ["/", "/r/k3m9x2qa", "/healthz", "/api/rooms", "/nothing", "/rtc/validate"] {
        let answer = server.get(target).await;
        assert_eq!(answer.headers["x-request-id"].len(), 16, "{target}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        assert!(answer.headers["content-security-policy"].contains("frame-ancestors 'none'"));
    }
}

#[tokio::test]
async fn pages_of_the_app_are_one_page_built_or_not() {
    let server = Fixture::start().await;
    let (home, room) = (server.get("/").await, server.get("/r/k3m9x2qa").await);
    for page in [&home, &room] {
        assert_eq!(page.status, 200);
        assert!(page.headers["content-type"].starts_with("text/html"));
        assert_ne!(page.headers["cache-control"], "public, max-age=31536000, immutable");
    }
    assert_eq!(home.body, room.body);
    for page in ["/signin", "/sessions/RM_x", "/admin", "/docs/api"] {
        assert_eq!(server.get(page).await.body, home.body, "{page}");
    }
    for target in ["/assets/nothing.js", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/assets/..%2f..%2fpackage.json"] {
        assert_eq!(server.get(target).await.status, 404, "{target}");
    }
    assert_eq!(server.request("POST", "/", &[], "").await.status, 404);
    // A person who took a wrong turn is told by the app, and still nothing is there.
    let browser = [("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    let lost = server.request("GET", "/about", &browser, "").await;
    assert_eq!((lost.status, lost.body), (404, home.body));
    assert_eq!(server.get("/about").await.body, "not found");
}

#[tokio::test]
async fn tls_ends_here_when_given() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let tls = Some(Arc::new(tls));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let alone = Fixture::secured(ServerConfig::development(), tls.clone()).await;
    for server in [alone, Fixture::with_media_at_the_door(tls).await] {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = within(connector.connect(name, server.stream().await)).await.unwrap();
        let body = "{}";
        let request = format!(
            "POST /api/rooms HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = within(stream.read_to_end(&mut answer)).await;
        assert!(answer.starts_with(b"HTTP/1.1 201"), "{}", String::from_utf8_lossy(&answer));

        // Plain HTTP to a TLS port is turned away.
        let mut plain = server.stream().await;
        plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = within(plain.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP"));
    }
}
