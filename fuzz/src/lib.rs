//! What must hold for any input, one module a fuzz target. A broken law panics, which the engine takes for a crash.
//!
//! `cargo fuzz` finds a target by its file in `fuzz_targets/`; these only hand the bytes over.

#![forbid(unsafe_code)]

pub mod connection;
pub mod duration;
pub mod family;
pub mod host;
pub mod json;
pub mod policy;
pub mod quantity;
pub mod review;
pub mod slug;
pub mod stage;

/// What stands for a secret in everything that is fed in. Long enough that no text holds it by chance.
pub const SECRET: &str = "hunter2-Zq9x";

/// The pieces of `text` between line breaks, exactly `N` of them; missing ones are empty.
fn lines<const N: usize>(text: &str) -> [&str; N] {
    let mut lines = text.splitn(N, '\n');
    std::array::from_fn(|_| lines.next().unwrap_or_default())
}
