//! `examples/analytics-report`, as far as it writes a table.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use pomost_tests::{AnalyticsServer, ExampleProject, database, test_url};
use tokio_postgres::Client;
use url::Url;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn figures_become_rows_of_a_table_and_what_is_corrected_takes_their_place() {
    in_a_schema(async |schema, client| {
        let analytics = AnalyticsServer::start().await;
        let warehouse = url_of(schema);
        let example = ExampleProject::new("analytics-report", &analytics.variables(&warehouse));
        assert_eq!(example.sync("warehouse").await, "3 created");
        let kubki = r#"["2026-11-01","/kubki"] 2026-11-01 /kubki 1200 900 0.4310"#;
        let piora = r#"["2026-11-01","/pióra, \"wieczne\""] 2026-11-01 /pióra, "wieczne" 3 2 0.5"#;
        let later = r#"["2026-11-02","/kubki"] 2026-11-02 /kubki 1100 850 0.4"#;
        assert_eq!(rows(client, schema).await, [kubki, piora, later]);

        analytics.set_figures("2026-11-02", "/kubki", 1105, 852, "0.4");
        analytics.set_figures("2026-11-03", "/kubki", 7, 7, "0");
        assert_eq!(
            example.sync("warehouse").await,
            "1 created, 1 updated, 2 unchanged"
        );
        let corrected = r#"["2026-11-02","/kubki"] 2026-11-02 /kubki 1105 852 0.4"#;
        let newest = r#"["2026-11-03","/kubki"] 2026-11-03 /kubki 7 7 0"#;
        assert_eq!(
            rows(client, schema).await,
            [kubki, piora, corrected, newest]
        );
        assert_eq!(example.sync("warehouse").await, "4 unchanged");
    })
    .await;
}

/// Runs a behaviour with a schema of its own, which is dropped at the end, also when the behaviour
/// panics.
async fn in_a_schema(behaviour: impl AsyncFnOnce(&str, &Client)) {
    let (client, schema) = (
        database().await,
        format!("warehouse-{}", Uuid::new_v4().simple()),
    );
    client
        .batch_execute(&format!("CREATE SCHEMA \"{schema}\""))
        .await
        .unwrap();
    let proven = AssertUnwindSafe(behaviour(&schema, &client))
        .catch_unwind()
        .await;
    client
        .batch_execute(&format!("DROP SCHEMA \"{schema}\" CASCADE"))
        .await
        .unwrap();
    proven.unwrap_or_else(|panic| resume_unwind(panic));
}

/// The URL of the database with that schema as the first of its search path.
fn url_of(schema: &str) -> String {
    let mut url = Url::parse(&test_url("POMOST_TEST_DATABASE_URL")).unwrap();
    let options = format!("options=-csearch_path%3D{schema}");
    let query = url
        .query()
        .map_or(options.clone(), |query| format!("{query}&{options}"));
    url.set_query(Some(&query));
    url.into()
}

/// The rows in the order of their ids, as text.
async fn rows(client: &Client, schema: &str) -> Vec<String> {
    let query = format!(
        "SELECT concat_ws(' ', id, date, page, views, visitors, bounce_rate) FROM \"{schema}\".traffic ORDER BY id COLLATE \"C\""
    );
    client
        .query(&query, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}
