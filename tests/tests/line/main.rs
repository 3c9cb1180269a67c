//! The main line on a real control plane: a policy, a labelled namespace, guardrails, a branch, a rewritten Pod, the end.
//!
//! One control plane for all of it; every test has namespaces of its own and they run in parallel, as the developer.

mod database;
mod end;
mod guardrails;
mod namespace;
mod policy;
mod rewrite;
mod serving;

use understudy_tests::previews as stage;
