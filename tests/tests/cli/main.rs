//! The command line against a real control plane, as the developer.

mod check;
mod doctor;
mod faults;
mod images;
mod life;
mod mistakes;
mod plans;
mod run;
mod shell;
mod signals;
mod terminal;
mod waiting;
