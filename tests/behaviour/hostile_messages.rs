//! Messages of any bytes in every queue.

use std::{fs, path::Path};

use pomost_broker::{Message, Queue};
use pomost_models::{Stage, batch::BATCH_TYPE, dead_letter::DEAD_LETTERS_TYPE};
use pomost_tests::eventually;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use serde_json::json;

use crate::support::{Flow, World, outcomes};

/// A correct batch and correct dead letters.
const BATCH: &str = r#"{"flow":"things","run":"01a222ed-a599-7182-bedd-2be7a19272ab","id":"0.0","size":2,"attempt":0,"waits":0,
    "records":[{"slot":0,"key":"a","version":"@1","op":"upsert","data":{"key":"a"}},{"slot":1,"key":"b","version":"","op":"delete","data":null}]}"#;
const LETTERS: &str = r#"[{"id":"2cee03c3b528d522d7eca930","flow":"things","run":"01a222ed-a599-7182-bedd-2be7a19272ab","batch":"0.0","size":1,
    "stage":"load","reason":"invalid","error":"no","attempts":1,"died_at":"2026-11-28T16:12:11Z",
    "record":{"slot":0,"key":"a","version":"1","op":"upsert","data":{}}}]"#;

const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "null",
    "-1",
    "4294967295",
    "4294967296",
    "1e400",
    "\"\\ud800\"",
    "\u{0}",
    "ż",
    "upsert",
    "delete",
    "extract",
    "/",
    "00000000-0000-0000-0000-000000000000",
    "9999-12-31T23:59:59Z",
    "\"size\":",
    "\"slot\":",
];

/// A message with pieces put into it.
fn message() -> impl Strategy<Value = Message> {
    let damage = (any::<Index>(), 0..12_usize, 0..PIECES.len());
    let kinds = vec![BATCH_TYPE, DEAD_LETTERS_TYPE, "pomost.batch.v9", ""];
    (
        select(kinds),
        select(vec![BATCH, LETTERS]),
        vec(damage, 0..4),
    )
        .prop_map(|(kind, body, damages)| {
            let mut bytes = body.as_bytes().to_vec();
            for (place, taken, piece) in damages {
                let start = place.index(bytes.len() + 1);
                let end = (start + taken).min(bytes.len());
                bytes.splice(start..end, PIECES[piece].bytes());
            }
            of(kind, bytes)
        })
}

fn of(kind: &str, body: Vec<u8>) -> Message {
    let traceparent = Some("00-zz-ż".to_owned());
    Message {
        id: "m".into(),
        kind: kind.into(),
        body: body.into(),
        traceparent,
    }
}

fn corpus() -> Vec<Message> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("behaviour/corpus/messages");
    let files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    let kinds = [BATCH_TYPE, DEAD_LETTERS_TYPE];
    files
        .iter()
        .flat_map(|file| kinds.map(|kind| of(kind, file.clone())))
        .collect()
}

/// `PROPTEST_CASES` is the number of messages.
#[tokio::test(flavor = "multi_thread")]
async fn any_message_is_worked_on_or_buried_and_the_flow_goes_on() {
    let extract = "fetch: { request: \"GET /rows/{.key}\", record: \".rows[0]\" }";
    let flow = Flow {
        extract,
        transform: "map: .",
        ..Flow::default()
    };
    let (world, _) = World::with_rows([json!({"key": "good"})], flow).await;
    let mut runner = TestRunner::deterministic();
    let cases = runner.config().cases as usize;
    let mut messages = corpus();
    messages.extend((0..cases).map(|_| message().new_tree(&mut runner).unwrap().current()));
    let works =
        [Stage::Extract, Stage::Transform, Stage::Load].map(|stage| Queue::work(stage, "things"));
    for queue in works.into_iter().chain([Queue::Dead]) {
        world.publish(queue, messages.clone()).await;
    }
    // A message may have told of the same row, and who asks last has the newest.
    let settled = outcomes(&world.sync().await);
    assert!(
        matches!(settled[..], [("created" | "unchanged" | "stale", 1)]),
        "{settled:?}"
    );
    assert!(
        world
            .shop
            .things()
            .contains(&r#"{"key":"good"}"#.to_owned())
    );
    let running = world.start().await;
    eventually(async || match world.count_available_messages() {
        0 => Ok(()),
        left => Err(format!("{left} messages are left")),
    })
    .await;
    running.stop().await;
    assert!(world.dead().await.len() > messages.len() / 2);
}
