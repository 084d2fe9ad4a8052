//! The formats of responses and bodies.

use serde_json::json;

use crate::support::{FakeServer, Flow, ReceivedRequest, Reply, World, failure, outcomes, row};

async fn read(
    content_type: &'static str,
    body: &'static [u8],
    records: &'static str,
    extract: &'static str,
) -> World {
    let source = FakeServer::start(move |_| {
        Reply::of(200, body.to_vec()).with("content-type", content_type)
    })
    .await;
    World::new(
        source,
        Flow {
            records,
            extract,
            ..Flow::default()
        },
    )
    .await
}

async fn crosses(world: &World) -> Vec<String> {
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    let mut things = world.shop.things();
    things.sort();
    things
}

const BOTH: [&str; 2] = [
    r#"{"key":"a","name":"Łódź"}"#,
    r#"{"key":"b","name":"x, y"}"#,
];

#[tokio::test(flavor = "multi_thread")]
async fn the_content_type_says_what_an_answer_is_written_in() {
    let csv = "\u{feff}key,name\r\na,Łódź\r\nb,\"x, y\"\r\n".as_bytes();
    assert_eq!(
        crosses(&read("text/csv; charset=utf-8", csv, ".", "").await).await,
        BOTH
    );
    let lines = "{\"key\":\"a\",\"name\":\"Łódź\"}\n\n{\"key\":\"b\",\"name\":\"x, y\"}".as_bytes();
    assert_eq!(
        crosses(&read("application/x-ndjson", lines, ".", "").await).await,
        BOTH
    );
    let xml = "<rows><row><key>a</key><name>Łódź</name></row><row><key>b</key><name>x, y</name></row></rows>"
        .as_bytes();
    assert_eq!(
        crosses(&read("application/xml", xml, ".rows.row[]", "").await).await,
        BOTH
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flow_may_know_better_than_the_content_type() {
    let csv = b"some export\nkey;name\na;\xa3\xf3d\x9f\nb;x, y\n";
    let format = "format: { csv: { delimiter: \";\", skip: 1, encoding: windows-1250 } }";
    assert_eq!(
        crosses(&read("application/octet-stream", csv, ".", format).await).await,
        BOTH
    );
    let xml =
        "<s:rows xmlns:s=\"u\"><s:row key=\"a\" name=\"Łódź\"/><s:row key=\"b\" name=\"x, y\"/></s:rows>"
            .as_bytes();
    let records = "'{ key: .[\"@key\"], name: .[\"@name\"] }'";
    assert_eq!(
        crosses(
            &read(
                "text/plain",
                xml,
                records,
                "format: { xml: { record: row } }"
            )
            .await
        )
        .await,
        BOTH
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_go_wrong_are_placed_without_their_values() {
    let world = read("text/csv", b"key,name\na,secret\nb\n", ".", "").await;
    let error = failure(world.sync().await);
    assert!(
        error.starts_with("GET /rows: the answer cannot be read: CSV, row 2, line 3"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_table_go_by_its_rows_and_the_link_header() {
    let source = FakeServer::start(|request| {
        let skip: usize = request.query["skip"].parse().unwrap();
        let rows: String = ["a", "b", "c"]
            .into_iter()
            .skip(skip)
            .take(2)
            .map(|key| format!("{key}\n"))
            .collect();
        Reply::of(200, format!("key\n{rows}")).with("content-type", "text/csv")
    })
    .await;
    let extract = "paginate: { offset: { param: skip } }";
    let world = World::new(
        source,
        Flow {
            records: ".",
            extract,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 3)]);
    assert_eq!(world.source.query_values("skip"), ["0", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_left_out_behind_the_list_count_as_rows_of_their_page() {
    let source = FakeServer::start(|request| {
        let number: u32 = request.query["page"].parse().unwrap();
        let row = |key: u32| json!({ "key": key.to_string(), "wanted": key.is_multiple_of(2) });
        Reply::rows(if number < 4 {
            vec![row(number)]
        } else {
            Vec::new()
        })
    })
    .await;
    let extract = "paginate: { page: { param: page } }";
    let records = "'.rows[] | select(.wanted)'";
    let world = World::new(
        source,
        Flow {
            records,
            extract,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(world.source.query_values("page"), ["1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_may_look_at_the_rows_themselves() {
    let source = FakeServer::start(|request| {
        let after: u32 = request
            .query
            .get("after")
            .map_or(0, |after| after.parse().unwrap());
        Reply::rows(
            (1..=5)
                .filter(|key| *key > after)
                .take(2)
                .map(row)
                .collect::<Vec<_>>(),
        )
    })
    .await;
    let extract = "paginate: { token: { value: '.rows[-1].key', param: after } }";
    let world = World::new(
        source,
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 5)]);
    assert_eq!(world.source.query_values("after"), ["", "2", "4", "5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_asked_for_again_and_crosses_once() {
    let asked = std::sync::Mutex::new(0);
    let source = FakeServer::start(move |_| {
        let mut asked = asked.lock().unwrap();
        *asked += 1;
        if *asked == 1 {
            Reply::broken_off()
        } else {
            Reply::rows([row(1), row(2)].to_vec())
        }
    })
    .await;
    let world = World::new(source, Flow::default()).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    assert_eq!(world.source.count_method("GET"), 2);
}

async fn posted(create: &'static str) -> ReceivedRequest {
    let flow = Flow {
        create,
        extract: "version: .v",
        ..Flow::default()
    };
    let (world, _) =
        World::with_rows([json!({ "key": "a & b", "v": 1, "list": [1, 2] })], flow).await;
    world.shop.intercept(|request| {
        (request.method == "POST").then(|| Reply::json(201, &json!({ "id": "t1" })))
    });
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    world.shop.server.requests().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_written_as_the_flow_says() {
    let form = posted("body_format: form\nbody: '{ name: .key, list }'").await;
    assert_eq!(
        (&*form.body, &*form.headers["content-type"]),
        (
            "name=a+%26+b&list=1&list=2",
            "application/x-www-form-urlencoded"
        )
    );
    let xml = posted("body_format: { xml: { record: thing } }").await;
    assert!(
        xml.body
            .ends_with("<thing><key>a &amp; b</key><v>1</v><list>1</list><list>2</list></thing>"),
        "{}",
        xml.body
    );
    let csv = posted("body_format: { csv: { delimiter: \";\" } }\nbody: '{ key, v }'\nheaders: { Content-Type: text/x-own }").await;
    assert_eq!(
        (&*csv.body, &*csv.headers["content-type"]),
        ("key;v\r\na & b;1\r\n", "text/x-own")
    );
    let graph =
        posted("body: '{ query: \"mutation($k: String) { add(key: $k) { id } }\", variables: { k: .key } }'")
            .await;
    assert!(
        graph.body.contains(r#""variables":{"k":"a & b"}"#),
        "{}",
        graph.body
    );
    assert_eq!(graph.headers["content-type"], "application/json");
}
