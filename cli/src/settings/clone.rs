//! What `clone` is to do: flags, and the CloneSpec file they add to.

mod file;
mod secrets;

use super::{
    Clone, Connection, Images, PlanOutput, Typed, Words, duration, mistaken, typed_output, typed_timeout,
};
use crate::args;
use crate::error::Failure;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use understudy::clone::{CloneSpec, Seed, Selection, selector};
use understudy::lifetime::Lifetime;
use understudy::{keys, names};

/// Collects every mistake, so that all are named at once.
#[derive(Default)]
struct Mistakes(Vec<String>);

impl Mistakes {
    fn keep(&mut self, flag: &str, text: &str, error: impl Display) {
        self.0.push(format!("{flag} {text:?} {error}"));
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, flag: &str, text: &str) -> Option<T> {
        text.parse().map_err(|error| self.keep(flag, text, error)).ok()
    }

    fn all<T: FromStr<Err: Display>>(&mut self, flag: &str, texts: &[String]) -> Vec<T> {
        texts.iter().filter_map(|text| self.parse(flag, text)).collect()
    }
}

impl Clone {
    /// Reads what was typed, and the files it names; every mistake at once.
    pub fn new(args: args::Clone, connection: &Connection) -> Result<Self, Failure> {
        let mut mistakes = Mistakes::default();
        let timeout = mistakes.parse::<Lifetime>("--timeout", &args.timeout);
        let mut flags = Words::default();
        flags.flag("--wait", args.wait);
        flags.flag("--wait-url", args.wait_url);
        flags.option("--timeout", typed_timeout(&args.timeout));
        flags.flag("--dry-run", args.dry_run);
        flags.option("-o", typed_output(args.output, PlanOutput::Table));
        let mut clone = Clone::wished("clone", args.wishes, (flags, connection), mistakes)?;
        clone.wait = timeout.filter(|_| args.wait || args.wait_url).map(duration);
        clone.wait_url = args.wait_url;
        clone.dry_run = args.dry_run;
        clone.output = args.output;
        Ok(clone)
    }

    /// The same, to be written down instead of made.
    pub fn rendered(args: args::Wishes, connection: &Connection) -> Result<Self, Failure> {
        Clone::wished(
            "render",
            args,
            (Words::default(), connection),
            Mistakes::default(),
        )
    }

    fn wished(
        verb: &str,
        args: args::Wishes,
        (flags, connection): (Words, &Connection),
        mut mistakes: Mistakes,
    ) -> Result<Self, Failure> {
        let wishes = wishes(&args);
        let mut line = Words::default();
        line.word(verb);
        let again = Typed::new(line.and(&wishes).and(&flags), wishes, connection);
        let args = match args.spec.clone() {
            Some(path) => file::read(&path)?.under(args),
            None => args,
        };
        let images = mistakes.all("--image", &args.images);
        let selection = Selection {
            only: mistakes.all("--only", &args.only),
            exclude: mistakes.all("--exclude", &args.exclude),
            selector: args
                .selector
                .as_deref()
                .and_then(|text| {
                    selector(text)
                        .map_err(|error| mistakes.keep("--selector", text, error))
                        .ok()
                })
                .unwrap_or_default(),
        };
        let mut variables = Vec::new();
        for text in &args.variables {
            // What stands after the = may be a secret and is not repeated.
            match text.parse() {
                Ok(variable) => variables.push(variable),
                Err(error) => mistakes.keep("--set-env", text.split('=').next().unwrap_or_default(), error),
            }
        }
        let (secrets, wrong) = secrets::read(&args.secrets);
        for (text, why) in wrong {
            mistakes.keep("--secret", text, why);
        }
        let ttl = args
            .ttl
            .as_deref()
            .and_then(|text| mistakes.parse::<Lifetime>("--ttl", text));
        let pushed = args
            .wait_image
            .as_deref()
            .and_then(|text| mistakes.parse::<Lifetime>("--wait-image", text));
        let mut goldens = args.goldens.into_iter();
        let golden = goldens.next().unwrap_or_default();
        let others: Vec<String> = goldens.collect();
        for golden in std::iter::once(&golden).chain(&others) {
            if !names::is_dns_label(golden) {
                mistakes.keep("the golden", golden, "is no namespace's name");
            }
        }
        if let Some(twice) = others.iter().find(|other| **other == golden) {
            mistakes.keep("the golden", twice, "is named twice");
        }
        if args.from_dir.is_some() && !others.is_empty() {
            mistakes
                .0
                .push("--from-dir takes the place of one golden, and several are named".to_owned());
        }
        let name = match (&args.name, args.pr) {
            (Some(name), _) if name.is_empty() => {
                mistakes.0.push("--name is empty".to_owned());
                String::new()
            }
            (Some(name), _) => name.clone(),
            (None, Some(pr)) => names::preview(&golden, pr),
            (None, None) => {
                mistakes.0.push("neither --pr nor --name is given".to_owned());
                String::new()
            }
        };
        if !mistakes.0.is_empty() {
            return Err(mistaken(mistakes.0).hint(format!("understudy {verb} --help")));
        }
        Ok(Clone {
            spec: CloneSpec {
                name,
                pr: args.pr,
                images,
                ttl,
                selection,
                changed: args.changed,
                variables,
                secrets,
                commit: args.commit,
                seed: Seed::default(),
            },
            golden,
            others,
            from_dir: args.from_dir,
            policy: args.policy.unwrap_or_else(|| keys::DEFAULT_POLICY.to_owned()),
            images: Images {
                resolve: args.resolve,
                wait: pushed.map(duration),
            },
            wait: None,
            wait_url: false,
            dry_run: false,
            output: PlanOutput::Yaml,
            again,
        })
    }
}

