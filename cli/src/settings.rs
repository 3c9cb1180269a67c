//! What is meant by what was typed: texts are read once, here; mistakes are named before any cluster is asked.

mod clone;
mod typed;

use crate::args;
use crate::check::groups_of;
use crate::error::{Exit, Failure};
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use understudy::admission::User;
use understudy::clone::CloneSpec;
use understudy::lifetime::Lifetime;
use understudy::names;

pub use crate::args::{Output, PlanOutput, ReportOutput};
pub use typed::{Typed, Words};

/// How to reach the cluster.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Kubeconfig file, where one was named.
    pub kubeconfig: Option<PathBuf>,
    /// Context, where one was named.
    pub context: Option<String>,
}

/// What `clone` is to do.
#[derive(Clone, Debug)]
pub struct Clone {
    /// The golden namespace that names the clone.
    pub golden: String,
    /// Goldens whose objects move in with it.
    pub others: Vec<String>,
    /// Where manifests are read from instead of the goldens; `-` is stdin.
    pub from_dir: Option<PathBuf>,
    /// What the clone is to be.
    pub spec: CloneSpec,
    /// The policy.
    pub policy: String,
    /// What is to be done with its images before.
    pub images: Images,
    /// How long to wait for its workloads and its URL, if at all.
    pub wait: Option<Duration>,
    /// Whether a URL is waited for whose name is not known here.
    pub wait_url: bool,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// Format on stdout.
    pub output: PlanOutput,
    /// The command as it can be typed again.
    pub again: Typed,
}

/// What is to be done with the images that were given, before anything is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Images {
    /// Whether they are named by their digests.
    pub resolve: bool,
    /// How long to wait until they are pushed, if at all.
    pub wait: Option<Duration>,
}

/// What `extend` is to do.
#[derive(Clone, Debug)]
pub struct Extend {
    /// The preview.
    pub name: String,
    /// By how much.
    pub by: Lifetime,
}

/// What `destroy` is to do.
#[derive(Clone, Debug)]
pub struct Destroy {
    /// The preview.
    pub name: String,
    /// Whether not to ask.
    pub yes: bool,
    /// How long to wait until it is gone, if at all.
    pub wait: Option<Duration>,
}

/// What `diff` is to compare.
#[derive(Clone, Debug)]
pub struct Diff {
    /// The clone.
    pub name: String,
    /// Format on stdout.
    pub output: Output,
    /// What was typed.
    pub line: Words,
    /// Where the cluster is, as far as that was typed.
    pub connection: Connection,
}

/// What `refresh` is to do.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The clone.
    pub name: String,
    /// How long to wait for its workloads, if at all.
    pub wait: Option<Duration>,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// Format on stdout.
    pub output: Output,
    /// What was typed.
    pub line: Words,
    /// Where the cluster is, as far as that was typed.
    pub connection: Connection,
}

/// What `verify` is to look at.
#[derive(Clone, Debug)]
pub struct Verify {
    /// The preview.
    pub name: String,
    /// Certificates of the database servers' authorities, where they were given.
    pub database_ca: Option<Vec<u8>>,
    /// Format on stdout.
    pub output: ReportOutput,
}

/// What `check` is to judge.
#[derive(Clone, Debug)]
pub struct Check {
    /// The manifests; `-` is stdin.
    pub files: Vec<PathBuf>,
    /// Who would ask, where that was said.
    pub user: Option<User>,
    /// Where objects go that name no namespace, where that was said.
    pub namespace: Option<String>,
    /// Labels of that namespace, where they were given.
    pub labels: Option<BTreeMap<String, String>>,
    /// Files of policies.
    pub policy_files: Vec<PathBuf>,
    /// Whether a cluster is asked for facts.
    pub cluster: bool,
    /// Format on stdout.
    pub output: Output,
}

/// What `doctor` is to look at.
#[derive(Clone, Debug)]
pub struct Doctor {
    /// Where Understudy is installed, where that was said.
    pub namespace: Option<String>,
    /// Format on stdout.
    pub output: Output,
}

impl Connection {
    /// From the options of every verb.
    pub fn new(global: &args::Global) -> Self {
        Connection {
            kubeconfig: global.kubeconfig.clone(),
            context: global.context.clone(),
        }
    }
}

impl Extend {
    /// Reads what was typed.
    pub fn new(args: args::Extend) -> Result<Self, Failure> {
        let by = args
            .by
            .parse()
            .map_err(|error| mistaken(vec![format!("--by {:?} {error}", args.by)]))?;
        Ok(Extend {
            name: preview(args.name)?,
            by,
        })
    }
}

