//! Who acts on the bed: people by tokens the API server is started with, ServiceAccounts by tokens it mints.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

/// The people of a bed. Each is a context of its kubeconfig.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// In `system:masters`: may do everything, and is exempt from Understudy.
    Admin,
    /// In `developers`: may make namespaces and read policies; what Understudy is for.
    Developer,
    /// Another of `developers`, for what one must not do to the other.
    Developer2,
    /// Has no rights but those of everybody who is authenticated.
    Outsider,
}

impl User {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Developer, Self::Developer2, Self::Outsider];

    /// The user's name, which is the context's too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Developer2 => "developer2",
            Self::Outsider => "outsider",
        }
    }

    /// The group beside `system:authenticated`, if any.
    pub(super) fn group(self) -> &'static str {
        match self {
            Self::Admin => "system:masters",
            Self::Developer | Self::Developer2 => "developers",
            Self::Outsider => "",
        }
    }
}

/// A token nobody guesses.
pub fn token() -> String {
    hex::encode(rand::random::<[u8; 20]>())
}

/// A client that acts as the user of this context.
pub async fn client(kubeconfig: &Path, context: &str) -> Result<Client> {
    Client::try_from(config(kubeconfig, context).await?).context("failed to make a client")
}

/// A client by which the user of this context impersonates `user`, as one of the group that may do everything.
pub async fn impersonating(kubeconfig: &Path, context: &str, user: &str) -> Result<Client> {
    let mut config = config(kubeconfig, context).await?;
    config.auth_info.impersonate = Some(user.to_owned());
    config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
    Client::try_from(config).context("failed to make a client")
}

async fn config(kubeconfig: &Path, context: &str) -> Result<Config> {
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..KubeConfigOptions::default()
    };
    let file = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("failed to read {}", kubeconfig.display()))?;
    Ok(Config::from_custom_kubeconfig(file, &options).await?)
}

/// Has a token minted for a ServiceAccount, good for longer than any bed is kept.
pub async fn mint(admin: Client, namespace: &str, name: &str) -> Result<String> {
    const A_YEAR: i64 = 365 * 24 * 3600;
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(A_YEAR),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let accounts: Api<ServiceAccount> = Api::namespaced(admin, namespace);
    let answer = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await
        .with_context(|| format!("failed to mint a token for the ServiceAccount {namespace}/{name}"))?;
    answer
        .status
        .map(|status| status.token)
        .context("the API server answered a token request without a token")
}
