//! Whether the clone's name is free, already this clone, or taken.

use crate::cluster::of_this_age;
use crate::error::{Exit, Failure};
use crate::settings::Clone;
use k8s_openapi::api::core::v1::Namespace;
use understudy::keys;
use understudy::preview::Preview;

/// Where the clone goes.
pub enum Target {
    /// The name is free.
    New,
    /// It is there: this run goes on with it.
    Ours(Box<Namespace>),
}

/// Refuses a name that is taken; nothing is written to what is not this clone.
pub fn check(existing: Option<Namespace>, settings: &Clone) -> Result<Target, Failure> {
    let name = &settings.spec.name;
    let Some(namespace) = existing else {
        return Ok(Target::New);
    };
    let taken =
        |why: String| Failure::new(Exit::Taken, format!("the namespace {name} is taken")).caused_by(why);
    let another = "choose another name with --name NAME";
    let Some(preview) = Preview::of(&namespace.metadata) else {
        return Err(
            taken("it is no preview, and Understudy does not touch what is not its own".to_owned())
                .hint(another),
        );
    };
    if preview.deleting {
        return Err(taken("it is being deleted".to_owned()).hint(once_gone(settings)));
    }
    let pr = namespace
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(keys::PR))
        .cloned();
    let wanted_pr = settings.spec.pr.map(|pr| pr.to_string());
    if preview.parent.as_deref() != Some(&settings.golden) || pr != wanted_pr {
        let parent = preview.parent.as_deref().unwrap_or("nothing that is known");
        let pr = pr.map(|pr| format!(", pull request {pr}")).unwrap_or_default();
        return Err(taken(format!("it is a preview of {parent}{pr}")).hint(another));
    }
    if preview.policy != settings.policy {
        return Err(taken(format!(
            "it lives under policy {}, which is fixed at birth",
            preview.policy
        ))
        .hint(format!(
            "add --policy {}, or end it with {}",
            preview.policy,
            settings.again.other(&format!("destroy {name}"))
        )));
    }
    match preview.lease {
        None => Err(
            Failure::new(Exit::NotInstalled, format!("{name} is there, but has no lease"))
                .caused_by("it was made while Understudy's webhook did not see it")
                .hint(format!(
                    "{}, then {}",
                    settings.again.kubectl(&format!("delete namespace {name}")),
                    settings.again
                )),
        ),
        Some(lease) if lease.is_over(jiff::Timestamp::now()) => Err(taken(format!(
            "its lease ended at {}; it is being destroyed",
            lease.expires_at
        ))
        .hint(once_gone(settings))),
        Some(_) => {
            of_this_age(&namespace)?;
            Ok(Target::Ours(Box::new(namespace)))
        }
    }
}

fn once_gone(settings: &Clone) -> String {
    let wait = format!("wait --for=delete namespace/{} --timeout=5m", settings.spec.name);
    format!("{}, then {}", settings.again.kubectl(&wait), settings.again)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Verb};
    use crate::settings::Connection;
    use clap::Parser;
    use serde_json::json;

    fn settings() -> Clone {
        match Cli::try_parse_from(["understudy", "clone", "shop", "--pr", "7"])
            .unwrap()
            .verb
        {
            Verb::Clone(args) => Clone::new(args, &Connection::default()).unwrap(),
            _ => unreachable!(),
        }
    }

    fn namespace(labels: serde_json::Value, deleting: bool) -> Namespace {
        let deleting = deleting.then_some("2026-01-01T00:00:00Z");
        serde_json::from_value(json!({ "metadata": {
            "name": "shop-pr-7", "labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": deleting,
            "annotations": { "understudy.dev/expires-at": "2999-01-01T00:00:00Z", "understudy.dev/creator": "jane" }
        } }))
        .unwrap()
    }

    #[test]
    fn only_a_free_name_or_this_very_clone_is_written_to() {
        // D02
        let labels = |parent: &str, pr: &str| {
            json!({ "understudy.dev/preview": "true", "understudy.dev/origin": "created",
            "understudy.dev/parent": parent, "understudy.dev/pr": pr })
        };
        let check = |namespace| check(namespace, &settings());
        assert!(matches!(check(None), Ok(Target::New)));
        assert!(matches!(
            check(Some(namespace(labels("shop", "7"), false))),
            Ok(Target::Ours(_))
        ));
        for taken in [
            namespace(json!({}), false),
            namespace(labels("other", "7"), false),
            namespace(labels("shop", "8"), false),
            namespace(labels("shop", "7"), true),
        ] {
            let failure = check(Some(taken)).err().unwrap();
            assert_eq!(failure.exit, Exit::Taken);
            assert!(failure.hint.is_some());
        }
        // D14
        let mut old = labels("shop", "7");
        old.as_object_mut().unwrap().remove("understudy.dev/origin");
        let failure = check(Some(namespace(old, false))).err().unwrap();
        assert_eq!(failure.exit, Exit::OtherAge);
    }
}