impl Destroy {
    /// Reads what was typed.
    pub fn new(args: args::Destroy) -> Result<Self, Failure> {
        let timeout = args
            .timeout
            .parse::<Lifetime>()
            .map_err(|error| mistaken(vec![format!("--timeout {:?} {error}", args.timeout)]))?;
        Ok(Destroy {
            name: preview(args.name)?,
            yes: args.yes,
            wait: args.wait.then(|| duration(timeout)),
        })
    }
}

impl Diff {
    /// Reads what was typed.
    pub fn new(args: args::Diff, connection: &Connection) -> Result<Self, Failure> {
        let mut line = Words::default();
        line.word("diff");
        line.word(&args.name);
        line.option("-o", typed_output(args.output, Output::Table));
        Ok(Diff {
            name: preview(args.name)?,
            output: args.output,
            line,
            connection: connection.clone(),
        })
    }
}

impl Refresh {
    /// Reads what was typed.
    pub fn new(args: args::Refresh, connection: &Connection) -> Result<Self, Failure> {
        let timeout = args
            .timeout
            .parse::<Lifetime>()
            .map_err(|error| mistaken(vec![format!("--timeout {:?} {error}", args.timeout)]))?;
        let mut line = Words::default();
        line.word("refresh");
        line.word(&args.name);
        line.flag("--wait", args.wait);
        line.option("--timeout", typed_timeout(&args.timeout));
        line.flag("--dry-run", args.dry_run);
        line.option("-o", typed_output(args.output, Output::Table));
        Ok(Refresh {
            name: preview(args.name)?,
            wait: args.wait.then(|| duration(timeout)),
            dry_run: args.dry_run,
            output: args.output,
            line,
            connection: connection.clone(),
        })
    }
}

impl Verify {
    /// Reads what was typed, and the file it names.
    pub fn new(args: args::Verify) -> Result<Self, Failure> {
        let read = |path: PathBuf| {
            std::fs::read(&path).map_err(|error| {
                mistaken(vec![format!(
                    "--database-ca {:?} cannot be read: {error}",
                    path.display()
                )])
            })
        };
        Ok(Verify {
            name: preview(args.name)?,
            database_ca: args.database_ca.map(read).transpose()?,
            output: args.output,
        })
    }
}

impl Check {
    /// Reads what was typed.
    pub fn new(args: args::Check) -> Result<Self, Failure> {
        let pair = |text: &String| {
            let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
            pair.map(|(key, value)| (key.to_owned(), value.to_owned()))
                .ok_or_else(|| mistaken(vec![format!("--namespace-labels {text:?} must be KEY=VALUE")]))
        };
        let labels: BTreeMap<_, _> = args.namespace_labels.iter().map(pair).collect::<Result<_, _>>()?;
        let user = args.user.map(|name| {
            let mut user = User {
                name,
                groups: args.groups,
            };
            let account = user.service_account().map(|(namespace, _)| groups_of(namespace));
            user.groups
                .extend(account.unwrap_or_else(|| vec!["system:authenticated".to_owned()]));
            user
        });
        Ok(Check {
            files: args.files,
            user,
            namespace: args.namespace.map(preview).transpose()?,
            labels: (!labels.is_empty()).then_some(labels),
            policy_files: args.policy_files,
            cluster: args.cluster,
            output: args.output,
        })
    }
}

impl Doctor {
    /// Reads what was typed.
    pub fn new(args: args::Doctor) -> Result<Self, Failure> {
        Ok(Doctor {
            namespace: args.namespace.map(preview).transpose()?,
            output: args.output,
        })
    }
}

/// A name that can be a namespace's: anything else would end up in another path of the API.
pub fn preview(name: String) -> Result<String, Failure> {
    if names::is_dns_label(&name) {
        Ok(name)
    } else {
        Err(mistaken(vec![format!("{name:?} is no namespace's name")]).hint("understudy list"))
    }
}

/// How an output format is typed, where it is not the `usual` one.
fn typed_output<O: ValueEnum + PartialEq>(output: O, usual: O) -> Option<String> {
    let value = output.to_possible_value().filter(|_| output != usual)?;
    Some(value.get_name().to_owned())
}

/// How a timeout is typed, where it is not the usual one.
fn typed_timeout(timeout: &str) -> Option<String> {
    (timeout != args::TIMEOUT).then(|| timeout.to_owned())
}

fn mistaken(mistakes: Vec<String>) -> Failure {
    let mut mistakes = mistakes.into_iter();
    let mut failure = Failure::new(Exit::Usage, mistakes.next().unwrap_or_default());
    failure.causes.extend(mistakes);
    failure
}

fn duration(lifetime: Lifetime) -> Duration {
    Duration::from_secs(lifetime.seconds().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_to_another_path() {
        // A20
        for name in ["../x", "a?b", "a/b", "a\nb", ""] {
            assert!(preview(name.to_owned()).is_err(), "{name:?}");
        }
    }
}
