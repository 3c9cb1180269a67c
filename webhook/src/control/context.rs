//! What every part of the leader works with.

use super::environments::Environments;
use super::error::said;
use super::fanned_out::FannedOut;
use super::pace;
use super::routes::HttpRoutes;
use super::seals::Seals;
use super::surveys::Surveys;
use crate::facts::{Live, Memory};
use crate::metrics::Metrics;
use crate::provider::postgres::{Admin, Postgres};
use crate::provider::{BranchId, ProviderError};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use understudy::admission::Installation;
use understudy::holding::Turns;
use understudy::policy::{Database, ObjectRef};
use understudy::preview::Preview;
use understudy::reason::Reason;

/// Shared by all reconciles.
pub struct Context {
    /// The API server, with the controller's rights.
    pub client: Client,
    /// What is fixed at installation.
    pub installation: Arc<Installation>,
    /// Namespaces, policies, where Services lead, what is known of secret values.
    pub memory: Memory,
    /// Live reads for reviews.
    pub live: Live,
    /// Counted here.
    pub metrics: Arc<Metrics>,
    /// Identifies the cluster in markers.
    cluster: String,
    recorder: Recorder,
    /// What running Pods read.
    pub environments: Environments,
    /// Seals found as written.
    pub seals: Seals,
    /// What came in sideways.
    pub surveys: Surveys,
    /// What each preview got copies of.
    pub fanned_out: FannedOut,
    /// Whether there are routes of the Gateway API.
    pub http_routes: HttpRoutes,
    /// Whose Pods were replaced lately, by the preview's uid.
    turns: Mutex<HashMap<String, Turns>>,
    /// Branches being made, by policy.
    starting: Mutex<HashMap<String, (u32, Arc<Semaphore>)>>,
}

impl Context {
    /// Everything but the client's rights is plain memory.
    pub fn new(
        client: Client,
        installation: Arc<Installation>,
        memory: Memory,
        metrics: Arc<Metrics>,
        cluster: String,
        environments: Environments,
    ) -> Self {
        let reporter = Reporter {
            controller: "understudy-controller".into(),
            instance: None,
        };
        Context {
            recorder: Recorder::new(client.clone(), reporter),
            live: Live::new(client.clone()),
            client,
            installation,
            memory,
            metrics,
            cluster,
            environments,
            seals: Seals::default(),
            surveys: Surveys::default(),
            fanned_out: FannedOut::default(),
            http_routes: HttpRoutes::default(),
            turns: Mutex::default(),
            starting: Mutex::default(),
        }
    }

    /// The identity of `preview`'s branch of `database`.
    pub fn branch(&self, preview: &Preview, database: &str) -> BranchId {
        BranchId {
            cluster: self.cluster.clone(),
            namespace: preview.name.clone(),
            uid: preview.uid.clone(),
            database: database.to_owned(),
        }
    }

    /// Whether `branch` was made for this cluster.
    pub fn is_this_cluster(&self, branch: &BranchId) -> bool {
        branch.cluster == self.cluster
    }

    /// The provider of `database`; reads its administrator's Secret now, so that a rotated password is taken up.
    pub async fn provider(&self, database: &Database) -> Result<Postgres, ProviderError> {
        let spec = database.branch.postgres.clone();
        let ObjectRef { namespace, name } = &spec.admin_secret;
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = api.get_opt(name).await.map_err(|error| {
            ProviderError::new(format!(
                "cannot read Secret {namespace}/{name} of the policy's adminSecret: {}",
                said(&error)
            ))
        })?;
        let secret = secret.ok_or_else(|| {
            ProviderError::new(format!(
                "Secret {namespace}/{name} of the policy's adminSecret does not exist; create it with the keys host, \
                 port, username, password"
            ))
        })?;
        Ok(Postgres::new(Admin::from_secret(&secret)?, spec))
    }

    /// The slots for branches being made under `policy`.
    pub fn slots(&self, policy: &str, starting: u32) -> Arc<Semaphore> {
        let mut all = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = all.entry(policy.to_owned());
        let (size, slots) = entry.or_insert_with(|| (starting, Arc::new(Semaphore::new(starting as usize))));
        if *size != starting {
            (*size, *slots) = (starting, Arc::new(Semaphore::new(starting as usize)));
        }
        slots.clone()
    }

    /// Between two looks at a preview when nothing changed.
    pub fn calm(&self) -> Duration {
        pace::calm(self.surveys.count())
    }

    /// Whether the held Pods of `owner` in `preview` may be replaced in the look that began at `now`.
    pub fn is_turn(&self, preview: &Preview, owner: &str, now: Timestamp) -> bool {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(preview.uid.clone()).or_default().take(owner, now)
    }

    /// Forgets what was known of `preview`, which is gone.
    pub fn forget(&self, name: &str, uid: &str) {
        self.environments.forget(name);
        self.surveys.forget(uid);
        self.fanned_out.forget(uid);
        self.turns
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid);
        self.seals.doubt(name);
    }

    /// An Event on something that was taken away by a rule, with the rule's code; counted.
    pub async fn tell_why(&self, preview: &Preview, event: &str, reason: Reason, note: String) {
        self.metrics.took_away(reason);
        // Whatever is made again by itself needs nobody's attention.
        let warning = reason != Reason::EnvironmentUnresolved;
        self.tell(preview, warning, event, format!("{reason}: {note}"))
            .await;
    }

    /// An Event on the preview's namespace, kept inside it. Best effort: an Event must not hold up the work it tells of.
    pub async fn tell(&self, preview: &Preview, warning: bool, reason: &str, note: String) {
        let about = k8s_openapi::api::core::v1::ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Namespace".to_owned()),
            name: Some(preview.name.clone()),
            namespace: Some(preview.name.clone()),
            uid: Some(preview.uid.clone()),
            ..Default::default()
        };
        let event = Event {
            type_: if warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: reason.to_owned(),
            note: Some(note),
            action: reason.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &about).await {
            tracing::debug!(namespace = preview.name, reason, %error, "failed to record an event");
        }
    }
}
