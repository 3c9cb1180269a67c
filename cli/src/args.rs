//! What was typed. Parsing does nothing but validate the shape; what it means is [`crate::settings`]' business.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `understudy`, also as `kubectl understudy`.
#[derive(Debug, Parser)]
#[command(
    name = "understudy",
    bin_name = "understudy",
    version,
    about = "Labelled clones of a golden environment, looked after until they are gone",
    disable_help_subcommand = true,
    max_term_width = 110,
    help_template = "{about-with-newline}\n{usage-heading} {usage}\n\n\
        Make a preview:\n  \
        clone     Stamp out a clone of a golden namespace for a pull request\n  \
        render    Write the clone as YAML that a GitOps repository can hold\n\n\
        Look around:\n  \
        list      List previews\n  \
        describe  Show one preview: lease, databases, workloads, and what holds it back\n  \
        diff      Compare a clone with its golden of today\n  \
        verify    Prove what isolates a preview, row by row\n\n\
        Look after it:\n  \
        refresh   Bring a clone to its golden of today\n  \
        extend    Move the end of a preview's lease\n  \
        destroy   End a preview now: routes, workloads, database branches, namespace\n\n\
        Look before you leap:\n  \
        check     Say what admission would answer to a manifest, with a cluster's facts or without one\n\n\
        Look after Understudy:\n  \
        doctor    Say what of the installation does not work, why, and the command that mends it\n\n\
        Look after your shell:\n  \
        completion  Write what bash, zsh, fish or kubectl need to complete names with TAB\n  \
        man         Write man pages\n  \
        help        Explain a verb, or the exit codes\n\n\
        Options:\n{options}\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 no cluster, 4 no rights, 5 refused, 6 not found,\n\
        7 taken, 8 not installed, 9 not in time, 10 check: would be refused, 11 check: not decidable,\n\
        12 doctor: something does not work, 13 diff: something differs, 14 verify: something is not proven,\n\
        15 of another age, 130 interrupted; understudy help exit-codes explains them"
)]
pub struct Cli {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// How long `--wait` waits unless somebody says otherwise.
pub const TIMEOUT: &str = "10m";

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Global {
    /// Kubeconfig file [default: $KUBECONFIG, then ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Say only what went wrong
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Lines instead of progress bars
    #[arg(long, global = true)]
    pub no_progress: bool,
}

/// How data is written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For `kubectl apply` and for reading.
    Yaml,
}

/// How a plan is written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanOutput {
    /// Every object with its verdict; what is skipped for one reason shares a row.
    Table,
    /// Every object in a row of its own, and every variable with who decided it.
    Wide,
    /// For programs.
    Json,
    /// The planned objects.
    Yaml,
}

/// How a report is written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportOutput {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For reading.
    Yaml,
    /// For a comment on a pull request.
    Markdown,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Stamp out a clone of a golden namespace for a pull request.
    ///
    /// Reads the golden with your own rights, gives every object one verdict (copy, rewrite, re-create, skip, refuse), and
    /// applies the plan in waves. Running it again converges and touches nothing that is right.
    Clone(Clone),
    /// Write a clone as YAML that a GitOps repository can hold: the namespace, then every object in the order of clone.
    ///
    /// The same golden gives the same bytes; with --resolve they hold the digests of images. No value of a Secret is among
    /// them: which Secrets somebody has to provide, and how, is said on stderr.
    Render(Wishes),
    /// List previews.
    List(List),
    /// Show one preview: lease, databases, workloads, and what holds it back.
    Describe(Describe),
    /// Move the end of a preview's lease.
    Extend(Extend),
    /// End a preview now: routes, workloads, database branches, namespace.
    Destroy(Destroy),
    /// Compare a clone with what a clone of its golden would be today.
    ///
    /// The clone keeps what is its own: images, variables, Secrets and passwords. Says which objects it lacks, which fields
    /// differ, and what is in it besides; never a value of a Secret, a ConfigMap or a variable.
    Diff(Diff),
    /// Bring a clone to the golden of today, with its own images, passwords and databases.
    ///
    /// What was made with the clone and is no longer in the golden is deleted; what somebody else made is left alone.
    Refresh(Refresh),
    /// Prove what isolates a preview, row by row, against what is there.
    ///
    /// By the rules of admission, the laws that clones are made by, and a session of each branch's own role. What you may
    /// not read is said to be unknown, and every doubt is a failure.
    Verify(Verify),
    /// Say what admission would answer to a manifest, with a cluster's facts or without one.
    ///
    /// By the very rules and in the very words of the cluster. A workload is checked as itself and as the Pod it would make.
    /// Without --cluster: policies come from files, ConfigMaps and Secrets from the manifest itself, and the namespace is
    /// taken for a preview whose guardrails and databases are ready. With --cluster and no file: what would be refused in
    /// the previews whose policy only observes (enforcement: warn).
    Check(Check),
    /// Say what of the installation does not work, why, and the command that mends it.
    ///
    /// Looks with your own rights and changes nothing; what you may not read is said to be unknown. A preview and a golden
    /// are created for a trial only (server-side dry run), to see whether admission is asked.
    Doctor(Doctor),
    /// What needs no cluster.
    #[command(flatten)]
    Alone(Alone),
}

