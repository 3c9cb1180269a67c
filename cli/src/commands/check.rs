//! `understudy check`: what admission would answer, before anybody asks it.

mod observed;

use super::{data, json, yaml};
use crate::check::{Catalogue, Outcome, Part, Standing, Subject, Verdict, World, judge, objects, pod_of};
use crate::cluster::{Cluster, Seen};
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::settings::{Check, Output};
use crate::table::table;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use understudy::admission::{Request, User, adopts, needs};
use understudy::keys;
use understudy::policy::{PreviewPolicy, PreviewPolicySpec};
use understudy::preview::{Preview, is_golden};
use understudy::protected::Protected;

/// Where objects go that name no namespace, without a cluster.
const SOMEWHERE: &str = "preview";

/// Checks what the files hold, or with a cluster and no files, what is only observed there.
pub async fn run(cluster: Option<&Cluster>, settings: Check, printer: &Printer) -> Result<(), Failure> {
    let mut verdicts = Vec::new();
    match cluster {
        Some(cluster) if settings.files.is_empty() => {
            verdicts = observed::verdicts(cluster, printer).await?;
        }
        _ => {
            let mut manifest = Vec::new();
            for file in &settings.files {
                manifest.extend(read(file)?);
            }
            let mut bench = match cluster {
                Some(cluster) => Bench::live(cluster, &settings).await?,
                None => Bench::offline(&settings, printer)?,
            };
            let subjects: Vec<Subject> = manifest
                .into_iter()
                .map(|object| Subject::new(object, bench.catalogue.as_ref(), &bench.default))
                .collect();
            bench.prepare(cluster, &settings, &subjects).await;
            for subject in &subjects {
                verdicts.extend(bench.verdicts(subject));
            }
        }
    }
    print(&verdicts, settings.output, printer)?;
    conclude(&verdicts, cluster.is_some())
}

/// The objects of a file, or of stdin where it is called `-`.
fn read(file: &Path) -> Result<Vec<Value>, Failure> {
    let name = file.display();
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let unusable = |why: String| Failure::new(Exit::Usage, format!("cannot read {name}")).caused_by(why);
    objects(&text.map_err(|error| unusable(error.to_string()))?).map_err(unusable)
}

/// The policies of files, by name.
fn policies(files: &[std::path::PathBuf]) -> Result<BTreeMap<String, PreviewPolicySpec>, Failure> {
    let mut policies = BTreeMap::new();
    for file in files {
        for object in read(file)? {
            let policy: PreviewPolicy = serde_json::from_value(object).map_err(|error| {
                Failure::new(Exit::Usage, format!("{} holds no PreviewPolicy", file.display()))
                    .caused_by(error.to_string())
            })?;
            policies.insert(policy.metadata.name.unwrap_or_default(), policy.spec);
        }
    }
    Ok(policies)
}

/// What the objects are checked with.
struct Bench {
    world: World,
    catalogue: Option<Catalogue>,
    /// Where objects go that name no namespace.
    default: String,
    user: User,
    /// Whether it is known who asks.
    who: bool,
    /// The namespaces of the manifest, with their answers.
    born: BTreeMap<String, Verdict>,
}

impl Bench {
    fn offline(settings: &Check, printer: &Printer) -> Result<Self, Failure> {
        let mut policies = policies(&settings.policy_files)?;
        if policies.is_empty() {
            printer
                .warn("no --policy-file: checked under an empty PreviewPolicy, which protects no database");
            policies.insert(keys::DEFAULT_POLICY.to_owned(), PreviewPolicySpec::default());
        }
        let mut world = World::new(Timestamp::now(), policies);
        world.installation = crate::cluster::as_charted(crate::cluster::HOME);
        Ok(Bench {
            world,
            catalogue: None,
            default: settings.namespace.clone().unwrap_or_else(|| SOMEWHERE.to_owned()),
            user: settings.user.clone().unwrap_or_default(),
            who: settings.user.is_some(),
            born: BTreeMap::new(),
        })
    }

