//! The requests of `understudy` on their way to the API server: a test sees each, and says what becomes of it.
//!
//! The command line speaks plain HTTP to a proxy of ours, which passes its credentials on over TLS. So the API server decides
//! about the user as ever.

use std::ops::ControlFlow;
use std::process::Stdio;

use anyhow::{Context, Result};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use understudy_tests::testbed::{TestBed, User};

use crate::run::{Ran, variable};

/// A request that waits for what becomes of it. Whoever drops it breaks its connection.
pub struct Request {
    head: Parts,
    body: Bytes,
    /// What the API server answered, where it was asked already.
    pub answer: Option<http::Response<Bytes>>,
    server: Client,
    client: oneshot::Sender<http::Response<Bytes>>,
}

impl Request {
    /// Method and path.
    pub fn line(&self) -> String {
        format!("{} {}", self.head.method, self.head.uri.path())
    }

    /// What stands behind the path.
    pub fn query(&self) -> &str {
        self.head.uri.query().unwrap_or_default()
    }

    /// What it brings.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("it brings JSON")
    }

    /// Whether it asks what the user may do, which is put by a POST.
    pub fn asks(&self) -> bool {
        self.head.uri.path().ends_with("/selfsubjectaccessreviews")
    }

    /// Whether anything is stored by it.
    pub fn writes(&self) -> bool {
        self.head.method != "GET" && !self.asks()
    }

    /// Whether it lists `plural` of `namespace`.
    pub fn lists(&self, namespace: &str, plural: &str) -> bool {
        let list = format!("/namespaces/{namespace}/{plural}");
        self.head.method == "GET" && self.head.uri.path().ends_with(&list)
    }

    /// Whether it goes on with a list of which there were pages.
    pub fn goes_on(&self) -> bool {
        self.query().contains("continue=")
    }

    /// Has the API server answer, and keeps the answer back.
    pub async fn serve(&mut self) {
        let mut request = http::Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.head.uri.clone();
        *request.headers_mut() = self.head.headers.clone();
        let answer = self.server.send(request).await.expect("an answer");
        let (mut head, body) = answer.into_parts();
        // Said anew for the body as it is given.
        for header in [CONTENT_LENGTH, TRANSFER_ENCODING] {
            head.headers.remove(header);
        }
        let body = body.collect_bytes().await.expect("all of the answer");
        self.answer = Some(http::Response::from_parts(head, body));
    }

    /// Gives the answer.
    pub fn give(self) {
        // Nobody takes it where the command has ended.
        let _ = self.client.send(self.answer.expect("there is an answer"));
    }

    /// Has the API server answer the command line.
    pub async fn pass(mut self) {
        self.serve().await;
        self.give();
    }

    /// Answers in the API server's place.
    pub fn refuse(mut self, status: &Value) {
        let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok());
        let mut answer = http::Response::new(Bytes::from(status.to_string()));
        *answer.status_mut() = http::StatusCode::from_u16(code.expect("a code")).expect("a code of HTTP");
        self.answer = Some(answer);
        self.give();
    }
}

/// Runs `understudy ARGUMENTS` as `user`; `decide` is given each request in turn. Where it breaks off, the command is killed
/// before that request is let go, and `None` is returned.
pub async fn run(
    bed: &TestBed,
    user: User,
    arguments: &[&str],
    mut decide: impl AsyncFnMut(Request) -> ControlFlow<Request>,
) -> Option<Ran> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut command = bed.understudy(user).expect("the program is built");
    let text = std::fs::read_to_string(variable(&command, "KUBECONFIG")).expect("a kubeconfig");
    let ours = format!("http://{}", listener.local_addr().expect("an address"));
    let directory = tempfile::tempdir().expect("a directory");
    let kubeconfig = directory.path().join("kubeconfig");
    std::fs::write(&kubeconfig, text.replace(&bed.server(), &ours)).expect("written");

    let (to, mut requests) = unbounded_channel();
    let server = anonymous(bed).await.expect("a client");
    let accept = tokio::spawn(accept(listener, server, to));
    let child = command
        .args(arguments)
        .env("KUBECONFIG", &kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let process = child.id().expect("it runs").to_string();
    let mut ended = std::pin::pin!(child.wait_with_output());
    let ran = loop {
        tokio::select! {
            output = &mut ended => break Some(Ran::from(output.expect("it ends"))),
            Some(request) = requests.recv() => if let ControlFlow::Break(held) = decide(request).await {
                let sent = std::process::Command::new("kill").args(["-KILL", &process]).status();
                assert!(sent.expect("kill runs").success());
                ended.await.expect("it ends");
                drop(held);
                break None;
            },
        }
    };
    accept.abort();
    ran
}

/// A client that says of itself nothing: each request brings its user's credentials.
async fn anonymous(bed: &TestBed) -> Result<Client> {
    let file = Kubeconfig::read_from(bed.kubeconfig())?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.auth_info = AuthInfo::default();
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

async fn accept(listener: TcpListener, server: Client, requests: UnboundedSender<Request>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (server, requests) = (server.clone(), requests.clone());
        let service = service_fn(move |request| hold(request, server.clone(), requests.clone()));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Shows `request` to the test, and waits for what becomes of it.
async fn hold(
    request: http::Request<Incoming>,
    server: Client,
    requests: UnboundedSender<Request>,
) -> Result<http::Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let (client, answer) = oneshot::channel();
    let shown = Request {
        head,
        body: body.collect().await?.to_bytes(),
        answer: None,
        server,
        client,
    };
    requests.send(shown).ok().context("the run is over")?;
    Ok(answer.await?.map(Full::new))
}
