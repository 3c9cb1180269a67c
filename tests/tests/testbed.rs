//! The testbed itself: that it is what it says, and that nothing outlives its holder.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use understudy_tests::testbed::{InstallOptions, Launch, Options, Role, TestBed, User, eventually, shared};

const SOON: Duration = Duration::from_secs(30);

async fn namespace(client: Client, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client);
    let namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .context("failed to create a namespace")?;
    Ok(())
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

#[tokio::test]
async fn a_pod_runs_once_it_is_scheduled_and_a_job_completes() -> Result<()> {
    let bed = shared().await;
    let admin = bed.client(User::Admin).await?;
    namespace(admin.clone(), "pods-run").await?;

    let pods: Api<Pod> = Api::namespaced(admin.clone(), "pods-run");
    let pod =
        json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}});
    let pod = serde_json::from_value(pod)?;
    // A namespace's ServiceAccount comes a moment after it, and a Pod needs one.
    eventually(SOON, "the Pod is created", || async {
        pods.create(&PostParams::default(), &pod).await
    })
    .await?;
    let jobs: Api<Job> = Api::namespaced(admin, "pods-run");
    let job = json!({"metadata": {"name": "migrate"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "migrate", "image": "web:1"}],
    }}}});
    jobs.create(&PostParams::default(), &serde_json::from_value(job)?)
        .await?;

    eventually(SOON, "the Pod runs and is ready", || async {
        let status = pods.get("web").await?.status.unwrap_or_default();
        let ready = status
            .conditions
            .iter()
            .flatten()
            .any(|one| one.type_ == "Ready" && one.status == "True");
        ensure!(
            ready && status.phase.as_deref() == Some("Running") && status.pod_ip.is_some(),
            "{status:?}"
        );
        Ok(())
    })
    .await?;
    eventually(SOON, "the Job is complete", || async {
        let status = jobs.get("migrate").await?.status.unwrap_or_default();
        ensure!(status.succeeded == Some(1), "{status:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_developer_makes_namespaces_and_sees_no_more_than_is_granted() -> Result<()> {
    let bed = shared().await;
    let developer = bed.client(User::Developer).await?;
    namespace(developer.clone(), "of-a-developer").await?;
    let pods: Api<Pod> = Api::namespaced(developer.clone(), "of-a-developer");
    let refused = pods.list(&ListParams::default()).await;
    assert!(refused.as_ref().is_err_and(is_forbidden), "{refused:?}");
    let nodes: Api<Node> = Api::all(developer);
    let refused = nodes.list(&ListParams::default()).await;
    assert!(refused.as_ref().is_err_and(is_forbidden), "{refused:?}");

    let outsider: Api<Namespace> = Api::all(bed.client(User::Outsider).await?);
    let refused = outsider.list(&ListParams::default()).await;
    assert!(refused.as_ref().is_err_and(is_forbidden), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn a_service_account_acts_by_a_token_minted_for_it() -> Result<()> {
    let bed = shared().await;
    let admin = bed.client(User::Admin).await?;
    namespace(admin.clone(), "minted").await?;
    let client = eventually(SOON, "the ServiceAccount is there", || {
        bed.service_account_client("minted", "default")
    })
    .await?;
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let reviews: Api<k8s_openapi::api::authentication::v1::SelfSubjectReview> = Api::all(client);
    let answer = reviews
        .create(&PostParams::default(), &serde_json::from_value(review)?)
        .await?;
    let user = answer
        .status
        .and_then(|status| status.user_info)
        .and_then(|user| user.username);
    assert_eq!(user.as_deref(), Some("system:serviceaccount:minted:default"));
    Ok(())
}

#[tokio::test]
async fn both_postgresql_servers_let_their_superuser_in_and_nobody_without_the_password() -> Result<()> {
    let bed = shared().await;
    assert_ne!(bed.golden().port, bed.previews().port);
    for server in [bed.golden(), bed.previews()] {
        let row = server
            .connect("postgres")
            .await?
            .query_one("SELECT 6 * 7", &[])
            .await?;
        assert_eq!(row.get::<_, i32>(0), 42);
        assert!(server.connect_as("postgres", "wrong", "postgres").await.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn what_the_api_server_says_can_be_held_back_from_one_client() -> Result<()> {
    let bed = shared().await;
    let admin = bed.client(User::Admin).await?;
    namespace(admin, "held-back").await?;
    eventually(SOON, "the ServiceAccount is there", || {
        bed.service_account_client("held-back", "default")
    })
    .await?;
    let proxy = bed.proxy()?;
    let path = bed
        .service_account_kubeconfig("held-back", "default", Some(&proxy))
        .await?;
    let config = kube::Config::from_custom_kubeconfig(
        kube::config::Kubeconfig::read_from(path)?,
        &kube::config::KubeConfigOptions::default(),
    )
    .await?;
    let client = Client::try_from(config)?;
    client.apiserver_version().await?;
    proxy.pause();
    let late = tokio::spawn(async move { client.apiserver_version().await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!late.is_finished(), "answered through a shut gate");
    proxy.resume();
    late.await??;
    Ok(())
}

#[tokio::test]
async fn the_chart_is_installed_and_its_policies_are_in_force() -> Result<()> {
    let bed = TestBed::start(Options {
        nodes: 1,
        postgres: false,
    })
    .await?;
    // `install` waits until a developer's golden is refused by the chart's policy.
    bed.install(InstallOptions {
        start: false,
        ..InstallOptions::default()
    })
    .await?;
    let output = bed
        .kubectl(User::Developer)
        .args(["get", "previewpolicies", "--output=name"])
        .output()
        .await?;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "previewpolicy.understudy.dev/default\n"
    );
    Ok(())
}

#[tokio::test]
async fn serve_and_control_can_be_stopped_held_and_led_through_a_proxy() -> Result<()> {
    let bed = TestBed::start(Options {
        nodes: 1,
        postgres: false,
    })
    .await?;
    let understudy = bed.install(InstallOptions::default()).await?;

    understudy.pause(Role::Control)?;
    assert!(
        understudy.get(Role::Control, "/livez").await.is_err(),
        "a held process answers"
    );
    understudy.resume(Role::Control)?;
    understudy.wait_until_ready(Role::Control).await?;

    let proxy = bed.proxy()?;
    understudy.stop(Role::Serve).await?;
    assert!(
        understudy.get(Role::Serve, "/livez").await.is_err(),
        "a stopped process answers"
    );
    understudy
        .start_with(
            Role::Serve,
            Launch {
                through: Some(&proxy),
                ..Launch::default()
            },
        )
        .await?;
    understudy.wait_until_ready(Role::Serve).await?;
    understudy.restart(Role::Serve).await
}

#[tokio::test]
async fn up_is_said_once_and_after_down_nothing_is_left() -> Result<()> {
    // A temporary directory of its own, through which PostgreSQL's user can pass: a developer's bed stays as it is.
    let base = tempfile::tempdir()?;
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o711))?;
    let testbed = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_testbed"));
        command.args(arguments).env("TMPDIR", base.path()).output().await
    };
    assert_eq!(testbed(&["status"]).await?.status.code(), Some(3));

    let up = testbed(&["up", "--bare", "--nodes=1"]).await?;
    let line = String::from_utf8(up.stdout)?;
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let kubeconfig = line
        .strip_prefix("export KUBECONFIG=")
        .and_then(|line| line.strip_suffix('\n'));
    assert!(
        kubeconfig.is_some_and(|path| Path::new(path).is_file()),
        "{line:?}"
    );
    for again in [["up", "--bare"].as_slice(), &["status"]] {
        let told = testbed(again).await?;
        assert_eq!(
            (told.status.code(), String::from_utf8(told.stdout)?),
            (Some(0), line.clone()),
            "{again:?}"
        );
    }

    assert!(
        !testbed(&["down", "/nowhere"]).await?.status.success(),
        "another's bed is not ended in its place"
    );
    assert_eq!(testbed(&["status"]).await?.status.code(), Some(0));
    assert!(testbed(&["down"]).await?.status.success());
    assert_eq!(processes_of(base.path())?, Vec::<String>::new());
    assert_eq!(testbed(&["status"]).await?.status.code(), Some(3));
    assert!(
        testbed(&["down"]).await?.status.success(),
        "down of nothing is no mistake"
    );
    Ok(())
}

#[tokio::test]
async fn nothing_is_left_running_when_a_test_is_killed() -> Result<()> {
    nothing_is_left_after(&[], |holder| {
        holder.kill()?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nothing_is_left_running_when_a_test_is_interrupted() -> Result<()> {
    nothing_is_left_after(&[], |holder| {
        let interrupt = format!("kill -INT {}", holder.id());
        ensure!(Command::new("sh").args(["-c", &interrupt]).status()?.success());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn nothing_is_left_running_when_a_test_panics() -> Result<()> {
    nothing_is_left_after(&["--panic"], |holder| {
        drop(holder.stdin.take());
        Ok(())
    })
    .await
}

/// Starts a holder of a bed of its own, ends it in some way, and looks for what is left.
async fn nothing_is_left_after(arguments: &[&str], end: fn(&mut Child) -> Result<()>) -> Result<()> {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .arg("hold")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let answer = holder.stdout.take().context("no pipe")?;
    let (mut holder, directory) = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(answer)
            .read_line(&mut line)
            .map(|_| (holder, PathBuf::from(line.trim_end())))
    })
    .await??;
    ensure!(
        directory.join("kubeconfig").is_file(),
        "no testbed in {}",
        directory.display()
    );
    if cfg!(target_os = "linux") {
        let names = [
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kwok",
            "postgres",
        ];
        let running = processes_of(&directory)?;
        for name in names {
            assert!(
                running.iter().any(|process| process.contains(name)),
                "{name} is not among {running:#?}"
            );
        }
    }

    end(&mut holder)?;
    let status = holder.wait()?;
    ensure!(!status.success(), "the holder was to end badly");
    eventually(SOON, "nothing is left", || async {
        let left = processes_of(&directory)?;
        ensure!(left.is_empty(), "still running: {left:#?}");
        ensure!(!directory.exists(), "{} is still there", directory.display());
        Ok(())
    })
    .await
}

/// The command lines of all processes that mention this directory, or work in it. A zombie has no command line: it is
/// nobody's fault but that of a PID 1 that does not wait.
fn processes_of(directory: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten() {
        let entry = entry?.path();
        // Gone in the meantime, or not a process.
        let Ok(text) = fs::read(entry.join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&text).replace('\0', " ");
        let works_there = fs::read_link(entry.join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory));
        if !line.is_empty() && (works_there || line.contains(&*directory.to_string_lossy())) {
            found.push(line);
        }
    }
    Ok(found)
}
