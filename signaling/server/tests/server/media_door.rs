//! Media at the address of the doors: what is for whom is told by the first byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{Fixture, within};

/// A connectivity check for nobody here, in a frame (RFC 4571).
fn check() -> Vec<u8> {
    let mut frame = vec![0, 32, 0x00, 0x01, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    frame.extend([7; 12]);
    frame.extend([0x00, 0x06, 0, 7]);
    frame.extend(b"ab:them\0");
    frame
}

async fn send(server: &Fixture, bytes: &[u8]) -> TcpStream {
    let mut stream = server.stream().await;
    stream.write_all(bytes).await.unwrap();
    stream
}

/// What the server says before it closes the connection.
async fn last_words(mut stream: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // An error is an end as well.
    let _ = within(stream.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn checks_go_to_the_media_plane_and_requests_to_the_doors() {
    let server = Fixture::with_media_at_the_door(None).await;
    assert_eq!(server.get("/healthz").await.body, "ok");
    assert_eq!(last_words(send(&server, &check()).await).await, b"");
    for counter in ["sluice_tcp_connections_accepted_total", "sluice_tcp_connections_refused_total"] {
        server.counts(counter, "", 1.0).await;
    }
    // A request in pieces is still a request.
    let mut slow = send(&server, b"G").await;
    slow.write_all(b"ET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(last_words(slow).await.ends_with(b"ok"));
    assert!(
        last_words(send(&server, b"\x08\x00nonsense\r\n\r\n").await)
            .await
            .starts_with(b"HTTP/1.1 400")
    );
    assert_eq!(server.metric("sluice_tcp_connections_accepted_total", "").await, 1.0);
}

#[tokio::test]
async fn where_no_media_comes_a_check_is_a_bad_request() {
    let server = Fixture::start().await;
    assert!(!last_words(send(&server, &check()).await).await.is_empty());
}

#[tokio::test]
async fn hundreds_of_half_checks_keep_nobody_from_the_doors() {
    let server = Fixture::with_media_at_the_door(None).await;
    let mut strangers = Vec::new();
    for n in 0..300 {
        strangers.push(send(&server, &check()[..=n % 10]).await);
        if n % 100 == 50 {
            assert_eq!(server.get("/healthz").await.body, "ok");
        }
    }
    for stranger in strangers {
        assert_eq!(last_words(stranger).await, b"");
    }
    server.counts("sluice_tcp_connections_waiting", "", 0.0).await;
    assert_eq!(server.get("/healthz").await.body, "ok");
}
