//! Turns: how many reviews are worked on at once, and how long one waits for its turn before it is sent away.
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

/// Hands out turns.
pub struct Turns {
    free: Semaphore,
    metrics: Arc<Metrics>,
}

/// One review's turn, until dropped.
pub struct Turn<'a> {
    _permit: SemaphorePermit<'a>,
    metrics: &'a Metrics,
}

impl Turns {
    /// With as many turns as reviews may be in flight.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Turns {
            free: Semaphore::new(IN_FLIGHT),
            metrics,
        }
    }

    /// A turn; `None`, and counted, if it took too long to come.
    pub async fn take(&self) -> Option<Turn<'_>> {
        let until = Instant::now() + PATIENCE;
        // To the end of the runtime's queue: where the processor is what there is too little of, the wait is there.
        tokio::task::yield_now().await;
        if Instant::now() < until
            && let Ok(Ok(permit)) = timeout_at(until, self.free.acquire()).await
        {
            self.metrics.in_flight.inc();
            return Some(Turn {
                _permit: permit,
                metrics: &self.metrics,
            });
        }
        self.metrics.shed();
        None
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

    #[tokio::test]
    async fn who_gets_no_turn_is_sent_away_soon_and_a_turn_given_back_is_given_again() {
        let metrics = Arc::new(Metrics::default());
        let turns = Turns::new(metrics.clone());
        let mut taken = Vec::new();
        for _ in 0..IN_FLIGHT {
            taken.push(turns.take().await.unwrap());
        }
        let before = Instant::now();
        assert!(turns.take().await.is_none());
        assert!(before.elapsed() >= PATIENCE, "a turn might have come");
        taken.pop();
        assert!(turns.take().await.is_some());
        assert!(metrics.text().contains("understudy_shed_reviews_total 1"));
    }
}
