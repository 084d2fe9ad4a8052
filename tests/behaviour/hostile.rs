//! Responses that no system should give.

use pomost_models::{DeadLetter, DeadLetterReason};
use serde_json::json;

use crate::support::{FakeServer, Flow, Reply, Rows, World, failure, outcomes};

async fn failure_of_a_source_that_answers(body: impl Into<Vec<u8>>) -> String {
    let body = body.into();
    let source = FakeServer::start(move |_| Reply::of(200, body.clone())).await;
    failure(World::new(source, Flow::default()).await.sync().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_does_not_answer_json_fails_the_run() {
    let answers = [
        ("Sign in", "row 1, byte 0: expected"),
        (r#"{"rows":[{"key":"a"},{"key"#, "row 2, byte"),
        ("{\"rows\":[]} trailing", "row 1, byte 12: "),
        ("{\"rows\":[NaN]}", "row 1, byte 9: "),
    ];
    for (body, reason) in answers {
        let error = failure_of_a_source_that_answers(body).await;
        assert!(
            error.contains("GET /rows: the answer cannot be read: JSON, ")
                && error.contains(reason),
            "{error}"
        );
    }
    let error = failure_of_a_source_that_answers(b"{\"rows\":[\"\xff\"]}").await;
    assert!(error.contains("byte 10: not UTF-8"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_nests_without_end_fails_the_run() {
    let error = failure_of_a_source_that_answers("[".repeat(100_000)).await;
    assert!(error.contains("nested deeper than"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_answers_without_end_fails_the_run() {
    let error = failure_of_a_source_that_answers(vec![b' '; 65 << 20]).await;
    assert!(error.contains("longer than 67108864 bytes"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_whose_answer_has_another_shape_fails_the_run() {
    for (body, reason) in [
        (r#"{"rows":7}"#, "expected a list at .rows"),
        ("[]", "expected a list at .rows"),
        (r#"{"error":"x"}"#, "expected a list at .rows"),
    ] {
        let error = failure_of_a_source_that_answers(body).await;
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_no_objects_die_alone() {
    let source = FakeServer::start(|_| {
        Reply::rows(json!([1, null, "x", [], { "key": "a" }, { "key": { "b": [] } }]))
    })
    .await;
    let world = World::new(source, Flow::default()).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 2), ("dead", 4)]);
}

async fn letter_of_a_create_that_is_answered(body: &str) -> DeadLetter {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    let body = body.to_owned();
    world
        .shop
        .fail("POST", 1, move || Reply::of(201, body.clone()));
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    assert_eq!(world.shop.server.count_method("POST"), 1);
    world.only_dead().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_is_not_answered_with_json_is_in_doubt() {
    for body in ["", "<html>Welcome</html>", "{\"id\":", &"[".repeat(100_000)] {
        let letter = letter_of_a_create_that_is_answered(body).await;
        assert_eq!(letter.reason, DeadLetterReason::InDoubt, "{}", letter.error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_is_answered_without_an_id_makes_a_dead_letter() {
    let answers = [
        (r#"{"id":{}}"#, "neither text nor a number"),
        (r#"{"ID":7}"#, "no id where load.create.id looks for it"),
        ("[]", "reading the id from the answer"),
    ];
    for (body, reason) in answers {
        let letter = letter_of_a_create_that_is_answered(body).await;
        assert_eq!(letter.reason, DeadLetterReason::InDoubt);
        assert!(letter.error.contains(reason), "{}", letter.error);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_refusal_is_quoted_in_part() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    world
        .shop
        .fail("POST", 1, || Reply::of(400, vec![b'x'; 1 << 20]));
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let error = world.only_dead().await.error;
    assert!(error.len() < 400 && error.ends_with('…'), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_too_long_for_a_database_dies_alone() {
    let rows = [
        json!({ "key": "k".repeat(1025) }),
        json!({ "key": "ż".repeat(512) }),
    ];
    let (world, _) = World::with_rows(rows, Flow::default()).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1), ("dead", 1)]);
    assert!(
        world
            .only_dead()
            .await
            .error
            .contains("longer than 1024 bytes")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_too_long_for_a_message_dies_alone_and_long_ones_cross() {
    let sized = |key: &str, bytes: usize| json!({ "key": key, "text": "x".repeat(bytes) });
    let rows = [
        sized("a", 5 << 20),
        sized("b", 3 << 20),
        sized("c", 700_000),
        sized("d", 700_000),
    ];
    let (world, _) = World::with_rows(
        rows,
        Flow {
            transform: "map: .",
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 3), ("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(
        (letter.key(), letter.record.as_ref().unwrap().data.get()),
        ("a", "null")
    );
    assert!(
        letter.error.contains("longer than 4 MiB"),
        "{}",
        letter.error
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_without_end_or_measure_kills_its_record_alone() {
    let mappings = [
        ("repeat(empty)", "more than 5000000 steps"),
        (
            "reduce range(60) as $i (.key; . + .)",
            "a text longer than 16 MiB",
        ),
        (
            "reduce range(100000) as $i (.; [.])",
            "nested deeper than 128 levels",
        ),
        ("reduce range(60) as $i (.; [., .])", "larger than 128 MiB"),
        ("repeat(.)", "more than 100000 outputs"),
        (
            "range(1000) as $i | { key, text: (\"x\" * 500000) }",
            "larger than 128 MiB",
        ),
    ];
    let rows = Rows::default();
    rows.set_json([0, 1, 2, 3, 4, 5, 6, 7].map(|key| format!(r#"{{"key":"{key}"}}"#)));
    let cases = mappings
        .iter()
        .zip(0..)
        .map(|((mapping, _), key)| format!("if .key == \"{key}\" then {mapping} el"));
    let transform = format!("map: |\n  {}se . end", cases.collect::<String>());
    let flow = Flow {
        transform: transform.leak(),
        ..Flow::default()
    };
    let world = World::new(rows.serve().await, flow).await;
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 2), ("dead", mappings.len() as u64)]
    );
    for letter in world.dead().await {
        let (_, bound) = mappings[letter.key().parse::<usize>().unwrap()];
        assert_eq!(letter.reason, DeadLetterReason::Invalid);
        assert!(
            letter.error.contains(bound) || letter.error.contains("longer than 5 s"),
            "{}",
            letter.error
        );
    }
}
