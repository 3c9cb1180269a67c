//! What somebody asks a clone to be: parts, variables, Secrets.

use super::*;

#[test]
fn a_given_secret_takes_the_place_of_the_goldens() {
    let given = GivenSecret::from_env_file("STRIPE_API_KEY=sk_test_1\n").unwrap();
    let spec = CloneSpec {
        secrets: [("shop-api".to_owned(), given)].into(),
        ..spec()
    };
    let plan = planned(&shop(), &spec, &policy(json!({ "secrets": {} }))).unwrap();
    assert_eq!(plan.refusals().count(), 0, "{:?}", plan.refusals().next());
    let secret = item(&plan, "Secret", "shop-api");
    assert_eq!(
        (secret.verdict, secret.reason.as_str()),
        (Verdict::ReCreate, "given with --secret: STRIPE_API_KEY")
    );
    assert_eq!(
        made(&plan, "Secret", "shop-api").data["data"]["STRIPE_API_KEY"],
        "c2tfdGVzdF8x"
    );
}

#[test]
fn every_variable_says_who_decided_it() {
    let spec = CloneSpec {
        variables: vec!["web:PUBLIC_URL=https://staging.example.org".parse().unwrap()],
        ..spec()
    };
    let plan = planned(&shop(), &spec, &policy(json!({}))).unwrap();
    let table: Vec<String> = plan
        .variables
        .iter()
        .map(|one| {
            let rule = if one.rule.is_empty() {
                String::new()
            } else {
                format!(" ({})", one.rule)
            };
            let value = one.value.as_deref().unwrap_or("(not shown)");
            format!(
                "{} {} {} — {}{rule}, {value}",
                one.workload, one.container, one.name, one.decided
            )
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn a_variable_of_a_container_that_is_not_there_is_a_mistake() {
    // F05
    let spec = CloneSpec {
        variables: vec![
            "web/sidecar:X=hunter2".parse().unwrap(),
            "nobody:X=y".parse().unwrap(),
        ],
        ..spec()
    };
    let mistakes = planned(&shop(), &spec, &policy(json!({}))).unwrap_err();
    let texts: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2);
    assert!(
        texts[0].starts_with("--set-env web/sidecar:X: the golden has no such container; it has "),
        "{}",
        texts[0]
    );
    assert!(!texts[0].contains("hunter2"));
}

#[test]
fn only_what_is_asked_for_is_part_of_the_clone() {
    let only = |texts: &[&str]| Selection {
        only: texts.iter().map(|text| text.parse().unwrap()).collect(),
        ..Selection::default()
    };
    let spec = CloneSpec {
        selection: only(&["Deployment/web", "Service/web"]),
        ..spec()
    };
    let plan = planned(&shop(), &spec, &policy(json!({}))).unwrap();
    assert_eq!(makes(&plan), ["Deployment/web", "Service/web"]);
    // Its API is no part of it, and what calls it is told.
    assert!(
        plan.warnings
            .iter()
            .any(|warning| warning.contains("no part of the clone")),
        "{:?}",
        plan.warnings
    );
}
