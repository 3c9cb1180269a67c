//! The command line against a real control plane, as the developer.

mod life;
mod mistakes;
mod run;
