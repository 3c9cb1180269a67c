//! Which seals were found as written lately, so that not every look compares every guardrail.
//!
//! A look takes a while, and a guardrail may change in the middle of it, behind what was read. What such a look finds is
//! believed by nobody: else the change would go unseen until belief runs out.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a seal that was found as written is believed without another look; a change of any guardrail ends it at once.
const BELIEVED: Duration = Duration::from_secs(300);

/// The seals by namespace.
#[derive(Debug, Default)]
pub struct Seals(Mutex<HashMap<String, Seal>>);

#[derive(Debug)]
enum Seal {
    /// Somebody is looking, and nothing has changed since they began.
    LookedAt,
    /// Its hash, and when it was found as written.
    Found(String, Instant),
}

impl Seals {
    /// Whether the seal `hash` of `namespace` was found as written lately.
    pub fn believes(&self, namespace: &str, hash: &str) -> bool {
        let seals = self.lock();
        let found = seals.get(namespace);
        found.is_some_and(
            |seal| matches!(seal, Seal::Found(known, at) if known == hash && at.elapsed() < BELIEVED),
        )
    }

    /// Somebody begins to read the guardrails of `namespace`.
    pub fn look(&self, namespace: &str) {
        self.lock().insert(namespace.to_owned(), Seal::LookedAt);
    }

    /// What was read since [`Self::look`] is the seal `hash`.
    pub fn believe(&self, namespace: &str, hash: &str) {
        if let Some(seal) = self.lock().get_mut(namespace) {
            *seal = Seal::Found(hash.to_owned(), Instant::now());
        }
    }

    /// A guardrail of `namespace` changed.
    pub fn doubt(&self, namespace: &str) {
        self.lock().remove(namespace);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Seal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_believed_until_something_changes() {
        let seals = Seals::default();
        seals.look("one");
        assert!(!seals.believes("one", "hash"), "not while somebody looks");
        seals.believe("one", "hash");
        assert!(seals.believes("one", "hash") && !seals.believes("one", "other"));
        assert!(!seals.believes("two", "hash"));
        seals.doubt("one");
        assert!(!seals.believes("one", "hash"));
    }

    #[test]
    fn what_changes_during_a_look_is_looked_at_again() {
        let seals = Seals::default();
        seals.look("one");
        seals.doubt("one");
        seals.believe("one", "hash");
        assert!(!seals.believes("one", "hash"));
        seals.look("one");
        seals.believe("one", "hash");
        assert!(seals.believes("one", "hash"));
    }
}
