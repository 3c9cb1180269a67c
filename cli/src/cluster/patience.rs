//! Patience with a busy API server: what it turns away is sent again when it says so, whatever request it was.
//!
//! Source: <https://kubernetes.io/docs/concepts/cluster-administration/flow-control/>: 429 with `Retry-After`, and whoever
//! was turned away together must not come back together. kube's own policy comes back at the very second, and waits for
//! minutes.

use crate::web::{retry_after, spread};
use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use tower::retry::{Policy, RetryLayer};
use tower::{Layer, service_fn};

/// How long one request is waited for in all.
const MOST: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// `client`, with patience.
pub fn patient(client: Client) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let client = client.clone();
        async move { client.send(request).await }
    });
    Client::new(RetryLayer::new(Patience::default()).layer(service), namespace)
}

/// How often one request was turned away, as time.
#[derive(Clone, Debug)]
struct Patience {
    waited: Duration,
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            waited: Duration::ZERO,
            pause: Duration::from_millis(100),
        }
    }
}

impl Patience {
    /// How long to leave the server alone after it `asked` for that; `None` where that would be too long.
    fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let pause = spread(asked.unwrap_or_default().max(self.pause));
        self.waited += pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        (self.waited <= MOST).then_some(pause)
    }
}

impl<B, E> Policy<Request<Body>, Response<B>, E> for Patience {
    type Future = Sleep;

    fn retry(&mut self, _: &mut Request<Body>, result: &mut Result<Response<B>, E>) -> Option<Sleep> {
        let answer = result.as_ref().ok()?;
        let (status, asked) = (answer.status(), retry_after(answer.headers()));
        let busy = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
        );
        // Any failure of the server's may say when it will be over.
        let passes = busy || (status.is_server_error() && asked.is_some());
        passes.then(|| self.next(asked)).flatten().map(sleep)
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let body = request.body().try_clone()?;
        let mut again = Request::new(body);
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.headers_mut() = request.headers().clone();
        *again.extensions_mut() = request.extensions().clone();
        Some(again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stand_in::{Asked, Said, StandIn};
    use k8s_openapi::api::core::v1::Namespace;
    use kube::api::{Api, Patch, PatchParams};
    use kube::{Config, Error};
    use serde_json::json;

    #[test]
    fn a_server_is_left_alone_as_long_as_it_asks_and_a_little_longer_but_not_forever() {
        let mut patience = Patience::default();
        let second = Duration::from_secs(1);
        let pauses: Vec<_> = (0..40).map_while(|_| patience.next(Some(second))).collect();
        assert!(
            pauses
                .iter()
                .all(|pause| (second..Duration::from_secs(8)).contains(pause))
        );
        assert!(pauses.iter().sum::<Duration>() <= MOST);
        assert_eq!(Patience::default().next(Some(MOST * 2)), None);
        let different: std::collections::BTreeSet<_> =
            (0..8).map(|_| Patience::default().next(Some(second))).collect();
        assert!(different.len() > 1, "all of them come back at once");
    }

    #[tokio::test]
    async fn what_a_busy_server_turned_away_is_sent_again_as_it_was() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = StandIn::start(|_: &Asked, count| match count {
            0 => Said::new(429).header("retry-after", "0"),
            1 => Said::new(500).header("retry-after", "0"),
            2 => {
                Said::new(200).body(r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}"#)
            }
            _ => Said::new(500)
                .body(r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 500}"#),
        })
        .await;
        let mut config = Config::new(format!("http://{}", server.authority()).parse().unwrap());
        config.default_retry = false;
        let api: Api<Namespace> = Api::all(patient(Client::try_from(config).unwrap()));
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "x" } });
        let params = PatchParams::apply("test");
        api.patch("x", &params, &Patch::Apply(&object)).await.unwrap();
        let types: Vec<_> = server
            .asked()
            .iter()
            .map(|asked| asked.header("content-type"))
            .collect();
        assert_eq!(types.len(), 3);
        assert!(
            types.iter().all(|kind| *kind == types[0] && kind.is_some()),
            "{types:?}"
        );
        // What failed is said at once.
        let failed = api.get("x").await.unwrap_err();
        assert!(
            matches!(failed, Error::Api(_)) && server.asked().len() == 4,
            "{failed:?}"
        );
    }
}
