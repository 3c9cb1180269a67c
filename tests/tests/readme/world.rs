//! The world in which blocks are run: a checkout, stand-ins, somebody to be.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;
use understudy_tests::programs;
use understudy_tests::testbed::{TestBed, User};

use crate::blocks::{Block, blocks, expect};
use crate::{page, root};

/// The longest that one block may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// The first line of a block that nobody can run without a registry and a cluster of their own.
const YOUR_CLUSTER: &str = "# your cluster";

/// Where blocks are run: a directory that looks like the checkout, a PATH of their own, and somebody to be.
pub struct World {
    directory: tempfile::TempDir,
    /// Variables for the developer and for the administrator.
    variables: [BTreeMap<&'static str, String>; 2],
}

impl World {
    pub fn on(bed: &TestBed, bare: &TestBed) -> Result<Self> {
        let mut world = Self::without_a_bed()?;
        let program = |command: &Command| command.as_std().get_program().to_owned();
        let kubectl = program(&bed.kubectl(User::Developer));
        symlink(&kubectl, world.bin().join("kubectl"))?;
        let understudy = programs::executable()?;
        let selector = programs::UNDERSTUDY.selector();
        world.script(
            "understudy",
            &format!("exec '{}' {selector} \"$@\"", understudy.display()),
        )?;
        // As it stands, on a bed that nothing is installed on yet.
        let helm = bare.helm(User::Admin);
        let kubeconfig = bare.kubeconfig();
        world.script(
            "helm",
            &format!(
                "export KUBECONFIG='{}' HELM_CACHE_HOME=\"$HOME/helm\"\n\
                 '{helm}' --kube-context admin \"$@\"\n'{helm}' lint --strict charts/understudy",
                kubeconfig.display(),
                helm = Path::new(&program(&helm)).display(),
            ),
        )?;
        fs::copy(bed.ca_file(), world.path().join("ca.crt"))?;
        for (user, variables) in [User::Developer, User::Admin]
            .into_iter()
            .zip(&mut world.variables)
        {
            let command = bed.understudy(user)?;
            let known = command
                .as_std()
                .get_envs()
                .find(|(name, _)| *name == "KUBECONFIG");
            let kubeconfig = known.and_then(|(_, value)| value).context("no kubeconfig")?;
            variables.insert("KUBECONFIG", PathBuf::from(kubeconfig).display().to_string());
        }
        let server = bed.previews();
        world.variables[1].extend([
            ("PGHOST", server.host.clone()),
            ("PGPORT", server.port.to_string()),
            ("PGUSER", server.username.clone()),
            ("PGPASSWORD", server.password.clone()),
        ]);
        Ok(world)
    }

    pub fn without_a_bed() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let world = Self {
            directory,
            variables: Default::default(),
        };
        fs::create_dir(world.bin())?;
        fs::create_dir(world.path().join(".ci"))?;
        for entry in fs::read_dir(root())? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with('.') && name != "target" {
                symlink(entry.path(), world.path().join(name))?;
            }
        }
        for stand_in in ["cargo", "podman", "run"] {
            let log = world.path().join(format!("{stand_in}.log"));
            world.script(stand_in, &format!("printf '%s\\n' \"$*\" >>'{}'", log.display()))?;
        }
        fs::rename(world.bin().join("run"), world.path().join(".ci/run"))?;
        Ok(world)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn bin(&self) -> PathBuf {
        self.path().join("bin")
    }

    fn script(&self, name: &str, body: &str) -> Result<()> {
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/sh\nset -eu\n{body}\n"))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
    }