    async fn live(cluster: &Cluster, settings: &Check) -> Result<Self, Failure> {
        let home = cluster.home().await;
        let (catalogue, live, namespaces, installation, caller) = futures::join!(
            cluster.catalogue(),
            cluster.policies(),
            cluster.namespaces(),
            cluster.installation(&home),
            cluster.caller()
        );
        let mut all = live?;
        all.extend(policies(&settings.policy_files)?);
        let mut world = World::new(Timestamp::now(), all);
        world.live = true;
        world.installation = installation;
        for namespace in namespaces? {
            let name = namespace.metadata.name.clone().unwrap_or_default();
            if is_golden(namespace.metadata.labels.as_ref()) {
                world.goldens.push(name.clone());
            }
            let preview =
                Preview::of(&namespace.metadata).map(|preview| Standing::Preview(Box::new(preview)));
            world
                .places
                .insert(name.clone(), preview.unwrap_or(Standing::Other));
            world.namespaces.insert(name, json!(namespace));
        }
        let caller = match caller {
            Seen::There(caller) => Some(caller),
            _ => None,
        };
        let user = settings.user.clone().or(caller);
        let default = settings.namespace.clone();
        Ok(Bench {
            world,
            catalogue: Some(catalogue?),
            default: default.unwrap_or_else(|| cluster.default_namespace().to_owned()),
            who: user.is_some(),
            user: user.unwrap_or_default(),
            born: BTreeMap::new(),
        })
    }

    /// Gathers what the review of `subjects` needs: from themselves, and from the cluster.
    async fn prepare(&mut self, cluster: Option<&Cluster>, settings: &Check, subjects: &[Subject]) {
        if let Some(cluster) = cluster {
            let none = understudy::services::Services::default();
            let protected = Protected::new(
                self.world.goldens.iter().cloned(),
                self.world.policies.values(),
                &none,
            );
            let mut namespaces: Vec<String> = protected.namespaces().cloned().collect();
            let (fingerprints, services) = {
                let guarded = namespaces.clone();
                namespaces.extend(
                    subjects
                        .iter()
                        .map(|subject| subject.namespace.clone())
                        .filter(|name| !name.is_empty()),
                );
                namespaces.sort();
                namespaces.dedup();
                let (guarded, namespaces) = (&guarded, &namespaces);
                futures::join!(cluster.fingerprints(guarded), cluster.services(namespaces))
            };
            self.world.fingerprints = fingerprints;
            self.world.services = services;
        }
        subjects.iter().for_each(|subject| self.world.learn(subject));
        for subject in subjects.iter().filter(|subject| subject.is_namespace()) {
            if let Some(cluster) = cluster
                && adopts(&self.request(subject))
            {
                let held = cluster.holds_pods(&subject.namespace).await;
                self.world.occupied.insert(subject.namespace.clone(), held);
            }
            let (verdict, stored) = judge(
                &subject.id,
                Part::Object,
                &self.request(subject),
                &self.world,
                self.who,
            );
            let metadata: ObjectMeta = serde_json::from_value(stored["metadata"].clone()).unwrap_or_default();
            let place = self.world.ready(metadata);
            self.world.places.insert(subject.namespace.clone(), place);
            self.born.insert(subject.namespace.clone(), verdict);
        }
        self.suppose(settings, subjects);
        if let Some(cluster) = cluster {
            self.look_up(cluster, subjects).await;
        }
    }

    /// Namespaces that nobody described are taken for previews, sealed and with their branches ready.
    fn suppose(&mut self, settings: &Check, subjects: &[Subject]) {
        let mut unknown: Vec<String> = subjects.iter().map(|subject| subject.namespace.clone()).collect();
        unknown.retain(|name| !name.is_empty() && !self.world.places.contains_key(name));
        if settings.labels.is_some() && !self.born.contains_key(&self.default) {
            unknown.push(self.default.clone());
        }
        for name in unknown {
            let known = self
                .world
                .namespaces
                .get(&name)
                .map(|namespace| namespace["metadata"].clone());
            let mut metadata: ObjectMeta = known
                .and_then(|known| serde_json::from_value(known).ok())
                .unwrap_or_default();
            metadata.name = Some(name.clone());
            let labels = metadata.labels.get_or_insert_default();
            labels.insert(keys::PREVIEW.to_owned(), "true".to_owned());
            labels.extend(settings.labels.clone().unwrap_or_default());
            // With one policy at hand there is no other that could be meant.
            let mut names = self.world.policies.keys();
            if let (Some(only), None) = (names.next(), names.next())
                && !self.world.live
            {
                labels
                    .entry(keys::POLICY.to_owned())
                    .or_insert_with(|| only.clone());
            }
            let place = self.world.ready(metadata);
            self.world.places.insert(name, place);
        }
    }

    /// Reads the ConfigMaps and Secrets that Pods refer to, where the manifest does not bring them.
    async fn look_up(&mut self, cluster: &Cluster, subjects: &[Subject]) {
        for subject in subjects {
            let pod = pod_of(&subject.object);
            let wanted = pod.iter().flat_map(needs).chain(needs(&self.request(subject)));
            for reference in wanted.collect::<Vec<_>>() {
                let known = self.world.sources.entry(subject.namespace.clone()).or_default();
                if !known.contains_key(&reference) {
                    let fact = cluster.source(&subject.namespace, &reference).await;
                    known.insert(reference, fact);
                }
            }
        }
    }

