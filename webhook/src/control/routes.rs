//! Where a reviewer clicks.

use super::context::Context;
use super::error::{Error, failed};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::ListParams;
use understudy::names;
use understudy::preview::Preview;

/// The URL of the first Ingress host that belongs to `preview`, its main host before all others.
pub async fn url(context: &Context, preview: &Preview, domain: &str) -> Result<Option<String>, Error> {
    if domain.is_empty() {
        return Ok(None);
    }
    let api: Api<Ingress> = Api::namespaced(context.client.clone(), &preview.name);
    let found = api
        .list(&ListParams::default())
        .await
        .map_err(failed("list Ingresses"))?;
    let main = names::main_host(&preview.name, domain);
    let mut hosts: Vec<(bool, String)> = Vec::new();
    for spec in found.items.into_iter().filter_map(|ingress| ingress.spec) {
        let tls = spec.tls.is_some_and(|tls| !tls.is_empty());
        let named = spec.rules.into_iter().flatten().filter_map(|rule| rule.host);
        hosts.extend(
            named
                .filter(|host| names::owns_host(&preview.name, domain, host))
                .map(|host| (tls, host)),
        );
    }
    hosts.sort_by_key(|(_, host)| (*host != main, host.clone()));
    let first = hosts.into_iter().next();
    Ok(first.map(|(tls, host)| format!("{}://{host}", if tls { "https" } else { "http" })))
}
