//! Plans as they are printed: every object, what does not fit, and the command that shows more.

use std::collections::BTreeSet;

use serde_json::json;

use crate::run::{developer, policy};

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_part_of_the_plan_in_every_format() {
    policy("narrow", |policy| {
        policy["spec"]["quota"] = json!({ "pods": "1" })
    })
    .await;
    let plan = async |output: &str| {
        let arguments = ["clone", "shop", "--pr", "308", "--policy", "narrow", "--dry-run"];
        let ran = developer(&[&arguments[..], &["-o", output]].concat()).await;
        assert_eq!(ran.code, 5, "{ran:?}");
        ran
    };
    let json = plan("json").await.json();
    let short = &json["shortages"][0];
    assert_eq!(
        (&short["resource"], &short["granted"], &short["onlyInRollouts"]),
        (&json!("pods"), &json!("1"), &json!(false))
    );
    let sentence = short["sentence"].as_str().unwrap();
    let yaml = plan("yaml").await;
    assert_eq!(yaml.stdout.lines().next(), Some(format!("# {sentence}").as_str()));
    assert!(yaml.stderr.contains(sentence), "{}", yaml.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn wide_names_every_object_and_the_table_says_so_where_it_does_not() {
    let plan = async |output: &str| {
        let arguments = ["clone", "shop", "--pr", "309", "--dry-run", "-o", output];
        developer(&arguments).await.done()
    };
    let table = plan("table").await;
    assert!(
        table.stdout.contains(" and ") && table.stdout.contains(" more"),
        "{}",
        table.stdout
    );
    assert!(
        table.stderr.contains("-o wide names every object"),
        "{}",
        table.stderr
    );
    let wide = plan("wide").await;
    assert!(!wide.stderr.contains("-o wide"), "{}", wide.stderr);
    let rows = wide.stdout.split("\n\n").next().unwrap().lines().skip(1);
    let listed: BTreeSet<String> = rows
        .filter_map(|row| row.split_whitespace().nth(1))
        .map(str::to_owned)
        .collect();
    let json = plan("json").await.json();
    // What comes and goes as the golden runs may be in one of them alone.
    let lasting = json["items"].as_array().unwrap().iter().filter(|item| {
        let kind = item["kind"].as_str().unwrap();
        !["Event", "Pod", "ReplicaSet", "EndpointSlice", "Lease"].contains(&kind)
    });
    for item in lasting {
        let id = format!(
            "{}/{}",
            item["kind"].as_str().unwrap(),
            item["name"].as_str().unwrap()
        );
        assert!(listed.contains(&id), "{id} is missing: {}", wide.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hint_of_several_refusals_repeats_the_whole_command() {
    policy("strict", |policy| {
        policy["spec"]["secrets"] = json!({});
        policy["spec"]["databases"] = json!([]);
    })
    .await;
    let ran = developer(&[
        "clone",
        "shop",
        "--pr",
        "310",
        "--policy",
        "strict",
        "--exclude",
        "CronJob/n*",
        "--wait",
    ])
    .await;
    assert_eq!(ran.code, 5, "{ran:?}");
    let hint = "hint: understudy clone shop --pr 310 --policy strict --exclude 'CronJob/n*' --dry-run shows every verdict";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
}
