//! Over real connections: what is cut, what is open to whom, and what logs say of it.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::bucket::{ACCESS, Bucket, SECRET, file};
use crate::{Destination, ObjectKey, Outbox, OutboxConfig, Patience, S3Settings, Shelf, ShelfError, Tries};

const TOKEN: &str = "lent-token-hush";

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn shelf(bucket: &Bucket, address: SocketAddr) -> Shelf {
    let settings = S3Settings {
        endpoint: Some(format!("http://{address}")),
        session_token: Some(TOKEN.to_owned().into()),
        ..bucket.settings()
    };
    // No waits: the clock is a real one.
    let patience = Patience { first: Duration::ZERO, longest: Duration::ZERO, ..Patience::default() };
    Shelf::open(settings, Tries { patience, random: Arc::new(|| 0), turns: Arc::new(Semaphore::new(2)) }, None).unwrap()
}

/// Passes connections on, and cuts the first ones after so many bytes each.
async fn cutting(to: SocketAddr, mut cuts: Vec<u64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    cuts.reverse();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(to).await.unwrap();
            let cut = cuts.pop().unwrap_or(u64::MAX);
            tokio::spawn(async move {
                let ((from_client, mut to_client), (mut from_server, mut to_server)) = (client.split(), server.split());
                let mut up = from_client.take(cut);
                tokio::select! {
                    _ = tokio::io::copy(&mut up, &mut to_server) => {}
                    _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
                }
            });
        }
    });
    address
}

/// Opens an address as a browser does.
async fn open(url: &str) -> (u16, Bytes) {
    let uri: http::Uri = url.parse().unwrap();
    let stream = TcpStream::connect(uri.authority().unwrap().as_str()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(uri.path_and_query().unwrap().as_str())
        .header("host", uri.authority().unwrap().as_str())
        .body(Empty::<Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    connection.await.unwrap().unwrap();
    (status, body)
}

#[tokio::test]
async fn connections_that_are_cut_in_the_middle_lose_nothing() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, content) = file(&folder, "a", (8 << 20) + 300_000);
    let address = bucket.serve().await;
    // In the headers, in the middle of the first part, and in the middle of it once more.
    let through = cutting(address, vec![100, 1 << 20, 7 << 20]).await;
    let stored = shelf(&bucket, through).put_file(&key("a.webm"), &path, "video/webm").await.unwrap();
    assert!(bucket.object("a.webm").unwrap() == content);
    assert_eq!(stored.location, format!("http://{through}/calls/a.webm"));

    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let outcome = shelf(&bucket, gone).put_file(&key("b.webm"), &path, "video/webm").await;
    assert!(matches!(outcome, Err(ShelfError::Unavailable(crate::Trouble::Connect))), "{outcome:?}");
}

#[tokio::test]
async fn nobody_is_connected_to_who_is_not_in_reach() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, _) = file(&folder, "a", 5000);
    let address = bucket.serve().await;
    let tries = || Tries { patience: Patience::default(), random: Arc::new(|| 0), turns: Arc::new(Semaphore::new(2)) };
    let open = |endpoint: String, reach| {
        Shelf::open(S3Settings { endpoint: Some(endpoint), ..bucket.settings() }, tries(), Some(reach))
    };
    assert!(matches!(open(format!("http://{address}"), |_| false), Err(ShelfError::OffLimits)));

    let settings = S3Settings { endpoint: Some(format!("http://{address}")), ..bucket.settings() };
    let destination = Destination::Theirs(Box::new(settings));
    for (reach, is_off_limits) in [(None, false), (Some((|_| false) as crate::Reach), true)] {
        let random: crate::Random = Arc::new(|| 0);
        let config = OutboxConfig { ours: None, parallel: 1, reach, patience: Patience::default(), random };
        let checked = Outbox::new(config).unwrap().check(&destination);
        assert_eq!(matches!(checked, Err(ShelfError::OffLimits)), is_off_limits, "{checked:?}");
    }

    let by_name = format!("http://localhost:{}", address.port());
    let outside = open(by_name.clone(), |ip| !ip.is_loopback()).unwrap();
    let outcome = outside.put_file(&key("a"), &path, "video/webm").await;
    assert!(matches!(outcome, Err(ShelfError::OffLimits)), "{outcome:?}");
    assert_eq!(bucket.asked().len(), 0);
    open(by_name, |ip| ip.is_loopback())
        .unwrap()
        .put_file(&key("a"), &path, "video/webm")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_signed_address_opens_without_keys_until_its_life_is_over() {
    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, content) = file(&folder, "a", 5000);
    let shelf = shelf(&bucket, bucket.serve().await);
    let stored = shelf.put_file(&key("calls/a ü.webm"), &path, "video/webm").await.unwrap();

    let signed = shelf.presign(&stored.key, crate::LONGEST_LIFE).await.unwrap();
    let (status, body) = open(signed.reveal()).await;
    assert!(status == 200 && body == content, "{status} {body:?}");
    assert_eq!(open(&stored.location).await.0, 403, "who has no keys has nothing of the address alone");
    let other = signed.reveal().replacen("a%20", "b%20", 1);
    assert_eq!(open(&other).await.0, 403, "nor of the signature of another");

    let short = shelf.presign(&stored.key, Duration::from_secs(1)).await.unwrap();
    // The clock in the bucket is a real one. However slow this goes, there is an end to it.
    while open(short.reveal()).await.0 != 403 {
        tokio::task::yield_now().await;
    }
    assert_eq!(open(signed.reveal()).await.0, 200);
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_however_verbose_has_a_secret_in_it() {
    let lines = Lines::default();
    let writer = lines.clone();
    // All but the bucket's own side.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("trace,s3s=off,s3s_fs=off")
        .with_writer(move || writer.clone())
        .finish();
    // Where there is one only, whoever comes by a line first decides whether it is heard, and other tests hear nothing.
    let _other = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);

    let (bucket, folder) = (Bucket::new(), tempfile::tempdir().unwrap());
    let (path, _) = file(&folder, "a", 5000);
    let through = cutting(bucket.serve().await, vec![100]).await;
    let shelf = shelf(&bucket, through);
    shelf.put_file(&key("a"), &path, "video/webm").await.unwrap();
    let signed = shelf.presign(&key("a"), crate::LONGEST_LIFE).await.unwrap();
    shelf.delete(&key("a")).await.unwrap();
    let wrong = S3Settings { secret_key: "wrong-and-secret-too".to_owned().into(), ..shelf.settings().clone() };
    let tries = Tries { patience: Patience::default(), random: Arc::new(|| 0), turns: Arc::new(Semaphore::new(2)) };
    let wrong = Shelf::open(wrong, tries, None).unwrap();
    let denied = wrong.put_file(&key("a"), &path, "video/webm").await.unwrap_err();
    tracing::error!(?denied, %denied, ?wrong, ?shelf, ?signed, "all that can be shown");

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("a bucket is tried again") && text.contains("all that can be shown"), "{text}");
    assert!(text.contains("hyper") || text.contains("object_store"), "others are heard too: {text}");
    let signature = signed.reveal().split("X-Amz-Signature=").nth(1).unwrap();
    for secret in [SECRET, ACCESS, TOKEN, "wrong-and-secret-too", signature, "X-Amz-Signature"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
