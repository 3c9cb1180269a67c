//! Two databases that are part of the environment.

use understudy_tests::previews::{objects, secret};
use understudy_tests::testbed::User;

use super::{cloned, destroyed, planned, refused_without_flags, the_bank};
use crate::run::developer;

#[tokio::test(flavor = "multi_thread")]
async fn the_bank_is_cloned_with_passwords_of_its_own_and_a_key_that_is_given() {
    let manual = the_bank().await;
    // D03
    refused_without_flags("bank", &["Secret/jwt-key"]).await;
    planned(manual, "bank").await;
    cloned(manual, "bank").await;

    let config = objects(User::Admin, "bank-pr-7", "v1", "ConfigMap", "configmaps").await;
    let accounts = secret("bank-pr-7", "accounts-db").await;
    assert_eq!(accounts["username"], "accounts-admin");
    assert_eq!(
        config.get("accounts-db-config").await.unwrap().data["data"]["ACCOUNTS_DB_URI"],
        format!(
            "postgresql://accounts-admin:{}@accounts-db:5432/accounts",
            accounts["password"]
        )
    );
    let ledger = config.get("ledger-db-config").await.unwrap().data["data"].clone();
    assert_eq!(ledger["POSTGRES_PASSWORD"], ledger["SPRING_DATASOURCE_PASSWORD"]);
    assert_ne!(ledger["POSTGRES_PASSWORD"], accounts["password"]);
    assert_eq!(
        ledger["SPRING_DATASOURCE_URL"],
        "jdbc:postgresql://ledger-db.bank-pr-7.svc.cluster.local:5432/ledger"
    );
    let claims = objects(
        User::Admin,
        "bank-pr-7",
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
    )
    .await;
    assert_eq!(claims.list(&Default::default()).await.unwrap().items.len(), 2);
    destroyed("bank").await;

    // The Secrets of manifests have the servers' new passwords, too.
    manual.of_manifests().await.unwrap().done();
    let accounts = secret("bank-pr-8", "accounts-db").await;
    assert!(!accounts["password"].contains("bank-golden"));
    let config = objects(User::Admin, "bank-pr-8", "v1", "ConfigMap", "configmaps").await;
    assert_eq!(
        config.get("accounts-db-config").await.unwrap().data["data"]["ACCOUNTS_DB_URI"],
        format!(
            "postgresql://accounts-admin:{}@accounts-db:5432/accounts",
            accounts["password"]
        )
    );
    let destroy = ["destroy", "bank-pr-8", "--yes", "--wait"];
    developer(&destroy).await.done();
}
