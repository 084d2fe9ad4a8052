//! A CRM with many contacts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use crate::{
    examples::refusal_without,
    support::{FakeServer, ReceivedRequest, Reply},
};

/// The token that it accepts.
pub(super) const TOKEN: &str = "crm-token-of-the-tests";

/// The contact who has not agreed to the newsletter.
pub(super) const REFUSES: usize = 42;

/// `GET /contacts?changed_since={time}&offset={number}`, fifty at a time.
pub(super) struct Crm {
    server: FakeServer,
    contacts: Arc<Mutex<BTreeMap<usize, Value>>>,
}

impl Crm {
    /// A CRM with 120 contacts.
    pub(super) async fn start() -> Crm {
        let contacts = (1..=120).map(|number| (number, contact(number))).collect();
        let contacts: Arc<Mutex<BTreeMap<usize, Value>>> = Arc::new(Mutex::new(contacts));
        let kept = contacts.clone();
        let server = FakeServer::start(move |request| {
            let refused = refusal_without(request, "authorization", &format!("Bearer {TOKEN}"));
            refused.unwrap_or_else(|| page(&kept.lock().unwrap(), request))
        })
        .await;
        Crm { server, contacts }
    }

    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    /// Sets fields of a contact.
    pub(super) fn change(&self, number: usize, fields: Value) {
        let mut contacts = self.contacts.lock().unwrap();
        contacts
            .get_mut(&number)
            .unwrap()
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
    }
}

/// The contact of a number as it is at first; each was changed an hour after the one before it.
pub(super) fn contact(number: usize) -> Value {
    let begin: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    json!({
        "id": format!("c{number:03}"),
        "email": format!(" C{number:03}@Poczta.example"),
        "name": format!("Name {number}"),
        "newsletter": number != REFUSES,
        "changed_at": begin + i64::try_from(number).unwrap().hours(),
    })
}

fn page(contacts: &BTreeMap<usize, Value>, request: &ReceivedRequest) -> Reply {
    let since: Timestamp = request.query["changed_since"].parse().unwrap();
    let skip: usize = request.query["offset"].parse().unwrap();
    let changed = |contact: &&Value| {
        contact["changed_at"]
            .as_str()
            .unwrap()
            .parse::<Timestamp>()
            .unwrap()
            >= since
    };
    let page: Vec<&Value> = contacts
        .values()
        .filter(changed)
        .skip(skip)
        .take(50)
        .collect();
    Reply::json(200, &json!({ "contacts": page }))
}
