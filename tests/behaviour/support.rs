//! What the behaviours stand on: a source and a shop that do as a test says, and a project between
//! them on the embedded backends.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{Request, StatusCode},
    response::Response,
};
use futures_util::stream;
use pomost::{open, runner};
use pomost_extractor::Scheduling;
use pomost_http::Clients;
use pomost_models::{DeadLetter, Outcome, RunId, Trigger};
use pomost_runtime::{Backends, Context};
use pomost_store::{DeadLetterFilter, RunRequest, RunState, RunSummary};
use pomost_tests::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use url::Url;

/// A request as a server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `GET`, say.
    pub(crate) method: String,
    /// `/rows`, say.
    pub(crate) path: String,
    /// Its query parameters.
    pub(crate) query: BTreeMap<String, String>,
    /// Its headers, those that are text.
    pub(crate) headers: BTreeMap<String, String>,
    /// Its body.
    pub(crate) body: String,
}

/// What a server does about a request.
pub(crate) enum Reply {
    /// Answers.
    Answer(u16, Vec<u8>),
    /// Begins to answer and breaks off.
    BreakOff,
    /// Never answers.
    Hang,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Reply {
        Reply::Answer(status, body.to_string().into())
    }

    pub(crate) fn rows(rows: impl Into<Value>) -> Reply {
        Reply::json(200, &json!({ "rows": rows.into() }))
    }
}

type Answering = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A server that answers as a closure says and remembers what it was asked.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::default();
        let answer: Arc<Answering> = Arc::new(answer);
        let router = axum::Router::new().fallback(handle).with_state((Arc::clone(&seen), answer));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server { url, seen, serving }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How often it was asked by this method.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.seen().iter().filter(|seen| seen.method == method).count()
    }

    /// The values of a query parameter, request by request; empty where one had none.
    pub(crate) fn asked_for(&self, parameter: &str) -> Vec<String> {
        let value = |seen: Seen| seen.query.get(parameter).cloned().unwrap_or_default();
        self.seen().into_iter().map(value).collect()
    }

    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn handle(
    State((all, answer)): State<(Arc<Mutex<Vec<Seen>>>, Arc<Answering>)>,
    request: Request<Body>,
) -> Response {
    let seen = seen(request).await;
    all.lock().unwrap().push(seen.clone());
    match answer(&seen) {
        Reply::Answer(status, body) => response(status, Body::from(body)),
        Reply::BreakOff => {
            let broken = std::io::Error::other("broken off");
            response(200, Body::from_stream(stream::iter([Ok(Bytes::from("{")), Err(broken)])))
        }
        Reply::Hang => std::future::pending().await,
    }
}

async fn seen(request: Request<Body>) -> Seen {
    let (parts, body) = request.into_parts();
    let url = Url::parse(&format!("http://here{}", parts.uri)).unwrap();
    let text = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        Some((name.to_string(), value.to_str().ok()?.to_owned()))
    };
    Seen {
        method: parts.method.to_string(),
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers: parts.headers.iter().filter_map(text).collect(),
        body: String::from_utf8(axum::body::to_bytes(body, usize::MAX).await.unwrap().into()).unwrap(),
    }
}

