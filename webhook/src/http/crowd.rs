//! Who is connected. When it is full, the one whose loss matters least has to go.

use super::peer::{Peer, Worth};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// All clients of one server.
#[derive(Debug)]
pub struct Crowd {
    limit: usize,
    next: AtomicU64,
    peers: Mutex<BTreeMap<u64, Arc<Peer>>>,
    /// Including those who were asked to go and have not gone yet.
    open: AtomicUsize,
    left: Notify,
}

/// A place in the crowd, given back when dropped.
#[derive(Debug)]
pub struct Place {
    crowd: Arc<Crowd>,
    id: u64,
    /// Who has it.
    pub peer: Arc<Peer>,
}

impl Crowd {
    /// At most `limit` clients.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Crowd {
            limit,
            next: AtomicU64::new(0),
            peers: Mutex::default(),
            open: AtomicUsize::new(0),
            left: Notify::new(),
        })
    }

    /// A place for one more, made free if need be, and whether it had to be; `None` while everybody there is being answered.
    pub fn enter(self: &Arc<Self>) -> Option<(Place, bool)> {
        let full = self.peers.lock().unwrap_or_else(PoisonError::into_inner).len() >= self.limit;
        if full && !self.dismiss_one() {
            return None;
        }
        let (id, peer) = (
            self.next.fetch_add(1, Ordering::Relaxed),
            Arc::new(Peer::default()),
        );
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.insert(id, peer.clone());
        self.open.fetch_add(1, Ordering::Relaxed);
        Some((
            Place {
                crowd: self.clone(),
                id,
                peer,
            },
            full,
        ))
    }

    /// Asks one to go: of those who never asked anything the one who waits longest, else of the others.
    pub fn dismiss_one(&self) -> bool {
        self.dismiss(|_| true)
    }

    /// Asks one to go who never asked anything.
    pub fn dismiss_silent(&self) -> bool {
        self.dismiss(|(of_use, _)| !of_use)
    }

    fn dismiss(&self, may_go: impl Fn(&Worth) -> bool) -> bool {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let least = peers
            .iter()
            .filter_map(|(id, peer)| Some((peer.worth().filter(&may_go)?, *id)))
            .min()
            .map(|(_, id)| id);
        match least.and_then(|id| peers.remove(&id)) {
            Some(peer) => {
                peer.dismiss();
                true
            }
            None => false,
        }
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits until all have gone.
    pub async fn gone(&self) {
        self.below(1).await;
    }

    /// Waits while more are still going than may be at once: each has a descriptor until it has gone.
    pub async fn room(&self) {
        self.below(self.limit + self.limit / 8 + 1).await;
    }

    async fn below(&self, count: usize) {
        loop {
            let left = self.left.notified();
            if self.open() < count {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut peers = self.crowd.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.remove(&self.id);
        self.crowd.open.fetch_sub(1, Ordering::Relaxed);
        self.crowd.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn whoever_never_asked_anything_goes_first_and_whoever_is_being_answered_stays() {
        let crowd = Crowd::new(2);
        let (of_use, _) = crowd.enter().unwrap();
        drop(of_use.peer.asks());
        let (silent, _) = crowd.enter().unwrap();
        let (third, made_free) = crowd.enter().unwrap();
        assert!(made_free);
        assert!(silent.peer.dismissed().now_or_never().is_some());
        assert!(of_use.peer.dismissed().now_or_never().is_none());
        let _busy = (of_use.peer.asks(), third.peer.asks());
        assert!(crowd.enter().is_none(), "everybody is being answered");
        assert_eq!(crowd.open(), 3, "the silent one has not gone yet");
        drop(silent);
        assert_eq!(crowd.open(), 2);
    }

    #[test]
    fn for_want_of_descriptors_nobody_goes_who_was_of_use() {
        let crowd = Crowd::new(3);
        let (of_use, _) = crowd.enter().unwrap();
        drop(of_use.peer.asks());
        let (silent, _) = crowd.enter().unwrap();
        assert!(crowd.dismiss_silent() && !crowd.dismiss_silent());
        assert!(silent.peer.dismissed().now_or_never().is_some());
        assert!(of_use.peer.dismissed().now_or_never().is_none());
    }

    #[tokio::test]
    async fn the_last_one_to_leave_is_noticed() {
        let crowd = Crowd::new(2);
        let (place, _) = crowd.enter().unwrap();
        let gone = crowd.gone();
        drop(place);
        gone.await;
    }
}
