//! Where objects ask for hosts: routes in their own fields, everything in the annotations that something outside acts on.
//!
//! Sources: <https://kubernetes.io/docs/concepts/services-networking/ingress/>, <https://gateway-api.sigs.k8s.io/reference/spec/>,
//! <https://kubernetes-sigs.github.io/external-dns/latest/docs/annotations/annotations/>.

use super::{Request, kinds};
use crate::host;
use serde_json::Value;

/// Annotations whose value is a list of hosts that something outside the object acts on.
pub(crate) const ANNOTATIONS: [&str; 10] = [
    "external-dns.alpha.kubernetes.io/hostname",
    "external-dns.alpha.kubernetes.io/internal-hostname",
    "external-dns.kubernetes.io/hostname",
    "external-dns.kubernetes.io/internal-hostname",
    "nginx.ingress.kubernetes.io/server-alias",
    "haproxy-ingress.github.io/server-alias",
    "ingress.kubernetes.io/server-alias",
    "konghq.com/host-aliases",
    "cert-manager.io/common-name",
    "cert-manager.io/alt-names",
];

/// Whether an annotation puts text into a controller's own configuration, or says by other words than a list which hosts are
/// meant: it could take any host there.
pub(super) fn is_snippet(key: &str) -> bool {
    let Some((prefix, name)) = key.split_once('/') else {
        return false;
    };
    let text = ["-snippet", "-snippets", "-alias-regex"]
        .iter()
        .any(|end| name.ends_with(end));
    let raw = name.starts_with("config-") && prefix.contains("haproxy");
    let rules = prefix.starts_with("alb.ingress")
        && ["conditions.", "actions.", "transforms."]
            .iter()
            .any(|start| name.starts_with(start));
    text || raw || rules || key == "getambassador.io/config"
}

/// Names of fields that hold hosts in kinds that nobody here knows.
const FIELDS: [&str; 9] = [
    "host",
    "hosts",
    "hostname",
    "hostnames",
    "fqdn",
    "dnsName",
    "dnsNames",
    "commonName",
    "virtualhost",
];

/// One host that an object asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Tokens of its JSON pointer; empty where a rule has no host at all and takes every one.
    pub path: Vec<String>,
    /// The host; empty means every one.
    pub host: String,
    /// The Service it leads to, where that can be told.
    pub service: String,
    /// Whether it may be replaced where it stands.
    pub replaceable: bool,
}

impl Asked {
    /// The field, for people.
    pub fn field(&self) -> String {
        let mut field = String::new();
        for token in &self.path {
            match token.parse::<usize>() {
                Ok(index) => field.push_str(&format!("[{index}]")),
                Err(_) if token.contains('/') => field.push_str(&format!("[{token}]")),
                Err(_) if field.is_empty() => field.push_str(token),
                Err(_) => field.push_str(&format!(".{token}")),
            }
        }
        field
    }
}

/// Whether `request` is about something that may ask for hosts.
pub(super) fn concerns(request: &Request) -> bool {
    request.is("networking.k8s.io", "ingresses") || request.is("", "services") || kinds::is_vendors(request)
}

/// Whether its hosts may be replaced: known routes, whose fields mean what is thought here.
pub(super) fn is_route(request: &Request) -> bool {
    let gateway = ["httproutes", "grpcroutes", "tlsroutes"];
    request.is("networking.k8s.io", "ingresses")
        || (request.group == "gateway.networking.k8s.io" && gateway.contains(&request.resource.as_str()))
}

/// Every host that the object asks for.
pub(super) fn asked(request: &Request, object: &Value) -> Vec<Asked> {
    let mut found = if request.is("networking.k8s.io", "ingresses") {
        ingress(&object["spec"])
    } else if is_route(request) {
        route(&object["spec"])
    } else if kinds::is_vendors(request) {
        let mut found = Vec::new();
        for (key, value) in object.as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
                search(value, &mut vec![key.clone()], key, &mut found);
            }
        }
        found
    } else {
        Vec::new()
    };
    for key in ANNOTATIONS {
        let listed = object["metadata"]["annotations"][key]
            .as_str()
            .unwrap_or_default();
        for host in listed.split([',', ' ']).filter(|host| !host.is_empty()) {
            found.push(Asked {
                path: ["metadata", "annotations", key].map(str::to_owned).into(),
                host: host.to_owned(),
                service: String::new(),
                replaceable: false,
            });
        }
    }
    found
}

