//! The shop's HTTP side.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    ShopState,
    form::{self, CustomerKeys, FormRefusal},
    shelf::{ShopCounts, ShopSnapshot, WriteRefusal, with_id, written},
};

pub(super) fn router(counter: &Arc<ShopState>) -> Router {
    let api = Router::new()
        .route("/customers", get(find).post(create))
        .route("/customers/{id}", get(read).put(update).delete(delete))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .with_state(counter.clone());
    let sandbox = Router::new()
        .route("/_sandbox/counts", get(counts))
        .route("/_sandbox/state", get(state))
        .with_state(counter.clone());
    counter.gate.before(api, sandbox)
}

async fn create(
    State(counter): State<Arc<ShopState>>,
    body: Bytes,
) -> Result<Response, FormRefusal> {
    let (keys, body) = counter.read(&body)?;
    let id = counter.shelf().create(&keys, body)?;
    Ok(answer(StatusCode::CREATED, &with_id(id, body)))
}

async fn update(
    State(counter): State<Arc<ShopState>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, FormRefusal> {
    let (id, (keys, body)) = (number(&id), counter.read(&body)?);
    counter.shelf().update(id, &keys, body)?;
    Ok(answer(StatusCode::OK, &with_id(id, body)))
}

async fn delete(
    State(counter): State<Arc<ShopState>>,
    Path(id): Path<String>,
) -> Result<StatusCode, FormRefusal> {
    counter.shelf().delete(number(&id))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn read(
    State(counter): State<Arc<ShopState>>,
    Path(id): Path<String>,
) -> Result<Response, FormRefusal> {
    let customer = counter.shelf().get(number(&id))?;
    Ok(answer(StatusCode::OK, &customer))
}

/// A search by e-mail address, or a page of all customers.
#[derive(Deserialize)]
struct CustomerQuery {
    email: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

async fn find(
    State(counter): State<Arc<ShopState>>,
    Query(question): Query<CustomerQuery>,
) -> Response {
    if let Some(email) = &question.email {
        return list(&counter.shelf().search(email), None);
    }
    let after = question.after.as_deref().map_or(0, number);
    let limit = question.limit.unwrap_or(100).clamp(1, 1000);
    let (customers, last) = counter.shelf().list(after, limit);
    list(
        &customers,
        last.map(|last| format!("/customers?limit={limit}&after={}", written(last))),
    )
}

async fn counts(State(counter): State<Arc<ShopState>>) -> Json<ShopCounts> {
    Json(counter.counts())
}

async fn state(State(counter): State<Arc<ShopState>>) -> Json<ShopSnapshot> {
    Json(counter.snapshot())
}

/// The number in an id; 0, which no customer has, where there is none.
fn number(id: &str) -> u64 {
    id.strip_prefix("c-")
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

fn answer(status: StatusCode, customer: &str) -> Response {
    let body = format!(r#"{{"customer":{customer}}}"#);
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

fn list(customers: &[String], next: Option<String>) -> Response {
    let body = format!(
        r#"{{"customers":[{}],"next":{}}}"#,
        customers.join(","),
        json!(next)
    );
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

impl ShopState {
    /// Checks the customer in a body.
    fn read<'a>(&self, body: &'a [u8]) -> Result<(CustomerKeys<'a>, &'a str), FormRefusal> {
        let text = std::str::from_utf8(body).unwrap_or_default().trim();
        let keys = form::check(text).inspect_err(|_| self.shelf().counts.refused += 1)?;
        Ok((keys, text))
    }
}

impl From<WriteRefusal> for FormRefusal {
    fn from(reason: WriteRefusal) -> FormRefusal {
        let (status, error, field) = match reason {
            WriteRefusal::Conflict => (
                StatusCode::CONFLICT,
                "another customer has this e-mail address",
                "email",
            ),
            WriteRefusal::Missing => (StatusCode::NOT_FOUND, "there is no such customer", "id"),
        };
        FormRefusal {
            status,
            error: error.to_owned(),
            field,
        }
    }
}

impl IntoResponse for FormRefusal {
    fn into_response(self) -> Response {
        (
            self.status,
            Json(json!({ "error": self.error, "field": self.field })),
        )
            .into_response()
    }
}