    /// What admission would be asked about `subject` itself.
    fn request(&self, subject: &Subject) -> Request {
        match self
            .world
            .namespaces
            .get(&subject.namespace)
            .filter(|_| subject.is_namespace())
        {
            Some(live) => subject.change(live, self.user.clone()),
            None => subject.creation(self.user.clone()),
        }
    }

    fn verdicts(&self, subject: &Subject) -> Vec<Verdict> {
        if let Some(born) = self
            .born
            .get(&subject.namespace)
            .filter(|_| subject.is_namespace())
        {
            return vec![born.clone()];
        }
        both(subject, self.user.clone(), &self.world, self.who)
    }
}

/// The answers to an object and to the Pod it would make once it is stored.
fn both(subject: &Subject, user: User, world: &World, who: bool) -> Vec<Verdict> {
    let (verdict, stored) = judge(&subject.id, Part::Object, &subject.creation(user), world, who);
    let pod = pod_of(&stored).map(|request| judge(&subject.id, Part::Pod, &request, world, who).0);
    std::iter::once(verdict).chain(pod).collect()
}

fn print(verdicts: &[Verdict], output: Output, printer: &Printer) -> Result<(), Failure> {
    let document = || {
        let worst = verdicts
            .iter()
            .map(|verdict| verdict.outcome)
            .max()
            .unwrap_or(Outcome::NotAsked);
        let all: Vec<Value> = verdicts.iter().map(Verdict::document).collect();
        json!({ "verdict": worst.word(), "objects": all })
    };
    match output {
        Output::Json => data(printer, &json(&document())?),
        Output::Yaml => data(printer, &yaml(&document())?),
        Output::Table if verdicts.is_empty() => {
            printer.say("There is nothing to check.");
            Ok(())
        }
        Output::Table => data(
            printer,
            &table(
                ["VERDICT", "NAMESPACE", "OBJECT", "WHY"],
                verdicts.iter().flat_map(rows),
            ),
        ),
    }
}

/// One row for the verdict, one more for each further line.
fn rows(verdict: &Verdict) -> Vec<[String; 4]> {
    let object = match verdict.part {
        Part::Object => verdict.id.clone(),
        Part::Pod => format!("{}, its Pod", verdict.id),
    };
    let changes = verdict
        .notes
        .iter()
        .map(|note| format!("{} {}", note.reason, note.field));
    let refusals = verdict.violations.iter().map(ToString::to_string);
    let missing = verdict
        .missing
        .iter()
        .map(|missing| format!("not known: {missing}"));
    let warnings = verdict
        .warnings
        .iter()
        .map(|warning| format!("warning: {warning}"));
    let mut lines = refusals.chain(missing).chain(changes).chain(warnings);
    let first = [
        verdict.outcome.word().to_owned(),
        verdict.namespace.clone(),
        object,
        lines.next().unwrap_or_default(),
    ];
    let further = lines.map(|line| [String::new(), String::new(), String::new(), line]);
    std::iter::once(first).chain(further).collect()
}

/// The exit code: what is refused counts more than what is not known.
fn conclude(verdicts: &[Verdict], live: bool) -> Result<(), Failure> {
    let count = |outcome: Outcome| {
        verdicts
            .iter()
            .filter(|verdict| verdict.outcome == outcome)
            .count()
    };
    let (refused, undecided) = (count(Outcome::Refused), count(Outcome::Undecided));
    if refused > 0 {
        return Err(Failure::new(
            Exit::WouldRefuse,
            format!("admission would refuse {refused} of {}", verdicts.len()),
        ));
    }
    if undecided == 0 {
        return Ok(());
    }
    let failure = Failure::new(
        Exit::Undecided,
        format!(
            "{undecided} of {} cannot be decided: facts are missing",
            verdicts.len()
        ),
    );
    let lacks = |what: &str| {
        verdicts
            .iter()
            .flat_map(|verdict| &verdict.missing)
            .any(|missing| missing.starts_with(what))
    };
    Err(failure.hint(if lacks("who") {
        "add --as USER, and --as-group GROUP for each group"
    } else if lacks("PreviewPolicy") {
        "add --policy-file FILE, or --cluster"
    } else if live {
        "add what is not known to the file, or ask for the right to read it"
    } else {
        "add what is not known to the file, or --cluster"
    }))
}
