//! What the objects of a manifest are checked with: the policies, the namespaces they go to, and what they refer to.

use super::{both, read};
use crate::check::{Catalogue, Part, Standing, Subject, Verdict, World, judge, pod_of};
use crate::cluster::{Cluster, Seen};
use crate::error::{Exit, Failure};
use crate::printer::Printer;
use crate::settings::Check;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use understudy::admission::{Request, User, adopts, needs};
use understudy::keys;
use understudy::policy::{PreviewPolicy, PreviewPolicySpec};
use understudy::preview::{Preview, is_golden};
use understudy::protected::Protected;

/// Where objects go that name no namespace, without a cluster.
const SOMEWHERE: &str = "preview";

/// What the objects are checked with.
pub(super) struct Bench {
    world: World,
    pub catalogue: Option<Catalogue>,
    /// Where objects go that name no namespace.
    pub default: String,
    user: User,
    /// Whether it is known who asks.
    who: bool,
    /// The namespaces of the manifest, with their answers.
    born: BTreeMap<String, Verdict>,
}

impl Bench {
    pub fn offline(settings: &Check, printer: &Printer) -> Result<Self, Failure> {
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

    pub async fn live(cluster: &Cluster, settings: &Check) -> Result<Self, Failure> {
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

    /// Reads where Services lead and what Secrets hold; and why some of that is not known.
    pub async fn read(&mut self, cluster: &Cluster, subjects: &[Subject]) -> Vec<String> {
        let none = understudy::services::Services::default();
        let (goldens, policies) = (self.world.goldens.iter().cloned(), self.world.policies.values());
        let protected = Protected::new(goldens, policies, &none);
        let guarded: Vec<String> = protected.namespaces().cloned().collect();
        let places = subjects.iter().map(|subject| subject.namespace.clone());
        let mut namespaces: Vec<String> = guarded.iter().cloned().chain(places).collect();
        namespaces.retain(|name| !name.is_empty());
        namespaces.sort();
        namespaces.dedup();
        let ((fingerprints, mut unread), (services, hidden)) =
            futures::join!(cluster.fingerprints(&guarded), cluster.services(&namespaces));
        (self.world.fingerprints, self.world.services) = (fingerprints, services);
        unread.extend(hidden);
        unread
    }

    /// Gathers what the review of `subjects` needs: from themselves, and from the cluster.
    pub async fn prepare(
        &mut self,
        cluster: Option<&Cluster>,
        settings: &Check,
        subjects: &[Subject],
        printer: &Printer,
    ) {
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
        if cluster.is_none() && !self.knows_a_golden() {
            printer.warn(
                "no golden is known, so what reaches one is not recognised by its namespace; add its Namespace to the file, \
                 --namespace-labels understudy.dev/parent=GOLDEN, or --cluster",
            );
        }
        if let Some(cluster) = cluster {
            self.look_up(cluster, subjects).await;
        }
    }

    fn knows_a_golden(&self) -> bool {
        let parents = self.world.places.values().any(|place| match place {
            Standing::Preview(preview) => preview.parent.is_some(),
            Standing::Other => false,
        });
        parents || !self.world.goldens.is_empty()
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
                if let Entry::Vacant(place) = known.entry(reference) {
                    let fact = cluster.source(&subject.namespace, place.key()).await;
                    place.insert(fact);
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

    pub fn verdicts(&self, subject: &Subject) -> Vec<Verdict> {
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

/// The policies of files, by name.
fn policies(files: &[PathBuf]) -> Result<BTreeMap<String, PreviewPolicySpec>, Failure> {
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
