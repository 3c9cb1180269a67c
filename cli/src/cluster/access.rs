//! Waiting until a fresh namespace lets its creator in: its access is a guardrail that the leader makes.

use super::{Cluster, PARALLEL, Resources};
use crate::error::{Exit, Failure};
use futures::{StreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use kube::discovery::ApiResource;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use understudy::preview::Preview;

/// How long access may take; measured are tenths of a second.
const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(150);

impl Cluster {
    /// Waits until every resource of `resources` may be applied in `namespace`.
    pub async fn wait_for_access(&self, namespace: &str, resources: &Resources) -> Result<(), Failure> {
        let deadline = Instant::now() + DEADLINE;
        let mut missing: Vec<ApiResource> = resources.values().cloned().collect();
        loop {
            let refused = stream::iter(missing.clone()).map(|resource| async move {
                let allowed = self.may_apply(namespace, &resource).await?;
                Ok::<_, Failure>((!allowed).then_some(resource))
            });
            let answers: Vec<_> = refused.buffer_unordered(PARALLEL).collect().await;
            missing = answers
                .into_iter()
                .filter_map(Result::transpose)
                .collect::<Result<_, _>>()?;
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.locked_out(namespace, &missing).await);
            }
            sleep(PAUSE).await;
        }
    }

    /// Server-side apply needs both verbs: it makes what is not there.
    async fn may_apply(&self, namespace: &str, resource: &ApiResource) -> Result<bool, Failure> {
        for verb in ["create", "patch"] {
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        namespace: Some(namespace.to_owned()),
                        verb: Some(verb.to_owned()),
                        group: Some(resource.group.clone()),
                        resource: Some(resource.plural.clone()),
                        ..ResourceAttributes::default()
                    }),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
            let answer = api.create(&PostParams::default(), &review).await;
            let answer = answer.map_err(|error| super::explain("cannot ask what you may do", &error))?;
            if !answer.status.is_some_and(|status| status.allowed) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn locked_out(&self, namespace: &str, missing: &[ApiResource]) -> Failure {
        let plurals: BTreeSet<&str> = missing.iter().map(|resource| resource.plural.as_str()).collect();
        let plurals = plurals.into_iter().collect::<Vec<_>>().join(", ");
        let failure = Failure::new(
            Exit::NotInTime,
            format!(
                "{namespace} does not let you in after {} seconds",
                DEADLINE.as_secs()
            ),
        );
        let found = self.namespace(namespace).await.ok().flatten();
        let sealed = found
            .as_ref()
            .and_then(|n| Preview::of(&n.metadata))
            .is_some_and(|preview| preview.sealed.is_some());
        if sealed {
            failure
                .caused_by(format!(
                    "its guardrails are in place, but they do not let you apply {plurals}"
                ))
                .hint(format!("kubectl auth can-i --list --namespace {namespace}"))
        } else {
            failure
                .caused_by(format!("its guardrails, which would let you apply {plurals}, are not made yet: the controller is busy or stopped"))
                .hint("understudy doctor")
        }
    }
}
