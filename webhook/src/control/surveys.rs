//! When each preview was looked through for what came in sideways, and what of that stays.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// By uid.
#[derive(Default)]
pub struct Surveys(Mutex<HashMap<String, Survey>>);

struct Survey {
    due: Instant,
    stays: Option<String>,
}

impl Default for Survey {
    fn default() -> Self {
        Survey {
            due: Instant::now(),
            stays: None,
        }
    }
}

impl Surveys {
    /// How many previews are looked through.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether it is time to look through the preview with `uid`: now and then, and at once for one that was sealed before this
    /// process began.
    pub fn is_due(&self, uid: &str) -> bool {
        let surveys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        surveys.get(uid).is_none_or(|survey| survey.due <= Instant::now())
    }

    /// Not again for so long.
    pub fn due_in(&self, uid: &str, pause: Duration) {
        self.edit(uid, |survey| survey.due = Instant::now() + pause);
    }

    /// What was found that stays.
    pub fn found(&self, uid: &str, stays: Option<String>) {
        self.edit(uid, |survey| survey.stays = stays);
    }

    /// What stays, as it was found last.
    pub fn stays(&self, uid: &str) -> Option<String> {
        let surveys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        surveys.get(uid)?.stays.clone()
    }

    /// It is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    fn edit(&self, uid: &str, edit: impl FnOnce(&mut Survey)) {
        let mut surveys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        edit(surveys.entry(uid.to_owned()).or_default());
    }
}
