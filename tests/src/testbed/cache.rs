//! The programs of the control plane, built once into a cache outside the checkout.
//!
//! The cache is `$UNDERSTUDY_CACHE`, else `$XDG_CACHE_HOME/understudy`, else `~/.cache/understudy`. An entry's key is
//! a hash of the module's sources (which pin every version), the Go release and the build flags; so an entry is never
//! stale, and an old one is never in the way. One process builds, under a file lock; what is finished appears at once,
//! by a rename.
//!
//! A program found in `$KUBEBUILDER_ASSETS` is used instead of ours, whatever its version. A machine that has them all
//! there builds nothing but `supervise`, which takes a second.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};

use self::build::build;

/// Tells whoever waits. `eprintln!` would be caught by the test harness and shown when the wait is over.
macro_rules! say {
    ($($text:tt)*) => {{
        // Nobody listens: no reason to stop building.
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod build;

/// A Go module of ours and what comes out of it.
struct Module {
    /// Its directory below `tests/testbed`, and the name of the executable.
    name: &'static str,
    package: &'static str,
    linker_flags: &'static str,
    /// The names it is called by.
    provides: &'static [&'static str],
    /// How long a cold build takes on two cores, for whoever waits.
    about: &'static str,
}

const SUPERVISE: Module = Module {
    name: "supervise",
    package: ".",
    linker_flags: "-s -w",
    provides: &["supervise"],
    about: "a few seconds",
};

const CONTROL_PLANE: Module = Module {
    name: "controlplane",
    package: ".",
    linker_flags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.36.3 \
                   -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
    provides: &[
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
    ],
    about: "about 5 minutes",
};

const KWOK: Module = Module {
    name: "kwok",
    package: "sigs.k8s.io/kwok/cmd/kwok",
    linker_flags: "-s -w",
    provides: &["kwok"],
    about: "about 1 minute",
};

const HELM: Module = Module {
    name: "helm",
    package: "helm.sh/helm/v4/cmd/helm",
    linker_flags: "-s -w",
    provides: &["helm"],
    about: "about 2 minutes",
};

/// Where every program of a bed is.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the programs' own names")]
pub struct Binaries {
    pub supervise: PathBuf,
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
    pub kube_controller_manager: PathBuf,
    pub kube_scheduler: PathBuf,
    pub kubectl: PathBuf,
    pub kwok: PathBuf,
    pub helm: PathBuf,
}

/// The cache on this machine.
pub struct Cache {
    root: PathBuf,
    assets: Option<PathBuf>,
}

impl Cache {
    /// Finds the cache; it is made when something is put in.
    pub fn open() -> Result<Self> {
        let given = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = given("UNDERSTUDY_CACHE")
            .or_else(|| given("XDG_CACHE_HOME").map(|cache| cache.join("understudy")))
            .or_else(|| given("HOME").map(|home| home.join(".cache/understudy")))
            .context("neither UNDERSTUDY_CACHE nor XDG_CACHE_HOME nor HOME says where to keep the testbed's programs")?;
        Ok(Self {
            root: std::path::absolute(root)?,
            assets: given("KUBEBUILDER_ASSETS"),
        })
    }

    /// All programs, built where they are missing. Blocks, for minutes when the cache is cold.
    pub fn binaries(&self) -> Result<Binaries> {
        let go = Go::find()?;
        let supervise = self.entry(&SUPERVISE, &go)?;
        let control_plane = self.unless_given(&CONTROL_PLANE, &go)?;
        let kwok = self.unless_given(&KWOK, &go)?;
        let helm = self.unless_given(&HELM, &go)?;
        Ok(Binaries {
            supervise: supervise.join("supervise"),
            etcd: self.program("etcd", &control_plane),
            kube_apiserver: self.program("kube-apiserver", &control_plane),
            kube_controller_manager: self.program("kube-controller-manager", &control_plane),
            kube_scheduler: self.program("kube-scheduler", &control_plane),
            kubectl: self.program("kubectl", &control_plane),
            kwok: self.program("kwok", &kwok),
            helm: self.program("helm", &helm),
        })
    }

    /// The module's entry; none if every program of it was given.
    fn unless_given(&self, module: &Module, go: &Go) -> Result<Option<PathBuf>> {
        if module.provides.iter().all(|name| self.given(name).is_some()) {
            return Ok(None);
        }
        self.entry(module, go).map(Some)
    }

    fn program(&self, name: &str, entry: &Option<PathBuf>) -> PathBuf {
        self.given(name)
            .unwrap_or_else(|| entry.as_deref().unwrap_or(Path::new("")).join(name))
    }

    fn given(&self, name: &str) -> Option<PathBuf> {
        self.assets
            .as_ref()
            .map(|assets| assets.join(name))
            .filter(|path| path.is_file())
    }

    /// The directory with the module's executable, and a link to it for each name it is called by.
    fn entry(&self, module: &Module, go: &Go) -> Result<PathBuf> {
        let sources = sources(module.name);
        let entry = self
            .root
            .join(format!("{}-{}", module.name, key(module, &sources, go)?));
        if entry.is_dir() {
            return Ok(entry);
        }
        fs::create_dir_all(&self.root)
            .with_context(|| format!("failed to make the cache {}", self.root.display()))?;
        let _lock = self.lock(module)?;
        if entry.is_dir() {
            return Ok(entry);
        }
        let unfinished = self.root.join(format!(".{}.new", module.name));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)?;
        build(module, &sources, &unfinished.join(module.name), &entry)?;
        for name in module.provides.iter().filter(|name| **name != module.name) {
            std::os::unix::fs::symlink(module.name, unfinished.join(name))?;
        }
        fs::rename(&unfinished, &entry)
            .with_context(|| format!("failed to put {} in place", entry.display()))?;
        Ok(entry)
    }

    fn lock(&self, module: &Module) -> Result<File> {
        let path = self.root.join(format!(".{}.lock", module.name));
        let file = File::create(&path).with_context(|| format!("failed to write {}", path.display()))?;
        if file.try_lock().is_err() {
            say!("testbed: another process builds {}; waiting for it", module.name);
            file.lock()
                .with_context(|| format!("failed to lock {}", path.display()))?;
        }
        Ok(file)
    }
}

/// The Go release on this machine.
struct Go {
    version: String,
}

impl Go {
    fn find() -> Result<Self> {
        let output = Command::new("go")
            .args(["env", "GOVERSION", "GOOS", "GOARCH"])
            .output()
            .map_err(|error| {
                anyhow!(
                    "Go is needed to build the testbed's control plane, and `go` cannot be run ({error}); \
                 install Go 1.26 or newer from https://go.dev/dl/"
                )
            })?;
        if !output.status.success() {
            bail!("`go env` failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(Self {
            version: String::from_utf8_lossy(&output.stdout).into_owned(),
        })
    }
}

fn sources(module: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testbed").join(module)
}

fn key(module: &Module, sources: &Path, go: &Go) -> Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(sources)
        .with_context(|| format!("failed to read {}", sources.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|path| {
        let extension = path.extension().and_then(OsStr::to_str);
        matches!(extension, Some("go" | "mod" | "sum"))
    });
    files.sort();
    let mut hash = Sha256::new();
    for part in [go.version.as_str(), module.package, module.linker_flags] {
        hash.update(part);
        hash.update([0]);
    }
    for file in files {
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update([0]);
        hash.update(Sha256::digest(fs::read(&file)?));
    }
    Ok(hex::encode(&hash.finalize()[..8]))
}
