//! A server that answers as a test says, for tests.

use http::HeaderMap;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: String,
    headers: HeaderMap,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<String> {
        Some(self.headers.get(name)?.to_str().unwrap().to_owned())
    }

    pub fn host(&self) -> String {
        self.header("host").unwrap()
    }
}

/// What to answer.
pub struct Said(Response<Full<Bytes>>);

impl Said {
    pub fn new(status: u16) -> Self {
        let mut response = Response::new(Full::default());
        *response.status_mut() = status.try_into().unwrap();
        Said(response)
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.0.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub fn body(mut self, text: &str) -> Self {
        *self.0.body_mut() = Full::new(Bytes::copy_from_slice(text.as_bytes()));
        self
    }
}

/// The server; it ends with this.
pub struct StandIn {
    authority: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: AbortHandle,
}

impl StandIn {
    /// Answers each request by `answer`, which also gets how many came before.
    pub async fn start(answer: impl Fn(&Asked, usize) -> Said + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let seen = asked.clone();
        let serve = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (seen.clone(), answer.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let asked = Asked {
                        method: request.method().to_string(),
                        path: request.uri().path().to_owned(),
                        query: request.uri().query().unwrap_or_default().to_owned(),
                        headers: request.headers().clone(),
                    };
                    let mut seen = seen.lock().unwrap();
                    let said = answer(&asked, seen.len());
                    seen.push(asked);
                    async move { Ok::<_, Infallible>(said.0) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        };
        StandIn {
            authority,
            asked,
            task: tokio::spawn(serve).abort_handle(),
        }
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}
