//! What somebody asks a clone to be.

use super::image::ImageOverride;
use crate::lifetime::Lifetime;
use crate::policy::PreviewPolicySpec;
use crate::protected::Protected;
use std::str::FromStr;

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
    /// What is left out on request.
    pub without: Vec<LeaveOut>,
    /// The commit its images were built from.
    pub commit: Option<String>,
}

/// An object, or every object of a kind, that is left out on request: `KIND/NAME` or `KIND`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaveOut {
    kind: String,
    name: Option<String>,
}

/// Why a text is no [`LeaveOut`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be KIND or KIND/NAME, such as ServiceMonitor or Ingress/web")]
pub struct InvalidLeaveOut;

impl FromStr for LeaveOut {
    type Err = InvalidLeaveOut;

    fn from_str(text: &str) -> Result<Self, InvalidLeaveOut> {
        let (kind, name) = match text.split_once('/') {
            Some((kind, name)) => (kind, Some(name)),
            None => (text, None),
        };
        let kind_ok = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphanumeric());
        let name_ok = |name: &str| !name.is_empty() && !name.contains('/') && name.len() <= 253;
        (kind_ok && name.is_none_or(name_ok))
            .then(|| LeaveOut {
                kind: kind.to_owned(),
                name: name.map(str::to_owned),
            })
            .ok_or(InvalidLeaveOut)
    }
}

impl LeaveOut {
    /// Whether this names the object `name` of `kind`.
    pub(super) fn names(&self, kind: &str, name: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.name.as_deref().is_none_or(|wanted| wanted == name)
    }
}
