//! The CloneSpec file: what to clone and how, to be kept beside the code, so that everybody's clone is the same.

use super::secrets;
use crate::args;
use crate::error::{Exit, Failure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A CloneSpec. Flags add to its lists and win over its single values.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct File {
    #[serde(rename = "apiVersion")]
    api_version: String,
    kind: String,
    #[serde(default)]
    goldens: Vec<String>,
    from_dir: Option<PathBuf>,
    pr: Option<u64>,
    name: Option<String>,
    policy: Option<String>,
    ttl: Option<String>,
    commit: Option<String>,
    /// Container, `workload/container`, workload or repository → image.
    #[serde(default)]
    images: BTreeMap<String, String>,
    /// `workload` or `workload/container` → variable → value.
    #[serde(default)]
    env: BTreeMap<String, BTreeMap<String, String>>,
    /// `name` → file of lines or `env:KEY,…`; `name/key` → file or `env:VARIABLE`.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    #[serde(default)]
    changed: Vec<String>,
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    selector: BTreeMap<String, String>,
    #[serde(default)]
    resolve: bool,
    wait_image: Option<String>,
}

const API_VERSION: &str = "understudy.dev/v1alpha1";

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Result<File, Failure> {
    let failure = |why: String| {
        Failure::new(Exit::Usage, format!("cannot use {}", path.display()))
            .caused_by(why)
            .hint("understudy clone --help names the flags that such a file stands for")
    };
    let text = std::fs::read_to_string(path).map_err(|error| failure(error.to_string()))?;
    parse(&text).map_err(failure)
}

fn parse(text: &str) -> Result<File, String> {
    // The parser's message quotes the line, which may hold a secret; its place is enough.
    let file: File = serde_saphyr::from_str(text).map_err(|error| without_text(&error.to_string()))?;
    if file.api_version != API_VERSION || file.kind != "CloneSpec" {
        return Err(format!(
            "it must begin with apiVersion: {API_VERSION} and kind: CloneSpec"
        ));
    }
    Ok(file)
}

/// The first line of a parser's message: what is wrong, and where.
fn without_text(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

impl File {
    /// `args` on top of what the file says.
    pub(super) fn under(self, mut args: args::Wishes) -> args::Wishes {
        if args.goldens.is_empty() {
            args.goldens = self.goldens;
        }
        args.from_dir = args.from_dir.or(self.from_dir);
        // A name or a number that is typed takes the place of both.
        if args.pr.is_none() && args.name.is_none() {
            (args.pr, args.name) = (self.pr, self.name);
        }
        args.policy = args.policy.or(self.policy);
        args.ttl = args.ttl.or(self.ttl);
        args.commit = args.commit.or(self.commit);
        args.resolve |= self.resolve;
        args.wait_image = args.wait_image.or(self.wait_image);
        let named = |text: &String| text.split_once('=').map(|(name, _)| name.to_owned());
        let typed: Vec<_> = args.images.iter().filter_map(named).collect();
        let images = self.images.into_iter().filter(|(name, _)| !typed.contains(name));
        args.images
            .extend(images.map(|(name, image)| format!("{name}={image}")));
        // Of keys and variables the last one counts, so that what is typed stays behind.
        let whole = args.secrets.iter().filter(|text| secrets::is_whole(text));
        let typed: Vec<_> = whole.map(|text| secrets::name(text).to_owned()).collect();
        let given = self.secrets.into_iter();
        let given = given.map(|(place, source)| format!("{place}={source}"));
        let given = given.filter(|text| !typed.iter().any(|name| name == secrets::name(text)));
        args.secrets = given.chain(std::mem::take(&mut args.secrets)).collect();
        let env = self.env.into_iter().flat_map(|(place, variables)| {
            let one = move |(key, value): (String, String)| format!("{place}:{key}={value}");
            variables.into_iter().map(one)
        });
        args.variables = env.chain(args.variables).collect();
        if args.changed.is_empty() {
            args.changed = self.changed;
        }
        args.only.extend(self.only);
        args.exclude.extend(self.exclude);
        if args.selector.is_none() && !self.selector.is_empty() {
            let labels: Vec<_> = self
                .selector
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            args.selector = Some(labels.join(","));
        }
        args
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Verb};
    use clap::Parser;

    fn typed(line: &str) -> args::Wishes {
        match Cli::try_parse_from(line.split(' ')).unwrap().verb {
            Verb::Clone(args) => args.wishes,
            Verb::Render(args) => args,
            other => panic!("{other:?}"),
        }
    }

    const FILE: &str = "apiVersion: understudy.dev/v1alpha1\nkind: CloneSpec\ngoldens: [shop]\npr: 7\nttl: 2h\n\
        images: {web: 'web:1', api: 'api:1'}\nenv: {web/app: {FLAG: 'on', MODE: slow}}\nexclude: [Job]\nselector: {tier: web}\n\
        secrets: {a: x.env, a/cert: x.pem, b: y.env, b/cert: y.pem}\n\
        resolve: true\nwaitImage: 15m\n";

    #[test]
    fn what_is_typed_adds_to_the_file_and_wins() {
        let args = parse(FILE).unwrap().under(typed(
            "understudy clone --spec x --pr 8 --image web=web:2 --exclude CronJob --set-env web/app:FLAG=off \
             --secret a=env:TOKEN --secret b/cert=mine.pem",
        ));
        assert_eq!(
            (args.goldens.join(" "), args.pr, args.ttl.as_deref()),
            ("shop".to_owned(), Some(8), Some("2h"))
        );
        assert_eq!(args.images, ["web=web:2", "api=api:1"]);
        assert_eq!(
            args.variables,
            ["web/app:FLAG=on", "web/app:MODE=slow", "web/app:FLAG=off"]
        );
        assert_eq!(args.exclude, ["CronJob", "Job"]);
        assert_eq!(args.selector.as_deref(), Some("tier=web"));
        assert_eq!(
            args.secrets,
            ["b=y.env", "b/cert=y.pem", "a=env:TOKEN", "b/cert=mine.pem"]
        );
        assert_eq!((args.resolve, args.wait_image.as_deref()), (true, Some("15m")));
        let typed = typed("understudy render --spec x --wait-image 1m");
        assert_eq!(
            parse(FILE).unwrap().under(typed).wait_image.as_deref(),
            Some("1m")
        );
    }

    #[test]
    fn a_field_that_nobody_knows_and_another_kind_are_refused() {
        // F05
        assert!(
            parse(&format!("{FILE}imagse: {{}}\n"))
                .unwrap_err()
                .contains("imagse")
        );
        assert!(
            parse(&FILE.replace("CloneSpec", "Clone"))
                .unwrap_err()
                .contains("kind: CloneSpec")
        );
        assert!(parse("kind: CloneSpec\n").is_err());
    }
}
