//! One system's client.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use pomost_project::{Project, System};
use reqwest::redirect::Policy;
use tokio::sync::Semaphore;
use tracing::{Instrument, Span, field};
use url::Url;

use crate::{Answer, Call, Class, Failure, authorisation, redirect};

/// The longest answer that is read, in bytes: a page of records and no more.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The clients of a project's systems, by name. One is shared by all that call its system in a
/// process, so that the system's `concurrency` holds for them together.
#[derive(Clone)]
pub struct Clients(Arc<BTreeMap<String, Client>>);

impl Clients {
    /// Makes a client for each system.
    pub fn new(project: &Project) -> Result<Clients, Failure> {
        let client = |system: &Arc<System>| Ok((system.name.clone(), Client::new(system.clone())?));
        project
            .systems
            .values()
            .map(client)
            .collect::<Result<_, _>>()
            .map(|clients| Clients(Arc::new(clients)))
    }

    /// The client of a system of the project.
    pub fn of(&self, system: &str) -> Option<&Client> {
        self.0.get(system)
    }
}

/// Calls one system.
#[derive(Clone)]
pub struct Client {
    pub(crate) system: Arc<System>,
    reading: reqwest::Client,
    writing: reqwest::Client,
    in_flight: Arc<Semaphore>,
}

impl Client {
    /// Makes the client of a system.
    pub fn new(system: Arc<System>) -> Result<Client, Failure> {
        // Whoever comes first installs it; a second time is no error of ours.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let reading = http_client(&system, redirect::reading(system.base_url.clone()))?;
        let writing = http_client(&system, redirect::writing(system.base_url.clone()))?;
        let in_flight = Arc::new(Semaphore::new(system.concurrency));
        Ok(Client { system, reading, writing, in_flight })
    }

    /// How many requests it has in flight at most.
    pub fn concurrency(&self) -> usize {
        self.system.concurrency
    }

    /// The URL that an answer from `from` refers to, absolute or relative (RFC 3986 §5). It must
    /// lie within the system, or credentials would go to whoever the answer names.
    pub fn follow(&self, from: &Url, reference: &str) -> Result<Url, Failure> {
        let url = from.join(reference).map_err(|error| self.refused(format!("not a URL: {error}")))?;
        self.within_system(url)
    }

    /// Makes the request and reads the whole answer.
    pub async fn send(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let span = tracing::info_span!(
            "http.request",
            otel.name = %call.label,
            otel.kind = "client",
            otel.status_code = field::Empty,
            http.request.method = %call.method,
            http.response.status_code = field::Empty,
            server.address = self.system.base_url.host_str(),
            server.port = self.system.base_url.port_or_known_default(),
            url.template = %call.label,
            error.r#type = field::Empty,
        );
        let outcome = self.exchange(call).instrument(span.clone()).await;
        record(&span, &outcome);
        outcome
    }

    async fn exchange(&self, call: Call<'_>) -> Result<Answer, Failure> {
        // The semaphore is never closed; if it were, going on without it only loses the limit.
        let _permit = self.in_flight.acquire().await.ok();
        let (label, rules) = (call.label, call.answers);
        let failed = |error| Failure::from_reqwest(&self.system.name, label, error);
        let response = self.request(call).send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.read(response, label).await?;
        let answer = Answer { status, headers, body };
        match answer.class(rules.iter().chain(&self.system.answers)) {
            None => Ok(answer),
            Some(class) => {
                let secrets = authorisation::secrets(&self.system.auth);
                Err(Failure::from_answer(&self.system.name, label, class, &answer, &secrets))
            }
        }
    }

    fn request(&self, call: Call<'_>) -> reqwest::RequestBuilder {
        let mut url = call.url;
        authorisation::add_to_query(&self.system.auth, &mut url);
        let http = if call.method.is_safe() { &self.reading } else { &self.writing };
        let request = http.request(call.method, url);
        match call.body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").headers(call.headers).body(body),
            None => request.headers(call.headers),
        }
    }

    async fn read(&self, mut response: reqwest::Response, label: &str) -> Result<Bytes, Failure> {
        let failed = |error| Failure::from_reqwest(&self.system.name, label, error);
        let first = response.chunk().await.map_err(failed)?.unwrap_or_default();
        let Some(second) = response.chunk().await.map_err(failed)? else { return Ok(first) };
        let mut body = BytesMut::from(first);
        body.extend_from_slice(&second);
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(self.refused(format!(
                    "the answer to {label} is longer than {} MiB; ask for smaller pages",
                    MAX_ANSWER >> 20
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    pub(crate) fn within_system(&self, url: Url) -> Result<Url, Failure> {
        if url.origin() == self.system.base_url.origin() {
            return Ok(url);
        }
        let host = url.host_str().unwrap_or("no host").to_owned();
        Err(self.refused(format!("an answer leads to {host}, outside the system; it is not followed")))
    }

    pub(crate) fn refused(&self, message: String) -> Failure {
        Failure::new(Class::Invalid, format!("{}: {message}", self.system.name))
    }
}

fn http_client(system: &System, redirects: Policy) -> Result<reqwest::Client, Failure> {
    reqwest::Client::builder()
        .user_agent(concat!("pomost/", env!("CARGO_PKG_VERSION")))
        .default_headers(authorisation::headers(&system.auth)?)
        .timeout(system.timeout)
        .pool_max_idle_per_host(system.concurrency)
        .redirect(redirects)
        .build()
        .map_err(|error| Failure::from_reqwest(&system.name, "making a client", error))
}

fn record(span: &Span, outcome: &Result<Answer, Failure>) {
    match outcome {
        Ok(answer) => {
            span.record("http.response.status_code", answer.status.as_u16());
        }
        Err(failure) => {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", failure.class.as_str());
            if let Some(status) = failure.status {
                span.record("http.response.status_code", status);
            }
        }
    }
}
