//! `/livez`, `/readyz` and `/metrics`, over plain HTTP on an address of their own.
//!
//! Readiness by handles: each component takes one and says when it is up; ready means all of them are, and none again
//! once stopping has begun. A component that is up may have something to say (what it has is old): that is told, and
//! changes nothing, since whoever is asked instead would not know more.

use crate::facts::Freshness;
use crate::http::{Answer, Counts, Limits, Listener, Reply, Season, reply, text};
use crate::metrics::Metrics;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Probes and scrapers are few. Whatever else comes has to leave them a place.
const CONNECTIONS: usize = 64;

/// Who is up.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, bool>>>);

impl Readiness {
    /// A component that is not up yet.
    pub fn handle(&self, component: &'static str) -> Handle {
        self.set(component, false);
        Handle {
            readiness: self.clone(),
            component,
        }
    }

    fn set(&self, component: &'static str, up: bool) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(component, up);
    }

    fn waiting_for(&self) -> Vec<&'static str> {
        let components = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        components
            .iter()
            .filter(|(_, up)| !**up)
            .map(|(component, _)| *component)
            .collect()
    }
}

/// One component's word.
#[derive(Clone, Debug)]
pub struct Handle {
    readiness: Readiness,
    component: &'static str,
}

impl Handle {
    /// It is up, or no longer.
    pub fn set(&self, up: bool) {
        self.readiness.set(self.component, up);
    }
}

/// What health is told from.
pub struct Health {
    /// Who is up.
    pub readiness: Readiness,
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// How old the facts are.
    pub freshness: Arc<Freshness>,
    /// Becomes `true` at the first signal.
    pub stopping: watch::Receiver<bool>,
}

/// Binds `address` and answers until the process ends.
pub async fn start(address: SocketAddr, health: Health) -> std::io::Result<()> {
    let limits = Limits {
        connections: CONNECTIONS,
        ..Limits::default()
    };
    let listener = Listener::bind(address, limits, Counts::default()).await?;
    tracing::info!(address = %listener.address()?, "answering health");
    tokio::spawn(async move {
        let (_never_closed, season) = watch::channel(Season::Open);
        listener.serve(health, None, season).await;
    });
    Ok(())
}

impl Answer for Health {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "ok"),
            "/readyz" => self.ready(),
            "/metrics" => {
                self.metrics.facts_are(&self.freshness);
                reply(StatusCode::OK, OPEN_METRICS, self.metrics.text())
            }
            _ => text(StatusCode::NOT_FOUND, "/livez, /readyz and /metrics are here"),
        }
    }
}

impl Health {
    fn ready(&self) -> Reply {
        let (waiting, stale) = (self.readiness.waiting_for(), self.freshness.stale());
        if *self.stopping.borrow() {
            text(StatusCode::SERVICE_UNAVAILABLE, "stopping")
        } else if waiting.is_empty() && stale.is_empty() {
            text(StatusCode::OK, "ok")
        } else if waiting.is_empty() {
            text(StatusCode::OK, format!("ok, from memory: {stale}"))
        } else {
            let waiting = format!("waiting for {}", waiting.join(", "));
            text(StatusCode::SERVICE_UNAVAILABLE, waiting)
        }
    }
}
