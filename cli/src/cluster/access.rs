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
use understudy::keys;
use understudy::preview::Preview;

/// How long access may take; measured are tenths of a second.
const DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(150);

/// Server-side apply needs both: it makes what is not there.
const VERBS: [&str; 2] = ["create", "patch"];

/// A verb, and a resource to use it on.
type Wanted<'r> = (&'static str, &'r ApiResource);

impl Cluster {
    /// Waits until every resource of `resources` may be applied in `namespace`.
    pub async fn wait_for_access(&self, namespace: &str, resources: &Resources) -> Result<(), Failure> {
        let deadline = Instant::now() + DEADLINE;
        let wanted = |resource| VERBS.map(|verb| (verb, resource));
        let mut missing: Vec<Wanted> = resources.values().flat_map(wanted).collect();
        while let Some(first) = missing.first() {
            // Access comes as one RoleBinding: while one right is missing, nobody has to be asked about the others.
            if self.may(namespace, first).await? {
                missing = self.missing(namespace, &missing[1..]).await?;
            } else if Instant::now() > deadline {
                let missing = self.missing(namespace, &missing).await?;
                return Err(self.locked_out(namespace, &missing).await);
            } else {
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// What of `wanted` the caller may not do in `namespace`.
    async fn missing<'r>(&self, namespace: &str, wanted: &[Wanted<'r>]) -> Result<Vec<Wanted<'r>>, Failure> {
        let asked = stream::iter(wanted.to_vec()).map(|right| async move {
            let may = self.may(namespace, &right).await?;
            Ok((!may).then_some(right))
        });
        let answers: Vec<_> = asked.buffered(PARALLEL).collect().await;
        answers.into_iter().filter_map(Result::transpose).collect()
    }

    async fn may(&self, namespace: &str, (verb, resource): &Wanted<'_>) -> Result<bool, Failure> {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(namespace.to_owned()),
                    verb: Some((*verb).to_owned()),
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
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    async fn locked_out(&self, namespace: &str, missing: &[Wanted<'_>]) -> Failure {
        let plurals: BTreeSet<&str> = missing
            .iter()
            .map(|(_, resource)| resource.plural.as_str())
            .collect();
        let plurals = plurals.into_iter().collect::<Vec<_>>().join(", ");
        let found = self.namespace(namespace).await.ok().flatten();
        let sealed = found
            .as_ref()
            .and_then(|n| Preview::of(&n.metadata))
            .is_some_and(|preview| preview.sealed.is_some());
        if sealed {
            // Nothing that time would bring.
            Failure::new(Exit::NoRights, format!("you may not apply {plurals} in {namespace}"))
                .caused_by(format!(
                    "its guardrails are in place, and the ClusterRole {} that they bind for you does not give that: \
                     it is of an older installation, or nobody widened it",
                    keys::ROLE_USER
                ))
                .hint(format!("kubectl auth can-i --list --namespace {namespace}"))
        } else {
            let seconds = DEADLINE.as_secs();
            Failure::new(
                Exit::NotInTime,
                format!("{namespace} does not let you in after {seconds} seconds"),
            )
            .caused_by(format!("its guardrails, which would let you apply {plurals}, are not made yet: the controller is busy or stopped"))
            .hint("understudy doctor")
        }
    }
}
