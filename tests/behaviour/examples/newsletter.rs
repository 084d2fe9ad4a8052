//! `examples/newsletter`.

mod crm;
mod tool;

use std::fs;

use pomost_tests::ExampleProject;
use serde_json::{Value, json};

use crate::support::send_request;
use crm::{Crm, contact};
use tool::NewsletterTool;

/// The tool rejects this contact with a reason.
const BOUNCES: usize = 13;
/// The tool wants this contact later.
const THROTTLED: usize = 77;
/// The tool cannot read a request with this contact, and gives no reason.
const UNREADABLE: usize = 99;

#[tokio::test(flavor = "multi_thread")]
async fn contacts_cross_many_at_once_and_those_at_fault_alone_do_not() {
    let (_crm, tool, example) = begin().await;
    assert_eq!(
        example.sync("contacts").await,
        "117 created, 1 unchanged, 2 dead"
    );
    let all = (1..=120).filter(|number| ![BOUNCES, UNREADABLE, crm::REFUSES].contains(number));
    assert_eq!(tool.contacts(), all.map(expected).collect::<Vec<_>>());
    let dead = example.dead().await;
    let [(bounces, why), (unreadable, _)] = &dead[..] else {
        panic!("{dead:?}")
    };
    assert_eq!([bounces, unreadable], ["c013", "c099"]);
    assert!(why.contains("this address bounces"), "{why}");
    // Three requests would do for 119; halving 50 for one of them takes 2 log2 50 more at most, and
    // who was throttled comes in one more.
    assert!(
        (3..=3 + 12 + 1).contains(&tool.count_method("POST")),
        "{}",
        tool.count_method("POST")
    );
    assert_eq!(tool.times_throttled(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_or_taken_back_is_all_that_is_sent() {
    let (crm, tool, example) = begin().await;
    example.sync("contacts").await;
    tool.forget_requests();
    crm.change(
        1,
        json!({ "name": "Other", "changed_at": "2026-08-01T10:00:00Z" }),
    );
    crm.change(
        2,
        json!({ "language": "de", "changed_at": "2026-08-01T10:01:00Z" }),
    );
    crm.change(
        3,
        json!({ "newsletter": false, "changed_at": "2026-08-01T10:02:00Z" }),
    );
    crm.change(
        crm::REFUSES,
        json!({ "newsletter": true, "changed_at": "2026-08-01T10:03:00Z" }),
    );
    crm.change(
        BOUNCES,
        json!({ "email": "mended@poczta.example", "changed_at": "2026-08-01T10:04:00Z" }),
    );
    assert_eq!(
        example.sync("contacts").await,
        "2 created, 2 updated, 1 deleted, 1 unchanged"
    );
    let contact = |number: usize| match number {
        1 => {
            json!({ "ref": "c001", "email": "c001@poczta.example", "name": "Other", "language": "pl" })
        }
        2 => {
            json!({ "ref": "c002", "email": "c002@poczta.example", "name": "Name 2", "language": "de" })
        }
        BOUNCES => {
            json!({ "ref": "c013", "email": "mended@poczta.example", "name": "Name 13", "language": "pl" })
        }
        number => expected(number),
    };
    let all = (1..=120).filter(|number| ![3, UNREADABLE].contains(number));
    assert_eq!(tool.contacts(), all.map(contact).collect::<Vec<_>>());
    assert_eq!(
        ["POST", "PATCH", "DELETE"].map(|method| tool.count_method(method)),
        [1, 1, 1]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_arrived_without_an_answer_makes_nobody_twice() {
    let (_crm, tool, example) = begin().await;
    // Its contacts are in doubt for the time-out.
    let system = example.directory().join("systems/newsletter.yaml");
    let text = fs::read_to_string(&system).unwrap();
    fs::write(&system, format!("{text}timeout: 4s\n")).unwrap();
    tool.lose_an_answer();
    example.sync("contacts").await;
    let all = (1..=120).filter(|number| ![BOUNCES, UNREADABLE, crm::REFUSES].contains(number));
    assert_eq!(tool.contacts(), all.map(expected).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_system_lets_in_who_shows_nothing() {
    let (crm, tool, _example) = begin().await;
    assert_eq!(
        send_request("GET", &format!("{}/contacts", crm.url()), "", "")
            .await
            .0,
        401
    );
    assert_eq!(
        send_request("POST", &format!("{}/contacts/batch", tool.url()), "", "{}")
            .await
            .0,
        401
    );
}

async fn begin() -> (Crm, NewsletterTool, ExampleProject) {
    let (crm, tool) = (Crm::start().await, NewsletterTool::start().await);
    let variables = [
        ("CRM_URL", crm.url()),
        ("CRM_TOKEN", crm::TOKEN),
        ("NEWSLETTER_URL", tool.url()),
        ("NEWSLETTER_KEY", tool::KEY),
    ];
    let example = ExampleProject::new("newsletter", &variables);
    (crm, tool, example)
}

/// The tool's contact for an unchanged contact of the CRM.
fn expected(number: usize) -> Value {
    let id = contact(number)["id"].clone();
    let email = format!("{}@poczta.example", id.as_str().unwrap());
    json!({ "ref": id, "email": email, "name": format!("Name {number}"), "language": "pl" })
}
