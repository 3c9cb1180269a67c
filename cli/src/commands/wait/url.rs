//! Whether a preview's URL answers.

use crate::error::{Exit, Failure};
use crate::progress::Progress;
use crate::web::{AGENT, Answer, Unreached, Web, spread};
use http::{Request, StatusCode, Uri, header};
use http_body_util::Empty;
use serde_json::json;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::{Instant, sleep, timeout};

/// How long a resolver may take.
const RESOLVED: Duration = Duration::from_secs(4);

/// How often one answer may lead to the next, as browsers have it.
const HOPS: usize = 20;

/// The page that is waited for.
pub struct Page<'p> {
    /// The preview.
    pub name: &'p str,
    /// Where it is reached.
    pub url: &'p str,
    /// The preview's hosts.
    pub hosts: &'p [String],
    /// Whether a host is the golden's.
    pub is_golden: &'p dyn Fn(&str) -> bool,
    /// Whether it has Ingresses.
    pub has_ingresses: bool,
    /// Whether it has routes of the Gateway API.
    pub has_routes: bool,
}

impl Page<'_> {
    /// Whether `host` is the preview's.
    fn owns(&self, host: &str) -> bool {
        let first = self.url.parse::<Uri>().ok();
        let first = first.as_ref().and_then(Uri::host);
        let mut own = self.hosts.iter().map(String::as_str).chain(first);
        own.any(|own| own.eq_ignore_ascii_case(host))
    }

    /// Kinds of its routes, as kubectl takes them.
    fn kinds(&self) -> &'static str {
        match (self.has_ingresses, self.has_routes) {
            (true, true) => "ingress,httproutes",
            (false, true) => "httproutes",
            _ => "ingress",
        }
    }
}

/// What came of waiting for a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answering {
    /// It answers.
    Yes,
    /// It cannot be told from here, for this reason.
    Unknown(String),
}

/// What holds a URL back.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holdup {
    /// There is no answer.
    Unreached(Unreached),
    /// The answer is not the program's.
    Status(StatusCode),
    /// Whoever follows it ends at this host, which is neither the preview's nor the golden's.
    Elsewhere(String),
    /// Whoever follows it ends in the golden, at this host.
    Golden(String),
    /// Whoever follows it ends nowhere.
    Circle,
}

impl Holdup {
    fn sentence(&self) -> String {
        match self {
            Holdup::Unreached(why) => why.to_string(),
            Holdup::Status(StatusCode::NOT_FOUND) => {
                "it answers 404: no route leads to it yet, or there is no page at /".to_owned()
            }
            Holdup::Status(StatusCode::SERVICE_UNAVAILABLE) => {
                "it answers 503: the route leads to no Pod that is ready".to_owned()
            }
            Holdup::Status(status) => format!("it answers {}", status.as_u16()),
            Holdup::Elsewhere(host) => format!("it redirects to {host}, which is no host of the preview"),
            Holdup::Golden(host) => {
                format!(
                    "it redirects to {host}, a host of the golden: something in the preview still carries that"
                )
            }
            Holdup::Circle => format!("it redirects more than {HOPS} times"),
        }
    }

    /// After how many pauses it is settled that waiting cannot tell, if it ever is. A name that is unknown here is mostly known
    /// elsewhere, or nowhere by design. What asks people in somewhere else does so for good, unless it is what answers in place
    /// of a route that is not there yet.
    fn settled_after(&self) -> Option<u32> {
        match self {
            Holdup::Unreached(Unreached::Unresolved) => Some(0),
            Holdup::Elsewhere(_) => Some(12),
            _ => None,
        }
    }

    /// The command to type next.
    fn hint(&self, page: &Page<'_>) -> String {
        let (kinds, namespace) = (page.kinds(), page.name);
        match self {
            Holdup::Unreached(Unreached::Unresolved) => {
                "make the name known: a DNS record for *.DOMAIN that leads to what serves it".to_owned()
            }
            Holdup::Unreached(Unreached::Certificate(_)) => format!(
                "kubectl get {kinds},secrets --namespace {namespace}; SSL_CERT_FILE names authorities of your own"
            ),
            Holdup::Golden(host) => format!(
                "understudy verify {namespace} says what carries {host}; give it another value with --set-env"
            ),
            _ => format!("kubectl get {kinds},service,endpointslices --namespace {namespace}"),
        }
    }
}

/// How a URL is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For how long.
    pub timeout: Duration,
    /// How long to leave it alone at first.
    pub pause: Duration,
    /// Also where its name is not known here.
    pub insist: bool,
}

