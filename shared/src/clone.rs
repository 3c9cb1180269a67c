//! What a clone of a golden consists of.
//!
//! Flow: `Snapshot → plan → Plan`. The snapshot is what the user may read; every object in it gets exactly one
//! [`Verdict`]; what is to be made is sanitised and rewritten, so that nothing of the original's identity, names, hosts,
//! databases or secrets is usable from the clone.
//!
//! Guarantees: planning the same input twice gives the same plan. Nothing is skipped in silence. A plan with a refusal is
//! not carried out.
//!
//! Assumptions: the golden's own objects are well-formed (they come from an API server).

mod claims;
mod compare;
mod credentials;
mod databases;
mod embedded;
mod endpoints;
mod given;
mod golden;
mod hosts;
mod image;
mod kinds;
mod lineage;
mod manifests;
mod merge;
mod missing;
mod mistake;
mod namespace;
mod outside;
mod own;
mod partial;
mod plan;
mod preflight;
mod references;
mod review;
mod rewrite;
mod sanitize;
mod secrets;
mod selection;
mod snapshot;
mod spec;
mod survey;
mod templates;
mod traces;
mod variables;
mod verdict;

pub use compare::{Extra, FieldChange, changes, extras, stays_headless};
pub use credentials::Seed;
pub use given::{GivenSecret, InvalidSecret};
pub use image::{ImageOverride, InvalidImage};
pub use lineage::Lineage;
pub use manifests::{Manifests, Provided, derived, manifests};
pub use merge::merge;
pub use mistake::Mistake;
pub use own::{Kept, kept};
pub use plan::{Plan, plan};
pub use preflight::Shortage;
pub use selection::{InvalidPattern, InvalidSelector, Pattern, Selection, selector};
pub use snapshot::{Snapshot, Unreadable, kind_of, name_of};
pub use spec::{CloneSpec, Rules};
pub use templates::pod_templates;
pub use traces::{Left, Traces};
pub use variables::{Decided, InvalidVariable, PlannedVariable, VariableOverride};
pub use verdict::{Item, Verdict, Wave};

#[cfg(test)]
mod tests;