/// What needs no cluster.
#[derive(Debug, Subcommand)]
pub enum Alone {
    /// Write what bash, zsh, fish or kubectl need to complete verbs, flags and names with TAB.
    ///
    /// Names of goldens, previews and policies are the cluster's. For a session of bash: source <(understudy completion bash);
    /// of zsh: source <(understudy completion zsh); of fish: understudy completion fish | source. For kubectl understudy, put
    /// what understudy completion kubectl writes into PATH as kubectl_complete-understudy, and make it executable.
    Completion(Completion),
    /// Write man pages, one a verb.
    Man(Man),
    /// Explain a verb, or the exit codes.
    Help(Help),
}

/// `understudy completion`.
#[derive(Debug, Args)]
pub struct Completion {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Who completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash, 4.4 or later.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
    /// kubectl, for `kubectl understudy`.
    Kubectl,
}

/// `understudy man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Where to write them; made if it is not there
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
}

/// `understudy help`.
#[derive(Debug, Args)]
pub struct Help {
    /// A verb, or exit-codes
    pub topic: Option<String>,
}

/// What a clone is to be.
#[derive(Debug, Args)]
pub struct Wishes {
    /// The golden namespace; of several the first one names the clone, and the others move in with it
    #[arg(required_unless_present = "spec", value_name = "GOLDEN")]
    pub goldens: Vec<String>,
    /// Clone the manifests below a directory instead of what runs; - reads what helm template or kustomize build write
    #[arg(long, value_name = "DIR|-")]
    pub from_dir: Option<PathBuf>,
    /// Number of the pull request; the preview is called GOLDEN-pr-NUMBER
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..), required_unless_present_any = ["name", "spec"])]
    pub pr: Option<u64>,
    /// Name of the preview [default: GOLDEN-pr-NUMBER]
    #[arg(long)]
    pub name: Option<String>,
    /// What to clone and how, in a CloneSpec file; flags add to it and win
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Image of a container, of WORKLOAD/CONTAINER, of a workload that has only one, or of every container whose image comes
    /// from a repository; IMAGE alone takes the place of those from its own repository; may be repeated
    #[arg(long = "image", short, value_name = "[NAME=]IMAGE")]
    pub images: Vec<String>,
    /// Variable of a workload's containers, or of one of them; may be repeated
    #[arg(long = "set-env", value_name = "WORKLOAD[/CONTAINER]:KEY=VALUE")]
    pub variables: Vec<String>,
    /// Give a Secret instead of copying it: a file of KEY=VALUE lines, or variables of your environment; with NAME/KEY the whole
    /// file, such as a certificate, is the value of one key; may be repeated
    #[arg(long = "secret", value_name = "NAME[/KEY]=FILE|env:KEY,…")]
    pub secrets: Vec<String>,
    /// How long it may live, such as 90m, 24h or 7d [default: the policy's]
    #[arg(long, value_name = "DURATION")]
    pub ttl: Option<String>,
    /// The PreviewPolicy it lives under [default: default]
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Clone these workloads with what belongs to them; the rest is the golden's, as far as the policy shares its Services
    #[arg(long, value_name = "WORKLOAD,…", value_delimiter = ',')]
    pub changed: Vec<String>,
    /// Clone nothing but this: a kind, an object (the name may end in *) or a label; may be repeated
    #[arg(long, value_name = "KIND[/NAME]|KEY=VALUE")]
    pub only: Vec<String>,
    /// Leave out a kind, an object (the name may end in *) or what carries a label; may be repeated
    #[arg(long, value_name = "KIND[/NAME]|KEY=VALUE")]
    pub exclude: Vec<String>,
    /// Clone nothing but what carries all of these labels
    #[arg(long, short = 'l', value_name = "KEY=VALUE,…")]
    pub selector: Option<String>,
    /// Commit the images were built from
    #[arg(long)]
    pub commit: Option<String>,
    /// Name the images given with --image by their digests, as their registries have them now
    #[arg(long)]
    pub resolve: bool,
    /// Write nothing before every image given with --image is in its registry; wait so long for the builds that push them
    #[arg(long, value_name = "DURATION")]
    pub wait_image: Option<String>,
}

