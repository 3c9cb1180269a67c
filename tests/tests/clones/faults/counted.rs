//! Which requests a clone takes: each that it cannot do without, once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use understudy_tests::previews::vendors_kind;
use understudy_tests::shop::stage;
use understudy_tests::testbed::User;

use super::requests::{self, Request};
use super::{golden, plain_policy, some_golden, web};

/// What one run asked.
#[derive(Default)]
struct Asked {
    /// How often, by method and path; of a write, only where it was done.
    lines: BTreeMap<String, usize>,
    /// How often each right was asked about, as `VERB RESOURCE`.
    rights: BTreeMap<String, usize>,
}

/// Clones `golden` as pull request 7, and tells what was asked and what was said.
async fn asked(golden: &str, policy: &str) -> (Asked, String) {
    let mut asked = Asked::default();
    let arguments = ["clone", golden, "--pr", "7", "--policy", policy];
    let bed = stage().await.bed();
    let ran = requests::run(bed, User::Developer, &arguments, async |mut request: Request| {
        request.serve().await;
        let status = request.answer.as_ref().expect("served").status();
        // With any other validation the API server parses it twice.
        let spared = request.query().contains("fieldValidation=Ignore");
        assert!(
            spared || !request.line().starts_with("PATCH "),
            "{}",
            request.query()
        );
        if request.asks() {
            let right = &request.json()["spec"]["resourceAttributes"];
            let text = |field: &str| right[field].as_str().unwrap_or_default().to_owned();
            let right = format!("{} {}", text("verb"), text("resource"));
            *asked.rights.entry(right).or_default() += 1;
        } else if status.is_success() || !request.writes() {
            *asked.lines.entry(request.line()).or_default() += 1;
        } else {
            // In its first moments a quota has no status, and the API server turns away what it counts.
            let said = request.answer.as_ref().expect("served").body();
            let said = String::from_utf8_lossy(said);
            assert!(
                said.contains("status unknown for quota"),
                "{}: {said}",
                request.line()
            );
        }
        request.give();
        ControlFlow::Continue(())
    });
    let ran = ran.await.expect("it ran to its end").done();
    (asked, ran.stderr)
}

/// The resources that the API server lists and makes in a namespace, as `PLURAL[.GROUP]`.
async fn listable() -> BTreeSet<String> {
    let mut kubectl = stage().await.bed().kubectl(User::Developer);
    kubectl.args([
        "api-resources",
        "--namespaced",
        "--verbs=list,create",
        "--output=name",
    ]);
    let output = kubectl.output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The core group serves the same Events.
    let other = |name: &&str| *name != "events.events.k8s.io";
    text.lines().filter(other).map(str::to_owned).collect()
}

/// Takes the lists of `namespace` out of `lines`, as [`listable`] has them; none of them has a second page.
fn lists(lines: &mut BTreeMap<String, usize>, namespace: &str) -> BTreeSet<String> {
    let middle = format!("/namespaces/{namespace}/");
    let lists = lines.extract_if(.., |line, times| {
        let (path, plural) = line.split_once(&middle).unwrap_or_default();
        let is_list = path.starts_with("GET ") && !plural.contains('/');
        assert!(!is_list || *times == 1, "{line}: {times} times");
        is_list
    });
    lists
        .map(|(line, _)| {
            let (path, plural) = line.split_once(&middle).unwrap_or_default();
            let group = path
                .strip_prefix("GET /apis/")
                .and_then(|rest| rest.split('/').next());
            group.map_or(plural.to_owned(), |group| format!("{plural}.{group}"))
        })
        .collect()
}

fn once(lines: &[String]) -> BTreeMap<String, usize> {
    lines.iter().map(|line| (line.clone(), 1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_asks_for_what_it_needs_and_nothing_twice() {
    let (name, policy) = (some_golden(), plain_policy().await);
    // A group whose kinds are not all of one age: each is listed, in the version that serves it.
    vendors_kind("ages.example.com", "v1", "Settled", "settleds").await;
    vendors_kind("ages.example.com", "v1alpha1", "Fresh", "freshes").await;
    golden(&name, web("web")).await;
    let clone = format!("{name}-pr-7");
    let reads = [
        "/api".to_owned(),
        "/apis".to_owned(),
        "/apis/understudy.dev/v1alpha1/previewpolicies".to_owned(),
        "/api/v1/namespaces".to_owned(),
        format!("/api/v1/namespaces/{name}"),
        format!("/api/v1/namespaces/{clone}"),
    ]
    .map(|path| format!("GET {path}"));
    let applies = [
        ("/api/v1", "configmaps"),
        ("/api/v1", "services"),
        ("/apis/apps/v1", "deployments"),
        ("/apis/networking.k8s.io/v1", "ingresses"),
    ]
    .map(|(version, plural)| format!("PATCH {version}/namespaces/{clone}/{plural}/web"));
    let resources: BTreeSet<String> = [
        "configmaps",
        "deployments.apps",
        "ingresses.networking.k8s.io",
        "services",
    ]
    .map(str::to_owned)
    .into();
    let rights: BTreeSet<String> = resources
        .iter()
        .flat_map(|resource| {
            let plural = resource.split('.').next().unwrap_or_default();
            ["create", "patch"].map(|verb| format!("{verb} {plural}"))
        })
        .collect();

    for run in ["first", "second"] {
        // Other tests install kinds meanwhile, and none takes one away.
        let before = listable().await;
        let (asked, said) = asked(&name, &policy).await;
        let Asked {
            mut lines,
            rights: put,
        } = asked;
        let (listed, after) = (lists(&mut lines, &name), listable().await);
        assert!(
            before.is_subset(&listed) && listed.is_subset(&after),
            "{before:?} {listed:?}"
        );
        assert!(listed.contains("freshes.ages.example.com"), "{listed:?}");
        assert_eq!(put.keys().cloned().collect::<BTreeSet<_>>(), rights, "{run}");
        let mut expected = reads.to_vec();
        expected.extend(applies.clone());
        if run == "first" {
            expected.push("POST /api/v1/namespaces".to_owned());
            // While access is on its way, one right stands for all.
            let repeated: Vec<_> = put.iter().filter(|(_, times)| **times > 1).collect();
            assert!(repeated.len() <= 1, "{repeated:?}");
        } else {
            // What is there already, to tell what changed, and the seed of an earlier run.
            assert_eq!(lists(&mut lines, &clone), resources);
            expected.push(format!("GET /api/v1/namespaces/{clone}/secrets/understudy-seed"));
            assert!(put.values().all(|times| *times == 1), "{put:?}");
            assert!(said.contains(": 0 created, 0 changed, 4 unchanged"), "{said}");
        }
        assert_eq!(lines, once(&expected), "{run}");
    }
}
