//! Odd input: what it is taken for is one thing, and what nobody meant is left as it is.

use super::*;
use crate::policy::Protected as Listed;

fn bytes(object: &str) -> Vec<u8> {
    let request = format!(
        r#"{{"uid":"u","kind":{{"kind":"Pod"}},"resource":{{"group":"","resource":"pods"}},"namespace":"shop-pr-7","operation":"CREATE","userInfo":{{"username":"dev"}},"object":{object}}}"#
    );
    format!(r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{request}}}"#)
        .into_bytes()
}

#[test]
fn a_key_that_stands_twice_is_the_last_one_for_the_review_and_for_the_patch() {
    // A06: the API server decodes JSON by Go's rules, where the last one of a map counts.
    let object = r#"{"metadata":{"name":"web"},"spec":{"containers":[{"name":"web",
        "env":[{"name":"A","value":"http://api/"}],"env":[{"name":"A","value":"postgres://u:p@db.shop/shop"}]}]}}"#;
    let request = parse(&bytes(object)).unwrap();
    let object = applied(&request, &review(&request, &facts()));
    assert_eq!(
        object["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["name"],
        "understudy-db-app"
    );
    let twice = String::from_utf8(bytes("{}"))
        .unwrap()
        .replace(r#""uid":"u""#, r#""uid":"u","uid":"v""#);
    assert!(parse(twice.as_bytes()).is_err(), "whose answer would it be?");
}

#[test]
fn what_nobody_means_to_touch_comes_back_as_it_came() {
    // A07
    let odd = r#"{"a":-0,"b":9223372036854775808,"c":1.5e300,"d":"\u0000\u2028","e":"\ud83d\ude00","f":0.1}"#;
    let object = format!(
        r#"{{"metadata":{{"name":"web","annotations":{{"odd":"\u0000\u2028\ud83d\ude00"}}}},"spec":{{"odd":{odd},"containers":[{{"name":"web","env":[{{"name":"A","value":"postgres://u:p@db.shop/shop"}}]}}]}}}}"#
    );
    let request = parse(&bytes(&object)).unwrap();
    let Decision::Patch { operations, .. } = review(&request, &facts()) else {
        panic!("not changed")
    };
    let paths: Vec<String> = operations
        .iter()
        .map(|operation| operation.path().to_string())
        .collect();
    assert!(
        paths.iter().all(|path| path.starts_with("/spec/containers/0/env")
            || path.starts_with("/metadata/annotations/understudy")),
        "{paths:?}"
    );
    // No Go program writes these, and what cannot be read is not reviewed.
    for unreadable in ["1e400", r#""\ud800""#] {
        let object = format!(r#"{{"metadata":{{"name":"web"}},"spec":{{"x":{unreadable}}}}}"#);
        assert!(parse(&bytes(&object)).is_err(), "{unreadable}");
    }
}

#[test]
fn what_no_rule_speaks_of_passes_untouched() {
    // A10: and counted as allowed, by the shell.
    for resource in ["persistentvolumeclaims", "podtemplates", "widgets"] {
        let request = request(
            resource,
            json!({ "metadata": { "name": "x" }, "spec": { "host": "db.shop" } }),
        );
        assert!(!concerns(&request), "{resource}");
        for decision in [review(&request, &facts()), validate(&request, &facts())] {
            assert_eq!(decision, Decision::Allow { warnings: vec![] }, "{resource}");
            assert_eq!(
                (decision.verdict(), decision.reasons()),
                ("allow", vec![]),
                "{resource}"
            );
            let expected = json!({ "uid": "u", "allowed": true, "warnings": [] });
            assert_eq!(answer("u", &decision)["response"], expected, "{resource}");
        }
    }
}

#[test]
fn keys_of_every_kind_are_addressed_as_they_are() {
    // A12
    let long = format!("{}.example/{}", "a".repeat(245), "b".repeat(63));
    for key in ["a/b", "~", "~1", "~0", "", "a~1b/c", long.as_str()] {
        let mut request = pod(json!({ "name": "web" }));
        request.object["metadata"]["annotations"] = json!({ key: "x" });
        request.object["spec"]["nodeSelector"] = json!({ key: "x" });
        let decision = reviewed(&request, |policy| {
            policy.placement.node_selector = [(key.to_owned(), "previews".to_owned())].into();
        });
        let object = applied(&request, &decision);
        assert_eq!(
            object["spec"]["nodeSelector"],
            json!({ key: "previews" }),
            "{key}"
        );
        assert_eq!(
            object["metadata"]["annotations"],
            json!({ key: "x", keys::REVIEWED: "v1" }),
            "{key}"
        );
    }
}

#[test]
fn long_texts_and_many_patterns_are_bounded_work() {
    // A18, A19: anything but linear would not end here.
    let mut facts = facts();
    let many: Vec<PreviewPolicySpec> = (0..300)
        .map(|policy| PreviewPolicySpec {
            protected: Listed {
                namespaces: (0..64).map(|n| format!("ns-{policy}-{n}")).collect(),
                hosts: (0..64).map(|n| format!("*.h{n}.p{policy}.example.com")).collect(),
            },
            ..PreviewPolicySpec::default()
        })
        .collect();
    facts.protected = Arc::new(Protected::new(["shop".to_owned()], &many, &facts.services));
    for text in [
        "a.".repeat(500_000),
        "x.y ".repeat(250_000),
        "host=a.b ".repeat(110_000),
        "//@:".repeat(250_000),
    ] {
        let mut request = pod(json!({ "name": "web" }));
        request.object["spec"]["containers"][0]["args"] = json!([text]);
        let _ = review(&request, &facts);
    }
    let last = pod(json!({ "name": "web", "env": [{ "name": "A", "value": "x.h63.p299.example.com" }] }));
    assert_eq!(reasons(&review(&last, &facts)), ["protected-endpoint"]);
}

#[test]
fn rules_whose_outcome_concerns_another_rule_settle() {
    // A19: the value that quarantine gives is itself a connection to the golden.
    let contradict = |policy: &mut PreviewPolicySpec| {
        policy.quarantine.env = [(
            "DATABASE_URL".to_owned(),
            "postgres://u:p@db.shop/shop".to_owned(),
        )]
        .into();
    };
    let request = pod(json!({ "name": "web", "env": [{ "name": "DATABASE_URL", "value": "x" }] }));
    let object = applied(&request, &reviewed(&request, contradict));
    assert_eq!(
        object["spec"]["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"]["name"],
        "understudy-db-app"
    );
    let again = Request {
        object: object.clone(),
        ..request
    };
    assert_eq!(applied(&again, &reviewed(&again, contradict)), object);
}
