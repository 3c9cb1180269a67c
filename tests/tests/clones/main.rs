//! Clones of whole environments on a real control plane: the goldens in `examples/`, and what may go wrong with them.

mod again;
mod faults;
mod goldens;
mod manual;
mod render;
// The command line's own tests ask for more of it.
#[allow(dead_code)]
#[path = "../cli/run.rs"]
mod run;
mod verify;
