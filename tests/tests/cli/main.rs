//! The command line against a real control plane, as the developer.

mod check;
mod doctor;
mod life;
mod mistakes;
mod run;
