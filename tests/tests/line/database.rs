//! A branch per preview: real, private, and only its own.

use serde_json::json;
use tokio_postgres::Client;
use understudy::keys;
use understudy_tests::shop::TEMPLATE;
use understudy_tests::testbed::{TestBed, User};

use crate::stage::{make_pod, pod, ready_preview, secret, stage};

/// A session of the branch's own role, by the Secret in the preview.
async fn branch_session(bed: &TestBed, namespace: &str, database: Option<&str>) -> anyhow::Result<Client> {
    let data = secret(namespace, &keys::branch_secret("app")).await;
    let database = database.unwrap_or(&data["dbname"]);
    bed.previews()
        .connect_as(&data["username"], &data["password"], database)
        .await
}

async fn count(client: &Client) -> i64 {
    client
        .query_one("SELECT count(*) FROM shop.orders", &[])
        .await
        .unwrap()
        .get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_branch_holds_the_templates_rows_and_is_the_previews_own() {
    let bed = stage().await.bed();
    let (one, two) = tokio::join!(ready_preview("db"), ready_preview("db"));
    let session = branch_session(bed, &one, None).await.unwrap();
    let orders = count(&session).await;
    assert!(orders > 0);
    session
        .batch_execute("DELETE FROM shop.order_lines; DELETE FROM shop.orders")
        .await
        .unwrap();
    session
        .batch_execute("CREATE TABLE shop.mine (id int); ALTER TABLE shop.orders ADD COLUMN x int")
        .await
        .unwrap();

    let sibling = branch_session(bed, &two, None).await.unwrap();
    assert_eq!(
        count(&sibling).await,
        orders,
        "a write in one branch reached its sibling"
    );
    let template = bed.previews().connect(TEMPLATE).await.unwrap();
    assert_eq!(
        count(&template).await,
        orders,
        "a write in a branch reached the template"
    );
    let golden = bed.golden().connect("shop").await.unwrap();
    assert_eq!(
        count(&golden).await,
        orders,
        "a write in a branch reached the golden"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_branchs_role_reaches_neither_template_nor_sibling() {
    // E05
    let bed = stage().await.bed();
    let (one, two) = tokio::join!(ready_preview("db"), ready_preview("db"));
    let sibling = secret(&two, &keys::branch_secret("app")).await["dbname"].clone();
    for database in [TEMPLATE, &sibling] {
        let refused = branch_session(bed, &one, Some(database))
            .await
            .err()
            .map(|error| format!("{error:#}"));
        let refused = refused.unwrap_or_default();
        assert!(
            refused.contains("permission denied for database"),
            "{database}: {refused:?}"
        );
    }
    let session = branch_session(bed, &one, None).await.unwrap();
    for statement in [
        "CREATE ROLE x",
        "CREATE DATABASE x",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ] {
        assert!(
            session.batch_execute(statement).await.is_err(),
            "{statement} was allowed"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_of_the_template_stay_and_the_branch_owns_its_copy() {
    // E10
    let bed = stage().await.bed();
    let namespace = ready_preview("db").await;
    let owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                  WHERE nspname = 'shop' UNION SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'shop' \
                  UNION SELECT pg_get_userbyid(typowner) FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE nspname = 'shop' \
                  UNION SELECT pg_get_userbyid(proowner) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname = 'shop'";
    let owned = async |client: Client| {
        let rows = client.query(owners, &[]).await.unwrap();
        rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()
    };
    let data = secret(&namespace, &keys::branch_secret("app")).await;
    assert_eq!(
        owned(bed.previews().connect(&data["dbname"]).await.unwrap()).await,
        [data["username"].clone()]
    );
    assert_eq!(
        owned(bed.previews().connect(TEMPLATE).await.unwrap()).await,
        ["shop"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_branch_secret_works_as_it_stands_and_is_immutable() {
    let bed = stage().await.bed();
    let namespace = ready_preview("db").await;
    let data = secret(&namespace, &keys::branch_secret("app")).await;
    assert_eq!(data["port"], bed.previews().port.to_string());
    let expected = [
        "dbname", "fqdn-uri", "host", "jdbc-uri", "password", "pgpass", "port", "uri", "user", "username",
    ];
    assert_eq!(data.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    let (client, connection) = tokio_postgres::connect(&data["uri"], tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    assert!(count(&client).await > 0);
    make_pod(User::Developer, &namespace, pod("web", json!([])))
        .await
        .unwrap();
}
