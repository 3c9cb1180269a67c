//! How old what is remembered may be: when the API server last confirmed it.
//!
//! A watch that says nothing is no news, or no connection. So besides every event a small question counts, asked all the
//! time; while the watch itself is broken, only its own next event does. Nothing is decided by this: it is for people.

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::ListParams;
use kube::core::Resource;
use kube::runtime::watcher;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval, timeout};
use understudy::policy::PreviewPolicy;

/// Between two questions.
const EVERY: Duration = Duration::from_secs(5);
/// Older than this is worth a word: some questions in a row had no answer.
const STALE: Duration = Duration::from_secs(15);

/// What is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Metadata of namespaces.
    Namespaces,
    /// PreviewPolicies.
    Policies,
    /// Where Services lead.
    Services,
}

impl Followed {
    /// Everything that is followed.
    pub const ALL: [Followed; 3] = [Followed::Namespaces, Followed::Policies, Followed::Services];

    /// As it is called in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Followed::Namespaces => "namespaces",
            Followed::Policies => "policies",
            Followed::Services => "services",
        }
    }
}

/// When each was last confirmed.
#[derive(Debug)]
pub struct Freshness(Mutex<[Confirmed; 3]>);

#[derive(Clone, Copy, Debug)]
struct Confirmed {
    at: Instant,
    broken: bool,
}

impl Default for Freshness {
    fn default() -> Self {
        let at = Instant::now();
        Freshness(Mutex::new([Confirmed { at, broken: false }; 3]))
    }
}

impl Freshness {
    /// The watch has said something, or broke.
    pub fn heard<T>(&self, followed: Followed, event: &Result<T, watcher::Error>) {
        if let Err(error) = event {
            tracing::warn!(%error, what = followed.name(), "failed to watch; answering from memory");
        }
        self.change(followed, |confirmed| {
            confirmed.broken = event.is_err();
            if event.is_ok() {
                confirmed.at = Instant::now();
            }
        });
    }

    /// How long ago it was confirmed.
    pub fn age(&self, followed: Followed) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[followed as usize]
            .at
            .elapsed()
    }

    /// What is old, in words; empty if nothing is.
    pub fn stale(&self) -> String {
        let old = Followed::ALL.map(|followed| (followed.name(), self.age(followed)));
        let old = old.iter().filter(|(_, age)| *age > STALE);
        let old: Vec<String> = old
            .map(|(name, age)| format!("{name} not confirmed for {} s", age.as_secs()))
            .collect();
        old.join(", ")
    }

    /// Asks the API server something small about each, all the time.
    pub async fn keep(&self, client: Client) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            join_all(Followed::ALL.map(async |followed| {
                let asked = async {
                    match followed {
                        Followed::Namespaces => ask::<Namespace>(&client).await,
                        Followed::Policies => ask::<PreviewPolicy>(&client).await,
                        Followed::Services => ask::<Service>(&client).await,
                    }
                };
                if let Ok(Ok(())) = timeout(EVERY, asked).await {
                    self.change(followed, |confirmed| {
                        if !confirmed.broken {
                            confirmed.at = Instant::now();
                        }
                    });
                }
            }))
            .await;
        }
    }

    fn change(&self, followed: Followed, change: impl FnOnce(&mut Confirmed)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[followed as usize]);
    }
}

/// A list of one.
async fn ask<K>(client: &Client) -> kube::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::all(client.clone());
    api.list_metadata(&ListParams::default().limit(1))
        .await
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_watch_is_confirmed_by_its_own_next_event_alone() {
        let freshness = Freshness::default();
        let broken = |freshness: &Freshness| freshness.0.lock().unwrap()[Followed::Policies as usize].broken;
        freshness.heard::<()>(Followed::Policies, &Err(watcher::Error::NoResourceVersion));
        assert!(broken(&freshness));
        freshness.heard(Followed::Policies, &Ok(()));
        assert!(!broken(&freshness));
        assert_eq!(freshness.stale(), "");
    }
}
