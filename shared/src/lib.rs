//! The core of Understudy: what a preview is, what may enter it, and what a clone consists of.
//!
//! Facts in, decision out. Nothing in here holds a client, a runtime, a clock or randomness: time comes in as `now`,
//! the cluster comes in as facts, and effects are described by values that the shells carry out.

pub mod admission;
pub mod branching;
pub mod clone;
pub mod connection;
pub mod contract;
pub mod environment;
pub mod fingerprints;
pub mod guardrails;
pub mod holding;
pub mod host;
pub mod keys;
pub mod lease;
pub mod lifetime;
pub mod names;
pub mod networks;
pub mod phase;
pub mod policy;
pub mod preview;
pub mod protected;
pub mod quantity;
pub mod reason;
pub mod rights;
pub mod routes;
pub mod services;
pub mod violation;