    /// With what a stand-in was called.
    pub fn log(&self, stand_in: &str) -> Result<Vec<String>> {
        let text = fs::read_to_string(self.path().join(format!("{stand_in}.log")))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Runs what stands on a page, from top to bottom.
    pub async fn play(&self, name: &str) -> Result<()> {
        let mut said: Option<String> = None;
        for block in blocks(&page(name)?) {
            let place = format!("{name}:{}", block.line);
            said = match block.language.as_str() {
                "sh" => Some(self.run(&block).await.with_context(|| place)?),
                "text" => {
                    let said = said.with_context(|| format!("{place}: nothing was run before"))?;
                    expect(&block.text, &said).with_context(|| place)?;
                    None
                }
                "yaml" => {
                    let file = block.text.lines().next().and_then(|line| line.strip_prefix("# "));
                    let file = file
                        .with_context(|| format!("{place}: a manifest begins with the name of its file"))?;
                    let used = ["--filename", "--spec"]
                        .iter()
                        .any(|flag| page(name).is_ok_and(|page| page.contains(&format!("{flag} {file}"))));
                    ensure!(used, "{place}: {file} is never used");
                    fs::write(self.path().join(file), &block.text)?;
                    None
                }
                "mermaid" => None,
                other => bail!("{place}: nobody knows how to test a block of {other:?}"),
            };
        }
        Ok(())
    }

    async fn run(&self, block: &Block) -> Result<String> {
        let administrator = block.text.starts_with(YOUR_CLUSTER);
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", &block.text])
            .current_dir(self.path())
            .env("PATH", format!("{}:{path}", self.bin().display()))
            .env("HOME", self.path())
            .env("KUBECONFIG", "/nonexistent")
            .envs(&self.variables[usize::from(administrator)])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let run = tokio::time::timeout(PATIENCE, command.output()).await;
        let Output {
            status,
            stdout,
            stderr,
        } = run.with_context(|| format!("still running:\n{}", block.text))??;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        );
        ensure!(status.success(), "{status}\n{}\n{said}", block.text);
        Ok(said)
    }

    /// What the stand-in for cargo was called with is something that cargo would do.
    pub async fn cargo_knows_what_was_typed(&self) -> Result<()> {
        let aliases = page(".cargo/config.toml")?;
        for line in self.log("cargo")? {
            let mut words = line.split(' ');
            let verb = words.next().unwrap_or_default();
            let rest: Vec<&str> = words.collect();
            match verb {
                "demo" => {
                    ensure!(
                        aliases.contains("demo = \"run --quiet --package understudy-tests --bin demo --\"")
                    );
                    let help = help(env!("CARGO_BIN_EXE_demo"), &[]).await?;
                    for flag in rest {
                        ensure!(help.contains(flag), "cargo {line}: there is no {flag} in\n{help}");
                    }
                }
                "testbed" => {
                    ensure!(
                        aliases.contains(
                            "testbed = \"run --quiet --package understudy-tests --bin testbed --\""
                        )
                    );
                    help(env!("CARGO_BIN_EXE_testbed"), &rest)
                        .await
                        .with_context(|| line.clone())?;
                }
                "install" => {
                    let path = rest
                        .iter()
                        .skip_while(|word| **word != "--path")
                        .nth(1)
                        .context("install from where?")?;
                    ensure!(
                        page(&format!("{path}/Cargo.toml"))?.contains("name = \"understudy\"\n"),
                        "no program in {path}"
                    );
                }
                "test" | "clippy" => {
                    ensure!(
                        rest.contains(&"--workspace"),
                        "cargo {line}: features come out differently"
                    );
                    if let Some(test) = rest.iter().skip_while(|word| **word != "--test").nth(1) {
                        let tests = root().join("tests/tests");
                        let found = tests.join(format!("{test}.rs")).is_file()
                            || tests.join(test).join("main.rs").is_file();
                        ensure!(found, "cargo {line}: there is no test {test}");
                    }
                }
                _ => bail!("cargo {line}: nobody knows whether that works"),
            }
        }
        Ok(())
    }
}

/// What a program says of itself, or of one of its verbs.
async fn help(program: &str, verb: &[&str]) -> Result<String> {
    let output = Command::new(program).args(verb).arg("--help").output().await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
