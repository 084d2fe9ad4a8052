//! The plans of each kind of destination: what they show, before anything is sent.
#![allow(clippy::unwrap_used)]

use std::{fs, sync::Arc};

use pomost_http::SystemClients;
use pomost_models::{Operation, Record, RunId, Version};
use pomost_project::{Project, environment::Environment};
use pomost_store::{ClaimResult, sqlite::SqliteStore};
use serde_json::value::RawValue;

use super::*;
use crate::claims::claim_entry;

const REQUESTS: &str = "  system: shop
  create: { request: POST /things, id: .id, idempotency_header: Idempotency-Key }
  update: { request: \"PUT /things/{$id}\", if_match: true }
";

const BULK: &str = "  system: shop
  create: { request: POST /all, id: .id }
  batch: { size: 10, results: '.[]' }
";

const TABLE: &str = "  table:
    database: ${WAREHOUSE}
    name: sales
    key: sale
    columns: { total: numeric }
";

/// The destination of a flow with this `load` section. Nothing listens where it leads.
async fn destination(load: &str) -> Destination {
    let directory = tempfile::tempdir().unwrap();
    let write = |path: &str, content: &str| {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let auth = r#"auth: { api_key: { header: X-Api-Key, value: "${KEY}" } }"#;
    for system in ["source", "shop"] {
        let path = format!("systems/{system}.yaml");
        write(
            &path,
            &format!("system: {system}\nbase_url: http://127.0.0.1:1\n{auth}\n"),
        );
    }
    let extract = "{ system: source, request: GET /rows, records: '.[]', key: .id }";
    write(
        "flows/sales.yaml",
        &format!("flow: sales\nextract: {extract}\nload:\n{load}"),
    );
    let database = "postgres://loader:hunter2@127.0.0.1:1/warehouse";
    let secrets = [("WAREHOUSE", database), ("KEY", "hunter2")];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = Environment::of(directory.path(), secrets);
    let project = Project::load(directory.path(), &environment)
        .unwrap_or_else(|problems| panic!("{problems}"));
    let store = SqliteStore::open(&directory.path().join("state.db")).await;
    let store: Arc<dyn Store> = Arc::new(store.unwrap());
    let clients = SystemClients::new(&project, &store).unwrap();
    Destination::of(&project.flows["sales"], &clients, &store).unwrap()
}

fn claimed(key: &str, data: &str) -> ClaimedRecord {
    let record = Record {
        slot: 0,
        key: key.to_owned(),
        version: Version::new("1"),
        op: Operation::Upsert,
        data: RawValue::from_string(data.to_owned()).unwrap(),
        source: None,
    };
    let entry = claim_entry(&record, None);
    let result = ClaimResult::Claimed(KnownRecord::default());
    ClaimedRecord::new(record, entry, result)
}

/// Shows the plan of an action for these records, of which the first has this id.
fn shown(
    destination: &Destination,
    action: RecordAction,
    id: Option<&str>,
    records: &[ClaimedRecord],
) -> String {
    let batch = Batch {
        flow: "sales".to_owned(),
        run: RunId::generate(),
        id: "0.0".into(),
        size: 1,
        attempt: 0,
        waits: 0,
        lane: Lane::Live,
        records: Vec::new(),
    };
    let known = KnownRecord {
        id: id.map(str::to_owned),
        etag: Some("\"e7\"".to_owned()),
        incarnation: 0,
    };
    let item = |claimed| WriteItem {
        batch: &batch,
        claimed,
        known: &known,
        id,
        create_in_doubt: false,
        overwrites: false,
        permit: SendPermit::default(),
    };
    let items: Vec<WriteItem<'_>> = records.iter().map(item).collect();
    destination.writer.plan(action, &items).unwrap().to_string()
}

#[tokio::test]
async fn a_plan_shows_a_request_without_credentials_and_sends_nothing() {
    let destination = destination(REQUESTS).await;
    let record = [claimed("a", r#"{"n":1.10}"#)];
    let create = shown(&destination, RecordAction::Create, None, &record);
    let (head, body) = create.split_once("\n\n").unwrap();
    let (request, header) = head.split_once('\n').unwrap();
    assert_eq!(request, "POST http://127.0.0.1:1/things");
    assert!(header.starts_with("idempotency-key: "), "{header}");
    assert_eq!(body, r#"{"n":1.10}"#);
    assert_eq!(
        shown(&destination, RecordAction::Update, Some("7"), &record),
        "PUT http://127.0.0.1:1/things/7\nif-match: \"e7\"\n\n{\"n\":1.10}"
    );
    assert!(!create.contains("hunter2"));
}

#[tokio::test]
async fn a_plan_shows_the_request_for_many_records() {
    let destination = destination(BULK).await;
    let records = [claimed("a", r#"{"n":1}"#), claimed("b", r#"{"n":2}"#)];
    assert_eq!(
        shown(&destination, RecordAction::Create, None, &records),
        "POST http://127.0.0.1:1/all\n\n[{\"n\":1},{\"n\":2}]"
    );
}

#[tokio::test]
async fn a_plan_shows_a_statement_and_its_rows() {
    let destination = destination(TABLE).await;
    let records = [claimed("a", r#"{"total":1.10}"#), claimed("b", "[]")];
    let upsert = shown(&destination, RecordAction::Create, None, &records);
    let (statement, rows) = upsert.split_once('\n').unwrap();
    assert!(
        statement.starts_with("INSERT INTO \"sales\" (\"sale\", \"total\")"),
        "{statement}"
    );
    assert_eq!(
        rows, "a\t{\"total\":1.10}\n",
        "what has no fields is no row"
    );
    assert!(!upsert.contains("hunter2"));
    let delete = shown(&destination, RecordAction::Delete, Some("a"), &records);
    assert!(delete.starts_with("DELETE FROM \"sales\""), "{delete}");
}
