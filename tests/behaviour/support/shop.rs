//! A destination.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use super::{Reply, Seen, Server};

type Intercepting = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

/// A shop of things: `POST /things`, `PUT` and `DELETE /things/{id}`, `GET /things?key={key}`.
pub(crate) struct Shop {
    pub(crate) server: Server,
    things: Arc<Mutex<BTreeMap<String, String>>>,
    interceptor: Arc<Mutex<Option<Box<Intercepting>>>>,
}

impl Shop {
    pub(crate) async fn start() -> Shop {
        let things: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
        let interceptor: Arc<Mutex<Option<Box<Intercepting>>>> = Arc::default();
        let (kept, first) = (things.clone(), interceptor.clone());
        let server = Server::start(move |seen| {
            let intercepted = first.lock().unwrap().as_ref().and_then(|intercept| intercept(seen));
            intercepted.unwrap_or_else(|| keep(&mut kept.lock().unwrap(), seen))
        })
        .await;
        Shop { server, things, interceptor }
    }

    /// Answers so from now on, where the closure has an answer.
    pub(crate) fn intercept(&self, intercept: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) {
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

    pub(crate) fn mend(&self) {
        *self.interceptor.lock().unwrap() = None;
    }

    /// The things as they were sent, by the order of their making.
    pub(crate) fn things(&self) -> Vec<String> {
        self.things.lock().unwrap().values().cloned().collect()
    }

    pub(crate) fn put(&self, id: &str, thing: Value) {
        self.things.lock().unwrap().insert(id.to_owned(), thing.to_string());
    }

    pub(crate) fn empty(&self) {
        self.things.lock().unwrap().clear();
    }
}

fn keep(things: &mut BTreeMap<String, String>, seen: &Seen) -> Reply {
    let id = seen.path.trim_start_matches("/things").trim_start_matches('/').to_owned();
    match seen.method.as_str() {
        "POST" => {
            // Never an id that a deleted thing had.
            let last =
                things.last_key_value().map_or(0, |(id, _)| id.trim_start_matches('t').parse().unwrap());
            let id = format!("t{:04}", last + 1);
            things.insert(id.clone(), seen.body.clone());
            Reply::json(201, &json!({ "id": id }))
        }
        "GET" => {
            let holds =
                |thing: &String| serde_json::from_str::<Value>(thing).unwrap()["key"] == seen.query["key"];
            let found = things.iter().find(|(_, thing)| holds(thing)).map(|(id, _)| id);
            Reply::json(200, &json!({ "found": found }))
        }
        _ if !things.contains_key(&id) => Reply::json(404, &json!({ "error": "no such thing" })),
        "DELETE" => {
            things.remove(&id);
            Reply::Answer(204, Vec::new())
        }
        _ => {
            things.insert(id, seen.body.clone());
            Reply::json(200, &json!({}))
        }
    }
}
