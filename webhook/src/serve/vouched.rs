//! Validations that were made ahead: while the API server still works on the patch of the mutation.
//!
//! It asks twice about each Pod, a few milliseconds apart. Where what it asks the second time is, in every part, what the
//! patch led to, its validation has been made already, with what was read for the mutation and a live look at the preview.
//! Anything else is validated when it is asked: another replica was asked first, another webhook changed the Pod.
//!
//! No object and no value is kept: a keyed hash for a second at most, for one answer.

use serde_json::Value;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;
use understudy::admission::Request;

/// Between the two reviews of one object. Two requests that are alike may take each other's; what changes meanwhile of
/// what a Pod reads, the controller sees.
const LONGEST: Duration = Duration::from_secs(1);
/// Kept at once; beyond that validation reads again.
const MOST: usize = 1024;

/// Made at once: each waits for a read of the API server, who has others to answer.
const AT_ONCE: usize = 32;

/// The validations of the last second.
pub struct Vouched {
    key: RandomState,
    at_once: Arc<Semaphore>,
    validations: Mutex<VecDeque<Validated>>,
}

impl Default for Vouched {
    fn default() -> Self {
        Vouched {
            key: RandomState::new(),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            validations: Mutex::default(),
        }
    }
}

struct Validated {
    hash: u64,
    at: Instant,
    passes: oneshot::Receiver<bool>,
}

impl Vouched {
    /// Whether `request`, the creation of its object as mutation left it, passes is to be found out: where to say it, and what
    /// to hold meanwhile. `None` where too much is under way, and validation has to do it.
    pub fn put(
        &self,
        request: &Request,
        at: Instant,
    ) -> Option<(oneshot::Sender<bool>, OwnedSemaphorePermit)> {
        let at_once = self.at_once.clone().try_acquire_owned().ok()?;
        let hash = self.hash(request);
        let mut validations = self.validations();
        while validations.front().is_some_and(|oldest| oldest.at + LONGEST < at) {
            validations.pop_front();
        }
        if validations.len() >= MOST {
            return None;
        }
        let (said, passes) = oneshot::channel();
        validations.push_back(Validated { hash, at, passes });
        Some((said, at_once))
    }

    /// Whether exactly `request` has been found to pass; once for each time that it was.
    pub async fn holds(&self, request: &Request, now: Instant) -> bool {
        let Some(passes) = self.take(request, now) else {
            return false;
        };
        passes.await.unwrap_or(false)
    }

    fn take(&self, request: &Request, now: Instant) -> Option<oneshot::Receiver<bool>> {
        if self.validations().is_empty() {
            return None;
        }
        let hash = self.hash(request);
        let mut validations = self.validations();
        // The newest, in case of another that nobody came for.
        let found = validations.iter().rposition(|validated| validated.hash == hash)?;
        let found = validations.remove(found)?;
        (found.at + LONGEST >= now).then_some(found.passes)
    }

    /// Of everything that the two requests about one birth have in common: not their uids, nor what the API server fills in
    /// between.
    fn hash(&self, request: &Request) -> u64 {
        let Request {
            uid: _,
            kind,
            group,
            resource,
            sub_resource,
            name: _,
            namespace,
            operation: _,
            user,
            object,
            old_object: _,
        } = request;
        let mut hasher = self.key.build_hasher();
        (kind, group, resource, sub_resource, namespace).hash(&mut hasher);
        (&user.name, &user.groups).hash(&mut hasher);
        for (field, value) in object.as_object().into_iter().flatten() {
            match field.as_str() {
                "status" => {}
                "metadata" => asked_for(value).for_each(|part| part.hash(&mut hasher)),
                _ => (field, value).hash(&mut hasher),
            }
        }
        hasher.finish()
    }

    fn validations(&self) -> MutexGuard<'_, VecDeque<Validated>> {
        self.validations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Metadata as whoever asks gave it. Source: `rest.BeforeCreate` of the API server, which comes between the reviews.
fn asked_for(metadata: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let generates_name = metadata["generateName"].is_string();
    let fields = metadata.as_object().into_iter().flatten();
    fields.filter(move |(field, _)| match field.as_str() {
        "uid" | "creationTimestamp" | "generation" => false,
        "name" => !generates_name,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use understudy::admission::User;

    fn asked(object: Value) -> Request {
        let user = User {
            name: "developer".to_owned(),
            groups: vec!["developers".to_owned()],
        };
        Request::creation(object, "pods", user)
    }

    fn pod() -> Value {
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "generateName": "web-", "namespace": "shop-pr-7" },
            "spec": { "containers": [{ "name": "web", "env": [{ "name": "A", "value": "b" }] }] } })
    }

