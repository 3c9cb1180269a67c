//! Which Secrets each preview was last brought to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use understudy::policy::Secrets;

/// By uid.
#[derive(Default)]
pub struct FannedOut(Mutex<HashMap<String, Secrets>>);

impl FannedOut {
    /// Whether the preview with `uid` was last brought to `secrets`.
    pub fn is(&self, uid: &str, secrets: &Secrets) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(uid) == Some(secrets)
    }

    /// It was now.
    pub fn remember(&self, uid: &str, secrets: &Secrets) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(uid.to_owned(), secrets.clone());
    }

    /// It is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}
