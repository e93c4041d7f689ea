//! Between `object_store` and the network: nobody is connected to who must not be, and a refusal becomes an error with a
//! status and a code.
//!
//! `object_store` says what it was refused in sentences, with addresses in them; what others are told must not be made
//! of those.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use crate::error::Code;

const CONNECT: Duration = Duration::from_secs(10);

/// Whether a bucket may be at an address.
pub type Reach = fn(IpAddr) -> bool;

/// It is at an address where it must not be.
#[derive(Debug, thiserror::Error)]
#[error("not an address that may be connected to")]
pub(crate) struct OffLimits;

/// Over the network, to addresses that may be reached. Redirects are not followed: they would lead to others.
#[derive(Debug)]
pub(crate) struct Network {
    /// `None`: anywhere.
    pub(crate) reach: Option<Reach>,
    /// Without TLS, because the endpoint's address says so.
    pub(crate) is_plain_http: bool,
}

impl HttpConnector for Network {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        // Plain HTTP/1: there is nothing to be won by one connection for all uploads, and headers stay out of frames
        // that a verbose log shows. How long all may take is kept by who asks, on a clock that tests can turn.
        let mut builder = reqwest::Client::builder()
            .http1_only()
            .https_only(!self.is_plain_http)
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")));
        if let Some(reach) = self.reach {
            // A proxy would go where we must not.
            builder = builder.no_proxy().dns_resolver(Arc::new(Guarded(reach)));
        }
        let broken = |error| object_store::Error::Generic { store: "S3", source: Box::new(error) };
        Ok(HttpClient::new(builder.build().map_err(broken)?))
    }
}

/// Resolves names to addresses that may be reached.
struct Guarded(Reach);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let all: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // All of them: one name that leads both inside and outside is nothing honest.
            if all.iter().any(|address| !reach(address.ip())) {
                return Err(Box::new(OffLimits) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(all.into_iter()) as Addrs)
        })
    }
}

/// Bytes of an answer that are read where it is none to a `GET`, and of a refusal. S3's have some hundred, and
/// `object_store` takes them into memory as a whole.
const ANSWER_BYTES: usize = 64 * 1024;

/// A bucket says more than there is to say.
#[derive(Debug, thiserror::Error)]
#[error("the answer is too long")]
struct Endless;

/// A bucket answered, but not as it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("answered {status}")]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) code: Option<Code>,
}

/// Connects as another does.
#[derive(Debug)]
pub(crate) struct Connector(pub(crate) Arc<dyn HttpConnector>);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(self.0.connect(options)?)))
    }
}

#[derive(Debug)]
struct Service(HttpClient);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_get = request.method() == http::Method::GET;
        let response = self.0.execute(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(if is_get { response } else { response.map(short) });
        }
        // A refusal that cannot be read, or is endless, is one without a code.
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let code = body.ok().and_then(|body| Code::of_body(&body.to_bytes()));
        // `Decode`, because that is never tried again: here it is decided what is.
        Err(HttpError::new(HttpErrorKind::Decode, Answered { status: status.as_u16(), code }))
    }
}

/// A body that breaks off where it should have ended.
fn short(body: HttpResponseBody) -> HttpResponseBody {
    let broken = |error: Box<dyn Error + Send + Sync>| match error.downcast::<HttpError>() {
        Ok(error) => *error,
        Err(_) => HttpError::new(HttpErrorKind::Decode, Endless),
    };
    HttpResponseBody::new(Limited::new(body, ANSWER_BYTES).map_err(broken))
}
