//! Validation and mapping of records.

use pomost_models::{DeadLetterReason, Stage};
use serde_json::{Value, json};

use crate::support::{FakeServer, Flow, Reply, Rows, World, outcomes};

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_not_as_expected_dies_alone() {
    let rows = [
        json!({"key": "a", "n": 1}),
        json!({"key": "b", "n": "secret"}),
        json!({"key": "c", "n": 3}),
    ];
    let flow = Flow {
        extract: "expect: schemas/expect.json",
        ..Flow::default()
    };
    let (world, _) = World::with_rows(rows, flow).await;
    world.write(
        "schemas/expect.json",
        r#"{ "properties": { "n": { "type": "integer" } } }"#,
    );
    assert_eq!(outcomes(&world.sync().await), [("created", 2), ("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(
        (letter.stage, letter.reason, letter.key()),
        (Stage::Transform, DeadLetterReason::Invalid, "b")
    );
    assert_eq!(letter.pointer.as_deref(), Some("/n"));
    assert_eq!(
        letter.error,
        r#"the source's record: the value is not of type "integer""#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_mapped_dies_alone_and_the_field_is_named() {
    let rows = [
        json!({"key": "a", "when": "07.03.1984"}),
        json!({"key": "b", "when": "secret"}),
    ];
    let transform = "map: |\n  { key, born: { on: (.when | date(\"%d.%m.%Y\")) } }";
    let (world, _) = World::with_rows(
        rows,
        Flow {
            transform,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1), ("dead", 1)]);
    assert_eq!(
        world.shop.things(),
        [r#"{"key":"a","born":{"on":"1984-03-07"}}"#]
    );
    let letter = world.only_dead().await;
    assert_eq!(
        (letter.reason, letter.pointer.as_deref()),
        (DeadLetterReason::Invalid, Some("/born/on"))
    );
    let (message, place) = letter.error.rsplit_once(" (").unwrap();
    assert_eq!(
        message,
        "the mapping: expected a date in the format %d.%m.%Y"
    );
    let [file, line, column] = place.trim_end_matches(')').split(':').collect::<Vec<_>>()[..]
    else {
        panic!("{place}");
    };
    assert_eq!(file, "flows/things.yaml");
    let flow = world.flow_text();
    let line = flow
        .lines()
        .nth(line.parse::<usize>().unwrap() - 1)
        .unwrap();
    assert!(
        line[column.parse::<usize>().unwrap() - 1..].starts_with("date("),
        "{place}: {line}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mapping_says_of_a_record_is_told_without_what_is_sensitive() {
    let rows = [json!({"key": "a", "order": 4711, "mail": "ada@example.com"})];
    let transform = r#"map: error("order \(.order) of \(.mail) has no lines")"#;
    let flow = Flow {
        transform,
        rest: "sensitive: [.mail]",
        ..Flow::default()
    };
    let (world, _) = World::with_rows(rows, flow).await;
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letter = world.only_dead().await;
    assert!(
        letter
            .error
            .starts_with("the mapping: order 4711 of *** has no lines (flows/"),
        "{}",
        letter.error
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caught_error_that_quotes_a_sensitive_value_is_told_without_it() {
    let rows = [json!({"key": "a", "mail": "geheimnowakowska.brzeczyszczykiewicz@example.com"})];
    for (transform, told) in [
        (
            r#"map: 'try (.mail | tonumber) catch error("bad: \(.)")'"#,
            r#"bad: string ("***...") cannot be parsed"#,
        ),
        (
            "map: 'try (.mail + 1) catch error'",
            "cannot calculate text + number",
        ),
        (r#"map: 'error("no \(.mail | ascii_upcase)")'"#, "no ***"),
    ] {
        let flow = Flow {
            transform,
            rest: "sensitive: [.mail]",
            ..Flow::default()
        };
        let (world, _) = World::with_rows(rows.clone(), flow).await;
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
        let error = world.only_dead().await.error;
        assert!(
            error.starts_with(&format!("the mapping: {told}")),
            "{error}"
        );
        assert!(!error.to_lowercase().contains("geheim"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_has_no_json_is_pointed_at() {
    let transform = "map: '{ key, lines: [{ \"a/b\": 1 }, { \"a/b\": (.n | sqrt) }] }'";
    let (world, _) = World::with_rows(
        [json!({"key": "a", "n": -1})],
        Flow {
            transform,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(letter.pointer.as_deref(), Some("/lines/1/a~1b"));
    assert!(
        letter.error.contains("cannot express (flows/things.yaml:"),
        "{}",
        letter.error
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapped_record_that_the_destination_would_not_take_dies_alone() {
    let rows = [
        json!({"key": "a", "mail": "x@y"}),
        json!({"key": "b", "mail": "secret"}),
    ];
    let transform = "map: '{ key, contact: { mail: .mail } }'\nproduce: schemas/produce.json";
    let flow = Flow {
        transform,
        ..Flow::default()
    };
    let (world, _) = World::with_rows(rows, flow).await;
    world.write(
        "schemas/produce.json",
        r#"{ "properties": { "contact": { "properties": { "mail": { "pattern": "@" } } } } }"#,
    );
    assert_eq!(outcomes(&world.sync().await), [("created", 1), ("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(letter.pointer.as_deref(), Some("/contact/mail"));
    assert!(
        letter.error.starts_with("the mapped record: ") && !letter.error.contains("secret"),
        "{}",
        letter.error
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_key_dies_alone() {
    let (world, _) =
        World::with_rows([json!({"key": "a"}), json!({"kay": "b"})], Flow::default()).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1), ("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(letter.stage, Stage::Extract);
    assert!(letter.error.contains("extract.key"), "{}", letter.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn filtered_and_split_records_are_counted() {
    let rows = [
        json!({"key": "a", "n": 0}),
        json!({"key": "b", "n": 1}),
        json!({"key": "c", "n": 3}),
    ];
    let transform = "map: '. as $row | range(.n) | { key: $row.key, part: . }'";
    let (world, _) = World::with_rows(
        rows,
        Flow {
            transform,
            ..Flow::default()
        },
    )
    .await;
    let summary = world.sync().await;
    assert_eq!(
        outcomes(&summary),
        [("created", 4), ("filtered", 1), ("split", 1)]
    );
    assert_eq!((summary.counts.records, summary.counts.waiting), (6, 0));
    assert_eq!(world.shop.things().len(), 4);
    assert_eq!(
        outcomes(&world.sync().await),
        [("unchanged", 4), ("filtered", 1), ("split", 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_of_a_split_record_have_keys_of_their_own() {
    let transform = "map: '. as $row | .parts[] | { part: . }'";
    let load = "lookup: { request: \"GET /things?key={$key}\", id: .found }";
    let rows = [json!({"key": "k", "parts": ["x", "y"]})];
    let (world, _) = World::with_rows(
        rows,
        Flow {
            transform,
            load,
            ..Flow::default()
        },
    )
    .await;
    world.shop.fail("POST", 2, || Reply::json(409, &json!({})));
    assert_eq!(outcomes(&world.sync().await), [("split", 1), ("dead", 2)]);
    let mut asked = world.shop.server.query_values("key");
    asked.retain(|key| !key.is_empty());
    asked.sort();
    assert_eq!(asked, ["k/0", "k/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_arrive_digit_for_digit() {
    let numbers = r#""n":[1.10,9007199254740993,-0.0,1E5,12345678901234567890.123456789]"#;
    let rows = Rows::default();
    rows.set_json([format!(r#"{{"key":"a",{numbers}}}"#)]);
    let plain = World::new(rows.serve().await, Flow::default()).await;
    let mapped = World::new(
        rows.serve().await,
        Flow {
            transform: "map: '{ key, n }'",
            ..Flow::default()
        },
    )
    .await;
    for world in [plain, mapped] {
        world.sync().await;
        assert_eq!(world.shop.things(), [format!(r#"{{"key":"a",{numbers}}}"#)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_records_travel_in_batches_and_each_is_counted() {
    let source = FakeServer::start(|_| {
        Reply::rows(
            (0..250)
                .map(|key| json!({ "key": key, "bad": key % 50 == 0 }))
                .collect::<Vec<Value>>(),
        )
    })
    .await;
    let transform = "map: 'if .bad then error(\"bad\") else . end'";
    let world = World::new(
        source,
        Flow {
            transform,
            rest: "batch_size: 7",
            ..Flow::default()
        },
    )
    .await;
    let summary = world.sync().await;
    assert_eq!(outcomes(&summary), [("created", 245), ("dead", 5)]);
    assert_eq!(summary.counts.records, 250);
}
