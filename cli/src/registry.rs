//! Registries of images: whether a tag is there, and what its digest is.
//!
//! Sources: <https://github.com/opencontainers/distribution-spec/blob/main/spec.md> and
//! <https://distribution.github.io/distribution/spec/auth/token/>.
//!
//! Guarantees: nothing is pulled, only asked for. A password goes to the registry it is for, and to the token server which
//! that registry names, over TLS; no error holds one, nor anything that a server wrote.

mod challenge;
mod credentials;
mod reference;
mod settle;
#[cfg(test)]
mod tests;

pub use credentials::Keyring;
pub use settle::{Patience, settle};

/// Whether `image` is named by its digest already.
pub fn is_pinned(image: &str) -> bool {
    Reference::new(image).is_pinned()
}

use crate::web::{AGENT, Answer, Unreached, Web, retry_after};
use challenge::Challenge;
use credentials::Credential;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reference::{Reference, is_loopback};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Every form a manifest may have: an index, since a tag of several platforms is one; newest first.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";
/// Where the digest stands.
const DIGEST: &str = "docker-content-digest";
/// A registry may store its manifests elsewhere, but not far.
const REDIRECTS: usize = 3;

/// Why a registry does not say what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It passes; the registry may say when.
    Passing(String, Option<Duration>),
    /// The registry does not let this user in.
    Denied(String),
    /// It does not pass by itself.
    Lasting(String),
}

/// A client of every registry.
pub struct Registries {
    web: Web,
    keyring: Keyring,
    /// What opened a repository, as long as it does.
    opened: Mutex<BTreeMap<String, HeaderValue>>,
}