/// Asks for `page` until it answers; less and less often. `unserved` is what a Gateway has against it.
pub(super) async fn poll(
    web: &Web,
    page: &Page<'_>,
    unserved: impl AsyncFn() -> Option<String>,
    patience: Patience,
    progress: &Progress,
) -> Result<Answering, Failure> {
    let Patience {
        timeout,
        pause,
        insist,
    } = patience;
    let url = page.url;
    progress.begin(&format!("waiting for {url}"), 0);
    let started = Instant::now();
    let (mut said, mut since, mut next) = (String::new(), started, pause);
    loop {
        let holdup = match look(web, page).await {
            Ok(status) => {
                let login = if status.is_success() {
                    ""
                } else {
                    " and asks for a login"
                };
                progress.done(
                    &format!("{url} answers after {:.0?}{login}", started.elapsed()),
                    json!({ "event": "url", "url": url, "answers": true, "status": status.as_u16() }),
                );
                return Ok(Answering::Yes);
            }
            Err(holdup) => holdup,
        };
        let mut why = holdup.sentence();
        if let Some(unserved) = unserved().await {
            why = format!("{why}; {unserved}");
        }
        if said != why {
            progress.note(
                &format!("{url}: {why}"),
                json!({ "event": "url", "url": url, "answers": false, "why": why }),
            );
            said.clone_from(&why);
            since = Instant::now();
        }
        let settled = holdup
            .settled_after()
            .is_some_and(|pauses| since.elapsed() >= pause * pauses);
        if settled && !insist {
            return Ok(Answering::Unknown(why));
        }
        if started.elapsed() + next > timeout {
            let what = format!("{url} does not answer after {} seconds", timeout.as_secs());
            return Err(Failure::new(Exit::NotInTime, what)
                .caused_by(format!("its workloads are ready, but {why}"))
                .hint(holdup.hint(page)));
        }
        sleep(spread(next)).await;
        next = (next * 2).min(pause * 8);
    }
}

/// A page, and a question who is there, are answers of the program; a way to another page counts by where it ends.
async fn look(web: &Web, page: &Page<'_>) -> Result<StatusCode, Holdup> {
    let broken = || Holdup::Unreached(Unreached::Broken("it is no address".to_owned()));
    let mut address: Uri = format!("{}/", page.url.trim_end_matches('/'))
        .parse()
        .map_err(|_| broken())?;
    for _ in 0..=HOPS {
        let answer = ask(web, &address).await?;
        let status = answer.status;
        let asks_who = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if status.is_success() || asks_who {
            return Ok(status);
        }
        let location = answer
            .headers
            .get(header::LOCATION)
            .and_then(|to| to.to_str().ok());
        let Some(location) = location.filter(|_| status.is_redirection()) else {
            return Err(Holdup::Status(status));
        };
        address = resolve(&address, location).ok_or(Holdup::Status(status))?;
        let host = address
            .host()
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_ascii_lowercase();
        if !page.owns(&host) {
            return Err(match (page.is_golden)(&host) {
                true => Holdup::Golden(host),
                false => Holdup::Elsewhere(host),
            });
        }
    }
    Err(Holdup::Circle)
}

async fn ask(web: &Web, address: &Uri) -> Result<Answer, Holdup> {
    let broken = || Holdup::Unreached(Unreached::Broken("it is no address".to_owned()));
    let authority = address.authority().ok_or_else(broken)?;
    // Off every network a resolver is silent for longer than anybody waits: that, too, is a name that is not known here.
    let host = authority.host().trim_matches(['[', ']']);
    let found = timeout(RESOLVED, lookup_host((host, authority.port_u16().unwrap_or(443)))).await;
    if !matches!(found, Ok(Ok(_))) {
        return Err(Holdup::Unreached(Unreached::Unresolved));
    }
    let request = Request::get(address.clone())
        .header(header::HOST, authority.as_str())
        .header(header::USER_AGENT, AGENT)
        .body(Empty::new())
        .map_err(|_| broken())?;
    web.ask(request).await.map_err(Holdup::Unreached)
}

/// Where `location` leads from `base`. Source: RFC 9110, 10.2.2, and RFC 3986, 5.2; `..` in a path is the server's business.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let path = base.path();
    let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
    let whole = match location {
        whole if whole.contains("://") && !whole.starts_with(['/', '?']) => whole.to_owned(),
        other_host if other_host.starts_with("//") => format!("{scheme}:{other_host}"),
        absolute if absolute.starts_with('/') => format!("{scheme}://{authority}{absolute}"),
        query if query.is_empty() || query.starts_with('?') => {
            format!("{scheme}://{authority}{path}{query}")
        }
        relative => format!("{scheme}://{authority}{folder}{relative}"),
    };
    let address: Uri = whole.parse().ok()?;
    let known = matches!(address.scheme_str(), Some("http" | "https"));
    address.host().is_some().then_some(address).filter(|_| known)
}

#[cfg(test)]
mod tests;
