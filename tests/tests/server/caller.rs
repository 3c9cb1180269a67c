//! Calls a server byte by byte, so that a test says exactly what goes over the wire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pki::Pair;

/// Nothing that is answered at all takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who may call; cheap to clone.
#[derive(Clone)]
pub struct Caller {
    address: SocketAddr,
    roots: Arc<RootCertStore>,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// A connection over TLS.
pub struct Call {
    pub stream: TlsStream<TcpStream>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Caller {
    pub fn new(address: SocketAddr, roots: Arc<RootCertStore>) -> Self {
        let config = configure(roots.clone(), None);
        let name = ServerName::try_from("localhost").unwrap();
        Self {
            address,
            roots,
            config: Arc::new(config),
            name,
        }
    }

    /// Expects a certificate for this host, and not for `localhost`.
    pub fn expecting(mut self, host: String) -> Self {
        self.name = ServerName::try_from(host).unwrap();
        self
    }

    /// Shows this certificate.
    pub fn with_certificate(mut self, pair: &Pair) -> Self {
        self.config = Arc::new(configure(self.roots.clone(), Some(pair)));
        self
    }

    /// Offers these protocols.
    pub fn speaking(mut self, protocols: &[&str]) -> Self {
        let mut config = (*self.config).clone();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self.config = Arc::new(config);
        self
    }

    /// A connection on which nothing was said yet.
    pub async fn connect(&self) -> Result<Call> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(self.config.clone());
        let stream = tokio::time::timeout(PATIENCE, connector.connect(self.name.clone(), stream)).await??;
        Ok(Call { stream })
    }

    /// A review on a connection of its own.
    pub async fn review(&self, path: &str, review: &Value) -> Result<Value> {
        self.connect().await?.review(path, review).await
    }
}

fn configure(roots: Arc<RootCertStore>, pair: Option<&Pair>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match pair {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    }
}

/// A POST of JSON.
pub fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

impl Call {
    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Reads one answer.
    pub async fn answer(&mut self) -> Result<Answer> {
        tokio::time::timeout(PATIENCE, self.read())
            .await
            .context("no answer in time")?
    }

    /// Reads a head alone, such as that of `100 Continue`, to which there is no more.
    pub async fn told(&mut self) -> Result<String> {
        let (head, rest) = tokio::time::timeout(PATIENCE, self.head())
            .await
            .context("not told in time")??;
        ensure!(rest.is_empty(), "more was said after {head}");
        Ok(head)
    }

    /// A head, and what came with it.
    async fn head(&mut self) -> Result<(String, Vec<u8>)> {
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = bytes.split_off(end + 4);
                return Ok((String::from_utf8(bytes)?.to_lowercase(), rest));
            }
            ensure!(
                self.stream.read_buf(&mut bytes).await? > 0,
                "closed before an answer"
            );
        }
    }

    async fn read(&mut self) -> Result<Answer> {
        let (head, mut bytes) = self.head().await?;
        let status = head.split_whitespace().nth(1).context("no status")?.parse()?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("no length")?.parse()?;
        while bytes.len() < length {
            ensure!(
                self.stream.read_buf(&mut bytes).await? > 0,
                "closed within an answer"
            );
        }
        let body = String::from_utf8(bytes)?;
        Ok(Answer { status, head, body })
    }

    /// Sends a whole body and reads the answer.
    pub async fn post(&mut self, path: &str, body: &[u8]) -> Result<Answer> {
        self.send(&post(path, body)).await?;
        self.answer().await
    }

    /// Sends a review and reads its response.
    pub async fn review(&mut self, path: &str, review: &Value) -> Result<Value> {
        let answer = self.post(path, review.to_string().as_bytes()).await?;
        ensure!(answer.status == 200, "{answer:?}");
        let mut review: Value = serde_json::from_str(&answer.body)?;
        Ok(review["response"].take())
    }

    /// Waits until the server closes, and returns what it said before.
    pub async fn closed(&mut self) -> Result<Vec<u8>> {
        let mut rest = Vec::new();
        // A server that closes without a farewell is an error to rustls, and closed all the same.
        let _ = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut rest))
            .await
            .context("not closed")?;
        Ok(rest)
    }
}
