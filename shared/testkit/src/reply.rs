//! A reply in the making.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The reply of a server to a request.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    ending: Ending,
    gate: Option<watch::Receiver<bool>>,
}

/// How a reply ends.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// With its body.
    Complete,
    /// More of the body is promised and does not come.
    Endless,
    /// The connection breaks after the body.
    BrokenOff,
    /// There is no reply at all.
    Never,
}

impl Reply {
    /// A reply with a status and a body.
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: Vec::new(),
            body: body.into(),
            ending: Ending::Complete,
            gate: None,
        }
    }

    /// 200 with an empty JSON object.
    pub fn ok() -> Reply {
        Reply::of(200, "{}")
    }

    /// A reply with a JSON value.
    pub fn json(status: u16, body: &Value) -> Reply {
        Reply::of(status, body.to_string())
    }

    /// 200 with rows in the field `rows`.
    pub fn rows(rows: impl Into<Value>) -> Reply {
        Reply::json(200, &json!({ "rows": rows.into() }))
    }

    /// A redirect by this status.
    pub fn redirect(status: u16, location: impl ToString) -> Reply {
        Reply::of(status, "").with("location", location)
    }

    /// 200 with a body that begins and breaks off.
    pub fn broken_off() -> Reply {
        Reply {
            ending: Ending::BrokenOff,
            ..Reply::of(200, "{")
        }
    }

    /// No reply: the request stays in flight until the client gives it up.
    pub fn never() -> Reply {
        Reply {
            ending: Ending::Never,
            ..Reply::of(200, "")
        }
    }

    /// The reply with a header, instead of one of that name.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Reply {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_string()));
        self
    }

    /// The reply with a body to which more is promised that does not come.
    pub fn that_never_ends(self) -> Reply {
        Reply {
            ending: Ending::Endless,
            ..self
        }
    }

    /// The reply, sent when the gate is open.
    pub fn behind(self, gate: watch::Receiver<bool>) -> Reply {
        Reply {
            gate: Some(gate),
            ..self
        }
    }

    pub(crate) async fn into_response(mut self) -> Response {
        if let Some(gate) = &mut self.gate {
            gate.wait_for(|open| *open).await.unwrap();
        }
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        let first = stream::iter([Ok(Bytes::from(self.body.clone()))]);
        let body = match self.ending {
            Ending::Complete => Body::from(self.body),
            Ending::Endless => {
                Body::from_stream(first.chain(stream::pending::<std::io::Result<Bytes>>()))
            }
            Ending::BrokenOff => {
                let broken = Err(std::io::Error::other("broken off"));
                Body::from_stream(first.chain(stream::iter([broken])))
            }
            Ending::Never => std::future::pending().await,
        };
        response.body(body).unwrap()
    }
}
