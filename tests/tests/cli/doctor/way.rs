//! The way from the API server to admission: certificate, Service, network.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use understudy_tests::testbed::{NAMESPACE, Role, User};

use super::{Expected, astray, mended, names, ward};

fn expired_authority() -> ByteString {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2020, 1, 2);
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    ByteString(certificate.pem().into_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_ca_bundle_is_the_cause() {
    // C19
    let (understudy, _turn) = ward().await;
    let bed = understudy.bed();
    // It would put the caBundle right within seconds.
    understudy.stop(Role::Control).await.unwrap();
    let logs = "logs deployment/understudy-controller";
    let expected: Expected<'_> = &[
        ("certificate", &["failed: ", "another authority issued it", logs]),
        ("reach", &["failed: ", "does not trust the certificate", logs]),
        ("leader", &["failed: ", "nobody leads"]),
    ];
    let other = ByteString(std::fs::read(bed.ca_file()).unwrap());
    let examine = names(understudy, User::Admin, expected);
    let first = astray(bed, "clientConfig/caBundle", json!(other), examine).await;
    let expected: Expected<'_> = &[
        ("certificate", &["failed: ", "the caBundle is unusable", logs]),
        ("reach", &["failed: ", "cannot ask admission"]),
    ];
    let nonsense = ByteString(b"nonsense".to_vec());
    let examine = names(understudy, User::Admin, expected);
    let second = astray(bed, "clientConfig/caBundle", json!(nonsense), examine).await;
    let expected: Expected<'_> = &[(
        "certificate",
        &["failed: ", "the caBundle expired at 2020-01-02", logs],
    )];
    let examine = names(understudy, User::Admin, expected);
    let third = astray(bed, "clientConfig/caBundle", json!(expired_authority()), examine).await;
    understudy.start(Role::Control).await.unwrap();
    understudy.wait_until_ready(Role::Control).await.unwrap();
    mended(understudy, [first, second, third]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_endpoints_is_the_cause() {
    // C19
    let (understudy, _turn) = ward().await;
    let services: Api<Service> =
        Api::namespaced(understudy.bed().client(User::Admin).await.unwrap(), NAMESPACE);
    let lead = async |spec: Value| {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let patched = services
            .patch("understudy-webhook", &PatchParams::default(), &patch)
            .await;
        patched.expect("a Service may be changed");
    };
    // Its connections end with it: an open one would be used for as long as it lives.
    understudy.stop(Role::Serve).await.unwrap();
    lead(json!({ "type": "ClusterIP", "externalName": null, "selector": { "no": "such-pod" } })).await;
    let expected: Expected<'_> = &[
        ("service", &["failed: ", "no ready endpoint", "get pods"]),
        (
            "programs",
            &[
                "failed: ",
                "understudy-admission is scaled to zero",
                "scale deployment",
            ],
        ),
        ("reach", &["failed: ", "no Pod of admission is ready", "get pods"]),
    ];
    let first = names(understudy, User::Admin, expected).await;
    // Who may not read the Service still learns that nobody answers.
    let second = names(
        understudy,
        User::Developer,
        &[("reach", &["failed: ", "cannot ask admission"])],
    )
    .await;
    lead(json!({ "type": "ExternalName", "externalName": "localhost", "selector": null, "clusterIP": null, "clusterIPs": null })).await;
    understudy.start(Role::Serve).await.unwrap();
    understudy.wait_until_ready(Role::Serve).await.unwrap();
    mended(understudy, [first, second]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_that_arrives_nowhere_is_the_cause() {
    // C19
    let (understudy, _turn) = ward().await;
    let expected: Expected<'_> = &[
        (
            "service",
            &["failed: ", "call port 1, and the Service has", "helm upgrade"],
        ),
        (
            "reach",
            &[
                "failed: ",
                "nothing listens at localhost",
                "describe service understudy-webhook",
            ],
        ),
    ];
    let examine = names(understudy, User::Admin, expected);
    let first = astray(understudy.bed(), "clientConfig/service/port", json!(1), examine).await;
    // A packet that is dropped and a process that does not read look the same from the API server.
    understudy.pause(Role::Serve).unwrap();
    let expected: Expected<'_> = &[(
        "reach",
        &["failed: ", "the traffic is dropped", "get networkpolicies"],
    )];
    let second = names(understudy, User::Developer, expected).await;
    understudy.resume(Role::Serve).unwrap();
    mended(understudy, [first, second]).await;
}
