//! The table of the contract, asked of the webhook and of the policy: every key, every way to write it, every route, every
//! user. Both have to say what the table says.

use std::collections::BTreeMap;
use std::fmt;

use futures::stream::{self, StreamExt};
use kube::Client;
use serde_json::{Value, json};
use understudy::contract::{KEYS, Key, Writer};
use understudy::keys;
use understudy::reason::Reason;
use understudy_tests::testbed::{Role, User};

use crate::mode::{Mode, turn};
use crate::stage::{self, Call, client, namespace, object, own};

/// Who answers in which mode.
const WEBHOOK: &str = "namespaces.understudy.dev";
const POLICY: &str = "understudy-contract";

/// What admission writes at birth and the policy cannot check: the first needs the PreviewPolicy and a clock, the second
/// the PreviewPolicy.
const ONLY_ADMISSION_KNOWS: [&str; 2] = [keys::EXPIRES_AT, keys::ENFORCEMENT];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Developer,
    Exempt,
    Controller,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// On a namespace that is born as a preview.
    Born,
    /// On a namespace that is no preview.
    Planted,
    Added,
    Changed,
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Route {
    Main,
    Status,
    Finalize,
}

/// One question.
#[derive(Clone, Copy)]
struct Case {
    key: &'static Key,
    way: Way,
    route: Route,
    who: Who,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} by {:?} through {:?}",
            self.key.name, self.way, self.who, self.route
        )
    }
}

/// The code of the refusal, or none where the key may be written so.
type Answer = Option<Reason>;

impl Case {
    fn all() -> Vec<Case> {
        let mut all = Vec::new();
        for key in KEYS {
            for who in [Who::Developer, Who::Exempt, Who::Controller] {
                // RBAC lets the controller make no namespace and write no subresource, whatever we say.
                let routes: &[Route] = match who {
                    Who::Controller => &[Route::Main],
                    _ => &[Route::Main, Route::Status, Route::Finalize],
                };
                if who != Who::Controller && key.name != keys::GOLDEN {
                    all.push(Case {
                        key,
                        way: Way::Born,
                        route: Route::Main,
                        who,
                    });
                }
                for &route in routes {
                    for way in [Way::Planted, Way::Added, Way::Changed, Way::Removed] {
                        let other = match key.name {
                            // That is adoption, or no change at all.
                            keys::PREVIEW => matches!(way, Way::Planted | Way::Added),
                            // A preview cannot be a golden, whoever asks.
                            keys::GOLDEN => way != Way::Planted,
                            // There is one value for it in this version.
                            keys::ON_EXPIRY => way == Way::Changed,
                            _ => false,
                        };
                        if !other {
                            all.push(Case { key, way, route, who });
                        }
                    }
                }
            }
        }
        all
    }

    /// What the table says.
    fn expected(&self) -> Answer {
        let Case { key, way, route, who } = *self;
        match (who, way) {
            (Who::Exempt, _) => None,
            (_, Way::Born) => match key.birth {
                Writer::Anyone => None,
                _ if key.reason == Reason::OwnerForged => Some(Reason::OwnerForged),
                _ => Some(Reason::FieldReserved),
            },
            _ if route != Route::Main => Some(match key.reason {
                // These are told apart before the route is looked at, except on a namespace that is no preview.
                Reason::LabelRemoved | Reason::PolicyChanged | Reason::ParentChanged
                    if way != Way::Planted =>
                {
                    key.reason
                }
                _ => Reason::FieldReserved,
            }),
            (Who::Controller, Way::Planted) => Some(Reason::IdentityConfined),
            (_, Way::Planted) => {
                let ours = key.is_reserved() || key.name == keys::GOLDEN;
                ours.then_some(Reason::FieldReserved)
            }
            (_, Way::Removed) if key.name == keys::EXPIRES_AT => Some(Reason::LeaseOutOfRange),
            _ => match key.later {
                Writer::Anyone => None,
                Writer::Controller if who == Who::Controller => None,
                _ => Some(key.reason),
            },
        }
    }

    /// Whether the webhook is asked.
    fn is_reviewed(&self) -> bool {
        self.route == Route::Main && self.way != Way::Planted
    }

    /// Nothing of this namespace is written: the question is a dry run.
    async fn ask(&self, clients: &BTreeMap<Who, Client>, names: &Names) -> Result<Value, kube::Error> {
        let client = &clients[&self.who];
        let (field, key) = (self.key.place.field(), whole(self.key));
        let value = match self.way {
            Way::Removed => Value::Null,
            Way::Changed => json!(values(self.key).1),
            _ => json!(values(self.key).0),
        };
        if self.way == Way::Born {
            let mut born = object(
                &stage::unique("born"),
                json!({ keys::PREVIEW: "true" }),
                json!({}),
            );
            born["metadata"][field][key] = value;
            return Call::post("/api/v1/namespaces", born).dry().by(client).await;
        }
        let path = namespace(match self.way {
            Way::Planted => &names.plain,
            Way::Added => &names.bare,
            _ => &names.full,
        });
        match self.route {
            Route::Main => {
                Call::patch(path, json!({ "metadata": { field: { key: value } } }))
                    .dry()
                    .by(client)
                    .await
            }
            Route::Status => {
                let change = json!({ "metadata": { field: { key: value } } });
                Call::patch(format!("{path}/status"), change)
                    .dry()
                    .by(client)
                    .await
            }
            Route::Finalize => {
                let mut whole = Call::get(&path).by(client).await?;
                // Whatever the controller wrote meanwhile.
                whole["metadata"]["resourceVersion"] = Value::Null;
                match value {
                    Value::Null => drop(
                        whole["metadata"][field]
                            .as_object_mut()
                            .and_then(|map| map.remove(&key)),
                    ),
                    value => whole["metadata"][field][key] = value,
                }
                Call::put(format!("{path}/finalize"), whole)
                    .dry()
                    .by(client)
                    .await
            }
        }
    }
}

