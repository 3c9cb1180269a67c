//! Turns: how many reviews are worked on at once, and how long one waits for its turn before it is sent away.
//!
//! What is read of a body takes some thirty times its bytes, so that large ones take turns by their size as well.
//!
//! A client that is told soon to come again is better off than one that waits for nothing: the API server gives up after
//! `timeoutSeconds`, and what it gave up on would still take our time.

use crate::metrics::Metrics;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// Reviews that are decided, or wait for a read of at most half a second.
const IN_FLIGHT: usize = 256;
/// The longest wait for a turn, a small part of the time the API server gives.
const PATIENCE: Duration = Duration::from_millis(400);
/// The same of a large one, each of which takes tens of milliseconds.
const PATIENCE_LARGE: Duration = Duration::from_secs(2);
/// A body beyond this is large.
pub const LARGE: usize = 64 * 1024;
/// Large bodies that are worked on at once: this many times `LARGE`, or one alone.
const LARGE_AT_ONCE: usize = 16;

/// Reviews of Pods at a time: each may have megabytes read for it.
const READING: usize = 64;

/// Hands out turns.
pub struct Turns {
    free: Semaphore,
    large: Semaphore,
    reading: Semaphore,
    metrics: Arc<Metrics>,
}

/// One review's turn, until dropped.
pub struct Turn<'a> {
    _permits: (SemaphorePermit<'a>, SemaphorePermit<'a>),
    metrics: &'a Metrics,
}

impl Turns {
    /// With as many turns as reviews may be in flight.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Turns {
            free: Semaphore::new(IN_FLIGHT),
            large: Semaphore::new(LARGE_AT_ONCE),
            reading: Semaphore::new(READING),
            metrics,
        }
    }

    /// A turn for a body of `size` bytes; `None`, and counted, if it took too long to come, or longer than to the `deadline`.
    pub async fn take(&self, size: usize, deadline: Instant) -> Option<Turn<'_>> {
        let patience = if size > LARGE { PATIENCE_LARGE } else { PATIENCE };
        let until = deadline.min(Instant::now() + patience);
        // To the end of the runtime's queue: where the processor is what there is too little of, the wait is there.
        tokio::task::yield_now().await;
        if Instant::now() < until
            && let Ok(permits) = timeout_at(until, self.permits(size)).await
        {
            self.metrics.in_flight.inc();
            return Some(Turn {
                _permits: permits,
                metrics: &self.metrics,
            });
        }
        self.metrics.shed();
        None
    }

    /// A turn for what is read for a Pod, beside the first, which others must not wait for long: `None`, and counted, if it took
    /// too long to come, or longer than to the `deadline`.
    pub async fn take_to_read(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        let until = deadline.min(Instant::now() + PATIENCE);
        let turn = timeout_at(until, self.reading.acquire()).await;
        if turn.is_err() {
            self.metrics.shed();
        }
        Some(turn.ok()?.expect("turns are never closed"))
    }

    async fn permits(&self, size: usize) -> (SemaphorePermit<'_>, SemaphorePermit<'_>) {
        let pieces = if size > LARGE {
            size.div_ceil(LARGE).min(LARGE_AT_ONCE)
        } else {
            0
        };
        let pieces = u32::try_from(pieces).expect("a handful");
        // The large ones wait for each other first, so that they do not take turns from the small ones meanwhile.
        let large = self.large.acquire_many(pieces).await;
        let free = self.free.acquire().await;
        (
            large.expect("turns are never closed"),
            free.expect("turns are never closed"),
        )
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn who_gets_no_turn_is_sent_away_soon_and_a_turn_given_back_is_given_again() {
        let metrics = Arc::new(Metrics::default());
        let turns = Turns::new(metrics.clone());
        let mut taken = Vec::new();
        for _ in 0..IN_FLIGHT {
            taken.push(turns.take(LARGE, later()).await.unwrap());
        }
        let before = Instant::now();
        assert!(turns.take(1, later()).await.is_none());
        assert!(before.elapsed() >= PATIENCE, "a turn might have come");
        taken.pop();
        assert!(turns.take(1, later()).await.is_some());
        assert!(metrics.text().contains("understudy_shed_reviews_total 1"));
    }

    #[tokio::test]
    async fn large_reviews_take_turns_and_hold_up_no_small_one() {
        let turns = Turns::new(Arc::default());
        let half = turns.take(LARGE * LARGE_AT_ONCE / 2, later()).await.unwrap();
        let other = turns.take(LARGE * LARGE_AT_ONCE / 2, later()).await.unwrap();
        assert!(turns.take(LARGE + 1, later()).await.is_none());
        assert!(turns.take(LARGE, later()).await.is_some());
        drop((half, other));
        let beyond = turns.take(LARGE * LARGE_AT_ONCE * 8, later()).await;
        assert!(beyond.is_some(), "one is let in whatever its size");
    }

    #[tokio::test]
    async fn nobody_waits_beyond_its_deadline_and_pods_take_turns_to_be_read_for() {
        let turns = Turns::new(Arc::default());
        let now = Instant::now();
        assert!(turns.take(1, now).await.is_none());
        let mut taken = Vec::new();
        for _ in 0..READING {
            taken.push(turns.take_to_read(later()).await.unwrap());
        }
        assert!(turns.take_to_read(now).await.is_none());
        taken.pop();
        assert!(turns.take_to_read(later()).await.is_some());
    }
}
