//! An ERP that counts its changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::{
    examples::{not_found, refusal_without},
    support::{FakeServer, ReceivedRequest, Reply},
};

/// The token that it accepts.
pub(super) const TOKEN: &str = "erp-token-of-the-tests";

/// `GET /items?after={revision}`, three at a time in the order of their changes, and
/// `PUT /items/{code}/reservation`.
pub(super) struct Erp {
    server: FakeServer,
    store: Arc<Mutex<ErpStore>>,
}

/// An item on the shelves.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) code: &'static str,
    pub(super) on_hand: i64,
    pub(super) reserved: i64,
}

#[derive(Default)]
struct ErpStore {
    items: BTreeMap<&'static str, KeptItem>,
    /// Number of changes so far.
    revision: u64,
    /// Number of writes of reservations.
    writes: usize,
    /// The goods that arrive as soon as a page was read.
    arriving: Vec<(&'static str, i64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct KeptItem {
    on_hand: i64,
    reserved: i64,
    /// The number of its last change.
    revision: u64,
}

impl Erp {
    pub(super) async fn start() -> Erp {
        let store: Arc<Mutex<ErpStore>> = Arc::default();
        let kept = store.clone();
        let server = FakeServer::start(move |request| {
            let refused = refusal_without(request, "authorization", &format!("Bearer {TOKEN}"));
            refused.unwrap_or_else(|| kept.lock().unwrap().answer(request))
        })
        .await;
        let erp = Erp { server, store };
        for (code, pieces) in [("BOLT", 7), ("CUP", 1), ("MUG", 10), ("PEN", 5)] {
            erp.receive(code, pieces);
        }
        erp
    }

    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    pub(super) fn items(&self) -> Vec<Item> {
        let item = |(code, kept): (&&'static str, &KeptItem)| Item {
            code,
            on_hand: kept.on_hand,
            reserved: kept.reserved,
        };
        self.store.lock().unwrap().items.iter().map(item).collect()
    }

    /// Number of writes of reservations, also of those that changed nothing.
    pub(super) fn writes(&self) -> usize {
        self.store.lock().unwrap().writes
    }

    /// Makes goods arrive.
    pub(super) fn receive(&self, code: &'static str, pieces: i64) {
        self.store.lock().unwrap().receive(code, pieces);
    }

    /// Makes goods arrive in this order as soon as the next page was read.
    pub(super) fn receive_after_a_page(&self, goods: impl Into<Vec<(&'static str, i64)>>) {
        self.store.lock().unwrap().arriving = goods.into();
    }
}

impl ErpStore {
    fn answer(&mut self, request: &ReceivedRequest) -> Reply {
        let code = request
            .path
            .strip_prefix("/items/")
            .and_then(|rest| rest.strip_suffix("/reservation"));
        let Some(code) = code else {
            return self.list(&request.query);
        };
        let Some(code) = self.items.keys().find(|known| **known == code).copied() else {
            return not_found();
        };
        self.writes += 1;
        let reservation: Value = serde_json::from_str(&request.body).unwrap();
        self.change(code, |item| {
            item.reserved = reservation["reserved"].as_i64().unwrap()
        });
        Reply::of(204, Vec::new())
    }

    /// A page of the items that were changed after a revision, in the order of their changes.
    fn list(&mut self, query: &BTreeMap<String, String>) -> Reply {
        let after: u64 = query["after"].parse().unwrap();
        let mut changed: Vec<_> = self
            .items
            .iter()
            .filter(|(_, kept)| kept.revision > after)
            .collect();
        changed.sort_by_key(|(_, kept)| kept.revision);
        changed.truncate(3);
        let item = |(code, kept): &(&&str, &KeptItem)| {
            let available = kept.on_hand - kept.reserved;
            json!({ "code": code, "available": available, "revision": kept.revision })
        };
        let page: Vec<Value> = changed.iter().map(item).collect();
        for (code, pieces) in std::mem::take(&mut self.arriving) {
            self.receive(code, pieces);
        }
        Reply::json(200, &json!({ "items": page }))
    }

    fn receive(&mut self, code: &'static str, pieces: i64) {
        self.change(code, |item| item.on_hand += pieces);
    }

    /// Changes an item. A change that leaves everything as it is has no revision.
    fn change(&mut self, code: &'static str, change: impl FnOnce(&mut KeptItem)) {
        let item = self.items.entry(code).or_insert(KeptItem {
            on_hand: 0,
            reserved: 0,
            revision: 0,
        });
        let before = *item;
        change(item);
        if *item != before {
            self.revision += 1;
            item.revision = self.revision;
        }
    }
}