/// The namespaces that are asked about.
struct Names {
    /// No preview.
    plain: String,
    /// A preview without a key of the contract but its label.
    bare: String,
    /// A preview with every key of the contract, under a policy that observes: else the controller takes `enforcement` off.
    full: String,
}

impl Names {
    /// As they can be only while nobody of ours writes on them, so to be made in [`Mode::Gone`].
    async fn make() -> Names {
        let names = Names {
            plain: stage::plain("plain").await,
            bare: stage::unique("bare"),
            full: stage::unique("full"),
        };
        let admin = client(User::Admin).await;
        for name in [&names.bare, &names.full] {
            let mut born = object(name, json!({ keys::PREVIEW: "true" }), json!({}));
            if name == &names.full {
                for key in KEYS.iter().filter(|key| key.name != keys::GOLDEN) {
                    born["metadata"][key.place.field()][whole(key)] = json!(values(key).0);
                }
            }
            Call::post("/api/v1/namespaces", born)
                .by(&admin)
                .await
                .expect("a preview of an exempt user's");
        }
        names
    }
}

/// A key of this row.
fn whole(key: &Key) -> String {
    match key.name.ends_with('.') {
        true => format!("{}app", key.name),
        false => key.name.to_owned(),
    }
}

/// Two values that only the rule about who may write this key objects to.
fn values(key: &Key) -> (String, String) {
    let hence = |hours: i64| {
        let then = jiff::Timestamp::now().as_second() + hours * 3600;
        jiff::Timestamp::from_second(then).expect("a time").to_string()
    };
    let (one, two) = match key.name {
        keys::EXPIRES_AT | keys::REVIVE | keys::ADOPTED_AT => return (hence(2), hence(3)),
        keys::PREVIEW => ("true", "no"),
        keys::GOLDEN => ("true", "no"),
        keys::POLICY => (stage::OBSERVING, "default"),
        keys::PARENT => ("shop", "other"),
        keys::PR => ("7", "8"),
        keys::ENFORCEMENT => ("warn", "enforce"),
        keys::PHASE => ("Approved", "Rejected"),
        keys::TTL => ("2h", "3h"),
        keys::ON_EXPIRY => ("destroy", "destroy"),
        keys::DATABASES => ("all", "none"),
        keys::SLEEP => ("asleep", "awake"),
        _ => ("forged", "forged-again"),
    };
    (one.to_owned(), two.to_owned())
}

async fn answers(names: &Names) -> Vec<(Case, Result<Value, kube::Error>)> {
    let clients = BTreeMap::from([
        (Who::Developer, client(User::Developer).await),
        (Who::Exempt, client(User::Admin).await),
        (Who::Controller, own(Role::Control).await),
    ]);
    stream::iter(Case::all())
        .map(|case| {
            let clients = &clients;
            async move { (case, case.ask(clients, names).await) }
        })
        .buffered(8)
        .collect()
        .await
}

/// Where `answer` is not a refusal by `by` for `expected`; or, without one, not a success.
fn differs(expected: Answer, by: &str, answer: &Result<Value, kube::Error>) -> Option<String> {
    match (expected, answer) {
        (None, Ok(_)) => None,
        // Two policies refuse it, and the API server tells of one.
        (Some(Reason::IdentityConfined), Err(kube::Error::Api(status)))
            if status.message.contains("understudy-") =>
        {
            None
        }
        (Some(code), Err(kube::Error::Api(status)))
            if status.message.contains(by) && status.message.contains(&format!("{code}: ")) =>
        {
            None
        }
        (_, Ok(_)) => Some("allowed".to_owned()),
        (_, Err(error)) => Some(error.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_and_the_policy_answer_as_the_table_says() {
    // C09, C28
    let names = {
        let _turn = turn(Mode::Gone).await;
        let names = Names::make().await;
        let mut wrong = Vec::new();
        for (case, answer) in answers(&names).await {
            let mut expected = case.expected();
            if case.way == Way::Born && ONLY_ADMISSION_KNOWS.contains(&case.key.name) {
                expected = None;
            }
            wrong.extend(
                differs(expected, POLICY, &answer)
                    .map(|found| format!("{case}: not {expected:?} but {found}")),
            );
        }
        assert!(
            wrong.is_empty(),
            "the policy differs in {}:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        names
    };
    let _turn = turn(Mode::Up).await;
    let mut wrong = Vec::new();
    for (case, answer) in answers(&names).await {
        let expected = case.expected();
        // Mutation comes before validation, so what the webhook refuses is refused by the webhook.
        let by = if case.is_reviewed() { WEBHOOK } else { POLICY };
        wrong.extend(
            differs(expected, by, &answer).map(|found| format!("{case}: not {expected:?} but {found}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "the webhook differs in {}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
