//! A client that does no more than post: a process of its own that makes a preview's namespace, waits until it is let in,
//! and sends bytes that somebody else has prepared, as many at once as `understudy clone` does.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use http::Request;
use http::header::CONTENT_TYPE;
use kube::Client;
use serde_json::{Value, json};

/// As many as the command line has under way.
const PARALLEL: usize = 16;

/// How objects are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `POST`.
    Create,
    /// `PATCH` as server-side apply.
    Apply,
}

impl Verb {
    /// The argument that makes the bench send so.
    pub fn argument(self) -> &'static str {
        match self {
            Verb::Create => "--post=create",
            Verb::Apply => "--post=apply",
        }
    }

    /// What one has to be allowed for it.
    fn rights(self) -> &'static [&'static str] {
        match self {
            Verb::Create => &["create"],
            Verb::Apply => &["create", "patch"],
        }
    }
}

/// What to send, and how.
pub struct Order {
    verb: Verb,
    file: PathBuf,
}

/// The order in these arguments, if there is one.
pub fn order(arguments: &[String]) -> Option<Order> {
    let [first, file] = arguments else {
        return None;
    };
    let verb = [Verb::Create, Verb::Apply]
        .into_iter()
        .find(|verb| verb.argument() == first)?;
    Some(Order {
        verb,
        file: file.into(),
    })
}

/// Carries it out, and says on stderr when it begins to send and when it has sent everything.
///
/// The file has the namespace in its first line; in each other line the list that an object belongs to, its name, and itself.
pub fn post(order: Order) -> Result<()> {
    // As many threads as the command line has.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let text = std::fs::read_to_string(&order.file)?;
        let mut lines = text.lines();
        let namespace = lines.next().context("no namespace")?;
        let client = Client::try_default().await?;
        let lines: Vec<Line> = lines.map(Line::read).collect::<Result<_>>()?;
        let lists: BTreeSet<&str> = lines.iter().map(|line| line.list).collect();
        make(&client, namespace.as_bytes()).await?;
        access(&client, &lists, order.verb.rights()).await?;
        eprintln!("applying");
        let (client, verb) = (&client, order.verb);
        let sent = stream::iter(&lines).map(|line| async move { line.send(client, verb).await });
        let sent: Vec<()> = sent.buffer_unordered(PARALLEL).try_collect().await?;
        eprintln!("{} created", sent.len());
        Ok(())
    })
}

/// One object.
struct Line<'t> {
    list: &'t str,
    name: &'t str,
    body: &'t str,
}

impl<'t> Line<'t> {
    fn read(line: &'t str) -> Result<Self> {
        let mut parts = line.splitn(3, '\t');
        let mut part = || parts.next().context("half a line");
        Ok(Line {
            list: part()?,
            name: part()?,
            body: part()?,
        })
    }

    async fn send(&self, client: &Client, verb: Verb) -> Result<()> {
        let (list, name) = (self.list, self.name);
        loop {
            let request = match verb {
                Verb::Create => Request::post(format!("{list}?fieldManager=bench"))
                    .header(CONTENT_TYPE, "application/json"),
                Verb::Apply => Request::patch(format!("{list}/{name}?fieldManager=bench&force=true"))
                    .header(CONTENT_TYPE, "application/apply-patch+yaml"),
            };
            match client
                .request_text(request.body(self.body.as_bytes().to_vec())?)
                .await
            {
                Ok(_) => return Ok(()),
                // The namespace is young; the command line waits for this as well.
                Err(kube::Error::Api(status)) if status.message.contains("status unknown for quota") => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error).with_context(|| format!("failed to send {list}/{name}")),
            }
        }
    }
}

/// Makes a namespace.
pub async fn make(client: &Client, namespace: &[u8]) -> Result<()> {
    let request = Request::post("/api/v1/namespaces").header(CONTENT_TYPE, "application/json");
    client.request_text(request.body(namespace.to_vec())?).await?;
    Ok(())
}

/// Waits until one may do all of `verbs` in all of `lists`.
pub async fn access(client: &Client, lists: &BTreeSet<&str>, verbs: &[&str]) -> Result<()> {
    let asked = lists
        .iter()
        .flat_map(|list| verbs.iter().map(move |verb| (*list, *verb)));
    let asked = stream::iter(asked).map(|(list, verb)| async move {
        while !may(client, list, verb).await? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    });
    asked.buffer_unordered(PARALLEL).try_collect().await
}

async fn may(client: &Client, list: &str, verb: &str) -> Result<bool> {
    let parts: Vec<&str> = list.split('/').collect();
    let (group, namespace, resource) = match parts.as_slice() {
        ["", "api", _, _, namespace, resource] => ("", namespace, resource),
        ["", "apis", group, _, _, namespace, resource] => (*group, namespace, resource),
        _ => anyhow::bail!("{list} is no list"),
    };
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": { "resourceAttributes": {
        "namespace": namespace, "group": group, "resource": resource, "verb": verb } } });
    let request = Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
        .header(CONTENT_TYPE, "application/json");
    let answer: Value = client
        .request(request.body(serde_json::to_vec(&review)?)?)
        .await?;
    Ok(answer["status"]["allowed"] == true)
}
