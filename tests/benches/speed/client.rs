//! A client that costs as little as one over TLS can: bytes that are ready go out, and of what comes back only the length is
//! read.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::servers::Server;

/// Who may call a server.
#[derive(Clone)]
pub struct Caller {
    address: SocketAddr,
    connector: TlsConnector,
}

impl Caller {
    /// Trusts the authority of `server`.
    pub fn of(server: &Server) -> Result<Self> {
        Self::to(server.address, &server.authority)
    }

    /// Trusts `authority`.
    pub fn to(address: SocketAddr, authority: &str) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Caller {
            address,
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// A connection that is kept.
    pub async fn connect(&self) -> Result<Call> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = self.connector.connect(name, stream).await?;
        Ok(Call {
            stream,
            read: Vec::with_capacity(16 * 1024),
            body: 0,
        })
    }
}

/// A connection.
pub struct Call {
    stream: TlsStream<TcpStream>,
    read: Vec<u8>,
    body: usize,
}

impl Call {
    /// Sends a request and reads the answer: its status.
    pub async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.read.clear();
        self.body = loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            ensure!(
                self.stream.read_buf(&mut self.read).await? > 0,
                "closed before an answer"
            );
        };
        let head = std::str::from_utf8(&self.read[..self.body])?;
        let status = head.get(9..12).context("no status")?.parse()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse::<usize>())
        });
        let length = length.context("no length")??;
        while self.read.len() < self.body + length {
            ensure!(
                self.stream.read_buf(&mut self.read).await? > 0,
                "closed within an answer"
            );
        }
        Ok(status)
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.read[self.body..]
    }
}

/// A review as it goes over the wire.
pub fn post(review: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /mutate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        review.len()
    );
    [head.as_bytes(), review].concat()
}
