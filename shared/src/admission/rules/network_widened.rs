//! `network-widened`: NetworkPolicies are additive, so one that allows more than the policy would undo default-deny.
//!
//! Narrow on purpose: a peer passes when it is one of the preview's own Pods or is written as narrowly as a peer of the
//! policy's network section. Source: <https://kubernetes.io/docs/concepts/services-networking/network-policies/>.

use super::{Draft, Facts, Request, Rule};
use crate::policy::{Network, Peer};
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) const RULE: Rule = Rule {
    reason: Reason::NetworkWidened,
    applies: |request| request.is("networking.k8s.io", "networkpolicies"),
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft) {
    if facts.installation.is_controller(&request.user) {
        return;
    }
    let Some(policy) = facts.policy() else {
        draft.deny(widened(
            "spec",
            "the preview's policy is not known yet; try again in a moment",
        ));
        return;
    };
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let rules = request.object["spec"][direction].as_array().into_iter().flatten();
        for (index, rule) in rules.enumerate() {
            let field = format!("spec.{direction}[{index}].{peers}");
            match rule[peers].as_array().filter(|peers| !peers.is_empty()) {
                None => draft.deny(widened(&field, "an empty list allows everything")),
                Some(list) => {
                    let wide = list
                        .iter()
                        .enumerate()
                        .filter(|(_, peer)| !within(peer, rule, direction, &policy.network));
                    for (at, _) in wide {
                        let message =
                            format!("this peer is outside the network section ({direction}) of the policy");
                        draft.deny(widened(&format!("{field}[{at}]"), &message));
                    }
                }
            }
        }
    }
}

fn widened(field: &str, message: &str) -> Violation {
    Violation::new(Reason::NetworkWidened, field, message).remedy(
        "Pods of the preview reach each other and what the policy opens without a NetworkPolicy of your own",
    )
}

/// Whether `peer` of `rule` is within what the policy opens in `direction`.
fn within(peer: &Value, rule: &Value, direction: &str, network: &Network) -> bool {
    if let Some(cidr) = peer["ipBlock"]["cidr"].as_str() {
        return direction == "egress" && network.egress.cidrs.iter().any(|open| open == cidr);
    }
    match peer
        .get("namespaceSelector")
        .filter(|selector| !selector.is_null())
    {
        None => peer["podSelector"].is_object(),
        Some(selector) => {
            let narrower = |open: &Peer| narrower(selector, &open.namespace_labels);
            match direction {
                "ingress" => network.ingress_from.iter().any(narrower),
                _ => {
                    network.egress.namespaces.iter().any(narrower)
                        || (network.egress.dns.iter().any(narrower) && dns_only(rule))
                }
            }
        }
    }
}

/// Whether `selector` asks for at least `labels`; expressions only narrow further.
fn narrower(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    labels
        .iter()
        .all(|(key, value)| selector["matchLabels"][key.as_str()] == value.as_str())
}

fn dns_only(rule: &Value) -> bool {
    let ports = rule["ports"].as_array();
    ports.is_some_and(|ports| {
        !ports.is_empty()
            && ports
                .iter()
                .all(|port| port["port"] == 53 && port["endPort"].is_null())
    })
}
