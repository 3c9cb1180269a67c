//! What the tests and the demo stand on: a real control plane, real PostgreSQL servers, the programs under test.
//!
//! The [`testbed`] starts them as local processes and sees to it that nothing of them outlives its holder;
//! [`programs`] makes one executable answer for every program of ours, because cargo builds only the executables of
//! the package it runs.

pub mod crowd;
pub mod demo;
pub mod previews;
pub mod programs;
pub mod replica;
pub mod rollout;
pub mod shop;
pub mod testbed;
