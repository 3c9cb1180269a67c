//! One client: what it is doing, and until when it may.

use super::Limits;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// One client, known to its connection and to the crowd.
#[derive(Debug)]
pub struct Peer {
    state: Mutex<State>,
    farewell: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// Requests that are being answered.
    busy: usize,
    /// Whether one was ever answered.
    served: bool,
    /// The end of the handshake or of the last answer.
    since: Instant,
    /// The first byte after that.
    begun: Option<Instant>,
}

/// While a request is being answered.
#[derive(Debug)]
pub struct Busy(Arc<Peer>);

/// How much is lost with a client: nothing yet (0), a connection that was of use (1); the one that waits longest first.
pub type Worth = (bool, Instant);

impl Default for Peer {
    fn default() -> Self {
        Peer {
            state: Mutex::new(State {
                busy: 0,
                served: false,
                since: Instant::now(),
                begun: None,
            }),
            farewell: Notify::new(),
        }
    }
}

impl Peer {
    /// Its handshake is over: the time for its first request begins.
    pub fn welcome(&self) {
        self.change(|state| state.since = Instant::now());
    }

    /// It has sent something.
    pub fn heard(&self) {
        self.change(|state| {
            if state.busy == 0 {
                state.begun.get_or_insert_with(Instant::now);
            }
        });
    }

    /// It has asked something.
    pub fn asks(self: &Arc<Self>) -> Busy {
        self.change(|state| state.busy += 1);
        Busy(self.clone())
    }

    /// Whether it has ever asked something.
    pub fn has_asked(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.served || state.busy > 0
    }

    /// When it has to be done with what it is doing; `None` while it is our turn.
    ///
    /// With `heads`, its bytes announce a request (HTTP/1); else they may be anything (the pings of HTTP/2). Who has not asked
    /// anything yet is no slow one: Go's clients connect ahead, and keep what they did not need for the next request. Only
    /// when everything is `ending`, since then, is there no time for that.
    pub fn until(&self, limits: &Limits, heads: bool, ending: Option<Instant>) -> Option<Instant> {
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (state, ending) {
            (State { busy: 1.., .. }, _) => None,
            (
                State {
                    begun: Some(begun), ..
                },
                _,
            ) if heads => Some(begun + limits.head),
            (State { served: false, .. }, Some(ending)) => Some(ending + limits.head),
            (State { since, .. }, _) => Some(since + limits.idle),
        }
    }

    /// What is lost when it has to go; `None` while something of its is being answered.
    pub fn worth(&self) -> Option<Worth> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.busy == 0).then_some((state.served, state.since))
    }

    /// Asks its connection to end.
    pub fn dismiss(&self) {
        self.farewell.notify_one();
    }

    /// Waits until somebody asks that.
    pub async fn dismissed(&self) {
        self.farewell.notified().await;
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(|state| {
            *state = State {
                busy: state.busy - 1,
                served: true,
                since: Instant::now(),
                begun: None,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_a_deadline_for_whatever_it_owes_and_none_while_we_owe_it() {
        let limits = Limits::default();
        let peer = Arc::new(Peer::default());
        let now = Instant::now();
        let left = |peer: &Peer| {
            peer.until(&limits, true, None)
                .map(|until| until - Instant::now())
        };
        assert!(left(&peer).unwrap() > limits.head, "connected ahead");
        let ending = peer.until(&limits, true, Some(now)).unwrap();
        assert!(ending <= now + limits.head, "no time for that at the end");
        let busy = peer.asks();
        peer.heard();
        assert_eq!(left(&peer), None, "its body has a deadline of its own");
        drop(busy);
        assert!(left(&peer).unwrap() > limits.head, "idle");
        peer.heard();
        assert!(left(&peer).unwrap() <= limits.head, "half a head");
        assert!(
            peer.until(&limits, false, None).unwrap() - Instant::now() > limits.head,
            "a ping"
        );
    }
}