fn ingress(spec: &Value) -> Vec<Asked> {
    let mut found = Vec::new();
    if spec["defaultBackend"].is_object() {
        let path = ["spec", "defaultBackend"].map(str::to_owned).into();
        found.push(Asked {
            path,
            host: String::new(),
            service: String::new(),
            replaceable: false,
        });
    }
    for (index, rule) in spec["rules"].as_array().into_iter().flatten().enumerate() {
        let service = rule
            .pointer("/http/paths/0/backend/service/name")
            .and_then(Value::as_str);
        found.push(Asked {
            path: [
                "spec".to_owned(),
                "rules".to_owned(),
                index.to_string(),
                "host".to_owned(),
            ]
            .into(),
            host: rule["host"].as_str().unwrap_or_default().to_owned(),
            service: service.unwrap_or_default().to_owned(),
            replaceable: true,
        });
    }
    for (index, tls) in spec["tls"].as_array().into_iter().flatten().enumerate() {
        for (at, host) in tls["hosts"].as_array().into_iter().flatten().enumerate() {
            let path = ["spec", "tls", &index.to_string(), "hosts", &at.to_string()]
                .map(str::to_owned)
                .into();
            let host = host.as_str().unwrap_or_default().to_owned();
            found.push(Asked {
                path,
                host,
                service: String::new(),
                replaceable: true,
            });
        }
    }
    found
}

/// Hosts of a route of the Gateway API; without any it takes every host of its Gateway.
fn route(spec: &Value) -> Vec<Asked> {
    let service = spec
        .pointer("/rules/0/backendRefs/0/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let hosts = spec["hostnames"].as_array().filter(|hosts| !hosts.is_empty());
    let asked = |path: Vec<String>, host: &str| Asked {
        path,
        host: host.to_owned(),
        service: service.to_owned(),
        replaceable: true,
    };
    match hosts {
        None => vec![asked(["spec", "hostnames"].map(str::to_owned).into(), "")],
        Some(hosts) => hosts
            .iter()
            .enumerate()
            .map(|(index, host)| {
                let path = ["spec".to_owned(), "hostnames".to_owned(), index.to_string()].into();
                asked(path, host.as_str().unwrap_or_default())
            })
            .collect(),
    }
}

fn search(value: &Value, path: &mut Vec<String>, field: &str, found: &mut Vec<Asked>) {
    match value {
        Value::String(text) => {
            let hosts: Vec<&str> = if FIELDS.contains(&field) {
                named(text)
            } else if field == "match" {
                in_match(text)
            } else {
                Vec::new()
            };
            found.extend(hosts.into_iter().map(|host| Asked {
                path: path.clone(),
                host: host.to_owned(),
                service: String::new(),
                replaceable: false,
            }));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                search(item, path, field, found);
                path.pop();
            }
        }
        Value::Object(fields) => {
            for (key, inner) in fields {
                path.push(key.clone());
                search(inner, path, key, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The hosts that the text of a field names. It may be a URL with a password in it: only what is certainly a host is taken.
fn named(text: &str) -> Vec<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '*' | '_');
    if text.chars().all(plain) {
        return vec![text];
    }
    let url = text.contains("//") || text.contains('@');
    let parts = host::candidates(text).filter(|part| part.text.contains('.') && (!url || part.is_placed()));
    // What stands before an `@` is no host, however much it looks like one.
    let after = text.rfind('@').map_or(0, |at| at + 1);
    parts
        .filter(|part| part.text.as_ptr() as usize - text.as_ptr() as usize >= after)
        .map(|part| part.text)
        .collect()
}

/// Hosts of a rule as Traefik writes it, its matchers in any case: ``Host(`a`, `b`) && PathPrefix(`/`)``. One without any takes
/// every host. Source: <https://doc.traefik.io/traefik/routing/routers/#rule>.
fn in_match(text: &str) -> Vec<&str> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for matcher in ["host(", "hostsni(", "hostregexp(", "hostheader("] {
        for (at, _) in lower.match_indices(matcher) {
            let inside = text[at + matcher.len()..].split(')').next().unwrap_or_default();
            found.extend(inside.split(['`', '"', ',', ' ']).filter(|host| !host.is_empty()));
        }
    }
    let of_a_path = [
        "path(",
        "pathprefix(",
        "pathregexp(",
        "headers(",
        "method(",
        "query(",
    ];
    if found.is_empty() && of_a_path.iter().any(|matcher| lower.contains(matcher)) {
        found.push("");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_of_traefik_names_its_hosts() {
        assert_eq!(
            in_match("Host(`a.x`, `b.x`) && PathPrefix(`/c.x`)"),
            ["a.x", "b.x"]
        );
        assert_eq!(in_match("HOST(`a.x`)"), ["a.x"]);
        assert_eq!(in_match("PathPrefix(`/`)"), [""]);
        assert!(in_match("no matcher at all").is_empty());
    }

    #[test]
    fn a_password_is_no_host() {
        assert_eq!(
            named("amqp://app:s3cret.Passw0rd@rabbit.other.example:5672"),
            ["rabbit.other.example"]
        );
        assert_eq!(named("https://shop.example.com/x.y"), ["shop.example.com"]);
        assert_eq!(named("*.example.com"), ["*.example.com"]);
    }
}
