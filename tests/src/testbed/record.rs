//! What is written down of a bed that outlives its maker, so that `status` can tell of it and `down` end it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::directory::{self, Directory};
use super::pki::write_secret;
use super::postgres::Postgres;
use super::supervisor::State;

const RECORD: &str = "testbed.json";
/// Locked by `supervise` as long as it lives.
const LOCK: &str = "supervise.lock";
/// The time between a bed's first file and its lock is far below this.
const BEING_MADE: Duration = Duration::from_secs(60);

/// A bed that was left running.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The `supervise` that keeps it.
    pub supervise: PathBuf,
    /// A client of the control plane's own release.
    pub kubectl: PathBuf,
    /// The Helm it was installed with.
    pub helm: PathBuf,
    /// With a context for each user.
    pub kubeconfig: PathBuf,
    /// The API server.
    pub server: String,
    /// The logs of its processes.
    pub logs: PathBuf,
    /// The names of the contexts.
    pub contexts: Vec<String>,
    /// Its PostgreSQL servers.
    pub postgres: Vec<Postgres>,
}

impl Record {
    pub(super) fn write(&self, directory: &Directory) -> Result<()> {
        write_secret(
            &directory.path().join(RECORD),
            &serde_json::to_string_pretty(self)?,
        )
    }

    /// The processes, as `supervise` last wrote them down.
    pub fn processes(&self) -> Result<Vec<State>> {
        let path = self.directory().join("processes.json");
        let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// The bed's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.kubeconfig.parent().unwrap_or(Path::new("/"))
    }

    /// Ends the bed and returns when nothing of it is left.
    pub fn end(&self) -> Result<()> {
        let output = Command::new(&self.supervise)
            .arg("stop")
            .arg(self.directory())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("failed to run {}", self.supervise.display()))?;
        if !output.status.success() {
            bail!(
                "failed to end {}: {}",
                self.directory().display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }
}

/// The beds of this user that were left running.
pub fn running() -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for directory in directories()? {
        if is_alive(&directory)
            && let Ok(text) = fs::read(directory.join(RECORD))
        {
            records.push(serde_json::from_slice(&text)?);
        }
    }
    Ok(records)
}

/// Removes what a `supervise` that was killed left lying; its processes died with it.
pub fn sweep() -> Result<()> {
    for directory in directories()? {
        let age = fs::metadata(&directory)?
            .modified()?
            .elapsed()
            .unwrap_or_default();
        let had_keeper = directory.join(LOCK).is_file();
        if !is_alive(&directory) && (had_keeper || age > BEING_MADE) {
            fs::remove_dir_all(&directory)
                .with_context(|| format!("failed to remove {}", directory.display()))?;
        }
    }
    Ok(())
}

/// One command at a time starts or ends beds that outlive it; the lock ends with the file.
pub fn lock() -> Result<File> {
    let path = directory::base()?.join("lock");
    let file = File::create(&path)?;
    file.lock()
        .with_context(|| format!("failed to lock {}", path.display()))?;
    Ok(file)
}

fn directories() -> Result<Vec<PathBuf>> {
    let base = directory::base()?;
    let mut directories = Vec::new();
    for entry in fs::read_dir(&base)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            directories.push(entry.path());
        }
    }
    Ok(directories)
}

fn is_alive(directory: &Path) -> bool {
    File::open(directory.join(LOCK)).is_ok_and(|file| file.try_lock().is_err())
}
