//! What `clone` is to do: flags, and the CloneSpec file they add to.

mod file;
mod secrets;

use super::{Clone, Images, PlanOutput, duration, mistaken};
use crate::args;
use crate::error::Failure;
use std::fmt::Display;
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
    pub fn new(args: args::Clone) -> Result<Self, Failure> {
        let mut mistakes = Mistakes::default();
        let timeout = mistakes.parse::<Lifetime>("--timeout", &args.timeout);
        let mut clone = Clone::wished("clone", args.wishes, mistakes)?;
        clone.wait = timeout.filter(|_| args.wait || args.wait_url).map(duration);
        clone.wait_url = args.wait_url;
        clone.dry_run = args.dry_run;
        clone.output = args.output;
        for (flag, given) in [(" --wait", args.wait), (" --wait-url", args.wait_url)] {
            clone.again.push_str(if given { flag } else { "" });
        }
        Ok(clone)
    }

    /// The same, to be written down instead of made.
    pub fn rendered(args: args::Wishes) -> Result<Self, Failure> {
        Clone::wished("render", args, Mistakes::default())
    }

    fn wished(verb: &str, args: args::Wishes, mut mistakes: Mistakes) -> Result<Self, Failure> {
        let again = again(verb, &args);
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

/// The command that goes on where this one stops. Values that may be secrets are left to whoever types it again.
fn again(verb: &str, args: &args::Wishes) -> String {
    let mut words = vec![format!("understudy {verb}")];
    words.extend(args.goldens.clone());
    let mut option =
        |flag: &str, value: Option<String>| words.extend(value.map(|value| format!("{flag} {value}")));
    option("--pr", args.pr.map(|pr| pr.to_string()));
    option("--name", args.name.clone());
    option(
        "--spec",
        args.spec.as_ref().map(|path| path.display().to_string()),
    );
    option(
        "--from-dir",
        args.from_dir.as_ref().map(|path| path.display().to_string()),
    );
    option("--policy", args.policy.clone());
    option("--ttl", args.ttl.clone());
    let secret_free = |text: &String| format!("{}=…", text.split('=').next().unwrap_or_default());
    let lists = [
        ("--image", args.images.clone()),
        ("--set-env", args.variables.iter().map(secret_free).collect()),
        ("--secret", args.secrets.clone()),
        ("--only", args.only.clone()),
        ("--exclude", args.exclude.clone()),
    ];
    for (flag, values) in lists {
        values.into_iter().for_each(|value| option(flag, Some(value)));
    }
    option(
        "--changed",
        (!args.changed.is_empty()).then(|| args.changed.join(",")),
    );
    option("--selector", args.selector.clone());
    option("--commit", args.commit.clone());
    option("--wait-image", args.wait_image.clone());
    words.extend(args.resolve.then(|| "--resolve".to_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;
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
        let line = "understudy clone shop --pr 7 --ttl 2h --image web=nginx:1 --wait";
        let settings = clone(line).unwrap();
        assert_eq!(settings.spec.name, "shop-pr-7");
        assert_eq!(settings.again, line);
    }
}
