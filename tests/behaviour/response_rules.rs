//! Rules of a flow or a system on the meaning of responses.

use serde_json::{Value, json};

use crate::support::{
    FakeServer, Flow, LOOKUP, ReceivedRequest, Reply, World, failure, outcomes, row,
};

fn answered(
    method: &'static str,
    status: u16,
    body: Value,
) -> impl Fn(&ReceivedRequest) -> Option<Reply> {
    move |request| (request.method == method).then(|| Reply::json(status, &body))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_that_holds_an_error_is_one_where_a_rule_says_so() {
    let load = "answers: [{ status: 2xx, when: .body.error != null, means: invalid }]";
    let (world, _) = World::with_rows(
        [row(1)],
        Flow {
            load,
            ..Flow::default()
        },
    )
    .await;
    world.shop.intercept(answered(
        "POST",
        200,
        json!({ "id": "t1", "error": "no such country" }),
    ));
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letter = world.only_dead().await;
    assert!(
        letter
            .error
            .contains("answered 200 OK, which means invalid"),
        "{}",
        letter.error
    );
    assert!(letter.error.contains("no such country"), "{}", letter.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_only_means_not_yet_is_tried_again() {
    let load = "answers: [{ status: 422, when: '.headers[\"content-type\"] != \"x\" and .body.code == 7', means: throttled }]";
    let (world, _) = World::with_rows(
        [row(1)],
        Flow {
            load,
            ..Flow::default()
        },
    )
    .await;
    world
        .shop
        .fail("POST", 1, || Reply::json(422, &json!({ "code": 7 })));
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_means_success_is_one() {
    let load =
        "delete: { request: \"DELETE /things/{$id}\" }\nanswers: [{ status: 400, means: ok }]";
    let extract = "deleted: .gone == true";
    let (world, rows) = World::with_rows(
        [json!({ "key": "a" })],
        Flow {
            extract,
            load,
            ..Flow::default()
        },
    )
    .await;
    world.sync().await;
    world.shop.intercept(answered(
        "DELETE",
        400,
        json!({ "error": "deleted long ago" }),
    ));
    rows.set([json!({ "key": "a", "gone": true })]);
    assert_eq!(outcomes(&world.sync().await), [("deleted", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_means_conflict_is_looked_up_and_updated() {
    let load = format!(
        "{LOOKUP}\nanswers: [{{ status: 422, when: .body.code == \"taken\", means: conflict }}]"
    );
    let (world, _) = World::with_rows(
        [json!({ "key": "a", "n": 2 })],
        Flow {
            load: load.leak(),
            ..Flow::default()
        },
    )
    .await;
    world.shop.put("t7", json!({ "key": "a", "n": 1 }));
    world
        .shop
        .intercept(answered("POST", 422, json!({ "code": "taken" })));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_s_rule_goes_before_the_system_s() {
    let source =
        FakeServer::start(|_| Reply::json(200, &json!({ "rows": [], "error": "limit" }))).await;
    let rule = |means| format!("answers: [{{ when: .body.error != null, means: {means} }}]");
    let world = World::new(
        source,
        Flow {
            extract: rule("invalid").leak(),
            ..Flow::default()
        },
    )
    .await;
    let system = world.system("source");
    world.write("systems/source.yaml", &format!("{system}{}\n", rule("ok")));
    assert!(failure(world.sync().await).contains("which means invalid"));
    world.set_flow(Flow::default());
    assert_eq!(outcomes(&world.sync().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_id_of_what_was_made_may_stand_in_xml() {
    let writes = "create: { request: POST /things, id: .made.id }\nupdate: { request: \"PUT /things/{$id}\" }";
    let (world, rows) = World::with_rows(
        [json!({"key": "a", "n": 1})],
        Flow {
            writes,
            ..Flow::default()
        },
    )
    .await;
    world.shop.put("t7", json!({}));
    world.shop.fail("POST", 1, || {
        Reply::of(200, "<made><id>t7</id></made>").with("content-type", "application/xml")
    });
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    rows.set([json!({"key": "a", "n": 2})]);
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_the_id_that_it_should_have_may_still_have_made_something() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::with_lookup()).await;
    world
        .shop
        .lose_answers("POST", 1, || Reply::of(201, Vec::new()));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things().len(), 1);
}
