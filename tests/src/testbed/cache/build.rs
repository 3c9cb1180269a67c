//! One run of `go build`, with somebody waiting for it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Module;
use crate::testbed::directory::tail;

const LOOK_EVERY: Duration = Duration::from_millis(100);
const SPEAK_EVERY: Duration = Duration::from_secs(15);

/// Builds the module into `executable`. `entry` is where it will be kept, for the one who waits.
pub fn build(module: &Module, sources: &Path, executable: &Path, entry: &Path) -> Result<()> {
    say!(
        "testbed: building {} once, {} on two cores, into {}",
        module.provides.join(", "),
        module.about,
        entry.display()
    );
    let started = Instant::now();
    let log = executable.with_extension("log");
    let mut child = Command::new("go")
        .args(["build", "-trimpath", "-ldflags", module.linker_flags, "-o"])
        .arg(executable)
        .arg(module.package)
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        // A developer's own flags (-mod=mod, -race) must not decide what a cached program is.
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?)
        .spawn()
        .context("failed to run `go build`")?;
    let status = wait(&mut child, module, started)?;
    if !status.success() {
        bail!("failed to build {} ({status}):\n{}", module.name, tail(&log));
    }
    fs::remove_file(log)?;
    say!(
        "testbed: built {} in {} s",
        module.name,
        started.elapsed().as_secs()
    );
    Ok(())
}

fn wait(child: &mut Child, module: &Module, started: Instant) -> Result<ExitStatus> {
    let mut speak_at = SPEAK_EVERY;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() >= speak_at {
            say!(
                "testbed: still building {} ({} s of {}); the next run finds it ready",
                module.name,
                speak_at.as_secs(),
                module.about
            );
            speak_at += SPEAK_EVERY;
        }
        sleep(LOOK_EVERY);
    }
}
