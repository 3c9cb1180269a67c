//! From a kubeconfig to a client.

use super::Cluster;
use super::patience::patient;
use crate::error::{Exit, Failure};
use crate::settings::Connection;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use std::time::Duration;

/// Reads the kubeconfig and makes a client of it. Nothing is sent yet.
pub async fn connect(connection: &Connection) -> Result<Cluster, Failure> {
    let options = KubeConfigOptions {
        context: connection.context.clone(),
        ..KubeConfigOptions::default()
    };
    let config = match &connection.kubeconfig {
        Some(file) => match Kubeconfig::read_from(file) {
            Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
            Err(error) => Err(error),
        },
        None => Config::from_kubeconfig(&options).await,
    };
    let mut config = match config {
        Ok(config) => config,
        // Inside a Pod of a pipeline there is no file, but an identity.
        Err(error) if connection.kubeconfig.is_none() && connection.context.is_none() => {
            Config::incluster().map_err(|_| unusable(&error, connection))?
        }
        Err(error) => return Err(unusable(&error, connection)),
    };
    config.connect_timeout = Some(Duration::from_secs(5));
    config.default_retry = false;
    let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let client =
        Client::try_from(config).map_err(|error| super::explain("cannot use the kubeconfig", &error))?;
    Ok(Cluster {
        client: patient(client),
        url,
    })
}

fn unusable(error: &KubeconfigError, connection: &Connection) -> Failure {
    let failure = Failure::new(Exit::NoCluster, "there is no usable kubeconfig");
    match error {
        KubeconfigError::LoadContext(name) => failure
            .caused_by(format!("it has no context called {name}"))
            .hint("kubectl config get-contexts"),
        KubeconfigError::CurrentContextNotSet => failure
            .caused_by("it names no current context")
            .hint("kubectl config use-context NAME, or add --context NAME"),
        KubeconfigError::ReadConfig(error, path) => failure
            .caused_by(format!("{}: {error}", path.display()))
            .hint("export KUBECONFIG=FILE, or add --kubeconfig FILE"),
        // What the parser found would show a part of the file, and credentials stand in it.
        KubeconfigError::Parse(_) => failure
            .caused_by("the file is no YAML of a kubeconfig")
            .hint("kubectl config view --minify"),
        error => {
            let file = connection
                .kubeconfig
                .as_ref()
                .map(|file| format!("{}: ", file.display()))
                .unwrap_or_default();
            failure
                .caused_by(format!("{file}{error}"))
                .hint("kubectl config view --minify")
        }
    }
}
