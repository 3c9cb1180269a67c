//! Why a reconcile has to be tried again.

/// Why a reconcile has to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or is away.
    #[error("failed to {what}: {}", said(source))]
    Kube {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// A database server refused or is away.
    #[error(transparent)]
    Provider(#[from] crate::provider::ProviderError),
}

/// What the API server said, in its own words.
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// Names what was tried.
pub fn failed(what: &'static str) -> impl Fn(kube::Error) -> Error {
    move |source| Error::Kube {
        what,
        source: Box::new(source),
    }
}
