//! TLS to the database of a table: a wire before the PostgreSQL at `POMOST_TEST_DATABASE_URL`.

use pomost_postgres::testing::{proxy_with_tls, proxy_without_tls, self_signed_certificate};

use crate::support::{Scene, batch, in_a_schema, record, url};

const MORE: &str = "columns: { total: numeric }\n    create: true\n    ca: ca.pem";

#[tokio::test]
async fn the_database_s_certificate_has_to_come_from_the_given_ones() {
    in_a_schema(async |schema| {
        let (its, another) = (self_signed_certificate(), self_signed_certificate());
        let database = format!("{}?sslmode=require", proxy_with_tls(&url(), &its).await);
        let scene = Scene::with_file(&database, &schema, "ca.pem", &another.cert.pem(), MORE).await;
        let failed = scene.refusal(record("a", "{}")).await;
        assert!(
            failed.contains("unreachable") && failed.contains("invalid peer certificate"),
            "{failed}"
        );
        let scene = Scene::with_file(&database, &schema, "ca.pem", &its.cert.pem(), MORE).await;
        scene.load(batch([record("a", r#"{"total":1}"#)])).await;
        assert_eq!(schema.rows("sales").await, ["(a,1)"]);
    })
    .await;
}

#[tokio::test]
async fn a_database_without_tls_is_not_spoken_to_readable_unless_the_url_says_so() {
    in_a_schema(async |schema| {
        let its = self_signed_certificate();
        let plain = format!("{}?sslmode=require", proxy_without_tls(&url()).await);
        let scene = Scene::with_file(&plain, &schema, "ca.pem", &its.cert.pem(), MORE).await;
        let failed = scene.refusal(record("a", "{}")).await;
        assert!(
            failed.contains("unreachable") && failed.contains("?sslmode=disable"),
            "{failed}"
        );
    })
    .await;
}
