//! The three layers of admission: what each of them holds, and what happens when one is away.
//!
//! `docs/layers.md` has a row for each test here, and a test sees to it. One control plane for all, in one of four modes
//! at a time; `uninstalled` has its own.

mod adoption;
mod agreement;
mod down;
mod gates;
mod gone;
mod guardrails;
mod hung;
mod identities;
mod mode;
mod page;
mod stage;
mod tables;
mod uninstalled;
