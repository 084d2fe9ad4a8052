//! A destination.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::{FakeServer, ReceivedRequest, Reply};

type Intercepting = dyn Fn(&ReceivedRequest) -> Option<Reply> + Send + Sync;

/// A shop of things: `POST /things`, `GET`, `PUT`, `PATCH` and `DELETE /things/{id}`, `GET
/// /things?key={key}`. Its responses have entity tags, and it respects `If-Match`. A create under
/// an idempotency key that it knows gets the response of the first time. `PUT /shelf/{id}` makes or
/// replaces a thing; the response is empty.
pub(crate) struct Shop {
    pub(crate) server: FakeServer,
    shelf: Arc<Mutex<ThingShelf>>,
    interceptors: Interceptors,
}

/// Functions that may reply instead of the shop; the first that has a reply decides.
type Interceptors = Arc<Mutex<Vec<Box<Intercepting>>>>;

/// The things of a shop.
#[derive(Default)]
struct ThingShelf {
    /// The things by their ids.
    things: BTreeMap<String, KeptThing>,
    /// Number of things that were ever made.
    made: usize,
    /// The ids of things by the idempotency keys of their creates.
    known: BTreeMap<String, String>,
}

struct KeptThing {
    /// As it was sent.
    body: String,
    /// Grows with each change.
    version: usize,
}

impl Shop {
    pub(crate) async fn start() -> Shop {
        let shelf: Arc<Mutex<ThingShelf>> = Arc::default();
        let interceptors = Interceptors::default();
        let (kept, first) = (shelf.clone(), interceptors.clone());
        let server = FakeServer::start(move |request| {
            let intercepted = first
                .lock()
                .unwrap()
                .iter()
                .find_map(|intercept| intercept(request));
            intercepted.unwrap_or_else(|| kept.lock().unwrap().reply(request))
        })
        .await;
        Shop {
            server,
            shelf,
            interceptors,
        }
    }

    /// Replies as the closure says from now on, where it has a reply.
    pub(crate) fn intercept(
        &self,
        intercept: impl Fn(&ReceivedRequest) -> Option<Reply> + Send + Sync + 'static,
    ) {
        *self.interceptors.lock().unwrap() = vec![Box::new(intercept)];
    }

    /// Replies as the closure says where those before it have no reply.
    pub(crate) fn also_intercept(
        &self,
        intercept: impl Fn(&ReceivedRequest) -> Option<Reply> + Send + Sync + 'static,
    ) {
        self.interceptors.lock().unwrap().push(Box::new(intercept));
    }

    /// Replies in this way to the first `times` requests with a method, which have no effect.
    pub(crate) fn fail(
        &self,
        method: &'static str,
        times: usize,
        reply: impl Fn() -> Reply + Send + Sync + 'static,
    ) {
        let left = Mutex::new(times);
        self.intercept(move |request| {
            let mut left = left.lock().unwrap();
            let fails = request.method == method && *left > 0;
            *left -= usize::from(fails);
            fails.then(&reply)
        });
    }

    /// Replies in this way to the first `times` requests with a method, which have their effect all
    /// the same.
    pub(crate) fn lose_answers(
        &self,
        method: &'static str,
        times: usize,
        reply: impl Fn() -> Reply + Send + Sync + 'static,
    ) {
        let (left, shelf) = (Mutex::new(times), self.shelf.clone());
        self.intercept(move |request| {
            let mut left = left.lock().unwrap();
            let loses = request.method == method && *left > 0;
            *left -= usize::from(loses);
            loses.then(|| {
                shelf.lock().unwrap().reply(request);
                reply()
            })
        });
    }

    pub(crate) fn mend(&self) {
        self.interceptors.lock().unwrap().clear();
    }

    /// The things as they were sent, by the order of their making.
    pub(crate) fn things(&self) -> Vec<String> {
        self.shelf
            .lock()
            .unwrap()
            .things
            .values()
            .map(|thing| thing.body.clone())
            .collect()
    }

    pub(crate) fn put(&self, id: &str, thing: Value) {
        self.shelf.lock().unwrap().write(id, &thing.to_string());
    }

    pub(crate) fn empty(&self) {
        self.shelf.lock().unwrap().things.clear();
    }
}

impl ThingShelf {
    fn reply(&mut self, request: &ReceivedRequest) -> Reply {
        if let Some(id) = request.path.strip_prefix("/shelf/") {
            self.write(id, &request.body);
            return Reply::of(204, Vec::new());
        }
        let id = request
            .path
            .trim_start_matches("/things")
            .trim_start_matches('/')
            .to_owned();
        match (request.method.as_str(), self.etag(&id)) {
            ("POST", _) => {
                let id = self.create(request);
                self.tagged(&id, Reply::json(201, &json!({ "id": id })))
            }
            ("GET", _) if id.is_empty() => {
                let found = Reply::json(200, &json!({ "found": self.find(&request.query["key"]) }));
                found.with("etag", "\"a list\"")
            }
            (_, None) => Reply::json(404, &json!({ "error": "no such thing" })),
            ("GET", _) => self.tagged(&id, Reply::json(200, &json!({ "id": id }))),
            (_, Some(etag))
                if request
                    .headers
                    .get("if-match")
                    .is_some_and(|given| *given != etag) =>
            {
                Reply::json(412, &json!({ "error": "changed" }))
            }
            ("DELETE", _) => {
                self.things.remove(&id);
                Reply::of(204, Vec::new())
            }
            _ => {
                self.write(&id, &request.body);
                self.tagged(&id, Reply::json(200, &json!({})))
            }
        }
    }

    fn create(&mut self, request: &ReceivedRequest) -> String {
        let key = request.headers.get("idempotency-key");
        if let Some(id) = key.and_then(|key| self.known.get(key)) {
            return id.clone();
        }
        self.made += 1;
        let id = format!("t{:04}", self.made);
        self.write(&id, &request.body);
        self.known.extend(key.map(|key| (key.clone(), id.clone())));
        id
    }

    fn write(&mut self, id: &str, body: &str) {
        let version = self.things.get(id).map_or(1, |thing| thing.version + 1);
        self.things.insert(
            id.to_owned(),
            KeptThing {
                body: body.to_owned(),
                version,
            },
        );
    }

    fn find(&self, key: &str) -> Option<String> {
        let holds =
            |thing: &KeptThing| serde_json::from_str::<Value>(&thing.body).unwrap()["key"] == key;
        self.things
            .iter()
            .find(|(_, thing)| holds(thing))
            .map(|(id, _)| id.clone())
    }

    fn etag(&self, id: &str) -> Option<String> {
        self.things
            .get(id)
            .map(|thing| format!("\"{id}.{}\"", thing.version))
    }

    fn tagged(&self, id: &str, reply: Reply) -> Reply {
        match self.etag(id) {
            Some(etag) => reply.with("etag", etag),
            None => reply,
        }
    }
}
