//! Where output goes: closed pipes, no terminal, narrow ones, no colours, and programs that read JSON.

use std::process::Stdio;

use serde_json::{Value, json};
use understudy_tests::previews;
use understudy_tests::programs;
use understudy_tests::testbed::User;

use crate::run::{Ran, command, developer, variable};

async fn preview() -> String {
    let name = previews::unique("terminal");
    previews::make(User::Developer, previews::preview(&name, json!({})))
        .await
        .unwrap();
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_stdout_is_success() {
    // F02
    let preview = preview().await;
    for arguments in [
        &["list"][..],
        &["list", "-o", "json"],
        &["describe", &preview],
        &["clone", "shop", "--pr", "293", "--dry-run"],
        &["clone", "shop", "--pr", "293", "--dry-run", "-o", "yaml"],
        &["completion", "bash"],
        &["help", "exit-codes"],
        &["--help"],
        &["clone", "--help"],
    ] {
        let mut command = command(User::Developer, arguments).await;
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ran: Ran = child.wait_with_output().await.unwrap().into();
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        assert!(
            !ran.stderr.contains("panicked") && !ran.stderr.contains("roken pipe"),
            "{arguments:?}: {ran:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_stands_alone_on_stdout() {
    // F02
    let preview = preview().await;
    let pod = tempfile::NamedTempFile::new().unwrap();
    let manifest = previews::pod("probe", json!([])).to_string();
    std::fs::write(pod.path(), manifest).unwrap();
    let pod = pod.path().to_str().unwrap();
    for arguments in [
        &["list"][..],
        &["describe", &preview],
        &["clone", "shop", "--pr", "294", "--dry-run"],
        &["check", "--file", pod, "--namespace", &preview, "--cluster"],
        &["doctor"],
    ] {
        let arguments = [arguments, &["--output", "json"]].concat();
        let ran = developer(&arguments).await;
        let parsed = serde_json::from_str::<Value>(&ran.stdout);
        assert!(parsed.is_ok(), "{arguments:?}: {ran:?}");
    }
    // A clone that is carried out writes one event a line.
    let ran = developer(&["clone", "shop", "--pr", "294", "-o", "json", "--wait"])
        .await
        .done();
    let events: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(
        events.iter().all(|event| event["event"].is_string()),
        "{events:?}"
    );
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["ready"]), (&json!("done"), &json!(true)));
    // Nothing on this machine serves the preview's hosts: its name is not known, and that is said.
    let url = events.iter().rfind(|event| event["event"] == "url").unwrap();
    assert_eq!(
        (&url["answers"], &url["why"]),
        (&json!(false), &json!("its name does not resolve"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn off_a_terminal_there_are_no_colours_and_no_bars() {
    // F02
    let ran = developer(&["clone", "shop", "--pr", "295"]).await.done();
    assert!(
        !ran.stderr.contains('\u{1b}') && ran.stderr.contains("created"),
        "{}",
        ran.stderr
    );
    let ran = developer(&["list"]).await.done();
    assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
}

/// What stands on a terminal of 40 columns after `understudy ARGUMENTS`, colours and all.
pub async fn on_a_terminal(arguments: &str, variables: &[(&str, &str)]) -> String {
    let as_developer = command(User::Developer, &[]).await;
    let program = programs::executable().unwrap();
    let line = format!(
        "stty cols 40 rows 20; exec '{}' {} {arguments}",
        program.display(),
        programs::UNDERSTUDY.selector()
    );
    let mut script = tokio::process::Command::new("script");
    script
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("KUBECONFIG", variable(&as_developer, "KUBECONFIG"))
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    let ran: Ran = script.output().await.unwrap().into();
    assert!(!ran.stdout.contains("panicked"), "{ran:?}");
    ran.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_columns_are_enough_and_colours_can_be_turned_off() {
    // F02
    let preview = preview().await;
    for arguments in [
        "list".to_owned(),
        format!("describe {preview}"),
        "help exit-codes".to_owned(),
    ] {
        let text = on_a_terminal(&arguments, &[("NO_COLOR", "1")]).await;
        let widest = text
            .lines()
            .map(|line| line.trim_end().chars().count())
            .max()
            .unwrap_or_default();
        if arguments != format!("describe {preview}") {
            assert!(widest <= 40, "{widest} columns:\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
    let coloured = on_a_terminal("describe no-such", &[]).await;
    assert!(
        coloured.contains("\u{1b}[") && coloured.contains("error:"),
        "{coloured:?}"
    );
    let plain = on_a_terminal("describe no-such", &[("NO_COLOR", "1")]).await;
    assert!(!plain.contains('\u{1b}') && plain.contains("error:"), "{plain:?}");
}
