//! Where a reviewer clicks: what Ingresses and HTTPRoutes of a preview serve.

use super::context::Context;
use super::error::{Error, failed};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::ListParams;
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use understudy::names;
use understudy::preview::Preview;
use understudy::routes::{GatewayName, Routes, http_route, typed};

/// Whether any HTTPRoute was ever seen: where the Gateway API is not installed, nobody asks for its routes.
#[derive(Default)]
pub struct HttpRoutes(AtomicBool);

impl HttpRoutes {
    /// There is one.
    pub fn seen(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether there was one.
    pub fn are_served(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The URL of a host that belongs to `preview` and is routed to, the main one before all others.
pub async fn url(context: &Context, preview: &Preview, domain: &str) -> Result<Option<String>, Error> {
    if domain.is_empty() {
        return Ok(None);
    }
    let mut found = routes(context, preview, ApiResource::erase::<Ingress>(&())).await?;
    if context.http_routes.are_served() {
        found.extend(routes(context, preview, http_route()).await?);
    }
    let routes = Routes::new(&found);
    let main = names::main_host(&preview.name, domain);
    let own = routes
        .hosts()
        .into_iter()
        .filter(|host| names::owns_host(&preview.name, domain, host));
    let Some(host) = own.min_by_key(|host| (*host != main, *host)) else {
        return Ok(None);
    };
    let gateways = gateways(context, routes.gateways(host)).await?;
    Ok(Some(routes.url(host, &gateways)))
}

/// Of more routes than this one suffices for a link.
const LOOKED_AT: u32 = 100;

/// Routes of one kind. None where the kind is not served any more.
async fn routes(
    context: &Context,
    preview: &Preview,
    resource: ApiResource,
) -> Result<Vec<DynamicObject>, Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &preview.name, &resource);
    match api.list(&ListParams::default().limit(LOOKED_AT)).await {
        Ok(found) => Ok(typed(found.items, &resource)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(failed("list the preview's routes")(error)),
    }
}

/// Those of `wanted` that there are.
async fn gateways(context: &Context, wanted: BTreeSet<GatewayName>) -> Result<Vec<DynamicObject>, Error> {
    let reads = wanted.into_iter().map(|gateway| async move {
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.client.clone(), &gateway.namespace, &gateway.resource());
        match api.get(&gateway.name).await {
            Ok(gateway) => Ok(Some(gateway)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(failed("read a Gateway")(error)),
        }
    });
    let read = futures::future::try_join_all(reads).await?;
    Ok(read.into_iter().flatten().collect())
}
