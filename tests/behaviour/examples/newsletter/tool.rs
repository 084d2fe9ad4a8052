//! A newsletter tool that takes many contacts at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::{BOUNCES, THROTTLED, UNREADABLE};
use crate::{
    examples::{not_found, refusal_without},
    support::{FakeServer, ReceivedRequest, Reply},
};

/// The key that it accepts.
pub(super) const KEY: &str = "newsletter-key-of-the-tests";

/// `POST` and `PATCH /contacts/batch` with fifty contacts at most, `DELETE /contacts/{id}` and
/// `GET /contacts?email={email}`.
pub(super) struct NewsletterTool {
    server: FakeServer,
    list: Arc<Mutex<ContactList>>,
}

#[derive(Default)]
struct ContactList {
    /// The contacts as they were sent, by their ids.
    contacts: BTreeMap<usize, Value>,
    /// Number of contacts that were ever made.
    made: usize,
    times_throttled: usize,
    loses_an_answer: bool,
}

impl NewsletterTool {
    pub(super) async fn start() -> NewsletterTool {
        let list: Arc<Mutex<ContactList>> = Arc::default();
        let kept = list.clone();
        let server = FakeServer::start(move |request| {
            let refused = refusal_without(request, "x-api-key", KEY);
            refused.unwrap_or_else(|| kept.lock().unwrap().answer(request))
        })
        .await;
        NewsletterTool { server, list }
    }

    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    pub(super) fn count_method(&self, method: &str) -> usize {
        self.server.count_method(method)
    }

    pub(super) fn forget_requests(&self) {
        self.server.forget_requests();
    }

    pub(super) fn times_throttled(&self) -> usize {
        self.list.lock().unwrap().times_throttled
    }

    /// Makes the next batch take effect and its response break off.
    pub(super) fn lose_an_answer(&self) {
        self.list.lock().unwrap().loses_an_answer = true;
    }

    /// The contacts, sorted by their ids in the CRM.
    pub(super) fn contacts(&self) -> Vec<Value> {
        let mut contacts: Vec<Value> = self
            .list
            .lock()
            .unwrap()
            .contacts
            .values()
            .cloned()
            .collect();
        contacts.sort_by_key(|contact| contact["ref"].to_string());
        contacts
    }
}

impl ContactList {
    fn answer(&mut self, request: &ReceivedRequest) -> Reply {
        match (
            request.method.as_str(),
            request
                .path
                .strip_prefix("/contacts/")
                .map(str::parse::<usize>),
        ) {
            ("POST" | "PATCH", Some(Err(_))) => self.batch(&request.body),
            ("DELETE", Some(Ok(id))) if self.contacts.remove(&id).is_some() => {
                Reply::of(204, Vec::new())
            }
            ("GET", None) => {
                let found = self
                    .with_email(&json!(request.query["email"]))
                    .map(|id| json!({ "contact_id": id }));
                Reply::json(200, &json!({ "contacts": Vec::from_iter(found) }))
            }
            _ => not_found(),
        }
    }

    fn batch(&mut self, body: &str) -> Reply {
        let body: Value = serde_json::from_str(body).unwrap();
        let contacts = body["contacts"].as_array().unwrap();
        if contacts.is_empty()
            || contacts.len() > 50
            || contacts.iter().any(|contact| is(contact, UNREADABLE))
        {
            return Reply::json(400, &json!({ "error": "this cannot be read" }));
        }
        let mut results: Vec<Value> = contacts.iter().map(|contact| self.take(contact)).collect();
        results.reverse();
        match std::mem::take(&mut self.loses_an_answer) {
            true => Reply::broken_off(),
            false => Reply::json(207, &json!({ "results": results })),
        }
    }

    /// Accepts a contact or rejects it with a reason; returns the verdict.
    fn take(&mut self, contact: &Value) -> Value {
        let reference = &contact["ref"];
        if is(contact, BOUNCES) && contact["email"] == "c013@poczta.example" {
            return json!({ "ref": reference, "code": 422, "error": "this address bounces" });
        }
        if is(contact, THROTTLED) && self.times_throttled == 0 {
            self.times_throttled += 1;
            return json!({ "ref": reference, "code": 429, "error": "later" });
        }
        let mut kept = contact.clone();
        let id = kept.as_object_mut().unwrap().remove("contact_id");
        let id = id
            .map(|id| id.as_str().unwrap().parse().unwrap())
            .unwrap_or_else(|| {
                self.made += 1;
                self.made
            });
        self.contacts.insert(id, kept);
        json!({ "ref": reference, "contact_id": id.to_string() })
    }

    fn with_email(&self, email: &Value) -> Option<usize> {
        self.contacts
            .iter()
            .find(|(_, contact)| contact["email"] == *email)
            .map(|(id, _)| *id)
    }
}

fn is(contact: &Value, number: usize) -> bool {
    contact["ref"] == format!("c{number:03}")
}
