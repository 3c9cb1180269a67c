//! What speed is measured with: the same reviews for instructions, for reviews over TLS and for the real API server.
//!
//! Everything is made by code from a size and an outcome, and so is what has to come of it; a measurement that does not
//! compare the two measures nothing.

mod facts;
mod pod;
mod samples;

pub use facts::{PREVIEW, facts};
pub use pod::{GOLDEN_URL, pod};
pub use samples::{Outcome, Sample, Size};
