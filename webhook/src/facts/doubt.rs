//! Whether memory was found wrong a moment ago, or what should tell could not be asked.
//!
//! Mutation decides on what is remembered of a preview, and validation makes sure of it. Where that fails, a Pod is refused
//! that might have been held; so from then on mutation looks for itself, until it has gone well for a while.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long it lasts.
const LASTS: Duration = Duration::from_secs(10);

/// When there was reason to doubt last.
#[derive(Debug, Default)]
pub struct Doubt(Mutex<Option<Instant>>);

impl Doubt {
    /// There is reason to.
    pub fn raise(&self) {
        *self.last() = Some(Instant::now());
    }

    /// Whether there was lately.
    pub fn lasts(&self) -> bool {
        self.last().is_some_and(|last| last.elapsed() < LASTS)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
