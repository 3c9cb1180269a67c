//! HTTP to what is not the API server: registries of images, and a preview's own URL.
//!
//! One answer for each request: no redirect is followed, no cookie kept. TLS is verified with the authorities of the system
//! (`SSL_CERT_FILE` names others). What goes wrong is told apart as far as a person can do something about it; an address
//! that was asked, or what was answered, never stands in an error.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use std::error::Error;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// How long one answer may take.
const LATEST: Duration = Duration::from_secs(10);
/// The longest answer: the distribution API lets a manifest have 4 MiB.
const MOST: usize = 4 * 1024 * 1024;
/// Who asks.
pub const AGENT: &str = concat!("understudy/", env!("CARGO_PKG_VERSION"));

/// A client of any server. Prints nothing of itself.
pub struct Web(legacy::Client<hyper_rustls::HttpsConnector<HttpConnector>, Empty<Bytes>>);

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer; completes "HOST cannot be reached: …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// No resolver knows it.
    #[error("its name does not resolve")]
    Unresolved,
    /// Nobody listens.
    #[error("it refuses the connection")]
    Refused,
    /// Its certificate is another's, or out of date.
    #[error("its certificate is not valid: {0}")]
    Certificate(String),
    /// It answers, but not by TLS.
    #[error("it does not speak TLS: {0}")]
    NoTls(String),
    /// It takes too long.
    #[error("it does not answer within {} seconds", LATEST.as_secs())]
    Silent,
    /// Anything else.
    #[error("{0}")]
    Broken(String),
}

impl Web {
    /// A client; fails where the system's certificates cannot be read.
    pub fn new() -> Result<Self, String> {
        // The very connector of the cluster's client, without a cluster: one TLS for both.
        let config = kube::Config::new(Uri::from_static("https://localhost"));
        let connector = config
            .rustls_https_connector()
            .map_err(|error| error.to_string())?;
        Ok(Web(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Sends `request` and reads the whole answer.
    pub async fn ask(&self, request: Request<Empty<Bytes>>) -> Result<Answer, Unreached> {
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| unreached(&error))?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MOST)
                .collect()
                .await
                .map_err(|_| Unreached::Broken("its answer breaks off, or is too long".to_owned()))?;
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body: body.to_bytes(),
            })
        };
        timeout(LATEST, exchange).await.unwrap_or(Err(Unreached::Silent))
    }
}

/// What lies under an error of the client.
fn unreached(error: &legacy::Error) -> Unreached {
    let mut last = String::new();
    meaning(error, &mut last).unwrap_or(Unreached::Broken(last))
}

/// The innermost cause that means something to a person; the text of the last one goes to `last`.
fn meaning(error: &(dyn Error + 'static), last: &mut String) -> Option<Unreached> {
    *last = error.to_string();
    if last.starts_with("dns error") {
        return Some(Unreached::Unresolved);
    }
    match error.downcast_ref() {
        Some(rustls::Error::InvalidCertificate(why)) => return Some(Unreached::Certificate(why.to_string())),
        Some(other) => return Some(Unreached::NoTls(other.to_string())),
        None => {}
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        if io.kind() == io::ErrorKind::ConnectionRefused {
            return Some(Unreached::Refused);
        }
        // What it wraps is not its source.
        if let Some(inner) = io.get_ref() {
            return meaning(inner, last);
        }
    }
    error.source().and_then(|source| meaning(source, last))
}

/// How long a server asks to be left alone, where it says so in seconds.
///
/// Source: RFC 9110, 10.2.3. Its other form, a date, means what two clocks agree on, and nobody we ask uses it.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// `pause`, or up to a half longer: those who were turned away together shall not come back together.
pub fn spread(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(1.0..1.5))
}
