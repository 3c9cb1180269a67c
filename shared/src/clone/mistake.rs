//! What is wrong with a request for a clone, before any object is looked at.

use super::image::ImageOverride;
use crate::policy::LifetimeLimits;

/// A request that makes no sense for this golden and policy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mistake {
    /// The preview's name cannot be one.
    #[error("{name:?} cannot be a preview's name: {why}")]
    Name {
        /// The name asked for.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The lease is outside the policy's limits.
    #[error("--ttl {asked} is outside what policy {policy} allows: {min} to {max}", min = limits.min, max = limits.max)]
    Ttl {
        /// What was asked for.
        asked: String,
        /// The policy.
        policy: String,
        /// Its limits.
        limits: Box<LifetimeLimits>,
    },
    /// No container, workload or image repository has the name before the `=`.
    #[error("--image {image}: the golden has no container, workload or repository called {name}; it has {known}", name = image.name)]
    UnknownImage {
        /// What was asked for.
        image: ImageOverride,
        /// What there is.
        known: String,
    },
    /// The name is a workload's with several containers.
    #[error("--image {image}: {name} has several containers; name one of {known}", name = image.name)]
    AmbiguousImage {
        /// What was asked for.
        image: ImageOverride,
        /// Its containers.
        known: String,
    },
    /// No container stands where a variable is to be set.
    #[error("--set-env {variable}: the golden has no such container; it has {known}")]
    UnknownVariablePlace {
        /// The place and the variable, without its value.
        variable: String,
        /// What there is.
        known: String,
    },
    /// No workload has the name.
    #[error("--changed {name}: the golden has no workload called that; it has {known}")]
    UnknownWorkload {
        /// The name.
        name: String,
        /// What there is.
        known: String,
    },
    /// Two images for one container.
    #[error("--image names {0} twice")]
    TwoImages(String),
}
