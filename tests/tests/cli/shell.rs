//! The shell around it: completion with live names, `kubectl understudy`, man pages, help.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;
use understudy_tests::previews;
use understudy_tests::programs;
use understudy_tests::testbed::User;

use crate::run::{Ran, command, developer, stage, variable};

/// A directory for `PATH` with executables of these names, each of which is `understudy` with arguments of its own.
fn path_with(names: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (program, selector) = (programs::executable().unwrap(), programs::UNDERSTUDY.selector());
    for (name, arguments) in names {
        let script = format!(
            "#!/bin/sh\nexec '{}' {selector} {arguments} \"$@\"\n",
            program.display()
        );
        executable(&directory.path().join(name), &script);
    }
    directory
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// `directory` before everything else.
fn path(directory: &TempDir) -> OsString {
    let mut path = directory.path().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

/// A program as the developer, with `directory` in its `PATH`.
async fn with(directory: &TempDir, program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Ran {
    let as_developer = command(User::Developer, &[]).await;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("PATH", path(directory))
        .env("KUBECONFIG", variable(&as_developer, "KUBECONFIG"))
        .env("KUBECACHEDIR", variable(&as_developer, "KUBECACHEDIR"));
    command.output().await.unwrap().into()
}

/// What bash offers after `line` and a TAB, by the script that `completion bash` writes.
async fn offered(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let (last, before) = (words.len() - 1, words.len() - 2);
    let script = format!(
        "source <(understudy completion bash)\n\
        COMP_WORDS=({line}); [ {last} -lt ${{#COMP_WORDS[@]}} ] || COMP_WORDS+=('')\n\
        COMP_CWORD={last} COMP_TYPE=9\n\
        _clap_complete_understudy understudy '{}' '{}'\n\
        printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words[last], words[before]
    );
    let directory = path_with(&[("understudy", "")]);
    let ran = with(&directory, "bash", &["-c", &script]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stderr.contains("error"), "{ran:?}");
    ran.stdout.lines().map(str::to_owned).collect()
}

async fn preview() -> String {
    let name = previews::unique("complete");
    previews::make(User::Developer, previews::preview(&name, json!({})))
        .await
        .unwrap();
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn bash_offers_verbs_flags_and_the_names_there_are() {
    let preview = preview().await;
    assert_eq!(offered("understudy desc").await, ["describe"]);
    assert!(offered("understudy clone sh").await.contains(&"shop".to_owned()));
    assert!(offered("understudy describe comp").await.contains(&preview));
    assert!(
        offered("understudy clone shop --policy def")
            .await
            .contains(&"default".to_owned())
    );
    assert!(
        offered("understudy clone shop --wait-im")
            .await
            .contains(&"--wait-image".to_owned())
    );
    assert!(
        offered("understudy list --context dev")
            .await
            .contains(&"developer".to_owned())
    );
    assert_eq!(offered("understudy help exit").await, ["exit-codes"]);
    for verb in ["extend", "destroy", "diff", "refresh", "verify"] {
        assert!(
            offered(&format!("understudy {verb} comp"))
                .await
                .contains(&preview),
            "{verb}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn zsh_and_fish_get_scripts_that_ask_the_program() {
    for (shell, part) in [("zsh", "compdef"), ("fish", "complete "), ("bash", "complete ")] {
        let script = developer(&["completion", shell]).await.done().stdout;
        assert!(
            script.contains(part) && script.contains(&format!("_UNDERSTUDY_COMPLETE={shell}"))
                || script.contains(&format!("_UNDERSTUDY_COMPLETE=\"{shell}\"")),
            "{script}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_keeps_no_shell_and_prints_nothing() {
    // It accepts, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let away = directory.path().join("away.kubeconfig");
    let server = format!("https://{}", silent.local_addr().unwrap());
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "away",
        "clusters": [{ "name": "away", "cluster": { "server": server } }],
        "contexts": [{ "name": "away", "context": { "cluster": "away", "user": "away" } }],
        "users": [{ "name": "away", "user": { "token": "hunter2" } }],
    });
    fs::write(&away, text.to_string()).unwrap();
    for kubeconfig in [away.as_path(), Path::new("/nonexistent")] {
        let mut command = command(User::Developer, &["__complete", "describe", ""]).await;
        let started = Instant::now();
        let ran: Ran = command
            .env("KUBECONFIG", kubeconfig)
            .output()
            .await
            .unwrap()
            .into();
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
        let names = ran
            .stdout
            .lines()
            .filter(|line| !line.starts_with(['-', ':']))
            .count();
        assert_eq!((ran.code, names, ran.stderr.as_str()), (0, 0, ""), "{ran:?}");
    }
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_understudy_works_and_completes() {
    let preview = preview().await;
    let plugin = path_with(&[("kubectl-understudy", "")]);
    let helper = developer(&["completion", "kubectl"]).await.done().stdout;
    executable(&plugin.path().join("kubectl_complete-understudy"), &helper);
    let kubectl = stage().await.bed().kubectl(User::Developer);
    let kubectl = kubectl.as_std().get_program().to_owned();
    let listed = with(&plugin, &kubectl, &["understudy", "list", "--output", "json"])
        .await
        .done();
    assert!(listed.json().to_string().contains(&preview), "{}", listed.stdout);
    let refused = with(&plugin, &kubectl, &["understudy", "describe", "no-such"]).await;
    assert_eq!(refused.code, 6, "{refused:?}");
    let offered = with(
        &plugin,
        &kubectl,
        &["__complete", "understudy", "describe", "comp"],
    )
    .await
    .done();
    assert!(
        offered.stdout.lines().any(|line| line == preview),
        "{}",
        offered.stdout
    );
    assert_eq!(offered.stdout.lines().last(), Some(":4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn man_pages_are_written_where_they_are_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("man1");
    developer(&["man", "--output", to.to_str().unwrap()]).await.done();
    for page in ["understudy.1", "understudy-clone.1", "understudy-help.1"] {
        let text = fs::read_to_string(to.join(page)).unwrap();
        assert!(
            text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_needs_no_cluster_and_explains_verbs_and_exit_codes() {
    let codes = developer(&["help", "exit-codes", "--kubeconfig", "/nonexistent"])
        .await
        .done();
    assert!(
        codes.stdout.contains("not done") && codes.stdout.contains("130"),
        "{}",
        codes.stdout
    );
    let verb = developer(&["help", "clone"]).await.done().stdout;
    assert!(
        verb.contains("--wait-image") && verb.contains("Usage: understudy clone"),
        "{verb}"
    );
    assert!(
        developer(&["help"])
            .await
            .done()
            .stdout
            .contains("Make a preview:")
    );
    let unknown = developer(&["help", "nonsense"]).await;
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("exit-codes"), "{}", unknown.stderr);
}
