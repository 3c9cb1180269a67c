//! What somebody asks a clone to be.

use super::credentials::Seed;
use super::given::GivenSecret;
use super::image::ImageOverride;
use super::selection::Selection;
use super::variables::VariableOverride;
use crate::lifetime::Lifetime;
use crate::policy::PreviewPolicySpec;
use crate::protected::Protected;
use std::collections::BTreeMap;

/// The rules a clone lives under.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Name of the policy.
    pub policy_name: &'a str,
    /// The policy.
    pub policy: &'a PreviewPolicySpec,
    /// What no preview may reach, by all goldens and all policies.
    pub protected: &'a Protected,
}

/// What somebody asks a clone to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloneSpec {
    /// Name of the preview's namespace.
    pub name: String,
    /// Number of the pull request.
    pub pr: Option<u64>,
    /// Images that replace the golden's.
    pub images: Vec<ImageOverride>,
    /// How long it may live; the policy's default where absent.
    pub ttl: Option<Lifetime>,
    /// Which objects are part of it.
    pub selection: Selection,
    /// Workloads that changed, where the rest is to be the golden's; empty for a whole clone.
    pub changed: Vec<String>,
    /// Variables that are set to something else.
    pub variables: Vec<VariableOverride>,
    /// Secrets that are given instead of copied.
    pub secrets: BTreeMap<String, GivenSecret>,
    /// The commit its images were built from.
    pub commit: Option<String>,
    /// What the clone's own passwords are derived from, where the golden has any of its own.
    pub seed: Seed,
}