    /// As validation is shown what mutation let in.
    fn filled_in() -> Value {
        let mut pod = pod();
        for (field, value) in [
            ("name", json!("web-x7k2p")),
            ("uid", json!("3f5b")),
            ("creationTimestamp", json!("2026-01-01T00:00:00Z")),
            ("generation", json!(1)),
        ] {
            pod["metadata"][field] = value;
        }
        pod["status"] = json!({ "phase": "Pending", "qosClass": "BestEffort" });
        pod
    }

    /// Finds out that `request` passes, or does not.
    fn found(vouched: &Vouched, request: &Request, passes: bool, now: Instant) {
        let (said, _at_once) = vouched.put(request, now).expect("there is room");
        said.send(passes).expect("it is kept");
    }

    #[tokio::test]
    async fn what_was_reviewed_passes_once_as_the_api_server_completed_it() {
        let (vouched, now) = (Vouched::default(), Instant::now());
        found(&vouched, &asked(pod()), true, now);
        assert!(vouched.holds(&asked(filled_in()), now).await);
        assert!(
            !vouched.holds(&asked(filled_in()), now).await,
            "it was asked once"
        );
    }

    #[tokio::test]
    async fn whatever_else_differs_is_reviewed_again() {
        let (vouched, now) = (Vouched::default(), Instant::now());
        found(&vouched, &asked(pod()), true, now);
        let changes: [(&str, Value); 8] = [
            ("/spec/containers/0/env/0/value", json!("c")),
            ("/spec/containers/0/env/0/name", json!("B")),
            ("/spec/containers/0/name", json!("db")),
            ("/metadata/generateName", json!("other-")),
            ("/metadata/namespace", json!("shop-pr-8")),
            (
                "/metadata",
                json!({ "name": "web-x7k2p", "namespace": "shop-pr-7" }),
            ),
            ("/spec/containers", json!([])),
            ("/kind", json!("PodTemplate")),
        ];
        for (path, value) in changes {
            let mut pod = filled_in();
            *pod.pointer_mut(path).expect("there is such a place") = value;
            assert!(!vouched.holds(&asked(pod), now).await, "{path}");
        }
        for add in ["/metadata/labels", "/metadata/annotations", "/spec/volumes"] {
            let mut pod = filled_in();
            let (parent, field) = add.rsplit_once('/').expect("a path");
            pod.pointer_mut(parent).expect("there is such a place")[field] = json!({ "a": "b" });
            assert!(!vouched.holds(&asked(pod), now).await, "{add}");
        }
        let mut other = asked(filled_in());
        other.user.groups.push("system:masters".to_owned());
        assert!(!vouched.holds(&other, now).await, "somebody else");
        assert!(vouched.holds(&asked(filled_in()), now).await);
    }

    #[tokio::test]
    async fn a_pod_with_a_name_of_its_own_keeps_it() {
        let (vouched, now) = (Vouched::default(), Instant::now());
        let named = |name: &str| {
            let mut pod = pod();
            pod["metadata"] = json!({ "name": name, "namespace": "shop-pr-7" });
            asked(pod)
        };
        found(&vouched, &named("web-0"), true, now);
        assert!(!vouched.holds(&named("web-1"), now).await);
        assert!(vouched.holds(&named("web-0"), now).await);
    }

    #[tokio::test]
    async fn what_was_found_not_to_pass_or_never_found_out_is_validated_when_it_is_asked() {
        let (vouched, now) = (Vouched::default(), Instant::now());
        found(&vouched, &asked(pod()), false, now);
        assert!(!vouched.holds(&asked(filled_in()), now).await);
        drop(vouched.put(&asked(pod()), now));
        assert!(!vouched.holds(&asked(filled_in()), now).await);
    }

    #[tokio::test]
    async fn it_lasts_a_second_and_there_is_room_for_so_many() {
        let (vouched, now) = (Vouched::default(), Instant::now());
        let later = now + LONGEST + Duration::from_millis(1);
        found(&vouched, &asked(pod()), true, now);
        assert!(!vouched.holds(&asked(filled_in()), later).await);
        for _ in 0..MOST {
            found(&vouched, &asked(pod()), true, now);
        }
        assert!(vouched.put(&asked(pod()), now).is_none());
        found(&vouched, &asked(pod()), true, later);
        assert_eq!(vouched.validations().len(), 1, "what is too old is forgotten");
        let held: Vec<_> = (0..AT_ONCE).map(|_| vouched.put(&asked(pod()), later)).collect();
        assert!(held.iter().all(Option::is_some) && vouched.put(&asked(pod()), later).is_none());
        drop(held);
        assert!(vouched.put(&asked(pod()), later).is_some());
    }
}