fn response(status: u16, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Rows that a test can change between runs.
#[derive(Clone, Default)]
pub(crate) struct Rows(Arc<Mutex<Vec<String>>>);

impl Rows {
    pub(crate) fn set<const N: usize>(&self, rows: [Value; N]) {
        self.set_json(rows.map(|row| row.to_string()));
    }

    /// Rows as they are to be written.
    pub(crate) fn set_json<const N: usize>(&self, rows: [String; N]) {
        *self.0.lock().unwrap() = rows.into();
    }

    /// A source that answers with all of them on one page.
    pub(crate) async fn serve(&self) -> Server {
        let rows = self.0.clone();
        Server::start(move |_| {
            Reply::Answer(200, format!(r#"{{"rows":[{}]}}"#, rows.lock().unwrap().join(",")).into())
        })
        .await
    }
}

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
            let id = format!("t{:04}", things.len() + 1);
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

/// The parts of a flow file in which the behaviours differ.
pub(crate) struct Flow {
    /// `extract.request`.
    pub(crate) request: &'static str,
    /// `extract.records`.
    pub(crate) records: &'static str,
    /// More lines of `extract`.
    pub(crate) extract: &'static str,
    /// The lines of `transform`.
    pub(crate) transform: &'static str,
    /// More lines of `load`.
    pub(crate) load: &'static str,
    /// More of `load.create`.
    pub(crate) create: &'static str,
    /// Further lines of the file.
    pub(crate) rest: &'static str,
}

/// Finds things by their field `key`.
pub(crate) const LOOKUP: &str = r#"lookup: { request: "GET /things?key={.key}", id: .found }"#;

impl Default for Flow {
    fn default() -> Flow {
        Flow {
            request: "GET /rows",
            records: ".rows[]",
            extract: "",
            transform: "",
            load: "",
            create: "",
            rest: "",
        }
    }
}

impl Flow {
    fn text(&self) -> String {
        let Flow { request, records, rest, create, .. } = self;
        let extract = indented(self.extract);
        let transform = match self.transform {
            "" => String::new(),
            lines => format!("transform:\n{}", indented(lines)),
        };
        let load = indented(self.load);
        format!(
            "flow: things\nextract:\n  system: source\n  request: {request}\n  records: {records}\n  key: .key\n{extract}\
             {transform}load:\n  system: shop\n  create:\n    request: POST /things\n    id: .id\n{}  update:\n    \
             request: PUT /things/{{$id}}\n{load}{rest}\n",
            indented(&indented(create)),
        )
    }
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}\n")).collect()
}

/// A source, a shop, and a project between them.
pub(crate) struct World {
    pub(crate) source: Server,
    pub(crate) shop: Shop,
    directory: TempDir,
}

impl World {
    pub(crate) async fn new(source: Server, flow: Flow) -> World {
        let world = World { source, shop: Shop::start().await, directory: tempfile::tempdir().unwrap() };
        let system = |name: &str, url: &str| {
            world.write(&format!("systems/{name}.yaml"), &format!("system: {name}\nbase_url: {url}\n{AUTH}"));
        };
        system("source", &world.source.url);
        system("shop", &world.shop.server.url);
        world.write(".env", "TOKEN=secret-of-the-tests\n");
        world.set_flow(flow);
        world
    }

    /// A world with these rows at its source.
    pub(crate) async fn with_rows<const N: usize>(rows: [Value; N], flow: Flow) -> (World, Rows) {
        let all = Rows::default();
        all.set(rows);
        (World::new(all.serve().await, flow).await, all)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn set_flow(&self, flow: Flow) {
        self.write("flows/things.yaml", &flow.text());
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.directory().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Runs the flow until all its records have settled, or it failed.
    pub(crate) async fn sync(&self) -> RunSummary {
        self.sync_since(None).await
    }

    pub(crate) async fn sync_since(&self, since: Option<&str>) -> RunSummary {
        let running = self.start().await;
        let run = running.request(since).await;
        let summary = running.ended(run).await;
        running.stop().await;
        summary
    }

    /// Works on what there is until a run has ended that was requested elsewhere.
    pub(crate) async fn finish(&self, run: RunId) -> RunSummary {
        let running = self.start().await;
        let summary = running.ended(run).await;
        running.stop().await;
        summary
    }

    /// Starts the three services.
    pub(crate) async fn start(&self) -> Running {
        let project = open::project(self.directory()).unwrap_or_else(|problems| panic!("{problems}"));
        // A runner that was killed may take a moment to let go.
        let backends = eventually(async || Backends::embedded(self.directory()).await).await;
        let (claim, shutdown) = (Duration::from_secs(5), CancellationToken::new());
        let context = Context { project: Arc::new(project), backends, claim, shutdown };
        let clients = Clients::new(&context.project).unwrap();
        context.declare().await.unwrap();
        let services = tokio::spawn(runner::run(context.clone(), clients, Scheduling::Off));
        Running { context, services }
    }

    /// What is kept of the last run and all before it.
    pub(crate) async fn dead(&self) -> Vec<DeadLetter> {
        let store = Backends::embedded_beside(self.directory()).await.unwrap().store;
        store.dead_letters(&DeadLetterFilter { limit: 1000, ..DeadLetterFilter::default() }).await.unwrap()
    }

    /// The one dead letter there is.
    pub(crate) async fn only_dead(&self) -> DeadLetter {
        let mut letters = self.dead().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }

    pub(crate) async fn cursor(&self) -> Option<String> {
        Backends::embedded_beside(self.directory()).await.unwrap().store.cursor("things").await.unwrap()
    }

    /// Runs the command line on the project.
    pub(crate) async fn pomost(&self, arguments: &[&str]) -> Printed {
        let output = self.command(arguments).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Printed { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).env_clear().env("POMOST_PROJECT", self.directory());
        command.env("POMOST_HTTP_ADDR", "127.0.0.1:0").kill_on_drop(true);
        command
    }
}

const AUTH: &str = "auth: { bearer: { token: \"${TOKEN}\" } }\n";

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The three services at work.
pub(crate) struct Running {
    context: Context,
    services: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) async fn request(&self, since: Option<&str>) -> RunId {
        let since = since.map(str::to_owned);
        let request = RunRequest { flow: "things".into(), trigger: Trigger::Manual, since };
        self.context.store().request_run(&request).await.unwrap()
    }

    /// Waits until a run has ended. No record may be missing from its counts.
    pub(crate) async fn ended(&self, run: RunId) -> RunSummary {
        let summary = eventually(async || {
            let summary = self.context.store().run(run).await.unwrap().unwrap();
            match summary.state {
                RunState::Settled | RunState::Failed => Ok(summary),
                state => Err(format!("{} with {:?}", state.as_str(), summary.counts)),
            }
        })
        .await;
        let counts = &summary.counts;
        assert_eq!(counts.records, counts.waiting + counts.outcomes.values().sum::<u64>());
        summary
    }

    pub(crate) async fn stop(self) {
        self.context.shutdown.cancel();
        self.services.await.unwrap().unwrap();
    }

    /// Ends it where it is, without a warning.
    pub(crate) async fn kill(self) {
        self.services.abort();
        let _ = self.services.await;
    }
}

/// The outcomes of a settled run, by their words.
pub(crate) fn outcomes(summary: &RunSummary) -> Vec<(&'static str, u64)> {
    assert_eq!(summary.state, RunState::Settled, "{:?}", summary.error);
    summary.counts.outcomes.iter().map(|(outcome, count)| (Outcome::as_str(*outcome), *count)).collect()
}

/// Why a run failed.
pub(crate) fn failure(summary: RunSummary) -> String {
    assert_eq!(summary.state, RunState::Failed, "{:?}", summary.counts);
    summary.error.unwrap()
}

/// A row of a source.
pub(crate) fn row(key: u32) -> Value {
    json!({ "key": key.to_string(), "at": format!("2026-01-{key:02}") })
}

fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("pomost");
    assert!(path.exists(), "{} is missing: build the binaries, or use ./tests/run", path.display());
    path
}
