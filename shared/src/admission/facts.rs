//! What a review needs to know besides the request.

use super::User;
use crate::environment::{Data, Fact, Kind, Reference, Sources};
use crate::fingerprints::Fingerprints;
use crate::guardrails;
use crate::keys;
use crate::policy::PreviewPolicySpec;
use crate::preview::Preview;
use crate::protected::{Bounds, Protected};
use crate::services::Services;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Users and groups who may break the contract on purpose. Compared whole, never by prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exempt {
    /// User names.
    pub users: Vec<String>,
    /// Group names.
    pub groups: Vec<String>,
}

/// What is fixed when Understudy is installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// The namespace Understudy runs in.
    pub namespace: String,
    /// Who is exempt.
    pub exempt: Exempt,
    /// Service accounts of the cluster's other machinery, as `namespace/name`.
    pub system_service_accounts: Vec<String>,
    /// Users of the cluster's other machinery that are no service accounts, by their whole names.
    pub system_users: Vec<String>,
}

impl Installation {
    /// Whether `user` is our controller.
    pub fn is_controller(&self, user: &User) -> bool {
        user.service_account() == Some((&self.namespace, keys::CONTROLLER_ACCOUNT))
    }

    /// Whether `user` is the cluster itself: a node, a service account of kube-system, or other machinery that the chart
    /// names. What these write of vendors' kinds is not a user's doing.
    pub fn is_cluster(&self, user: &User) -> bool {
        let node =
            user.name.starts_with("system:node:") && user.groups.iter().any(|group| group == "system:nodes");
        node || self.system_users.contains(&user.name)
            || user.service_account().is_some_and(|(namespace, name)| {
                let named = |listed: &String| listed.split_once('/') == Some((namespace, name));
                namespace == "kube-system" || self.system_service_accounts.iter().any(named)
            })
    }
}

/// What is known of the cluster at the moment of a review.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The present time.
    pub now: Timestamp,
    /// What is fixed at installation.
    pub installation: Arc<Installation>,
    /// Every policy by name.
    pub policies: Arc<BTreeMap<String, PreviewPolicySpec>>,
    /// What no preview may reach.
    pub protected: Arc<Protected>,
    /// Where Services lead.
    pub services: Arc<Services>,
    /// What is known of the secret values of protected namespaces.
    pub fingerprints: Arc<Fingerprints>,
    /// Whether there is a Pod in the namespace that is about to be adopted; `Unknown` where nobody asked.
    pub pods: Fact<bool>,
    /// The preview of the request's namespace; `None` where it could not be read, which counts as unsealed.
    pub preview: Option<Preview>,
    /// What the preview's seal has to be, where that is known already: it is the same for every request until the policy
    /// changes. `None` has it worked out.
    pub wanted_seal: Option<Arc<str>>,
    /// The ConfigMaps and Secrets that [`super::needs`] named.
    pub sources: BTreeMap<Reference, Fact<Data>>,
}

impl Facts {
    /// Whether `user` may break the contract on purpose.
    pub fn exempts(&self, user: &User) -> bool {
        let exempt = &self.installation.exempt;
        exempt.users.contains(&user.name) || user.groups.iter().any(|group| exempt.groups.contains(group))
    }

    /// Whether the request's preview is sealed under its policy as it is now.
    pub fn sealed(&self) -> bool {
        let (Some(preview), Some(policy)) = (&self.preview, self.policy()) else {
            return false;
        };
        match &self.wanted_seal {
            Some(wanted) => preview.sealed.as_deref() == Some(wanted),
            None => guardrails::is_sealed(preview, policy, &self.installation.namespace),
        }
    }

    /// Bytes of what was read for one request.
    pub fn size(&self) -> usize {
        self.sources.values().map(Fact::size).sum()
    }

    /// The same without what was read for one request: no value of a Secret is in it.
    pub fn without_sources(&self) -> Facts {
        Facts {
            now: self.now,
            installation: self.installation.clone(),
            policies: self.policies.clone(),
            protected: self.protected.clone(),
            services: self.services.clone(),
            fingerprints: self.fingerprints.clone(),
            pods: self.pods.clone(),
            preview: self.preview.clone(),
            wanted_seal: self.wanted_seal.clone(),
            sources: BTreeMap::new(),
        }
    }

    /// Whether `other` are of the same moment in all that holds for every request: policies, what is protected, and what is known
    /// of its secrets. Where Services lead changes with every Service that anybody makes, and is not asked for: what a Service
    /// of a preview's own leads to is reviewed when it is made.
    pub fn share_rules_with(&self, other: &Facts) -> bool {
        Arc::ptr_eq(&self.policies, &other.policies)
            && Arc::ptr_eq(&self.protected, &other.protected)
            && Arc::ptr_eq(&self.fingerprints, &other.fingerprints)
    }

    /// What the request's preview may not reach.
    pub fn bounds<'f>(&'f self, namespace: &'f str) -> Bounds<'f> {
        let sharing = self.policy().map(|policy| &policy.sharing);
        Bounds::sharing(&self.protected, &self.services, namespace, sharing)
    }

    /// The policy of the request's preview.
    pub fn policy(&self) -> Option<&PreviewPolicySpec> {
        self.policies.get(&self.preview.as_ref()?.policy)
    }
}

impl Sources for Facts {
    fn data(&self, reference: &Reference) -> Fact<&Data> {
        if let Some(name) = reference
            .name
            .strip_prefix(keys::BRANCH_SECRET_PREFIX)
            .filter(|_| reference.kind == Kind::Secret)
        {
            // Any other of that prefix was there before the guardrails, and is nobody's branch.
            let chosen = self
                .preview
                .as_ref()
                .is_none_or(|preview| preview.databases.includes(name));
            let branch = chosen && self.policy().is_none_or(|policy| policy.database(name).is_some());
            return if branch {
                Fact::Present(&BRANCH_STAND_IN)
            } else {
                Fact::Unknown
            };
        }
        match self.sources.get(reference) {
            Some(Fact::Present(data)) => Fact::Present(data),
            Some(Fact::Absent) => Fact::Absent,
            Some(Fact::Unknown) | None => Fact::Unknown,
        }
    }
}

/// The server of every branch while reviewing.
pub(crate) const BRANCH_HOST: &str = "branch.understudy.invalid";
/// The database and the role of every branch while reviewing.
pub(crate) const BRANCH_NAME: &str = "branch";

/// What stands for a branch Secret while reviewing: the same keys, and a host that means nothing else.
///
/// The real one may not exist yet, and its values are nobody's business here.
static BRANCH_STAND_IN: LazyLock<Data> = LazyLock::new(|| {
    let pairs = [
        ("username", BRANCH_NAME),
        ("user", BRANCH_NAME),
        ("password", "branch"),
        ("dbname", BRANCH_NAME),
        ("host", BRANCH_HOST),
        ("port", "5432"),
        ("pgpass", "branch.understudy.invalid:5432:branch:branch:branch"),
        (
            "uri",
            "postgresql://branch:branch@branch.understudy.invalid:5432/branch",
        ),
        (
            "fqdn-uri",
            "postgresql://branch:branch@branch.understudy.invalid:5432/branch",
        ),
        (
            "jdbc-uri",
            "jdbc:postgresql://branch.understudy.invalid:5432/branch?user=branch&password=branch",
        ),
    ];
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
});
