//! The NetworkPolicies of a preview: deny by default, then name what is open.
//!
//! Source: <https://kubernetes.io/docs/concepts/services-networking/network-policies/>. They are additive: each opens one
//! thing, so that a reader of `kubectl get networkpolicies` sees what is open and why.

use crate::policy::{Database, Network, Peer, Reach, SharedService, Sharing, Smtp};
use serde_json::{Value, json};

/// Ports that mail is submitted or relayed at, in order.
pub const SMTP: [u16; 4] = [25, 465, 587, 2525];

/// Name and spec of each.
pub(super) fn policies(
    network: &Network,
    smtp: Smtp,
    databases: &[Database],
    sharing: &Sharing,
) -> Vec<(String, Value)> {
    let everything = json!({});
    let mut all = vec![
        (
            "understudy-default-deny".to_owned(),
            json!({ "podSelector": everything, "policyTypes": ["Ingress", "Egress"] }),
        ),
        (
            "understudy-same-namespace".to_owned(),
            json!({
                "podSelector": everything,
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{ "from": [{ "podSelector": {} }] }],
                "egress": [{ "to": [{ "podSelector": {} }] }],
            }),
        ),
    ];
    let egress = &network.egress;
    if !egress.dns.is_empty() {
        let ports = json!([{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }]);
        all.push(opened(
            "understudy-dns",
            json!([{ "to": peers(&egress.dns), "ports": ports }]),
        ));
    }
    let mut rules = Vec::new();
    if egress.internet {
        let to = internet(&egress.except_cidrs);
        rules.push(match smtp {
            Smtp::Allow => json!({ "to": to }),
            Smtp::Deny => json!({ "to": to, "ports": without_mail() }),
        });
    }
    if !egress.cidrs.is_empty() {
        let to: Vec<Value> = egress
            .cidrs
            .iter()
            .map(|cidr| json!({ "ipBlock": { "cidr": cidr } }))
            .collect();
        rules.push(json!({ "to": to }));
    }
    if !egress.namespaces.is_empty() {
        rules.push(json!({ "to": peers(&egress.namespaces) }));
    }
    if !rules.is_empty() {
        all.push(opened("understudy-egress", Value::Array(rules)));
    }
    if !network.ingress_from.is_empty() {
        all.push((
            "understudy-ingress".to_owned(),
            json!({
                "podSelector": {},
                "policyTypes": ["Ingress"],
                "ingress": [{ "from": peers(&network.ingress_from) }],
            }),
        ));
    }
    let shared: Vec<Value> = sharing.services.iter().filter_map(shared).collect();
    if !shared.is_empty() {
        all.push(opened("understudy-sharing", Value::Array(shared)));
    }
    for database in databases {
        let reach = &database.branch.postgres.reach;
        // An empty list of peers would mean everywhere.
        if reach.peer().is_none() && reach.cidrs.is_empty() {
            continue;
        }
        let name = format!("understudy-db-{}", database.name);
        all.push(opened(&name, json!([self::reach(reach)])));
    }
    all
}

fn opened(name: &str, egress: Value) -> (String, Value) {
    (
        name.to_owned(),
        json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": egress }),
    )
}

fn peers(peers: &[Peer]) -> Vec<Value> {
    peers.iter().map(peer).collect()
}

fn peer(peer: &Peer) -> Value {
    json!({ "namespaceSelector": { "matchLabels": peer.namespace_labels } })
}

/// Everything but `except`, in both address families.
fn internet(except: &[String]) -> Vec<Value> {
    let (six, four): (Vec<&String>, Vec<&String>) = except.iter().partition(|cidr| cidr.contains(':'));
    let block = |cidr: &str, except: Vec<&String>| {
        if except.is_empty() {
            json!({ "ipBlock": { "cidr": cidr } })
        } else {
            json!({ "ipBlock": { "cidr": cidr, "except": except } })
        }
    };
    vec![block("0.0.0.0/0", four), block("::/0", six)]
}

/// Every port but those of mail servers, for each protocol.
fn without_mail() -> Vec<Value> {
    let mut ports = vec![json!({ "protocol": "UDP" }), json!({ "protocol": "SCTP" })];
    let mut first = 1;
    for port in SMTP.into_iter().chain([u16::MAX]) {
        let last = if port == u16::MAX { port } else { port - 1 };
        ports.push(json!({ "protocol": "TCP", "port": first, "endPort": last }));
        first = u32::from(port) + 1;
    }
    ports
}

/// The Pods behind one Service, at their ports, and nothing else of its namespace.
fn shared(shared: &SharedService) -> Option<Value> {
    let (namespace, _) = shared.service.split_once('/')?;
    let mut to = peer(&Peer::namespace(namespace));
    to["podSelector"] = json!({ "matchLabels": shared.pod_labels });
    let port = |port: &u16| json!({ "protocol": "TCP", "port": port });
    let ports: Vec<Value> = shared.ports.iter().map(port).collect();
    Some(json!({ "to": [to], "ports": ports }))
}

fn reach(reach: &Reach) -> Value {
    let to: Vec<Value> = match reach.peer() {
        Some(namespaces) => vec![peer(&namespaces)],
        None => reach
            .cidrs
            .iter()
            .map(|cidr| json!({ "ipBlock": { "cidr": cidr } }))
            .collect(),
    };
    json!({ "to": to, "ports": [{ "protocol": "TCP", "port": reach.port }] })
}
