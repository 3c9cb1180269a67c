//! The README of an example, followed by hand: its blocks are run as they stand, the first as the administrator.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use understudy_tests::shop::{TEMPLATE, example};
use understudy_tests::testbed::{TestBed, User};

use crate::run::Ran;

/// An example on the bed, made by its own README.
pub struct Manual {
    bed: TestBed,
    directory: PathBuf,
    blocks: Vec<String>,
}

impl Manual {
    /// Follows the README of `golden` up to where the golden and its policy stand.
    pub async fn follow(bed: &TestBed, golden: &str) -> Result<Self> {
        // Goes with the bed.
        let directory = bed.path().join("examples-of").join(golden);
        let examples = directory.join("examples");
        std::fs::create_dir_all(examples.join("policies"))?;
        symlink(example(golden), examples.join(golden))?;
        let policy = std::fs::read_to_string(example(&format!("policies/{golden}.yaml")))?;
        std::fs::write(
            examples.join(format!("policies/{golden}.yaml")),
            on_this_bed(&policy, bed)?,
        )?;
        let text = std::fs::read_to_string(example(&format!("{golden}/README.md")))?;
        let fenced = text.split("```").skip(1).step_by(2);
        let blocks = fenced
            .filter_map(|block| block.strip_prefix("sh\n# your cluster\n"))
            .map(str::to_owned)
            .collect();
        let manual = Manual {
            bed: bed.clone(),
            directory,
            blocks,
        };
        let made = manual.shell(User::Admin, &manual.blocks[0]).await?;
        ensure!(made.code == 0, "{}{}", made.stdout, made.stderr);
        Ok(manual)
    }

    /// The block that clones, as the developer; with `dry_run` only its plan.
    pub async fn clone(&self, dry_run: bool) -> Result<Ran> {
        let block = &self.blocks[1];
        ensure!(
            block.contains("understudy clone") && block.contains("--wait"),
            "{block}"
        );
        let block = match dry_run {
            true => block.replace(" --wait", " --dry-run"),
            false => block.clone(),
        };
        self.shell(User::Developer, &block).await
    }

    /// The block that plans from manifests or clones them, as the developer.
    pub async fn of_manifests(&self) -> Result<Ran> {
        self.shell(User::Developer, &self.blocks[2]).await
    }

    /// Runs `script` in a directory like the checkout.
    async fn shell(&self, user: User, script: &str) -> Result<Ran> {
        let kubectl = self.bed.kubectl(user);
        let understudy = self.bed.understudy(user)?;
        let word = |command: &Command| {
            let command = command.as_std();
            let mut words = vec![command.get_program()];
            words.extend(command.get_args());
            let quoted = words.iter().map(|word| format!("'{}'", word.to_string_lossy()));
            quoted.collect::<Vec<_>>().join(" ")
        };
        let prelude = format!(
            "set -eu\nkubectl() {{ {} \"$@\"; }}\nunderstudy() {{ {} \"$@\"; }}\n",
            word(&kubectl),
            word(&understudy)
        );
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("{prelude}{script}")])
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for (name, value) in understudy.as_std().get_envs() {
            shell.env(name, value.context("no variable is taken away")?);
        }
        // Both find their user in it: a context of that name is in either file.
        Ok(shell.output().await?.into())
    }
}

/// The policy, with what only this bed knows of its databases.
fn on_this_bed(policy: &str, bed: &TestBed) -> Result<String> {
    let mut policy: serde_json::Value = serde_saphyr::from_str(policy)?;
    for database in policy["spec"]["databases"].as_array_mut().into_iter().flatten() {
        let postgres = &mut database["branch"]["postgres"];
        postgres["template"] = TEMPLATE.into();
        postgres["reach"] = serde_json::json!({ "cidrs": ["127.0.0.1/32"], "port": bed.previews().port });
    }
    Ok(policy.to_string())
}
