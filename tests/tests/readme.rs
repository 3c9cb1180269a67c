//! README.md and CONTRIBUTING.md do what they say: their commands are run, their manifests applied, their tables compared.
//!
//! Blocks are run as they stand, by a shell, in their order. What cannot be had here is played by a stand-in on PATH: `cargo`
//! and `.ci/run` (the test run itself, and what other tests cover) and the registry. Blocks for *your cluster* are run as the
//! administrator, `helm` in them on a bed where nothing is installed yet; all others are run as the developer. A `text` block after commands is what they print, among other things; `…` stands for anything.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;
use understudy_tests::programs;
use understudy_tests::shop;
use understudy_tests::testbed::{Options, TestBed, User, installed};

/// The longest that one block may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// The first line of a block that nobody can run without a registry and a cluster of their own.
const YOUR_CLUSTER: &str = "# your cluster";
const PAGES: [&str; 2] = ["README.md", "CONTRIBUTING.md"];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_readme_does_what_it_says() -> Result<()> {
    let nothing_on_it = Options {
        nodes: 1,
        postgres: false,
    };
    let (understudy, bare) = tokio::join!(installed(), TestBed::start(nothing_on_it));
    let (bed, bare) = (understudy.bed(), bare?);
    // As the demo leaves it, but for the policy: that one is the README's, and so is the role that makes its branches.
    shop::without_policy(bed).await?;
    let world = World::on(bed, &bare)?;
    world.play("README.md").await?;
    world.cargo_knows_what_was_typed().await?;
    assert_eq!(world.log("podman")?.len(), 2, "the image is built and pushed");
    Ok(())
}

#[tokio::test]
async fn every_command_for_contributors_is_known() -> Result<()> {
    let world = World::without_a_bed()?;
    world.play("CONTRIBUTING.md").await?;
    world.cargo_knows_what_was_typed().await?;
    assert_eq!(world.log("run")?, [""], ".ci/run is what must hold");
    let mode = fs::metadata(root().join(".ci/run"))?.permissions().mode();
    assert_ne!(mode & 0o111, 0, ".ci/run cannot be executed");
    Ok(())
}

/// Either way: what the README names exists, and what exists is in the README.
#[test]
fn the_readmes_keys_are_those_of_the_code() -> Result<()> {
    let text = page("README.md")?;
    let code = page("shared/src/keys.rs")?;
    let code = code.split("/// Gate:").next().unwrap_or_default(); // gates are no keys
    let keys = |text: &str, quotes: &[char]| -> Vec<String> {
        let pieces = text
            .split(quotes)
            .filter_map(|piece| piece.strip_prefix("understudy.dev/"));
        let keys = pieces.map(|key| {
            key.split([':', ' '])
                .next()
                .unwrap_or_default()
                .replace("NAME", "")
        });
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| !key.is_empty());
        keys
    };
    let contract = text
        .split("\n## ")
        .find(|section| section.starts_with("The contract"))
        .context("no contract")?;
    assert_eq!(keys(contract, &['`']), keys(code, &['"']));
    Ok(())
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    for name in PAGES {
        let text = page(name)?;
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            assert!(root().join(target).is_file(), "{name}: {target} is not there");
        }
    }
    Ok(())
}

#[test]
fn the_image_is_built_as_the_project_is() -> Result<()> {
    let text = page("Containerfile")?;
    let toolchain = page("rust-toolchain.toml")?;
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .context("no channel")?
        .trim_matches('"');
    assert!(
        text.contains(&format!("/rust:{channel}-"))
            && text.contains(&format!("RUSTUP_TOOLCHAIN={channel}\n"))
    );
    let ignored = page(".containerignore")?;
    let copies = text
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"));
    for source in copies.flat_map(|line| {
        line.rsplit_once(' ')
            .map_or("", |(sources, _)| sources)
            .split(' ')
    }) {
        assert!(root().join(source).exists(), "{source} is not there to be copied");
        assert!(
            ignored.lines().any(|line| line == format!("!{source}")),
            "{source} is kept out by .containerignore"
        );
    }
    for member in ["webhook", "cli"] {
        let manifest = page(&format!("{member}/Cargo.toml"))?;
        let name = manifest
            .split("[[bin]]\nname = \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .context("no program")?;
        assert!(
            text.contains(&format!("/src/target/release/{name} ")),
            "{name} is not in the image"
        );
    }
    Ok(())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the house")
}

fn page(name: &str) -> Result<String> {
    fs::read_to_string(root().join(name)).with_context(|| format!("failed to read {name}"))
}

/// A fenced block.
#[derive(Debug)]
struct Block {
    language: String,
    line: usize,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut inside = false;
    for (number, line) in page.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(language) => {
                inside = true;
                blocks.push(Block {
                    language: language.to_owned(),
                    line: number + 2,
                    text: String::new(),
                });
            }
            None if inside => {
                let block = blocks.last_mut().expect("a fence was opened");
                block.text.push_str(line);
                block.text.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// Where blocks are run: a directory that looks like the checkout, a PATH of their own, and somebody to be.
struct World {
    directory: tempfile::TempDir,
    /// Variables for the developer and for the administrator.
    variables: [BTreeMap<&'static str, String>; 2],
}

impl World {
    fn on(bed: &TestBed, bare: &TestBed) -> Result<Self> {
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

    fn without_a_bed() -> Result<Self> {
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
    fn log(&self, stand_in: &str) -> Result<Vec<String>> {
        let text = fs::read_to_string(self.path().join(format!("{stand_in}.log")))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Runs what stands on a page, from top to bottom.
    async fn play(&self, name: &str) -> Result<()> {
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
                    ensure!(
                        page(name)?.contains(&format!("--filename {file}\n")),
                        "{place}: {file} is never applied"
                    );
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
    async fn cargo_knows_what_was_typed(&self) -> Result<()> {
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

/// Each line of `wanted` stands in `said`, in this order, however many blanks there are.
fn expect(wanted: &str, said: &str) -> Result<()> {
    let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = said.lines().map(squeeze);
    for wanted in wanted.lines().map(squeeze) {
        let found = lines.any(|line| {
            let mut rest = line.as_str();
            wanted
                .split('…')
                .map(str::trim)
                .all(|piece| match rest.find(piece) {
                    Some(at) => {
                        rest = &rest[at + piece.len()..];
                        true
                    }
                    None => false,
                })
        });
        ensure!(
            found,
            "{wanted:?} is not in, or not after what stands before it:\n{said}"
        );
    }
    Ok(())
}
