//! Where a testbed lives: below the system's temporary directory, for PostgreSQL's user must reach its part of it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Others may pass through, to what is theirs, and not look around.
const PASS_THROUGH: u32 = 0o711;

/// The directory of one testbed. `supervise` removes it; before `supervise` runs, nobody has to.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes a fresh directory for a testbed.
    pub fn create() -> Result<Self> {
        let base = base()?;
        let path = base.join(format!("{:08x}", rand::random::<u32>()));
        DirBuilder::new()
            .mode(PASS_THROUGH)
            .create(&path)
            .with_context(|| format!("failed to make {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(PASS_THROUGH))?;
        let directory = Self(path);
        for part in [directory.logs(), directory.pki()] {
            DirBuilder::new().mode(0o700).create(part)?;
        }
        Ok(directory)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The kubeconfig for people and tests.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// Where the processes' logs are.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// Where keys and certificates are.
    #[must_use]
    pub fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// The log of one process.
    #[must_use]
    pub fn log(&self, process: &str) -> PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    /// The last lines of a process's log.
    #[must_use]
    pub fn log_tail(&self, process: &str) -> String {
        tail(&self.log(process))
    }
}

/// The last lines of a file; a sentence when it cannot be read.
#[must_use]
pub fn tail(path: &Path) -> String {
    const LINES: usize = 25;
    match fs::read(path) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(LINES)..].join("\n")
        }
        Err(error) => format!("({}: {error})", path.display()),
    }
}

/// The directory of all testbeds of this user, made if need be.
pub fn base() -> Result<PathBuf> {
    let uid = own_uid()?;
    let path = std::env::temp_dir().join(format!("understudy-testbed-{uid}"));
    DirBuilder::new()
        .recursive(true)
        .mode(PASS_THROUGH)
        .create(&path)
        .with_context(|| format!("failed to make {}", path.display()))?;
    // The temporary directory is everybody's: a directory somebody else made there in advance is not ours to fill.
    let owner = fs::symlink_metadata(&path)?;
    ensure!(
        owner.is_dir() && owner.uid() == uid,
        "{} belongs to somebody else",
        path.display()
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(PASS_THROUGH))?;
    Ok(path)
}

/// Who we are, by the owner of a file we make; the standard library has no other safe way to ask.
pub fn own_uid() -> Result<u32> {
    let probe = tempfile::tempfile().context("failed to make a file in the temporary directory")?;
    Ok(probe.metadata()?.uid())
}
