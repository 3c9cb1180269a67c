//! What is remembered: metadata of namespaces, policies, where Services lead. Kept by watches.
//!
//! Assumption: it may lag behind the API server. A namespace that is not in memory is read once, live, and so is that of
//! each new Pod before validation lets it in unheld; where that fails it counts as unknown and the rules hold or refuse. Nothing is
//! written, and no secret value is ever in here.

use super::doubt::Doubt;
use super::freshness::{Followed, Freshness};
use super::live::Live;
use super::rules::{Generation, Rules};
use super::secrets;
use super::services::{self, Directory};
use crate::health::Handle;
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use understudy::admission::{self, Facts, Installation, Request, Stage};
use understudy::environment::{Data, Fact, Reference};
use understudy::fingerprints::Fingerprints;
use understudy::keys;
use understudy::policy::{PreviewPolicy, PreviewPolicySpec};
use understudy::preview::{self, Preview};
use understudy::protected::Protected;

/// The memory.
#[derive(Clone)]
pub struct Memory {
    installation: Arc<Installation>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    policies: Store<PreviewPolicy>,
    services: Directory,
    fingerprints: Arc<Mutex<Arc<Fingerprints>>>,
    rules: Generation,
    doubt: Arc<Doubt>,
    filled: watch::Receiver<bool>,
}

/// Starts the reflectors; `ready` is set once all have listed.
pub fn start(
    client: Client,
    installation: Arc<Installation>,
    ready: Handle,
    freshness: Arc<Freshness>,
) -> Memory {
    let (namespaces, namespace_writer) = store();
    let (policies, policy_writer) = store();
    let (filling, filled) = watch::channel(false);
    let memory = Memory {
        installation,
        namespaces,
        policies,
        services: Directory::default(),
        fingerprints: Arc::default(),
        rules: Generation::default(),
        doubt: Arc::default(),
        filled,
    };

    let (rules, fresh) = (memory.rules.clone(), freshness.clone());
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
    let stream = watcher(api, watcher::Config::default()).default_backoff();
    tokio::spawn(reflector(namespace_writer, stream).for_each(move |event| {
        fresh.heard(Followed::Namespaces, &event);
        rules.forget_if(|protected| changes_goldens(&event, protected));
        std::future::ready(())
    }));
    let rules = memory.rules.clone();
    let (listing, listed) = watch::channel(false);
    tokio::spawn(services::follow(
        client.clone(),
        memory.services.clone(),
        listing,
        move |namespace| match namespace {
            Some(namespace) => rules.forget_if(|protected| protected.has_namespace(namespace)),
            None => rules.forget(),
        },
        freshness.clone(),
    ));
    let (rules, fresh) = (memory.rules.clone(), freshness.clone());
    let stream = watcher(
        Api::<PreviewPolicy>::all(client.clone()),
        watcher::Config::default(),
    )
    .default_backoff();
    tokio::spawn(reflector(policy_writer, stream).for_each(move |event| {
        fresh.heard(Followed::Policies, &event);
        rules.forget();
        std::future::ready(())
    }));
    let asking = client.clone();
    tokio::spawn(async move { freshness.keep(asking).await });
    // One waiter only: a second one on the same store was seen never to wake (kube-runtime 5.0).
    let (namespaces, policies) = (memory.namespaces.clone(), memory.policies.clone());
    let remembering = memory.clone();
    tokio::spawn(async move {
        let mut listed = listed;
        let named = async {
            namespaces.wait_until_ready().await.is_ok() && policies.wait_until_ready().await.is_ok()
        };
        if named.await && listed.wait_for(|listed| *listed).await.is_ok() {
            ready.set(true);
            let _ = filling.send(true);
            secrets::keep(client, remembering).await;
        }
    });
    memory
}

/// Whether an event of a namespace changes which namespaces are goldens.
fn changes_goldens(
    event: &Result<watcher::Event<PartialObjectMeta<Namespace>>, watcher::Error>,
    protected: &Protected,
) -> bool {
    match event {
        Ok(watcher::Event::Apply(namespace)) => {
            let name = namespace.metadata.name.as_deref().unwrap_or_default();
            preview::is_golden(namespace.metadata.labels.as_ref()) != protected.has_namespace(name)
        }
        Ok(watcher::Event::Delete(namespace)) => {
            protected.has_namespace(namespace.metadata.name.as_deref().unwrap_or_default())
        }
        Ok(watcher::Event::InitDone) => true,
        _ => false,
    }
}

