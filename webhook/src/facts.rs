//! Facts for reviews: what is remembered, and what is read live. Used by `serve` for requests and by `control` for what
//! came in sideways, so that both see the same.

mod doubt;
mod freshness;
mod gather;
mod live;
mod memory;
mod rules;
mod secrets;
mod services;

pub use freshness::{Followed, Freshness};
pub use gather::gather;
pub use live::Live;
pub use memory::{Memory, start};
