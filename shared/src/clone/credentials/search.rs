//! Finding the environment's own passwords in a golden, and what the clone's servers will have instead.

use super::connections::connections;
use super::place::Likeness;
use super::{Credentials, Password, files, servers};
use crate::clone::golden::{GoldenData, decoded, meant, selects};
use crate::clone::secrets;
use crate::clone::snapshot::{Snapshot, kind_of, name_of};
use crate::clone::spec::CloneSpec;
use crate::clone::templates::{containers, templates};
use crate::clone::variables;
use crate::environment::{self, Data, Fact, Kind, Origin, Reference, Sources, Variable};
use crate::policy::PreviewPolicySpec;
use kube::core::DynamicObject;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Words that stand everywhere and are passwords all the same.
const EVERYWHERE: [&str; 8] = [
    "admin", "default", "guest", "password", "root", "secret", "test", "user",
];

impl Credentials {
    /// Finds the passwords of the golden's own data servers.
    pub(in crate::clone) fn find(
        snapshot: &Snapshot,
        data: &GoldenData,
        policy: &PreviewPolicySpec,
        spec: &CloneSpec,
        leaves_out: &dyn Fn(&DynamicObject) -> Option<String>,
    ) -> Self {
        let mut search = Search {
            snapshot,
            data,
            policy,
            spec,
            makers: makers(snapshot, leaves_out),
            given_data: spec
                .secrets
                .iter()
                .map(|(name, given)| (name.clone(), given.texts()))
                .collect(),
            texts: Vec::new(),
            passwords: BTreeMap::new(),
            elsewhere: BTreeSet::new(),
            identity: BTreeSet::new(),
            names: EVERYWHERE.map(str::to_owned).into(),
            sources: BTreeSet::new(),
            given: BTreeMap::new(),
            repeated: Vec::new(),
            unread: Vec::new(),
            doubts: BTreeMap::new(),
        };
        search.run();
        search.credentials()
    }
}

/// The Secrets that ExternalSecrets make in the clone.
fn makers(
    snapshot: &Snapshot,
    leaves_out: &dyn Fn(&DynamicObject) -> Option<String>,
) -> BTreeMap<String, String> {
    let makers = snapshot
        .of("ExternalSecret")
        .filter(|object| leaves_out(object).is_none());
    makers
        .map(|object| (secrets::target(object).to_owned(), name_of(object).to_owned()))
        .collect()
}

struct Search<'a> {
    snapshot: &'a Snapshot,
    data: &'a GoldenData,
    policy: &'a PreviewPolicySpec,
    spec: &'a CloneSpec,
    makers: BTreeMap<String, String>,
    given_data: BTreeMap<String, Data>,
    /// What may hold connections, by place.
    texts: Vec<(String, String)>,
    /// Where a password was seen first decides what the new one is, so that a changed password changes nothing in the clone.
    passwords: BTreeMap<String, String>,
    elsewhere: BTreeSet<String>,
    identity: BTreeSet<String>,
    names: BTreeSet<String>,
    sources: BTreeSet<String>,
    /// What somebody gives instead of a password, at a server's own place.
    given: BTreeMap<String, String>,
    /// Texts of the golden and what somebody gives instead.
    repeated: Vec<(String, String)>,
    /// Servers whose golden password could not be read: which one each is given, or why nobody knows.
    unread: Vec<(&'a DynamicObject, Result<String, String>)>,
    doubts: BTreeMap<String, String>,
}

/// What the clone's Pods read: given Secrets in place of the golden's.
struct Given<'s>(&'s Search<'s>);

impl Sources for Given<'_> {
    fn data(&self, reference: &Reference) -> Fact<&Data> {
        match self.0.given_data.get(&reference.name) {
            Some(given) if reference.kind == Kind::Secret => Fact::Present(given),
            _ => self.0.data.data(reference),
        }
    }
}

impl<'a> Search<'a> {
    fn run(&mut self) {
        let snapshot = self.snapshot;
        self.names
            .extend(snapshot.objects.iter().map(|object| name_of(object).to_owned()));
        self.names.insert(snapshot.name().to_owned());
        for (object, template) in templates(snapshot) {
            self.template(object, template);
        }
        for map in snapshot.of("ConfigMap") {
            for (key, value) in map.data["data"].as_object().into_iter().flatten() {
                let place = format!("ConfigMap/{}/{key}", name_of(map));
                self.texts
                    .push((place, value.as_str().unwrap_or_default().to_owned()));
            }
        }
        for secret in snapshot.of("Secret") {
            let given = self.given_data.get(name_of(secret)).cloned().unwrap_or_default();
            for (key, value) in decoded(&secret.data["data"]) {
                if let Some(given) = given.get(&key) {
                    self.repeated.push((value.clone(), given.clone()));
                }
                self.texts
                    .push((format!("Secret/{}/{key}", name_of(secret)), value));
            }
        }
        for (place, text) in std::mem::take(&mut self.texts) {
            self.connections(&text, &place);
        }
        for secret in snapshot.of("Secret") {
            if let Some(why) = self.made_otherwise(name_of(secret)) {
                for value in decoded(&secret.data["data"]).values() {
                    self.doubt(value, &why);
                }
            }
        }
    }

