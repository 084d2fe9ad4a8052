//! A PostgreSQL table as the destination, each test in a schema of its own.

use std::time::Duration;

use crate::support::{Scene, batch, deleted, in_a_schema, record, url};
use pomost_models::{Batch, Record};
use pomost_store::{Claim, ClaimEntry, ClaimResult, ClaimToken};

const COLUMNS: &str = "{ total: numeric, paid: boolean, lines: jsonb }";

const TABLE: &str = "sale text PRIMARY KEY, total numeric NOT NULL, paid boolean, lines jsonb";

#[tokio::test]
async fn rows_are_made_changed_and_deleted_by_their_keys() {
    in_a_schema(async |schema| {
        schema
            .execute(&format!("CREATE TABLE sales ({TABLE}, seen int DEFAULT 7)"))
            .await;
        let scene = Scene::new(&schema, COLUMNS, "").await;
        scene
            .load(batch([
                record("a", r#"{"total":1,"paid":true,"other":"ignored"}"#),
                record("b", r#"{"total":2}"#),
            ]))
            .await;
        assert_eq!(schema.rows("sales").await, ["(a,1,t,,7)", "(b,2,,,7)"]);
        scene
            .load(batch([
                record("a", r#"{"total":3,"lines":[{"n":1.10}]}"#),
                deleted("b"),
                deleted("c"),
            ]))
            .await;
        assert_eq!(
            schema.rows("sales").await,
            [r#"(a,3,,"[{""n"": 1.10}]",7)"#]
        );
    })
    .await;
}

#[tokio::test]
async fn a_bad_row_among_a_hundred_dies_alone_and_its_values_are_not_shown() {
    in_a_schema(async |schema| {
        schema
            .execute(&format!("CREATE TABLE sales ({TABLE})"))
            .await;
        let scene = Scene::new(&schema, COLUMNS, "").await;
        let data = |number| match number {
            63 => r#"{"total":1,"paid":"hunter2 perhaps"}"#.to_owned(),
            _ => format!(r#"{{"total":{number}}}"#),
        };
        let records: Vec<Record> = (0..100)
            .map(|number| record(&number.to_string(), &data(number)))
            .collect();
        scene.load(batch(records)).await;
        assert_eq!(schema.rows("sales").await.len(), 99);
        let letter = scene.dead().await;
        assert_eq!((letter.key(), letter.attempts), ("63", 1));
        let end = ": column 'paid': a value is not of the column's type (SQLSTATE 22P02)";
        assert!(letter.error.ends_with(end), "{}", letter.error);
        assert!(!letter.error.contains("hunter2"), "{}", letter.error);
    })
    .await;
}

#[tokio::test]
async fn a_row_that_a_constraint_refuses_dies_with_the_constraint_s_or_the_column_s_name() {
    in_a_schema(async |schema| {
        schema
            .execute(&format!(
                "CREATE TABLE sales ({TABLE}, CONSTRAINT positive CHECK (total > 0))"
            ))
            .await;
        let scene = Scene::new(&schema, COLUMNS, "").await;
        for (data, error) in [
            (
                r#"{"total":-4711}"#,
                "constraint 'positive': a constraint of the table refuses it (SQLSTATE 23514)",
            ),
            (
                r#"{"paid":true}"#,
                "column 'total': a value is missing (SQLSTATE 23502)",
            ),
            (
                "[4711]",
                "the record is no object, so it has no fields for the columns",
            ),
        ] {
            scene
                .load(batch([record("a", data), record("b", r#"{"total":1}"#)]))
                .await;
            let letter = scene.dead().await;
            assert!(letter.error.ends_with(error), "{}", letter.error);
            assert!(!letter.error.contains("4711"), "{}", letter.error);
        }
        assert_eq!(schema.rows("sales").await, ["(b,1,,)"]);
    })
    .await;
}

#[tokio::test]
async fn the_table_is_made_where_the_flow_says_so_once_for_all_who_miss_it() {
    in_a_schema(async |schema| {
        let scenes = [(); 4].map(|()| Scene::new(&schema, COLUMNS, "create: true"));
        let scenes = futures_util::future::join_all(scenes).await;
        let loads = (0..).zip(&scenes).map(|(number, scene): (u32, _)| {
            scene.load(batch([
                record(&number.to_string(), r#"{"total":1.50}"#),
                deleted("x"),
            ]))
        });
        futures_util::future::join_all(loads).await;
        assert_eq!(
            schema.rows("sales").await,
            ["(0,1.50,,)", "(1,1.50,,)", "(2,1.50,,)", "(3,1.50,,)"]
        );
    })
    .await;
}

#[tokio::test]
async fn a_table_that_cannot_be_written_as_the_flow_says_is_waited_for() {
    in_a_schema(async |schema| {
        let scene = Scene::new(&schema, COLUMNS, "").await;
        let load = async || {
            scene.load(batch([record("a", r#"{"total":1}"#)])).await;
            scene.waits().await
        };
        assert_eq!(load().await.waits, 1);
        schema
            .execute("CREATE TABLE sales (sale text, total numeric, paid boolean, lines jsonb)")
            .await;
        assert_eq!(load().await.waits, 1, "the key is not unique");
        schema
            .execute("ALTER TABLE sales ADD PRIMARY KEY (sale), DROP COLUMN paid")
            .await;
        assert_eq!(load().await.waits, 1, "a column is missing");
        schema
            .execute("ALTER TABLE sales ADD COLUMN paid boolean")
            .await;
        scene.load(batch([record("a", r#"{"total":1}"#)])).await;
        assert_eq!(schema.rows("sales").await, ["(a,1,,)"]);
    })
    .await;
}

#[tokio::test]
async fn every_type_takes_its_values_and_numbers_keep_every_digit() {
    in_a_schema(async |schema| {
        let columns = "{ t: text, i: integer, b: bigint, n: numeric, f: double, d: date, s: timestamp, z: timestamptz, j: jsonb, u: uuid }";
        let scene = Scene::new(&schema, columns, "create: true").await;
        let data = r#"{"t":"ż\"'\\","i":-7,"b":9007199254740993,"n":12345678901234567890.12345678901234567890,"f":0.5,
            "d":"2026-01-31","s":"2026-01-31T12:00:00","z":"2026-01-31T12:00:00","j":{"n":1.10},"u":"0190a5e2-0000-7000-8000-000000000000"}"#;
        scene.load(batch([record("a", data), record("b", r#"{"t":{"n":1.10},"n":"1.10","b":"7"}"#)])).await;
        let a = r#"(a,"ż""'\\",-7,9007199254740993,12345678901234567890.12345678901234567890,0.5,2026-01-31,"2026-01-31 12:00:00","2026-01-31 12:00:00+00","{""n"": 1.10}",0190a5e2-0000-7000-8000-000000000000)"#;
        let b = r#"(b,"{""n"": 1.10}",,7,1.10,,,,,,)"#;
        assert_eq!(schema.rows("sales").await, [a, b]);
        for data in [r#"{"d":"01/02/2026"}"#, r#"{"i":2147483648}"#, r#"{"t":"\u0000"}"#, r#"{"n":1e200000}"#] {
            scene.load(batch([record("c", data)])).await;
            assert!(scene.dead().await.error.contains("(SQLSTATE 22"), "{data}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_refused_password_is_waited_for_and_not_shown() {
    in_a_schema(async |schema| {
        let mut wrong = url::Url::parse(&url()).unwrap();
        wrong.set_password(Some("hunter2")).unwrap();
        let scene = Scene::at(wrong.as_str(), &schema, COLUMNS, "").await;
        let failed = scene.refusal(record("a", "{}")).await;
        assert!(
            failed.contains("unauthorised") && failed.contains("SQLSTATE 28P01"),
            "{failed}"
        );
        assert!(!failed.contains("hunter2"), "{failed}");
        scene.load(batch([record("a", r#"{"total":1}"#)])).await;
        let again = scene.waits().await;
        assert_eq!((again.attempt, again.waits), (0, 1));
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_down_is_waited_for_and_costs_no_attempt() {
    in_a_schema(async |schema| {
        let down = "postgres://reports:hunter2@127.0.0.1:1/warehouse";
        let scene = Scene::at(down, &schema, COLUMNS, "").await;
        let failed = scene.refusal(record("a", "{}")).await;
        assert!(
            failed.contains("unreachable") && failed.contains("postgres://127.0.0.1:1/warehouse"),
            "{failed}"
        );
        assert!(!failed.contains("hunter2"), "{failed}");
        scene.waits().await;
        for waits in 1..3 {
            let batch = Batch {
                waits: waits - 1,
                ..batch([record("a", r#"{"total":1}"#)])
            };
            scene.load(batch).await;
            let again = scene.waits().await;
            assert_eq!((again.attempt, again.waits), (0, waits));
        }
    })
    .await;
}

#[tokio::test]
async fn connections_that_the_database_closed_are_replaced_at_the_cost_of_no_attempt() {
    in_a_schema(async |schema| {
        let named = format!("{}?application_name={}", url(), schema.name);
        let scene = Scene::at(&named, &schema, COLUMNS, "create: true").await;
        scene.load(batch([record("a", r#"{"total":1}"#)])).await;
        assert!(schema.disconnect(&schema.name).await > 0);
        let mut next = batch([record("a", r#"{"total":2}"#)]);
        while schema.rows("sales").await != ["(a,2,,)"] {
            assert_eq!(next.attempt, 0);
            scene.load(next.clone()).await;
            if schema.rows("sales").await != ["(a,2,,)"] {
                next = scene.waits().await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_the_database_breaks_off_leaves_a_doubt_and_costs_no_attempt() {
    in_a_schema(async |schema| {
        let named = format!("{}?application_name={}", url(), schema.name);
        let scene = Scene::at(&named, &schema, COLUMNS, "create: true").await;
        scene.load(batch([record("a", r#"{"total":1}"#)])).await;
        let held = schema.client().await;
        held.batch_execute("BEGIN; LOCK TABLE sales").await.unwrap();
        let row = record("a", r#"{"total":2}"#);
        let entries = vec![pomost_loader::prepare::claim_entry(
            &record("a", r#"{"total":3}"#),
            None,
        )];
        let next = claim(entries);
        let break_off = async {
            while schema.waiting(&schema.name).await == 0 {}
            schema.disconnect(&schema.name).await
        };
        let (failed, broken) = tokio::join!(scene.refusal(row), break_off);
        assert_eq!(broken, 1);
        assert!(
            failed.contains("throttled") && failed.contains("SQLSTATE 57P01"),
            "{failed}"
        );
        let again = scene.waits().await;
        assert_eq!((again.attempt, again.waits), (0, 1));
        let answers = scene
            .context
            .store()
            .claim(&next, Duration::ZERO)
            .await
            .unwrap();
        assert!(
            matches!(answers[..], [ClaimResult::InDoubt { .. }]),
            "{answers:?}"
        );
    })
    .await;
}

/// A claim as flows make it that want the newest of each key.
fn claim(entries: Vec<ClaimEntry>) -> Claim {
    Claim {
        flow: "sales".into(),
        token: ClaimToken::generate(),
        entries,
        same_version_type: true,
        latest_only: true,
        in_flight_for: Duration::ZERO,
    }
}

/// Somebody died after the statement and before the settlement.
#[tokio::test]
async fn what_is_in_doubt_is_written_again_and_changes_nothing() {
    in_a_schema(async |schema| {
        let scene = Scene::new(&schema, COLUMNS, "create: true").await;
        scene.load(batch([record("kept", r#"{"total":0}"#)])).await;
        schema
            .execute("INSERT INTO sales VALUES ('a', 1), ('b', 1)")
            .await;
        let records = [record("a", r#"{"total":1}"#), deleted("b")];
        let entries = records
            .iter()
            .map(|record| pomost_loader::prepare::claim_entry(record, None))
            .collect();
        let claim = claim(entries);
        scene
            .context
            .store()
            .claim(&claim, Duration::ZERO)
            .await
            .unwrap();
        scene.load(batch(records)).await;
        assert_eq!(schema.rows("sales").await, ["(a,1,,)", "(kept,0,,)"]);
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_and_costs_an_attempt() {
    in_a_schema(async |schema| {
        let scene = Scene::new(&schema, COLUMNS, "create: true\n    timeout: 200ms").await;
        scene.load(batch([record("a", r#"{"total":1}"#)])).await;
        let held = schema.client().await;
        held.batch_execute("BEGIN; LOCK TABLE sales").await.unwrap();
        let failed = scene.refusal(deleted("a")).await;
        assert!(
            failed.contains("transient") && failed.contains("load.table.timeout"),
            "{failed}"
        );
        scene.waits().await;
        scene.load(batch([record("a", r#"{"total":2}"#)])).await;
        held.batch_execute("ROLLBACK").await.unwrap();
        let again = scene.waits().await;
        assert_eq!((again.attempt, again.waits), (1, 0));
        scene.load(again).await;
        assert_eq!(schema.rows("sales").await, ["(a,2,,)"]);
    })
    .await;
}
