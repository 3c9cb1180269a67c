//! What is the same for every request until something changes: policies, what is protected, and which seal is wanted of
//! which preview. Made at the first request after a change, and thrown away by changes that matter only: in a busy cluster
//! namespaces and Services change all the time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use understudy::guardrails;
use understudy::policy::PreviewPolicySpec;
use understudy::preview::{Preview, Selection};
use understudy::protected::Protected;

/// One generation of the rules.
#[derive(Clone)]
pub(super) struct Rules {
    pub policies: Arc<BTreeMap<String, PreviewPolicySpec>>,
    pub protected: Arc<Protected>,
    seals: Arc<Mutex<HashMap<Identity, Arc<str>>>>,
}

/// All of a preview that its guardrails are made from.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    name: String,
    policy: String,
    creator: Option<String>,
    owner: Option<String>,
    databases: Selection,
}

impl Rules {
    fn new(policies: BTreeMap<String, PreviewPolicySpec>, protected: Protected) -> Self {
        Rules {
            policies: Arc::new(policies),
            protected: Arc::new(protected),
            seals: Arc::default(),
        }
    }

    /// The seal that is wanted of `preview`; `None` without its policy.
    pub fn wanted_seal(&self, preview: &Preview, own: &str) -> Option<Arc<str>> {
        let policy = self.policies.get(&preview.policy)?;
        let identity = Identity {
            name: preview.name.clone(),
            policy: preview.policy.clone(),
            creator: preview.creator.clone(),
            owner: preview.owner.clone(),
            databases: preview.databases.clone(),
        };
        let mut seals = self.seals.lock().unwrap_or_else(PoisonError::into_inner);
        // Previews come and go under one policy; what is forgotten is worked out again.
        if seals.len() >= FORGOTTEN_ABOVE {
            seals.clear();
        }
        let seal = seals
            .entry(identity)
            .or_insert_with(|| guardrails::wanted_seal(preview, policy, own).into());
        Some(seal.clone())
    }
}

/// Seals kept at most.
const FORGOTTEN_ABOVE: usize = 4096;

/// The generation in force, shared by whoever asks and whoever changes.
#[derive(Clone, Default)]
pub(super) struct Generation(Arc<Mutex<Option<Rules>>>);

impl Generation {
    /// The rules, made by `make` if there are none.
    pub fn get(&self, make: impl FnOnce() -> (BTreeMap<String, PreviewPolicySpec>, Protected)) -> Rules {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = rules.get_or_insert_with(|| {
            let (policies, protected) = make();
            Rules::new(policies, protected)
        });
        made.clone()
    }

    /// Everything changed.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Something changed that matters where `matters` says so of what is protected now.
    pub fn forget_if(&self, matters: impl FnOnce(&Protected) -> bool) {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.as_ref().is_some_and(|rules| matters(&rules.protected)) {
            *rules = None;
        }
    }
}
