//! A TCP proxy that can hold back what a server says.
//!
//! Between the API server and one client it makes that client's view of the cluster old: what it has asked is answered
//! late, what it watches is told late. TLS goes through untouched. It runs on threads of its own and so belongs to no
//! runtime.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// A proxy to one server; it ends, with its connections, when dropped.
pub struct TcpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    gate: Gate,
    ended: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

/// Open: bytes from the server pass. Shut: they wait.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(shut, |shut| *shut));
    }
}

impl TcpProxy {
    /// Starts a proxy to this server, on a free port of this machine.
    pub fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            gate: Gate::default(),
            ended: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let acceptor = shared.clone();
        thread::spawn(move || acceptor.accept(&listener));
        Ok(Self { address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds back what the server says from now on, on old connections and new ones.
    pub fn pause(&self) {
        self.shared.gate.set(true);
    }

    /// Lets pass what was held back, and all that follows.
    pub fn resume(&self) {
        self.shared.gate.set(false);
    }

    /// Breaks all connections there are.
    pub fn cut(&self) {
        self.shared.cut();
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.shared.cut();
        self.resume();
        // The acceptor looks at `ended` after each connection; this is the last one.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            // A server that is not there: the client sees its connection closed.
            let Ok(server) = TcpStream::connect(self.server) else {
                continue;
            };
            // What cannot be duplicated (no descriptor is left) cannot be served.
            let _ = self.join(client, server);
        }
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
        }
        {
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.retain(|stream| stream.peer_addr().is_ok());
            streams.extend([client.try_clone()?, server.try_clone()?]);
        }
        let (from, to) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || copy(from, to, || ()));
        let shared = self.clone();
        thread::spawn(move || copy(server, client, || shared.gate.pass()));
        Ok(())
    }

    fn cut(&self) {
        for stream in self
            .streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Copies until either side ends, and waits for `pass` before each piece.
fn copy(mut from: TcpStream, mut to: TcpStream, pass: impl Fn()) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 {
            break;
        }
        pass();
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that repeats each byte it is told.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() {
                let _ = stream.write_all(&byte);
            }
        });
        address
    }

    #[test]
    fn what_the_server_says_waits_while_paused_and_arrives_after() {
        let proxy = TcpProxy::to(echo()).expect("a proxy");
        let mut client = TcpStream::connect(proxy.address()).expect("a connection");
        let mut byte = [0];
        client.write_all(b"a").expect("sent");
        client.read_exact(&mut byte).expect("an echo");
        proxy.pause();
        client.write_all(b"b").expect("sent");
        client
            .set_read_timeout(Some(std::time::Duration::from_millis(100)))
            .expect("set");
        assert!(client.read_exact(&mut byte).is_err(), "held back");
        client.set_read_timeout(None).expect("set");
        proxy.resume();
        client.read_exact(&mut byte).expect("let through");
        assert_eq!(&byte, b"b");
    }

    #[test]
    fn a_dropped_proxy_ends_its_connections() {
        let proxy = TcpProxy::to(echo()).expect("a proxy");
        let mut client = TcpStream::connect(proxy.address()).expect("a connection");
        client.write_all(b"a").expect("sent");
        client.read_exact(&mut [0]).expect("an echo");
        drop(proxy);
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    }
}
