//! One bed for all tests of a test binary.
//!
//! A static is never dropped; the bed ends all the same, by the pipe that closes with the process.

use tokio::sync::OnceCell;

use super::{InstallOptions, Options, TestBed, Understudy};

static BED: OnceCell<TestBed> = OnceCell::const_new();
static INSTALLED: OnceCell<Understudy> = OnceCell::const_new();

/// The test binary's bed, started by the first who asks.
///
/// # Panics
/// If it cannot be started: no test that asks for it can pass.
pub async fn shared() -> &'static TestBed {
    let bed = BED.get_or_try_init(|| TestBed::start(Options::default())).await;
    bed.unwrap_or_else(|error| panic!("failed to start the testbed: {error:?}"))
}

/// The test binary's bed with Understudy installed as the chart does by default, and running.
///
/// # Panics
/// If it cannot be installed or does not become ready.
pub async fn installed() -> &'static Understudy {
    let bed = shared().await;
    let understudy = INSTALLED
        .get_or_try_init(|| bed.install(InstallOptions::default()))
        .await;
    understudy.unwrap_or_else(|error| panic!("failed to install Understudy on the testbed: {error:?}"))
}
