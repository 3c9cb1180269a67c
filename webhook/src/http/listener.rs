//! Accepts, and never stops accepting: not for a slow handshake, not for want of descriptors, not when it is full.

use super::connection::{self, House};
use super::counts::{Cause, Counts};
use super::crowd::{Crowd, Place};
use super::{Answer, Limits};
use futures::FutureExt;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Connections that the kernel holds until we accept them. The standard library's 128 are gone in one burst, and a client
/// that finds no place believes itself connected (Linux lets it) and waits a second or more for its first bytes to count.
const BACKLOG: u32 = 4096;
/// After a failure to accept; before each such pause one who never asked anything gives up a descriptor.
const PAUSE: Duration = Duration::from_millis(10);

/// Between two lines of the log about that.
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// What clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Season {
    /// Come, and stay.
    Open,
    /// Come, and do not stay: we are still found, and are about to leave.
    Leaving,
    /// Finish what you have begun.
    Closing,
}

/// A bound address, not serving yet.
pub struct Listener {
    socket: TcpListener,
    limits: Limits,
    counts: Counts,
}

impl Listener {
    /// Binds `address`; connections that come wait.
    pub async fn bind(address: SocketAddr, limits: Limits, counts: Counts) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let socket = socket.listen(BACKLOG)?;
        Ok(Listener {
            socket,
            limits,
            counts,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until the season is `Closing`, and then until everybody has gone.
    ///
    /// Without `tls`, over plain HTTP.
    pub async fn serve<A: Answer>(
        self,
        answer: A,
        tls: Option<watch::Receiver<Arc<ServerConfig>>>,
        season: watch::Receiver<Season>,
    ) {
        let Listener {
            socket,
            limits,
            counts,
        } = self;
        let crowd = Crowd::new(limits.connections);
        let mut closing = season.clone();
        let house = Arc::new(House {
            answer,
            limits,
            tls,
            season,
        });
        let welcome = |stream: TcpStream| match crowd.enter() {
            Some((place, _)) => {
                tokio::spawn(attend(stream, house.clone(), place, counts.clone()));
            }
            // Everybody here is being answered. Who comes now is told by the closed connection.
            None => counts.end(Cause::Full),
        };
        let mut said = None;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = closing.wait_for(|season| *season == Season::Closing) => break,
                accepted = async { crowd.room().await; socket.accept().await } => accepted,
            };
            match accepted {
                Ok((stream, _)) => welcome(stream),
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    // No descriptor or no memory is left: one who only waits has to give theirs. Whoever was of use stays:
                    // clients alone cannot use up all, and to close on the API server may let nobody else in.
                    crowd.dismiss_silent();
                    if said.is_none_or(|said: Instant| said.elapsed() > SAY_AGAIN) {
                        said = Some(Instant::now());
                        tracing::warn!(%error, open = crowd.open(), "failed to accept connections; will go on");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // Whom the kernel has let in already is not shut out.
        while let Some(Ok((stream, _))) = socket.accept().now_or_never() {
            welcome(stream);
        }
        drop(socket);
        crowd.gone().await;
    }
}

async fn attend<A: Answer>(stream: TcpStream, house: Arc<House<A>>, place: Place, counts: Counts) {
    let _open = Open::count(&counts);
    if let Err(cause) = connection::serve(stream, &house, &place.peer).await {
        counts.end(cause);
    }
}

/// One open connection in the gauge, also when its task panics.
struct Open<'a>(&'a Counts);

impl<'a> Open<'a> {
    fn count(counts: &'a Counts) -> Self {
        counts.open.inc();
        Open(counts)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.dec();
    }
}

/// Whether this failure says something about one connection only.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
