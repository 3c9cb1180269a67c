//! `network-widened`: NetworkPolicies are additive, so one that allows more than the policy would undo default-deny.
//!
//! Compared by meaning: networks by what they hold, namespaces by the labels they ask for, ports by what they leave open.
//! What goes beyond is named. Source: <https://kubernetes.io/docs/concepts/services-networking/network-policies/>.

use super::{Draft, Facts, Request, Rule, refuse_finalizers};
use crate::guardrails::SMTP;
use crate::networks::{self, Networks};
use crate::policy::{Database, NAMESPACE_NAME, Peer, PreviewPolicySpec, Smtp};
use crate::reason::Reason;
use crate::violation::Violation;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) const RULE: Rule = Rule {
    reason: Reason::NetworkWidened,
    applies: |request| request.is("networking.k8s.io", "networkpolicies"),
    review,
};

fn review(request: &Request, facts: &Facts, draft: &mut Draft<'_>) {
    let is_finalized = request.is_about_finalizers() && facts.installation.is_cluster(&request.user);
    if facts.installation.is_controller(&request.user) || is_finalized {
        return;
    }
    refuse_finalizers(Reason::NetworkWidened, request, facts, draft);
    let known = facts.preview.as_ref().zip(facts.policy());
    let Some((preview, policy)) = known else {
        draft.deny(widened(
            "spec",
            "the preview's policy is not known yet; try again in a moment",
        ));
        return;
    };
    let databases = preview.branched(policy);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let rules = request.object["spec"][direction].as_array().into_iter().flatten();
        for (index, rule) in rules.enumerate() {
            let field = format!("spec.{direction}[{index}].{peers}");
            match rule[peers].as_array().filter(|peers| !peers.is_empty()) {
                None => draft.deny(widened(
                    &field,
                    &format!("an empty list allows {direction} for everything"),
                )),
                Some(list) => {
                    for (at, peer) in list.iter().enumerate() {
                        let looked = Looked {
                            rule,
                            peer,
                            namespace: &request.namespace,
                            policy,
                            databases: &databases,
                        };
                        let beyond = if direction == "ingress" {
                            looked.ingress()
                        } else {
                            looked.egress()
                        };
                        if let Some(what) = beyond {
                            let message =
                                format!("this allows {direction} {what}, which the policy keeps closed");
                            draft.deny(widened(&format!("{field}[{at}]"), &message));
                        }
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

/// One peer of one rule, beside what may be open.
struct Looked<'p> {
    rule: &'p Value,
    peer: &'p Value,
    namespace: &'p str,
    policy: &'p PreviewPolicySpec,
    databases: &'p [Database],
}

impl Looked<'_> {
    /// What is allowed in beyond the policy.
    fn ingress(&self) -> Option<String> {
        if let Some(cidr) = self.peer["ipBlock"]["cidr"].as_str() {
            return Some(format!("from {cidr}"));
        }
        let selector = self.namespaces()?;
        let open = self
            .policy
            .network
            .ingress_from
            .iter()
            .any(|open| asks_for(selector, open));
        (!open).then(|| format!("from namespaces {}", said(selector)))
    }

    /// What is allowed out beyond the policy.
    fn egress(&self) -> Option<String> {
        if let Some(cidr) = self.peer["ipBlock"]["cidr"].as_str() {
            return self.block(cidr);
        }
        let selector = self.namespaces()?;
        let egress = &self.policy.network.egress;
        let asks = |open: &Peer| asks_for(selector, open);
        let branch = |database: &Database| {
            let reach = &database.branch.postgres.reach;
            reach.peer().as_ref().is_some_and(asks) && self.only_ports(&[reach.port])
        };
        let open = egress.namespaces.iter().any(asks)
            || (egress.dns.iter().any(asks) && self.only_ports(&[53]))
            || self.databases.iter().any(branch);
        (!open).then(|| format!("to namespaces {}", said(selector)))
    }

    fn block(&self, cidr: &str) -> Option<String> {
        let except: Vec<String> = self.peer["ipBlock"]["except"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|cidr| cidr.as_str().map(str::to_owned))
            .collect();
        let of_a_branch = |database: &Database| {
            let reach = &database.branch.postgres.reach;
            let held = cidr
                .parse()
                .is_ok_and(|block| Networks::parse(&reach.cidrs).cover(&block));
            held && self.only_ports(&[reach.port])
        };
        if self.databases.iter().any(of_a_branch) {
            return None;
        }
        let egress = &self.policy.network.egress;
        if let Some(beyond) = networks::beyond(cidr, &except, egress) {
            return Some(format!("to {beyond}"));
        }
        let listed = cidr
            .parse()
            .is_ok_and(|block| Networks::parse(&egress.cidrs).cover(&block));
        let mail = self.policy.quarantine.smtp == Smtp::Deny && !listed;
        let port = SMTP.iter().find(|port| mail && self.opens(**port))?;
        Some(format!("to mail servers (port {port})"))
    }

    /// The selector of namespaces, where the peer goes beyond the preview's own.
    fn namespaces(&self) -> Option<&Value> {
        let selector = self
            .peer
            .get("namespaceSelector")
            .filter(|selector| !selector.is_null())?;
        let own = selector["matchLabels"][NAMESPACE_NAME] == self.namespace;
        (!own).then_some(selector)
    }

    fn ports(&self) -> impl Iterator<Item = &Value> {
        self.rule["ports"].as_array().into_iter().flatten()
    }

    fn only_ports(&self, wanted: &[u16]) -> bool {
        let single = |port: &Value| {
            port["endPort"].is_null() && wanted.iter().any(|wanted| port["port"] == u64::from(*wanted))
        };
        self.ports().next().is_some() && self.ports().all(single)
    }

    /// Whether TCP `port` is open: without a list all are, and a name may stand for any.
    fn opens(&self, port: u16) -> bool {
        let wanted = u64::from(port);
        let within = |entry: &Value| {
            let tcp = entry["protocol"].as_str().unwrap_or("TCP") == "TCP";
            let holds = match entry["port"].as_u64() {
                Some(first) => (first..=entry["endPort"].as_u64().unwrap_or(first)).contains(&wanted),
                None => true,
            };
            tcp && holds
        };
        self.ports().next().is_none() || self.ports().any(within)
    }
}

/// Whether `selector` asks for at least the labels of `open`: by `matchLabels`, or by an expression that leaves one value.
fn asks_for(selector: &Value, open: &Peer) -> bool {
    let labels: &BTreeMap<String, String> = &open.namespace_labels;
    labels.iter().all(|(key, value)| {
        let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
        let mut single = expressions.filter(|one| one["key"] == key.as_str() && one["operator"] == "In");
        selector["matchLabels"][key.as_str()] == value.as_str()
            || single.any(|one| {
                one["values"]
                    .as_array()
                    .is_some_and(|values| values.len() == 1 && values[0] == value.as_str())
            })
    })
}

fn said(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let said: Vec<String> = labels
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    match (said.is_empty(), selector["matchExpressions"].is_null()) {
        (true, true) => "of every name".to_owned(),
        (true, false) => "chosen by expressions".to_owned(),
        _ => format!("with {}", said.join(", ")),
    }
}