    fn template(&mut self, object: &'a DynamicObject, template: &'a Value) {
        let by = format!("{}/{}", kind_of(object), name_of(object));
        let mut set = template.clone();
        variables::set(&mut set, name_of(object), &self.spec.variables);
        for (container, now) in containers(template).zip(containers(&set)) {
            let before = environment::resolve(template, container, self.data);
            let after = environment::resolve(template, now, &Given(self));
            let files_before = files::variables(template, container, &before, self.data);
            let files_after = files::variables(&set, now, &after, &Given(self));
            self.server(
                container,
                object,
                &by,
                before.effective().chain(&files_before),
                after.effective().chain(&files_after),
            );
        }
    }

    /// What the variables of a container say; `after` are those that the clone's will have, as far as somebody gives them.
    fn server<'v>(
        &mut self,
        container: &Value,
        object: &'a DynamicObject,
        by: &str,
        before: impl Iterator<Item = &'v Variable>,
        after: impl Iterator<Item = &'v Variable>,
    ) {
        let image = container["image"].as_str().unwrap_or_default();
        let mut after: BTreeMap<&str, &Variable> =
            after.map(|variable| (variable.name.as_str(), variable)).collect();
        for variable in before {
            let now = after.remove(variable.name.as_str());
            let given = now
                .filter(|now| self.is_given(object, container, now))
                .and_then(|now| now.value.clone());
            let (value, place) = (variable.value.clone(), origin(variable, by));
            if servers::is_password(image, &variable.name) {
                self.sources.insert(place.clone());
                match (value.as_deref(), given) {
                    (Some(value), given) => {
                        self.keep(value, &place);
                        self.given
                            .extend(given.map(|given| (value.trim().to_owned(), given.trim().to_owned())));
                    }
                    (None, Some(given)) => self.unread.push((object, Ok(given.trim().to_owned()))),
                    (None, None) => {
                        let why = secret_of(variable).and_then(|secret| self.made_otherwise(secret));
                        self.unread.extend(why.map(|why| (object, Err(why))));
                    }
                }
            } else {
                if servers::is_identity(image, &variable.name) {
                    self.identity.extend(value.clone());
                }
                self.repeated.extend(value.clone().zip(given));
            }
            self.texts.extend(value.map(|value| (place, value)));
        }
        // What a Secret that could not be read is given for.
        for variable in after.into_values() {
            if servers::is_password(image, &variable.name) && self.is_given(object, container, variable) {
                let given = variable
                    .value
                    .iter()
                    .map(|value| (object, Ok(value.trim().to_owned())));
                self.unread.extend(given);
            }
        }
        self.names.extend(servers::words(image).map(str::to_owned));
        let words = ["command", "args"]
            .into_iter()
            .filter_map(|part| container[part].as_array());
        let words: Vec<&str> = words.flatten().filter_map(Value::as_str).collect();
        if let Some(password) = servers::password_argument(image, &words) {
            self.keep(
                password,
                &format!("{by} {}", container["name"].as_str().unwrap_or_default()),
            );
        }
    }

    /// Whether somebody gives what `variable` of the clone holds.
    fn is_given(&self, object: &DynamicObject, container: &Value, variable: &Variable) -> bool {
        let name = container["name"].as_str().unwrap_or_default();
        let mut set = self.spec.variables.iter();
        set.any(|set| set.means(name_of(object), name) && set.name == variable.name)
            || secret_of(variable).is_some_and(|secret| self.given_data.contains_key(secret))
    }

    /// Why nobody knows beforehand what Secret `name` holds.
    fn made_otherwise(&self, name: &str) -> Option<String> {
        let secrets = &self.policy.secrets;
        if self.given_data.contains_key(name) {
            None
        } else if secrets.fans_out(name) {
            Some(format!("the policy gives in Secret {name}"))
        } else if secrets.copy.iter().any(|copied| copied == name) {
            None
        } else {
            let maker = self.makers.get(name)?;
            Some(format!("ExternalSecret {maker} gives in Secret {name}"))
        }
    }

    fn keep(&mut self, password: &str, place: &str) {
        let password = password.trim();
        // Anything shorter is nobody's secret.
        if password.len() < 4 || password.contains("$(") {
            return;
        }
        let known = self
            .passwords
            .entry(password.to_owned())
            .or_insert_with(|| place.to_owned());
        if place < known.as_str() {
            place.clone_into(known);
        }
    }

    fn connections(&mut self, text: &str, place: &str) {
        for url in connections(text) {
            let service = self.data.service(&url.host);
            if !self.data.is_inside(&url.host) || meant(&self.policy.databases, url.text).is_some() {
                self.elsewhere.insert(url.password);
                continue;
            }
            self.keep(&url.password, place);
            if let Some(service) = service {
                self.behind(service, &url.password);
            }
            let parts = [url.user, url.host, url.port, url.path].into_iter();
            self.identity.extend(parts.filter(|part| !part.is_empty()));
        }
    }

    /// What is known of `password`, which opens a server behind `service`, where the server's own could not be read.
    fn behind(&mut self, service: &str, password: &str) {
        if self.unread.is_empty() {
            return;
        }
        let mut services = self.snapshot.of("Service");
        let Some(service) = services.find(|object| name_of(object) == service) else {
            return;
        };
        let unread = self.unread.iter().filter(|(object, _)| selects(service, object));
        let unread: BTreeSet<&Result<String, String>> = unread.map(|(_, known)| known).collect();
        match unread.into_iter().collect::<Vec<_>>().as_slice() {
            [Ok(given)] => drop(self.given.insert(password.to_owned(), given.clone())),
            [] => {}
            several => {
                let why = several.iter().find_map(|known| known.as_ref().err()).cloned();
                let why = why.unwrap_or_else(|| "is one of several that are given".to_owned());
                self.doubts.insert(password.to_owned(), why);
            }
        }
    }

    /// The environment's own passwords in `text` are somebody else's to make.
    fn doubt(&mut self, text: &str, why: &str) {
        let urls = connections(text).into_iter().map(|url| url.password);
        for password in urls.chain([text.trim().to_owned()]) {
            if self.passwords.contains_key(&password) {
                self.doubts.insert(password, why.to_owned());
            }
        }
    }

    fn credentials(mut self) -> Credentials {
        for (text, given) in std::mem::take(&mut self.repeated) {
            for (old, new) in passwords(&text, &given, self.data) {
                self.given.entry(old).or_insert(new);
            }
        }
        self.names.extend(self.identity.iter().cloned());
        let known = self.passwords.iter().map(|(old, place)| {
            let given = self.given.get(old).cloned();
            let doubt = self.doubts.get(old).map(|why| {
                format!("repeats a password that {why}: the two will not agree; give that Secret with --secret")
            });
            // A password that also opens something else is not the environment's own.
            let stays = self.elsewhere.contains(old);
            let torn = given.as_ref().filter(|given| stays && *given != old);
            let torn = torn.map(|_| {
                "repeats a password that is given, but opens a server outside of the clone, too, and was left as it is; set it with --set-env".to_owned()
            });
            let password = Password {
                doubt: torn.or(doubt.filter(|_| !stays)),
                new: (!stays).then(|| given.unwrap_or_else(|| self.spec.seed.password(place))),
                likeness: Likeness::of(old, self.names.contains(old)),
            };
            (old.clone(), password)
        });
        let passwords = known.filter(|(_, password)| password.new.is_some() || password.doubt.is_some());
        Credentials {
            passwords: passwords.collect(),
            identity: self.identity.clone(),
            sources: self.sources.clone(),
        }
    }
}

/// The passwords in `text`, each with the one that stands at its place in `given`.
fn passwords(text: &str, given: &str, data: &GoldenData) -> Vec<(String, String)> {
    let inside = |text| {
        connections(text)
            .into_iter()
            .filter(|url| data.is_inside(&url.host))
    };
    let given_urls: Vec<_> = inside(given).collect();
    let pairs = inside(text).filter_map(|url| {
        let same = given_urls
            .iter()
            .find(|given| given.host == url.host && given.user == url.user)?;
        Some((url.password, same.password.clone()))
    });
    let whole = (text.trim().to_owned(), given.trim().to_owned());
    pairs
        .chain([whole].into_iter().filter(|(_, given)| !given.is_empty()))
        .collect()
}

fn secret_of(variable: &Variable) -> Option<&str> {
    match &variable.origin {
        Origin::Key(reference, _) if reference.kind == Kind::Secret => Some(&reference.name),
        _ => None,
    }
}

fn origin(variable: &Variable, by: &str) -> String {
    match &variable.origin {
        Origin::Key(reference, key) => format!("{}/{}/{key}", reference.kind.name(), reference.name),
        _ => format!("{by} {}", variable.name),
    }
}
