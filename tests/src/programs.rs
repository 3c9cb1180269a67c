//! One executable that answers for every program of ours.
//!
//! Cargo builds the executables of the package it runs or tests, and of no other. So `testbed` and `demo` contain the
//! mains of `understudy` and `understudy-webhook` as libraries, and become one of them when the first argument says
//! so. What runs is the same code as in a release, with the same allocator; only its file is another.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use mimalloc::MiMalloc;

/// That of the programs, so that their speed and size are those of a release.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A program of ours, inside this executable.
pub struct Program {
    name: &'static str,
    main: fn(Vec<OsString>) -> ExitCode,
}

/// `understudy`, the command line.
pub const UNDERSTUDY: Program = Program {
    name: "understudy",
    main: |arguments| understudy_cli::run_from_args(arguments),
};

/// `understudy-webhook`, with `serve` and `control`.
pub const WEBHOOK: Program = Program {
    name: "understudy-webhook",
    main: |arguments| understudy_webhook::run_from_args(arguments),
};

const SELECT: &str = "--as=";

impl Program {
    /// The first argument that makes [`executable`] this program.
    #[must_use]
    pub fn selector(&self) -> String {
        format!("{SELECT}{}", self.name)
    }
}

/// Becomes the program that the first argument selects, if any does. To be called first in a main, outside a runtime.
#[must_use]
pub fn dispatch() -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next()?;
    let selected = first.to_str()?.strip_prefix(SELECT)?;
    let program = [UNDERSTUDY, WEBHOOK]
        .into_iter()
        .find(|program| program.name == selected)?;
    Some((program.main)(
        std::iter::once(program.name.into()).chain(arguments).collect(),
    ))
}

/// The executable to run with a [`Program::selector`]: this one if it dispatches, else `testbed` next to it.
///
/// A test binary does not dispatch; cargo builds `testbed` before it runs the integration tests of this package.
pub fn executable() -> Result<PathBuf> {
    let own = env::current_exe().context("failed to find our own executable")?;
    if own
        .file_stem()
        .is_some_and(|stem| stem == "testbed" || stem == "demo")
    {
        return Ok(own);
    }
    let target = own.ancestors().find(|path| path.join("testbed").is_file());
    let found = target.map(|target| target.join("testbed")).unwrap_or_default();
    ensure!(
        found.is_file(),
        "no `testbed` next to {}; run the tests with `cargo test --workspace`",
        own.display()
    );
    Ok(found)
}
