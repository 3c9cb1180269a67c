//! Whether a preview's URL answers.

use crate::error::{Exit, Failure};
use crate::progress::Progress;
use crate::web::{AGENT, Unreached, Web, spread};
use http::{Request, StatusCode, Uri, header};
use http_body_util::Empty;
use serde_json::json;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::{Instant, sleep, timeout};

/// How long a resolver may take.
const RESOLVED: Duration = Duration::from_secs(4);

/// What came of waiting for a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answering {
    /// It answers.
    Yes,
    /// This machine does not know its name, and so cannot tell.
    Unknown,
}

/// What holds a URL back.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Holdup {
    /// There is no answer.
    Unreached(Unreached),
    /// The answer is not the program's.
    Status(StatusCode),
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
        }
    }

    /// The command to type next.
    fn hint(&self, namespace: &str) -> String {
        let routes = format!("kubectl get ingress,service,endpointslices --namespace {namespace}");
        match self {
            Holdup::Unreached(Unreached::Unresolved) => {
                "make the name known: a DNS record for *.DOMAIN that leads to the ingress controller"
                    .to_owned()
            }
            Holdup::Unreached(Unreached::Certificate(_)) => format!(
                "kubectl get ingress,secrets --namespace {namespace}; SSL_CERT_FILE names authorities of your own"
            ),
            _ => routes,
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

/// Asks `url` of the preview `name` until it answers; less and less often.
pub(super) async fn poll(
    web: &Web,
    url: &str,
    name: &str,
    patience: Patience,
    progress: &Progress,
) -> Result<Answering, Failure> {
    let Patience {
        timeout,
        pause,
        insist,
    } = patience;
    progress.begin(&format!("waiting for {url}"), 0);
    let started = Instant::now();
    let (mut said, mut next) = (String::new(), pause);
    loop {
        let Err(holdup) = look(web, url).await else {
            progress.done(
                &format!("{url} answers after {:.0?}", started.elapsed()),
                json!({ "event": "url", "url": url, "answers": true }),
            );
            return Ok(Answering::Yes);
        };
        let why = holdup.sentence();
        if said != why {
            progress.note(
                &format!("{url}: {why}"),
                json!({ "event": "url", "url": url, "answers": false, "why": why }),
            );
            said.clone_from(&why);
        }
        // A name that is unknown here is mostly known elsewhere, or nowhere by design: in either case waiting is in vain.
        if holdup == Holdup::Unreached(Unreached::Unresolved) && !insist {
            return Ok(Answering::Unknown);
        }
        if started.elapsed() + next > timeout {
            let what = format!("{url} does not answer after {} seconds", timeout.as_secs());
            return Err(Failure::new(Exit::NotInTime, what)
                .caused_by(format!("its workloads are ready, but {why}"))
                .hint(holdup.hint(name)));
        }
        sleep(spread(next)).await;
        next = (next * 2).min(pause * 8);
    }
}

/// A page, a way to another one, and a question who is there are all answers of the program.
async fn look(web: &Web, url: &str) -> Result<(), Holdup> {
    let broken = || Holdup::Unreached(Unreached::Broken("it is no address".to_owned()));
    let address: Uri = url.parse().map_err(|_| broken())?;
    let authority = address.authority().ok_or_else(broken)?;
    // Off every network a resolver is silent for longer than anybody waits: that, too, is a name that is not known here.
    let host = authority.host().trim_matches(['[', ']']);
    let found = timeout(RESOLVED, lookup_host((host, authority.port_u16().unwrap_or(443)))).await;
    if !matches!(found, Ok(Ok(_))) {
        return Err(Holdup::Unreached(Unreached::Unresolved));
    }
    let request = Request::get(format!("{}/", url.trim_end_matches('/')))
        .header(header::HOST, authority.as_str())
        .header(header::USER_AGENT, AGENT)
        .body(Empty::new())
        .map_err(|_| broken())?;
    let answer = web.ask(request).await.map_err(Holdup::Unreached)?;
    let status = answer.status;
    let asks_who = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if status.is_success() || status.is_redirection() || asks_who {
        Ok(())
    } else {
        Err(Holdup::Status(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Printer;
    use crate::stand_in::{Asked, Said, StandIn};

    async fn waited(url: &str, timeout: u64, insist: bool) -> Result<Answering, Failure> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let progress = Progress::new(&Printer::new(true, false), false);
        let patience = Patience {
            timeout: Duration::from_secs(timeout),
            pause: Duration::from_millis(5),
            insist,
        };
        poll(&Web::new().unwrap(), url, "shop-pr-7", patience, &progress).await
    }

    #[tokio::test]
    async fn a_url_is_asked_until_the_program_answers() {
        let server = StandIn::start(|_: &Asked, count| Said::new([503, 404, 200][count.min(2)])).await;
        let url = format!("http://{}", server.authority());
        assert_eq!(waited(&url, 20, false).await, Ok(Answering::Yes));
        assert_eq!(server.asked().len(), 3);
        for status in [302, 401] {
            let server = StandIn::start(move |_: &Asked, _| Said::new(status)).await;
            let url = format!("http://{}", server.authority());
            assert_eq!(waited(&url, 20, false).await, Ok(Answering::Yes), "{status}");
        }
    }

    #[tokio::test]
    async fn what_holds_a_url_back_is_one_sentence_with_a_command() {
        let server = StandIn::start(|_: &Asked, _| Said::new(503)).await;
        let failure = waited(&format!("http://{}", server.authority()), 0, false)
            .await
            .unwrap_err();
        assert_eq!(failure.exit, Exit::NotInTime);
        assert!(
            failure.causes[0].contains("503: the route leads to no Pod"),
            "{failure:?}"
        );
        assert!(failure.hint.unwrap().contains("--namespace shop-pr-7"));
        // It speaks no TLS.
        let failure = waited(&format!("https://{}", server.authority()), 0, false)
            .await
            .unwrap_err();
        assert!(failure.causes[0].contains("does not speak TLS"), "{failure:?}");
        // Nobody listens on the first port.
        let failure = waited("http://127.0.0.1:1", 0, false).await.unwrap_err();
        assert!(
            failure.causes[0].contains("refuses the connection"),
            "{failure:?}"
        );
    }

    #[tokio::test]
    async fn a_name_that_is_unknown_here_is_waited_for_only_on_request() {
        // Reserved never to be known: RFC 6761, 6.4.
        let url = "https://shop-pr-7.understudy.invalid";
        assert_eq!(waited(url, 20, false).await, Ok(Answering::Unknown));
        let failure = waited(url, 0, true).await.unwrap_err();
        assert!(
            failure.causes[0].contains("its name does not resolve"),
            "{failure:?}"
        );
    }
}
