//! An HTTP server that stands what is thrown at it: `serve` answers reviews with it, both programs answer health.
//!
//! Flow: [`Listener`] accepts, [`crowd`] counts who is there and says who has to go when it is full, [`connection`] speaks TLS
//! and HTTP with one client under deadlines, and an [`Answer`] makes the responses. By hand on hyper and rustls, because
//! what a framework's server leaves out is the point here: a client costs at most one socket until its deadline, and
//! whoever has asked nothing yet goes before whoever has.

mod connection;
mod counts;
mod crowd;
mod limits;
mod listener;
mod peer;
mod watched;

pub use counts::Counts;
pub use limits::Limits;
pub use listener::{Listener, Season};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};

/// What every response is: bytes that are there.
pub type Reply = Response<Full<Bytes>>;

/// Makes the responses of a server.
pub trait Answer: Send + Sync + 'static {
    /// The response to `request`.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Reply> + Send;
}

/// A short text.
pub fn text(status: StatusCode, text: impl Into<String>) -> Reply {
    reply(status, "text/plain; charset=utf-8", text.into())
}

/// A body of this media type.
pub fn reply(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    reply
}