/// What says which clone is meant, as it was typed. Values that may be secrets are left to whoever types it again.
fn wishes(args: &args::Wishes) -> Words {
    let mut words = Words::default();
    args.goldens.iter().for_each(|golden| words.word(golden));
    let path = |path: &PathBuf| path.display().to_string();
    words.option("--pr", args.pr.map(|pr| pr.to_string()));
    words.option("--name", args.name.clone());
    words.option("--spec", args.spec.as_ref().map(path));
    words.option("--from-dir", args.from_dir.as_ref().map(path));
    words.option("--policy", args.policy.clone());
    words.option("--ttl", args.ttl.clone());
    let secret_free = |text: &String| format!("{}=…", text.split('=').next().unwrap_or_default());
    let lists = [
        ("--image", args.images.clone()),
        ("--set-env", args.variables.iter().map(secret_free).collect()),
        ("--secret", args.secrets.clone()),
        ("--only", args.only.clone()),
        ("--exclude", args.exclude.clone()),
    ];
    for (flag, values) in lists {
        values
            .into_iter()
            .for_each(|value| words.option(flag, Some(value)));
    }
    let changed = args.changed.join(",");
    words.option("--changed", Some(changed).filter(|changed| !changed.is_empty()));
    words.option("--selector", args.selector.clone());
    words.option("--commit", args.commit.clone());
    words.option("--wait-image", args.wait_image.clone());
    words.flag("--resolve", args.resolve);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
    use clap::Parser;

    fn clone(line: &str) -> Result<Clone, Failure> {
        let cli = args::Cli::try_parse_from(line.split(' ')).unwrap();
        match cli.verb {
            args::Verb::Clone(args) => Clone::new(args, &Connection::new(&cli.global)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        // F05
        let failure =
            clone("understudy clone shop --pr 7 --image nonsense --image web= --ttl soon --exclude a/b/c --set-env x:TOKEN:hunter2").unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(
            failure
                .what
                .starts_with("--image \"nonsense\" must be NAME=IMAGE"),
            "{}",
            failure.what
        );
        assert_eq!(failure.causes.len(), 4);
    }

    #[test]
    fn the_name_follows_the_slug_law_and_the_command_can_be_typed_again() {
        for line in [
            "understudy clone shop --pr 7 --ttl 2h --image web=nginx:1 --wait",
            "understudy clone shop pay --name x --policy p --changed web,api --wait-url --timeout 3m -o json --context staging",
            "understudy clone shop --pr 7 --dry-run -o wide --kubeconfig /k/staging.yaml --context staging",
        ] {
            assert_eq!(clone(line).unwrap().again.to_string(), line);
        }
        let settings = clone("understudy clone shop --pr 7").unwrap();
        assert_eq!(settings.spec.name, "shop-pr-7");
    }

    #[test]
    fn a_command_that_is_hinted_at_means_the_same_clone_in_the_same_cluster() {
        let line = "understudy clone shop pay --pr 7 --policy p --exclude Deployment/w* --set-env web:TOKEN=hunter2 --wait --context staging";
        let again = clone(line).unwrap().again;
        let wishes = "shop pay --pr 7 --policy p --set-env web:TOKEN=… --exclude 'Deployment/w*'";
        assert_eq!(
            again.dry_run(),
            format!("understudy clone {wishes} --dry-run --context staging")
        );
        assert_eq!(
            again.other("destroy shop-pr-7"),
            "understudy destroy shop-pr-7 --context staging"
        );
    }
}
