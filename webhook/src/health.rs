//! `/livez`, `/readyz` and `/metrics`, over plain HTTP on an address of their own.
//!
//! Readiness by handles: each component takes one and says when it is up; ready means all of them are, and none again
//! once stopping has begun.

use crate::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;

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
        self.0.lock().expect("no panic while held").insert(component, up);
    }

    fn waiting_for(&self) -> Vec<&'static str> {
        let components = self.0.lock().expect("no panic while held");
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

#[derive(Clone)]
struct Health {
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stopping: watch::Receiver<bool>,
}

/// Binds `address` and answers until stopping is complete (the task is dropped with the runtime).
pub async fn start(
    address: SocketAddr,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "answering health");
    let router = Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(Health {
            readiness,
            metrics,
            stopping,
        });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(())
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    let waiting = health.readiness.waiting_for();
    if *health.stopping.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned())
    } else if waiting.is_empty() {
        (StatusCode::OK, "ok".to_owned())
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("waiting for {}", waiting.join(", ")),
        )
    }
}

async fn metrics_text(State(health): State<Health>) -> impl IntoResponse {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, OPEN_METRICS)], health.metrics.text())
}
