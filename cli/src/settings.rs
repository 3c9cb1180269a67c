//! What is meant by what was typed: texts are read once, here; mistakes are named before any cluster is asked.

use crate::args;
use crate::check::groups_of;
use crate::error::{Exit, Failure};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use understudy::admission::User;
use understudy::clone::{CloneSpec, ImageOverride, LeaveOut};
use understudy::lifetime::Lifetime;
use understudy::names;

pub use crate::args::Output;

/// How to reach the cluster.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Kubeconfig file, where one was named.
    pub kubeconfig: Option<PathBuf>,
    /// Context, where one was named.
    pub context: Option<String>,
}

/// What `clone` is to do.
#[derive(Clone, Debug)]
pub struct Clone {
    /// The golden namespace.
    pub golden: String,
    /// What the clone is to be.
    pub spec: CloneSpec,
    /// The policy.
    pub policy: String,
    /// How long to wait for its workloads, if at all.
    pub wait: Option<Duration>,
    /// Whether nothing is written.
    pub dry_run: bool,
    /// Format on stdout.
    pub output: Output,
    /// The command as it can be typed again.
    pub again: String,
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

impl Clone {
    /// Reads what was typed; every mistake at once.
    pub fn new(args: args::Clone) -> Result<Self, Failure> {
        let mut mistakes = Vec::new();
        let mut keep =
            |flag: &str, text: &str, error: String| mistakes.push(format!("{flag} {text:?} {error}"));
        let mut images = Vec::new();
        for text in &args.images {
            match text.parse::<ImageOverride>() {
                Ok(image) => images.push(image),
                Err(error) => keep("--image", text, error.to_string()),
            }
        }
        let mut without = Vec::new();
        for text in &args.without {
            match text.parse::<LeaveOut>() {
                Ok(leave_out) => without.push(leave_out),
                Err(error) => keep("--without", text, error.to_string()),
            }
        }
        let ttl = args
            .ttl
            .as_deref()
            .and_then(|text| match text.parse::<Lifetime>() {
                Ok(ttl) => Some(ttl),
                Err(error) => {
                    keep("--ttl", text, error.to_string());
                    None
                }
            });
        let timeout = args.timeout.parse::<Lifetime>();
        if let Err(error) = &timeout {
            keep("--timeout", &args.timeout, error.to_string());
        }
        if !names::is_dns_label(&args.golden) {
            keep("the golden", &args.golden, "is no namespace's name".to_owned());
        }
        if !mistakes.is_empty() {
            return Err(mistaken(mistakes).hint("understudy clone --help"));
        }
        let name = match (&args.name, args.pr) {
            (Some(name), _) => name.clone(),
            (None, Some(pr)) => names::preview(&args.golden, pr),
            (None, None) => return Err(mistaken(vec!["neither --pr nor --name is given".to_owned()])),
        };
        let again = again(&args);
        Ok(Clone {
            spec: CloneSpec {
                name,
                pr: args.pr,
                images,
                ttl,
                without,
                commit: args.commit,
            },
            golden: args.golden,
            policy: args.policy,
            wait: timeout.ok().filter(|_| args.wait).map(duration),
            dry_run: args.dry_run,
            output: args.output,
            again,
        })
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

fn mistaken(mistakes: Vec<String>) -> Failure {
    let mut mistakes = mistakes.into_iter();
    let mut failure = Failure::new(Exit::Usage, mistakes.next().unwrap_or_default());
    failure.causes.extend(mistakes);
    failure
}

fn duration(lifetime: Lifetime) -> Duration {
    Duration::from_secs(lifetime.seconds().unsigned_abs())
}

/// The command that goes on where this one stops.
fn again(args: &args::Clone) -> String {
    let mut words = vec!["understudy clone".to_owned(), args.golden.clone()];
    let mut option =
        |flag: &str, value: Option<String>| words.extend(value.map(|value| format!("{flag} {value}")));
    option("--pr", args.pr.map(|pr| pr.to_string()));
    option("--name", args.name.clone());
    option(
        "--policy",
        (args.policy != understudy::keys::DEFAULT_POLICY).then(|| args.policy.clone()),
    );
    option("--ttl", args.ttl.clone());
    args.images
        .iter()
        .for_each(|image| option("--image", Some(image.clone())));
    args.without
        .iter()
        .for_each(|without| option("--without", Some(without.clone())));
    option("--commit", args.commit.clone());
    if args.wait {
        words.push("--wait".to_owned());
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn clone(line: &str) -> Result<Clone, Failure> {
        match args::Cli::try_parse_from(line.split(' ')).unwrap().verb {
            args::Verb::Clone(args) => Clone::new(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        // F05
        let failure =
            clone("understudy clone shop --pr 7 --image nonsense --image web= --ttl soon").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(
            failure
                .what
                .starts_with("--image \"nonsense\" must be NAME=IMAGE"),
            "{}",
            failure.what
        );
        assert_eq!(failure.causes.len(), 2);
    }

    #[test]
    fn the_name_follows_the_slug_law_and_the_command_can_be_typed_again() {
        let line = "understudy clone shop --pr 7 --ttl 2h --image web=nginx:1 --wait";
        let settings = clone(line).unwrap();
        assert_eq!(settings.spec.name, "shop-pr-7");
        assert_eq!(settings.again, line);
    }

    #[test]
    fn a_name_never_leads_to_another_path() {
        // A20
        for name in ["../x", "a?b", "a/b", "a\nb", ""] {
            assert!(preview(name.to_owned()).is_err(), "{name:?}");
        }
    }
}
