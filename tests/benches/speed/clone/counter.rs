//! How many requests somebody sends: a proxy to the API server that counts them. Never in the way of what is timed.
//!
//! It passes everybody's own credentials on; kubectl gives them over TLS alone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use understudy_tests::testbed::TestBed;

use crate::servers::{certify, tls};

/// Requests by their methods.
pub type Counts = BTreeMap<String, usize>;

/// A proxy; it ends with this value.
pub struct Counter {
    address: String,
    directory: tempfile::TempDir,
    counts: Arc<Mutex<Counts>>,
    task: JoinHandle<()>,
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Counter {
    /// Starts one.
    pub async fn start(bed: &TestBed) -> Result<Self> {
        let file = Kubeconfig::read_from(bed.kubeconfig())?;
        let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        config.auth_info = AuthInfo::default();
        config.default_retry = false;
        let server = Client::try_from(config)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("https://{}", listener.local_addr()?);
        let directory = tempfile::tempdir()?;
        let authority = certify(directory.path(), Ipv4Addr::LOCALHOST)?;
        std::fs::write(directory.path().join("ca.crt"), authority)?;
        let mut config = tls(directory.path())?;
        config.alpn_protocols.clear();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let counts: Arc<Mutex<Counts>> = Arc::default();
        let counted = counts.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, counted, acceptor) = (server.clone(), counted.clone(), acceptor.clone());
                let service = service_fn(move |request| pass(request, server.clone(), counted.clone()));
                tokio::spawn(async move {
                    let stream = TokioIo::new(acceptor.accept(stream).await?);
                    http1::Builder::new().serve_connection(stream, service).await?;
                    anyhow::Ok(())
                });
            }
        });
        Ok(Counter {
            address,
            directory,
            counts,
            task,
        })
    }

    /// A copy of this kubeconfig that leads through here.
    pub fn before(&self, bed: &TestBed, kubeconfig: &Path) -> Result<PathBuf> {
        let text = std::fs::read_to_string(kubeconfig)?;
        let text = text.replace(&bed.server(), &self.address);
        let authority = self.directory.path().join("ca.crt");
        let text = text.replace(
            &bed.ca_file().display().to_string(),
            &authority.display().to_string(),
        );
        let through = kubeconfig.with_extension("counted");
        std::fs::write(&through, text)?;
        Ok(through)
    }

    /// What was counted since this was last asked.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut self.counts.lock().expect("no panic while held"))
    }
}

async fn pass(
    request: Request<Incoming>,
    server: Client,
    counts: Arc<Mutex<Counts>>,
) -> Result<Response<Full<Bytes>>> {
    let method = request.method().to_string();
    *counts
        .lock()
        .expect("no panic while held")
        .entry(method)
        .or_default() += 1;
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let answer = server.send(Request::from_parts(head, Body::from(body))).await?;
    let (mut head, body) = answer.into_parts();
    // Said anew for the body as it is passed on.
    for header in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        head.headers.remove(header);
    }
    Ok(Response::from_parts(head, Full::new(body.collect_bytes().await?)))
}
