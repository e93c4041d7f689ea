//! A bucket in this process that checks signatures, and breaks as it is told to.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::{Patience, Random, S3Settings, Shelf, Tries};

pub(super) const ACCESS: &str = "AKIDEXAMPLE";
pub(super) const SECRET: &str = "wJalrXUtnFEMI-K7MDENG-hush";

/// How one request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It does not.
    None,
    /// Nobody is there.
    Connect,
    /// No answer ever comes.
    Hang,
    /// An answer of a bucket that cannot just now.
    Status(u16, &'static str),
    /// The connection breaks before all is sent.
    Cut,
    /// A byte of the body is another when it arrives.
    ChangedUp,
    /// It works, and the answer is lost.
    LostAnswer,
    /// The answer has an `ETag` of another kind.
    OtherEtag,
    /// As that, and a byte of the body of the answer is another.
    ChangedDown,
    /// The answer goes on for a megabyte after its end.
    Verbose,
    /// The answer begins, and nothing more of it ever comes.
    Stall,
}

/// A bucket called `calls`.
pub(super) struct Bucket {
    folder: TempDir,
    service: S3Service,
    faults: Mutex<VecDeque<Fault>>,
    always: Mutex<Option<Fault>>,
    /// Method and path of what was asked.
    asked: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bucket")
    }
}

impl Bucket {
    pub(super) fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("calls")).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(ACCESS, SECRET));
        Arc::new(Self {
            folder,
            service: builder.build(),
            faults: Mutex::default(),
            always: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    /// The next requests go so.
    pub(super) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// All requests go so.
    pub(super) fn fail_always(&self, fault: Option<Fault>) {
        *self.always.lock().unwrap() = fault;
    }

    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// What is there under a key.
    pub(super) fn object(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join("calls").join(key)).ok()
    }

    pub(super) fn settings(&self) -> S3Settings {
        S3Settings {
            bucket: "calls".to_owned(),
            region: String::new(),
            endpoint: Some("http://bucket.test".to_owned()),
            access_key: ACCESS.to_owned().into(),
            secret_key: SECRET.to_owned().into(),
            session_token: None,
            path_style: true,
            prefix: String::new(),
        }
    }

    pub(super) fn open(self: &Arc<Self>, settings: S3Settings, tries: Tries) -> Result<Shelf, crate::ShelfError> {
        Shelf::over(Arc::new(Way(self.clone())), settings, tries)
    }

    pub(super) fn shelf(self: &Arc<Self>) -> Shelf {
        self.open(self.settings(), tries()).unwrap()
    }

    /// Answers over the network, until the test ends.
    pub(super) async fn serve(self: &Arc<Self>) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bucket = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let bucket = bucket.clone();
                let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let bucket = bucket.clone();
                    async move {
                        let (parts, body) = request.into_parts();
                        // A client that went away in the middle gets no answer anyhow.
                        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                        let answer = bucket.answer(http::Request::from_parts(parts, body)).await;
                        Ok::<_, Infallible>(answer.map(Full::new))
                    }
                });
                let stream = hyper_util::rt::TokioIo::new(stream);
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
            }
        });
        address
    }

    pub(super) async fn answer(&self, request: http::Request<Bytes>) -> Response<Bytes> {
        let asked = format!("{} {}", request.method(), request.uri().path());
        self.asked.lock().unwrap().push(asked);
        let request = request.map(s3s::Body::from);
        let response = self.service.call(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }
}

/// Few tries within seconds, with an even wait.
pub(super) fn tries() -> Tries {
    Tries { patience: Patience::default(), random: even(), turns: Arc::new(Semaphore::new(4)) }
}

/// Always the middle.
pub(super) fn even() -> Random {
    Arc::new(|| u64::MAX / 2)
}

pub(super) fn file(folder: &TempDir, name: &str, bytes: usize) -> (PathBuf, Vec<u8>) {
    let mut random = 0x9E37_79B9_u32;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random.to_be_bytes()[0]
    })
    .take(bytes)
    .collect();
    let path = folder.path().join(name);
    std::fs::write(&path, &content).unwrap();
    (path, content)
}

/// The way to it without a network, so that time can be turned.
#[derive(Debug)]
struct Way(Arc<Bucket>);

impl HttpConnector for Way {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Self(self.0.clone())))
    }
}

#[async_trait]
impl HttpService for Way {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let broken = |kind| Err(HttpError::new(kind, std::io::Error::other("http://bucket.test/?X-Amz-Signature=1")));
        let next = self.0.faults.lock().unwrap().pop_front();
        let fault = self.0.always.lock().unwrap().or(next).unwrap_or(Fault::None);
        let (mut parts, body) = request.into_parts();
        let mut body = body.collect().await?.to_bytes();
        // As it would arrive.
        if let Some(host) = parts.uri.authority().and_then(|host| host.as_str().parse().ok()) {
            parts.headers.insert("host", host);
        }
        parts.headers.insert("content-length", HeaderValue::from(body.len()));
        parts.uri = parts.uri.path_and_query().unwrap().as_str().parse().unwrap();
        match fault {
            Fault::Connect => return broken(HttpErrorKind::Connect),
            Fault::Hang => std::future::pending().await,
            Fault::Status(status, code) => {
                let text = format!("<Error><Code>{code}</Code><Message>http://x/?X-Amz-Signature=1</Message></Error>");
                let mut response = Response::new(Bytes::from(text).into());
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                return Ok(response);
            }
            Fault::Cut => return broken(HttpErrorKind::Interrupted),
            Fault::ChangedUp => body = changed(&body),
            _ => {}
        }
        let mut response = self.0.answer(http::Request::from_parts(parts, body)).await;
        match fault {
            Fault::LostAnswer => return broken(HttpErrorKind::Interrupted),
            Fault::OtherEtag | Fault::ChangedDown => {
                response.headers_mut().insert("etag", HeaderValue::from_static("\"0123-kms\""));
                if fault == Fault::ChangedDown {
                    *response.body_mut() = changed(response.body());
                }
            }
            Fault::Stall => {
                let first = response.body().slice(..response.body().len().min(1000));
                let first = futures_util::stream::iter([Ok(Frame::data(first))]);
                let frames = futures_util::StreamExt::chain(first, futures_util::stream::pending());
                return Ok(response.map(|_| HttpResponseBody::new(StreamBody::new(frames))));
            }
            Fault::Verbose => *response.body_mut() = [response.body(), &[b' '; 1 << 20][..]].concat().into(),
            _ => {}
        }
        Ok(response.map(Into::into))
    }
}

fn changed(body: &Bytes) -> Bytes {
    let mut bytes = body.to_vec();
    if let Some(byte) = bytes.last_mut() {
        *byte ^= 1;
    }
    bytes.into()
}