/// What a token server answers; some call it by its OAuth name.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registries {
    /// A client that may show what is in `keyring`.
    pub fn new(keyring: Keyring) -> Result<Self, String> {
        Ok(Registries {
            web: Web::new()?,
            keyring,
            opened: Mutex::default(),
        })
    }

    /// The digest of `image`; `None` where the registry has no such tag.
    async fn digest(&self, image: &Reference) -> Result<Option<String>, Trouble> {
        let credentials = self.keyring.of(image);
        let mut found = self.look(image, credentials.first().copied()).await;
        // A node would try the next one, too.
        for credential in credentials.into_iter().skip(1) {
            if !matches!(found, Err(Trouble::Denied(_))) {
                break;
            }
            found = self.look(image, Some(credential)).await;
        }
        found
    }

    async fn look(
        &self,
        image: &Reference,
        credential: Option<&Credential>,
    ) -> Result<Option<String>, Trouble> {
        let place = format!("{}/{}", image.registry, image.repository);
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let mut authorization = opened().get(&place).cloned();
        let mut answer = self.manifest(Method::HEAD, image, authorization.as_ref()).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let shown = self.authorize(&answer, image, credential).await?;
            answer = self.manifest(Method::HEAD, image, Some(&shown)).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                opened().insert(place, shown.clone());
            }
            authorization = Some(shown);
        }
        match answer.status {
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(denied(&image.registry, answer.status, credential));
            }
            StatusCode::OK => {}
            _ => return Err(unexpected(&image.registry, &answer)),
        }
        let said = answer.headers.get(DIGEST).and_then(|value| value.to_str().ok());
        let digest = match said {
            Some(digest) => digest.to_owned(),
            // Not every registry says so when it is only asked for the head.
            None => {
                let whole = self.manifest(Method::GET, image, authorization.as_ref()).await?;
                if whole.status != StatusCode::OK {
                    return Err(unexpected(&image.registry, &whole));
                }
                format!("sha256:{}", hex::encode(Sha256::digest(&whole.body)))
            }
        };
        // It is written into workloads.
        if is_digest(&digest) {
            Ok(Some(digest))
        } else {
            Err(Trouble::Lasting(format!(
                "{} answers with a digest that is none",
                image.registry
            )))
        }
    }

    /// Asks for a manifest, wherever the registry keeps it.
    async fn manifest(
        &self,
        method: Method,
        image: &Reference,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Trouble> {
        let origin = image.origin();
        let mut url = format!("{origin}/v2/{}/manifests/{}", image.repository, image.version);
        let mut authorization = authorization;
        for _ in 0..=REDIRECTS {
            let answer = self
                .ask(&image.registry, method.clone(), &url, authorization)
                .await?;
            let location = answer
                .headers
                .get(header::LOCATION)
                .filter(|_| answer.status.is_redirection());
            let Some(location) = location.and_then(|value| value.to_str().ok()) else {
                return Ok(answer);
            };
            if location.starts_with('/') && !location.starts_with("//") {
                url = format!("{origin}{location}");
                continue;
            }
            // What opens a registry is not for others, and nothing is asked in clear after it was asked by TLS.
            if !location.starts_with("https://") && !origin.starts_with("http://") {
                break;
            }
            if location
                .strip_prefix(&origin)
                .is_none_or(|rest| !rest.starts_with('/'))
            {
                authorization = None;
            }
            url = location.to_owned();
        }
        Err(Trouble::Lasting(format!(
            "{} leads from one place to another",
            image.registry
        )))
    }

    /// What answers the registry's challenge.
    async fn authorize(
        &self,
        refusal: &Answer,
        image: &Reference,
        credential: Option<&Credential>,
    ) -> Result<HeaderValue, Trouble> {
        let basic = credential.and_then(Credential::header);
        let (realm, service, scope) = match Challenge::of(&refusal.headers) {
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => (realm, service, scope),
            Some(Challenge::Basic) => {
                return basic.ok_or_else(|| denied(&image.registry, refusal.status, credential));
            }
            None => return Err(denied(&image.registry, refusal.status, credential)),
        };
        let unusable = || {
            Trouble::Lasting(format!(
                "{} names no token server that may be asked",
                image.registry
            ))
        };
        let host = realm.parse::<Uri>().ok();
        let host = host.as_ref().and_then(Uri::authority).ok_or_else(unusable)?;
        let plainly =
            realm.starts_with("http://") && is_loopback(host.as_str()) && is_loopback(&image.registry);
        if !realm.starts_with("https://") && !plainly {
            return Err(unusable());
        }
        let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", image.repository));
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let separator = if realm.contains('?') { '&' } else { '?' };
        let mut url = format!("{realm}{separator}scope={}", encoded(&scope));
        if let Some(service) = service {
            url.push_str(&format!("&service={}", encoded(&service)));
        }
        let answer = self.ask(host.as_str(), Method::GET, &url, basic.as_ref()).await?;
        match answer.status {
            StatusCode::OK => {}
            // What tells a wrong password from a repository that is closed is not told to strangers.
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND => {
                return Err(denied(&image.registry, answer.status, credential));
            }
            _ => return Err(unexpected(host.as_str(), &answer)),
        }
        let token = serde_json::from_slice::<Token>(&answer.body).ok();
        let token = token.and_then(|token| token.token.or(token.access_token));
        let header = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
        let mut header =
            header.ok_or_else(|| Trouble::Lasting(format!("{host} answers with a token that is none")))?;
        header.set_sensitive(true);
        Ok(header)
    }

    async fn ask(
        &self,
        host: &str,
        method: Method,
        url: &str,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Trouble> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::ACCEPT, ACCEPT)
            .header(header::USER_AGENT, AGENT);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request
            .body(Empty::new())
            .map_err(|_| Trouble::Lasting(format!("{host} leads to an address that is none")))?;
        self.web.ask(request).await.map_err(|why| {
            let text = format!("{host} cannot be reached: {why}");
            match why {
                Unreached::Refused | Unreached::Silent | Unreached::Broken(_) => Trouble::Passing(text, None),
                Unreached::Unresolved | Unreached::Certificate(_) | Unreached::NoTls(_) => {
                    Trouble::Lasting(text)
                }
            }
        })
    }
}

fn denied(registry: &str, status: StatusCode, credential: Option<&Credential>) -> Trouble {
    let shown = match credential {
        Some(credential) => format!("although it was shown the credentials in {}", credential.source),
        None => "and there are no credentials for it".to_owned(),
    };
    Trouble::Denied(format!("{registry} answers {}, {shown}", status.as_u16()))
}

fn unexpected(host: &str, answer: &Answer) -> Trouble {
    let status = answer.status;
    let text = format!("{host} answers {}", status.as_u16());
    if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        Trouble::Passing(text, retry_after(&answer.headers))
    } else {
        Trouble::Lasting(text)
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')))
}