impl Memory {
    /// Waits until all has been listed once; before that an empty memory says nothing. `false` if that never comes.
    pub async fn filled(&self) -> bool {
        self.filled.clone().wait_for(|filled| *filled).await.is_ok()
    }

    /// The preview that `request` goes into; `None` where it cannot be known now.
    pub async fn preview(&self, request: &Request, stage: Stage, live: &Live) -> Option<Preview> {
        if request.is_namespace() || request.namespace.is_empty() {
            return None;
        }
        let known = self.namespaces.get(&ObjectRef::new(&request.namespace));
        let known = known.and_then(|namespace| Preview::of(&namespace.metadata));
        // Memory may have missed an end and a birth, and a review does not say which of two namespaces of one name it is for;
        // nor need it know yet of the seal that another replica's mutation knew of. So validation lets a Pod in on what is
        // read now. Once is enough: gates that mutation gave for nothing, the controller lifts.
        let is_remembered = |preview: &Preview| match stage {
            _ if !admission::is_birth_of_a_pod(request) => true,
            // Nothing is held where the policy only observes.
            Stage::Mutate => {
                preview.sealed.is_none() || preview.observed || !(preview.deleting || self.doubt.lasts())
            }
            Stage::Validate => false,
        };
        if let Some(preview) = known.as_ref().filter(|preview| is_remembered(preview)) {
            return Some(preview.clone());
        }
        // We are only called for previews, so what is not known at all is one that memory has not seen yet.
        let found = self.read(live, &request.namespace, known.as_ref()).await;
        // What is held is looked at once more before it may start, and where the policy only observes nobody is refused.
        let is_held = || admission::has_gate(&request.object, keys::GATE_GUARDRAILS);
        let suffices = |known: &Preview| stage == Stage::Validate && (known.observed || is_held());
        found.or_else(|| known.filter(suffices))
    }

    /// Whether the preview `namespace` is now what `facts` take it for, and so are the policies and what is protected.
    pub async fn stands(&self, live: &Live, namespace: &str, facts: &Facts) -> bool {
        let Some(known) = &facts.preview else { return false };
        let found = self.read(live, namespace, Some(known)).await;
        found.as_ref() == Some(known) && facts.share_rules_with(&self.facts(None, BTreeMap::new()))
    }

    /// The preview `namespace` as it is now; doubts what is `known` of it where that let Pods in and is not so.
    async fn read(&self, live: &Live, namespace: &str, known: Option<&Preview>) -> Option<Preview> {
        let found = live.namespace(namespace).await;
        let found = found.and_then(|found| Preview::of(&found));
        let is_wrong = |known: &Preview| {
            let is_as_known = |now: &Preview| {
                (&now.uid, &now.sealed) == (&known.uid, &known.sealed)
                    && (&now.policy, &now.databases, &now.branches)
                        == (&known.policy, &known.databases, &known.branches)
            };
            known.sealed.is_some() && !found.as_ref().is_some_and(is_as_known)
        };
        if known.is_some_and(is_wrong) {
            self.doubt.raise();
        }
        found
    }

    /// What no preview may reach.
    pub fn protected(&self) -> Arc<Protected> {
        self.rules().protected
    }

    /// Takes over what is known of the secret values of protected namespaces.
    pub fn remember(&self, fingerprints: Arc<Fingerprints>) {
        *self.fingerprints.lock().unwrap_or_else(PoisonError::into_inner) = fingerprints;
    }

    /// Facts for a review now.
    pub fn facts(&self, preview: Option<Preview>, sources: BTreeMap<Reference, Fact<Data>>) -> Facts {
        let rules = self.rules();
        let wanted = preview
            .as_ref()
            .and_then(|preview| rules.wanted_seal(preview, &self.installation.namespace));
        Facts {
            now: Timestamp::now(),
            installation: self.installation.clone(),
            policies: rules.policies,
            protected: rules.protected,
            wanted_seal: wanted,
            services: self.services.services(),
            fingerprints: self
                .fingerprints
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            pods: Fact::Unknown,
            preview,
            sources,
        }
    }

    fn rules(&self) -> Rules {
        self.rules.get(|| {
            let policies: BTreeMap<String, PreviewPolicySpec> = self
                .policies
                .state()
                .iter()
                .filter_map(|policy| Some((policy.metadata.name.clone()?, policy.spec.clone())))
                .collect();
            let goldens = self.namespaces.state().into_iter().filter_map(|namespace| {
                preview::is_golden(namespace.metadata.labels.as_ref())
                    .then(|| namespace.metadata.name.clone())?
            });
            let protected = Protected::new(goldens, policies.values(), &self.services.services());
            (policies, protected)
        })
    }
}
