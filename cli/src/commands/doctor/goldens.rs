//! The goldens: how many, and labels that do not mean what they say.

use super::finding::{Finding, known};
use crate::cluster::{Inspection, Seen};
use std::collections::BTreeSet;
use understudy::keys;
use understudy::preview::is_golden;

/// The ClusterRole of the chart that an administrator may bind in a golden.
const READER: &str = "understudy-golden-reader";

pub(super) fn check(inspection: &Inspection) -> Vec<Finding> {
    let namespaces = match known("namespaces", &inspection.namespaces, || Finding::ok("none")) {
        Ok(namespaces) => namespaces,
        Err(finding) => return vec![finding],
    };
    let mut goldens = BTreeSet::new();
    let mut found = Vec::new();
    for metadata in namespaces.iter().map(|namespace| &namespace.metadata) {
        let (Some(name), Some(labels)) = (&metadata.name, &metadata.labels) else {
            continue;
        };
        let relabel = format!("kubectl label namespace {name} --overwrite {}=true", keys::GOLDEN);
        match labels.get(keys::GOLDEN) {
            None => continue,
            Some(value) if !is_golden(Some(labels)) => found.push(
                Finding::warning(format!(
                    "{name} is labelled {}={value}, which protects nothing: only true makes a golden",
                    keys::GOLDEN
                ))
                .mend(relabel),
            ),
            Some(_) if labels.contains_key(keys::PREVIEW) => found.push(
                Finding::warning(format!(
                    "{name} is labelled both golden and preview, which contradict each other"
                ))
                .mend(format!("kubectl label namespace {name} {}-", keys::PREVIEW)),
            ),
            Some(_) => {
                goldens.insert(name.as_str());
            }
        }
    }
    let names = goldens.iter().copied().collect::<Vec<_>>().join(", ");
    found.insert(
        0,
        match goldens.len() {
            0 => Finding::ok(format!(
                "none yet: kubectl label namespace NAMESPACE {}=true",
                keys::GOLDEN
            )),
            1 => Finding::ok(format!("1 golden: {names}")),
            count => Finding::ok(format!("{count} goldens: {names}")),
        },
    );
    found.extend(inspection.golden_readers.iter().filter(|(_, seen)| **seen == Seen::There(false)).map(|(name, _)| {
        let account = format!("{}:{}", inspection.namespace, keys::ADMISSION_ACCOUNT);
        Finding::unknown(format!("whether a preview holds a copy of a secret of {name}: admission may not read them"))
            .mend(format!("kubectl --namespace {name} create rolebinding {READER} --clusterrole {READER} --serviceaccount {account}"))
    }));
    found
}
