//! One client: TLS, then HTTP/1.1 or HTTP/2 as it chose by ALPN, with a deadline at every point where it could keep us waiting.

use super::counts::Cause;
use super::peer::Peer;
use super::watched::Watched;
use super::{Answer, Limits, Reply, Season};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, Service, service_fn};
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A head is a few hundred bytes; what else is read stays below this.
const BUFFER: usize = 64 * 1024;
const HEAD: usize = 16 * 1024;
/// What clients assume until they are told (RFC 9113, 6.5.2 asks for no less); fewer would refuse the first of a burst.
const STREAMS: u32 = 100;
/// First byte of every TLS connection: a record of the handshake (RFC 8446, 5.1).
const HANDSHAKE_RECORD: u8 = 22;
const NO_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 22\r\n\r\nspeak HTTPS, not HTTP\n";

/// What all connections of a server share.
pub struct House<A> {
    pub answer: A,
    pub limits: Limits,
    /// None: plain HTTP.
    pub tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    pub season: watch::Receiver<Season>,
}

/// Serves one client until it or its time is up.
pub async fn serve<A: Answer>(
    socket: TcpStream,
    house: &Arc<House<A>>,
    peer: &Arc<Peer>,
) -> Result<(), Cause> {
    // Answers are small and awaited.
    let _ = socket.set_nodelay(true);
    let Some(tls) = &house.tls else {
        return speak_http1(socket, house, peer).await;
    };
    let config = tls.borrow().clone();
    let limits = &house.limits;
    let stream = tokio::select! {
        stream = timeout(limits.handshake, shake_hands(socket, config, limits)) => stream.unwrap_or(Err(Cause::Slow))?,
        () = peer.dismissed() => return Err(Cause::Full),
    };
    peer.welcome();
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        speak_http2(stream, house, peer).await
    } else {
        speak_http1(stream, house, peer).await
    }
}

async fn shake_hands(
    mut socket: TcpStream,
    config: Arc<ServerConfig>,
    limits: &Limits,
) -> Result<TlsStream<TcpStream>, Cause> {
    let mut first = [0];
    match socket.peek(&mut first).await {
        Ok(1) if first[0] == HANDSHAKE_RECORD => {}
        Ok(1) => {
            let _ = socket.write_all(NO_TLS).await;
            part(socket, limits.lingering).await;
            return Err(Cause::Plaintext);
        }
        // It came to see whether somebody listens.
        _ => return Err(Cause::Broken),
    }
    TlsAcceptor::from(config).accept(socket).await.map_err(|error| {
        tracing::debug!(%error, "failed to set up TLS");
        Cause::Handshake
    })
}

async fn speak_http1<A, S>(stream: S, house: &Arc<House<A>>, peer: &Arc<Peer>) -> Result<(), Cause>
where
    A: Answer,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(Watched::new(stream, peer.clone()));
    let mut connection = http1::Builder::new()
        // Ours is `Limits::head`, which does not run while a connection is idle.
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .max_header_size(HEAD)
        .serve_connection(stream, service(house, peer));
    drive(&mut connection, house, peer, true).await?;
    part(connection.into_parts().io.into_inner(), house.limits.lingering).await;
    Ok(())
}

async fn speak_http2<A, S>(stream: S, house: &Arc<House<A>>, peer: &Arc<Peer>) -> Result<(), Cause>
where
    A: Answer,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(Watched::new(stream, peer.clone()));
    let mut connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEAD).unwrap_or(u32::MAX))
        .max_send_buf_size(BUFFER)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .serve_connection(stream, service(house, peer));
    drive(&mut connection, house, peer, false).await
}

fn service<A: Answer>(
    house: &Arc<House<A>>,
    peer: &Arc<Peer>,
) -> impl Service<
    Request<Incoming>,
    Response = Reply,
    Error = Infallible,
    Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>,
> + Unpin
+ use<A> {
    let (house, peer) = (house.clone(), peer.clone());
    service_fn(move |request: Request<Incoming>| {
        let (house, busy) = (house.clone(), peer.asks());
        let answered = async move {
            let version = request.version();
            let mut reply = house.answer.answer(request).await;
            // Whoever keeps connections for later must not keep this one: HTTP/1 has no other word for it.
            if version < Version::HTTP_2 && *house.season.borrow() != Season::Open {
                reply
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            drop(busy);
            Ok(reply)
        };
        Box::pin(answered) as Pin<Box<dyn Future<Output = _> + Send>>
    })
}

/// A connection of either protocol.
trait Exchange {
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>>;
    /// Lets it end after what has begun.
    fn finish(&mut self);
}

impl<I, S> Exchange for http1::Connection<I, S>
where
    S: HttpService<Incoming, ResBody = http_body_util::Full<hyper::body::Bytes>> + Unpin,
    S::Future: Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.poll_without_shutdown(cx)
    }

    fn finish(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl<I, S, E> Exchange for http2::Connection<I, S, E>
where
    S: HttpService<Incoming, ResBody = http_body_util::Full<hyper::body::Bytes>> + Unpin,
    S::Future: 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, S::ResBody>,
    Self: Future<Output = hyper::Result<()>> + Unpin,
{
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Pin::new(self).poll(cx)
    }

    fn finish(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

/// Goes on until the client has gone, was slow, had to make room, or everything ends.
async fn drive<A>(
    exchange: &mut impl Exchange,
    house: &House<A>,
    peer: &Peer,
    heads: bool,
) -> Result<(), Cause> {
    let mut season = house.season.clone();
    let mut closing = pin!(season.wait_for(|season| *season == Season::Closing));
    let mut dismissed = pin!(peer.dismissed());
    let mut timer = pin!(sleep_until(Instant::now()));
    let (mut since, mut told) = (None, false);
    poll_fn(|cx| {
        if since.is_none() && closing.as_mut().poll(cx).is_ready() {
            since = Some(Instant::now());
        }
        let ending = since.is_some();
        // Not before it has asked something: hyper would close on a client whose first request is on its way. It has
        // until its deadline, and is told not to stay.
        if ending && !told && peer.has_asked() {
            told = true;
            exchange.finish();
        }
        if dismissed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Cause::Full));
        }
        if let Poll::Ready(result) = exchange.go_on(cx) {
            return Poll::Ready(result.map_err(|error| {
                tracing::debug!(%error, "a connection broke");
                Cause::Broken
            }));
        }
        if ending && !told && peer.has_asked() {
            cx.waker().wake_by_ref();
        }
        // After the exchange, which alone may have changed it.
        let Some(until) = peer.until(&house.limits, heads, since) else {
            return Poll::Pending;
        };
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx).map(|()| Err(Cause::Slow))
    })
    .await
}

/// Says farewell and reads what is still coming: closing on unread bytes would reset the connection, and the client would
/// lose the last answer (RFC 9112, 9.6).
async fn part(mut stream: impl AsyncRead + AsyncWrite + Unpin, lingering: Duration) {
    let farewell = async {
        stream.shutdown().await?;
        let mut ignored = [0; 4096];
        while stream.read(&mut ignored).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = timeout(lingering, farewell).await;
}
