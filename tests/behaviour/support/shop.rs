//! A destination.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::{Reply, Seen, Server};

type Intercepting = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

/// A shop of things: `POST /things`, `GET`, `PUT`, `PATCH` and `DELETE /things/{id}`,
/// `GET /things?key={key}`. Its answers have entity tags, and it minds `If-Match`. A create under an
/// idempotency key that it knows is answered as it was the first time. `PUT /shelf/{id}` makes or
/// replaces a thing, and answers nothing.
pub(crate) struct Shop {
    pub(crate) server: Server,
    shelf: Arc<Mutex<Shelf>>,
    interceptor: Arc<Mutex<Option<Box<Intercepting>>>>,
}

/// What a shop has.
#[derive(Default)]
struct Shelf {
    /// The things by their ids.
    things: BTreeMap<String, Thing>,
    /// How many things there have been.
    made: usize,
    /// The ids of things by the idempotency keys of their creates.
    known: BTreeMap<String, String>,
}

struct Thing {
    /// As it was sent.
    body: String,
    /// Grows with each change.
    version: usize,
}

impl Shop {
    pub(crate) async fn start() -> Shop {
        let shelf: Arc<Mutex<Shelf>> = Arc::default();
        let interceptor: Arc<Mutex<Option<Box<Intercepting>>>> = Arc::default();
        let (kept, first) = (shelf.clone(), interceptor.clone());
        let server = Server::start(move |seen| {
            let intercepted = first
                .lock()
                .unwrap()
                .as_ref()
                .and_then(|intercept| intercept(seen));
            intercepted.unwrap_or_else(|| kept.lock().unwrap().answer(seen))
        })
        .await;
        Shop {
            server,
            shelf,
            interceptor,
        }
    }

    /// Answers so from now on, where the closure has an answer.
    pub(crate) fn intercept(
        &self,
        intercept: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) {
        *self.interceptor.lock().unwrap() = Some(Box::new(intercept));
    }

    /// Answers requests of this method so the first `times` times.
    pub(crate) fn fail(
        &self,
        method: &'static str,
        times: usize,
        reply: impl Fn() -> Reply + Send + Sync + 'static,
    ) {
        let left = Mutex::new(times);
        self.intercept(move |seen| {
            let mut left = left.lock().unwrap();
            let fails = seen.method == method && *left > 0;
            *left -= usize::from(fails);
            fails.then(&reply)
        });
    }

    /// Does what requests of this method ask the first `times` times, and replies so all the same.
    pub(crate) fn lose_answers(
        &self,
        method: &'static str,
        times: usize,
        reply: impl Fn() -> Reply + Send + Sync + 'static,
    ) {
        let (left, shelf) = (Mutex::new(times), self.shelf.clone());
        self.intercept(move |seen| {
            let mut left = left.lock().unwrap();
            let loses = seen.method == method && *left > 0;
            *left -= usize::from(loses);
            loses.then(|| {
                shelf.lock().unwrap().answer(seen);
                reply()
            })
        });
    }

    pub(crate) fn mend(&self) {
        *self.interceptor.lock().unwrap() = None;
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

impl Shelf {
    fn answer(&mut self, seen: &Seen) -> Reply {
        if let Some(id) = seen.path.strip_prefix("/shelf/") {
            self.write(id, &seen.body);
            return Reply::Answer(204, Vec::new());
        }
        let id = seen
            .path
            .trim_start_matches("/things")
            .trim_start_matches('/')
            .to_owned();
        match (seen.method.as_str(), self.etag(&id)) {
            ("POST", _) => {
                let id = self.create(seen);
                self.tagged(&id, Reply::json(201, &json!({ "id": id })))
            }
            ("GET", _) if id.is_empty() => {
                let found = Reply::json(200, &json!({ "found": self.find(&seen.query["key"]) }));
                Reply::With("etag", "\"a list\"".to_owned(), Box::new(found))
            }
            (_, None) => Reply::json(404, &json!({ "error": "no such thing" })),
            ("GET", _) => self.tagged(&id, Reply::json(200, &json!({ "id": id }))),
            (_, Some(etag))
                if seen
                    .headers
                    .get("if-match")
                    .is_some_and(|given| *given != etag) =>
            {
                Reply::json(412, &json!({ "error": "changed" }))
            }
            ("DELETE", _) => {
                self.things.remove(&id);
                Reply::Answer(204, Vec::new())
            }
            _ => {
                self.write(&id, &seen.body);
                self.tagged(&id, Reply::json(200, &json!({})))
            }
        }
    }

    fn create(&mut self, seen: &Seen) -> String {
        let key = seen.headers.get("idempotency-key");
        if let Some(id) = key.and_then(|key| self.known.get(key)) {
            return id.clone();
        }
        self.made += 1;
        let id = format!("t{:04}", self.made);
        self.write(&id, &seen.body);
        self.known.extend(key.map(|key| (key.clone(), id.clone())));
        id
    }

    fn write(&mut self, id: &str, body: &str) {
        let version = self.things.get(id).map_or(1, |thing| thing.version + 1);
        self.things.insert(
            id.to_owned(),
            Thing {
                body: body.to_owned(),
                version,
            },
        );
    }

    fn find(&self, key: &str) -> Option<String> {
        let holds =
            |thing: &Thing| serde_json::from_str::<Value>(&thing.body).unwrap()["key"] == key;
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
            Some(etag) => Reply::With("etag", etag, Box::new(reply)),
            None => reply,
        }
    }
}