/// `understudy clone`.
#[derive(Debug, Args)]
pub struct Clone {
    /// What it is to be.
    #[command(flatten)]
    pub wishes: Wishes,
    /// Wait until every workload is ready, every Job done and the preview's URL answers, and say what holds it back; a URL
    /// whose name is not known on this machine, or that sends people to another host, is not waited for
    #[arg(long)]
    pub wait: bool,
    /// Like --wait, and wait for the URL in either case
    #[arg(long)]
    pub wait_url: bool,
    /// How long --wait and --wait-url wait
    #[arg(long, value_name = "DURATION", default_value = TIMEOUT)]
    pub timeout: String,
    /// Print every object with its verdict and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Format on stdout; wide names every object and every variable, yaml prints the planned objects
    #[arg(long, short, value_enum, default_value_t = PlanOutput::Table)]
    pub output: PlanOutput,
}

/// `understudy list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only clones of this golden
    #[arg(long, value_name = "GOLDEN")]
    pub parent: Option<String>,
    /// Format on stdout
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// `understudy describe`.
#[derive(Debug, Args)]
pub struct Describe {
    /// The preview
    pub name: String,
    /// Format on stdout
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// `understudy extend`.
#[derive(Debug, Args)]
pub struct Extend {
    /// The preview
    pub name: String,
    /// By how much, such as 90m, 24h or 7d
    #[arg(long, value_name = "DURATION")]
    pub by: String,
}

/// `understudy destroy`.
#[derive(Debug, Args)]
pub struct Destroy {
    /// The preview
    pub name: String,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Wait until it is gone, and say what is left
    #[arg(long)]
    pub wait: bool,
    /// How long --wait waits
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub timeout: String,
}

/// `understudy diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The clone
    pub name: String,
    /// Format on stdout
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// `understudy refresh`.
#[derive(Debug, Args)]
pub struct Refresh {
    /// The clone
    pub name: String,
    /// Wait until every workload is ready, and say what holds it back
    #[arg(long)]
    pub wait: bool,
    /// How long --wait waits
    #[arg(long, value_name = "DURATION", default_value = TIMEOUT)]
    pub timeout: String,
    /// Print what would change and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Format on stdout
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// `understudy verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The preview
    pub name: String,
    /// Authority of the database servers' certificates, PEM [default: the adminSecret's, as far as you may read it]
    #[arg(long, value_name = "FILE")]
    pub database_ca: Option<PathBuf>,
    /// Format on stdout; markdown is for a comment on the pull request
    #[arg(long, short, value_enum, default_value_t = ReportOutput::Table)]
    pub output: ReportOutput,
}

/// `understudy check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Manifest in YAML or JSON, - for stdin; may be repeated
    #[arg(
        long = "file",
        short,
        value_name = "FILE",
        required_unless_present = "cluster"
    )]
    pub files: Vec<PathBuf>,
    /// The user who would ask [default: with --cluster you, else nobody in particular]
    #[arg(long = "as", value_name = "USER")]
    pub user: Option<String>,
    /// A group of that user; may be repeated
    #[arg(long = "as-group", value_name = "GROUP", requires = "user")]
    pub groups: Vec<String>,
    /// Where objects go that name no namespace [default: with --cluster the context's, else preview]
    #[arg(long, short)]
    pub namespace: Option<String>,
    /// Labels of that namespace, which is then taken for a preview
    #[arg(long, value_name = "KEY=VALUE,…", value_delimiter = ',')]
    pub namespace_labels: Vec<String>,
    /// PreviewPolicies in YAML or JSON; with --cluster they take the place of its own; may be repeated
    #[arg(long = "policy-file", value_name = "FILE")]
    pub policy_files: Vec<PathBuf>,
    /// Check with the cluster's policies, goldens, namespaces, Services, ConfigMaps and Secrets, as far as you may read them
    #[arg(long)]
    pub cluster: bool,
    /// Format on stdout
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// `understudy doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Where Understudy is installed [default: what its webhook configuration says, then understudy-system]
    #[arg(long, short)]
    pub namespace: Option<String>,
    /// Format on stdout
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_names_every_verb() {
        let help = Cli::command().render_help().to_string();
        for verb in Cli::command().get_subcommands() {
            assert!(
                help.contains(&format!("\n  {} ", verb.get_name())),
                "{}",
                verb.get_name()
            );
        }
    }

    #[test]
    fn a_pull_request_has_a_positive_number() {
        // F05
        assert!(Cli::try_parse_from(["understudy", "clone", "shop", "--pr", "0"]).is_err());
        assert!(Cli::try_parse_from(["understudy", "clone", "shop"]).is_err());
        assert!(Cli::try_parse_from(["understudy", "clone", "shop", "--pr", "7"]).is_ok());
    }
}
