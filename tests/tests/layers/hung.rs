//! Admission takes connections and never answers: whoever asks it is held for its own short limit, and nobody else is.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::{Value, json};
use understudy_tests::testbed::{User, eventually};

use crate::mode::{Mode, turn};
use crate::stage::{self, Call, SOON, client, core, refusal};

/// `timeoutSeconds` of the webhooks is 5; the first one that is asked ends the request.
const LIMIT: Duration = Duration::from_secs(8);

fn config_map(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_a_preview_ends_at_our_limit_and_others_see_nothing() {
    // C16
    let _turn = turn(Mode::Hung).await;
    let (preview, plain) = (stage::preview().await, stage::plain("plain").await);
    let developer = client(User::Developer).await;
    let held = async {
        let begun = Instant::now();
        let message = refusal(
            Call::post(core(&preview, "configmaps"), config_map("x"))
                .by(&developer)
                .await,
        );
        assert!(
            message.contains("failed calling webhook \"objects.understudy.dev\""),
            "{message}"
        );
        begun.elapsed()
    };
    let free = async {
        let mut longest = Duration::ZERO;
        for number in 0..20 {
            let begun = Instant::now();
            let made = Call::post(core(&plain, "configmaps"), config_map(&format!("x-{number}")));
            made.by(&developer).await.unwrap();
            longest = longest.max(begun.elapsed());
        }
        longest
    };
    let (held, free) = tokio::join!(held, free);
    assert!(held < LIMIT, "{held:?}");
    assert!(free < held / 2, "{free:?} elsewhere, {held:?} in the preview");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workers_that_serve_every_namespace_do_not_wait_for_us() {
    // C16: one worker makes the ServiceAccounts of the whole cluster, another one the root CAs.
    let _turn = turn(Mode::Hung).await;
    let (preview, developer) = (stage::preview().await, client(User::Developer).await);
    let account = core(&preview, "serviceaccounts/default");
    let authority = core(&preview, "configmaps/kube-root-ca.crt");
    for path in [&account, &authority] {
        let uid = |found: &Value| found["metadata"]["uid"].clone();
        let before = uid(&Call::get(path).by(&developer).await.unwrap());
        Call::delete(path).by(&developer).await.unwrap();
        // With admission hung it could not come back at all if its maker asked.
        eventually(SOON, &format!("{path} is there again"), || async {
            let found = Call::get(path).by(&developer).await?;
            ensure!(uid(&found) != before, "still the old one");
            anyhow::Ok(())
        })
        .await
        .unwrap();
    }
    let plain = stage::plain("plain").await;
    eventually(SOON, "a new namespace elsewhere gets both", || async {
        Call::get(core(&plain, "serviceaccounts/default"))
            .by(&developer)
            .await?;
        Call::get(core(&plain, "configmaps/kube-root-ca.crt"))
            .by(&developer)
            .await?;
        anyhow::Ok(())
    })
    .await
    .unwrap();
}
