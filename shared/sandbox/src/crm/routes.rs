//! The CRM's HTTP side.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CrmEdit, CrmState,
    population::{CustomerPage, PageMark},
};
use crate::generate;

pub(super) fn router(desk: &Arc<CrmState>) -> Router {
    let api = Router::new()
        .route("/customers", get(by_next_url))
        .route("/pages/customers", get(by_page_number))
        .route("/offsets/customers", get(by_offset))
        .route("/tokens/customers", get(by_token))
        .with_state(desk.clone());
    let sandbox = Router::new()
        .route("/_sandbox/edit", post(edit))
        .with_state(desk.clone());
    desk.gate.before(api, sandbox)
}

async fn edit(State(desk): State<Arc<CrmState>>, Json(edit): Json<CrmEdit>) -> StatusCode {
    desk.edit(&edit);
    StatusCode::NO_CONTENT
}

/// The start of the time window and the size of a page; shared by all ways of paging.
#[derive(Deserialize)]
struct ModificationWindow {
    modified_since: Option<String>,
    #[serde(alias = "size")]
    limit: Option<usize>,
    page: Option<usize>,
    offset: Option<usize>,
    #[serde(alias = "token")]
    after: Option<String>,
}

/// A parameter that cannot be used.
struct BadParameter(&'static str);

impl IntoResponse for BadParameter {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": self.0 }))).into_response()
    }
}

async fn by_next_url(
    State(desk): State<Arc<CrmState>>,
    Query(window): Query<ModificationWindow>,
) -> Result<Response, BadParameter> {
    let page = desk.page_behind(&window)?;
    let limit = window.limit();
    let next = page
        .next
        .map(|mark| format!("/customers?limit={limit}&after={}", token_of(mark)));
    Ok(desk.answer(&page, json!({ "next": next })))
}

async fn by_token(
    State(desk): State<Arc<CrmState>>,
    Query(window): Query<ModificationWindow>,
) -> Result<Response, BadParameter> {
    let page = desk.page_behind(&window)?;
    Ok(desk.answer(&page, json!({ "next_token": page.next.map(token_of) })))
}

async fn by_page_number(
    State(desk): State<Arc<CrmState>>,
    Query(window): Query<ModificationWindow>,
) -> Result<Response, BadParameter> {
    let (since, size) = (window.since()?, window.limit());
    let number = window.page.unwrap_or(1);
    let before = number
        .checked_sub(1)
        .ok_or(BadParameter("page: the first page is 1"))?;
    let page = desk
        .population()
        .since(since, before.saturating_mul(size), size);
    let pages = desk.population().count_since(since).div_ceil(size);
    Ok(desk.answer(&page, json!({ "page": number, "pages": pages })))
}

async fn by_offset(
    State(desk): State<Arc<CrmState>>,
    Query(window): Query<ModificationWindow>,
) -> Result<Response, BadParameter> {
    let (since, offset) = (window.since()?, window.offset.unwrap_or(0));
    let page = desk.population().since(since, offset, window.limit());
    let total = desk.population().count_since(since);
    Ok(desk.answer(&page, json!({ "offset": offset, "total": total })))
}

impl ModificationWindow {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(100).clamp(1, 1000)
    }

    /// The first whole second that is not before `modified_since`.
    fn since(&self) -> Result<i64, BadParameter> {
        let Some(text) = &self.modified_since else {
            return Ok(i64::MIN);
        };
        let time: Timestamp = text.parse().map_err(|_| {
            BadParameter("modified_since: expected an RFC 3339 time such as 2026-01-31T12:00:00Z")
        })?;
        Ok(time.as_second() + i64::from(time.subsec_nanosecond() > 0))
    }
}

fn token_of((second, position): PageMark) -> String {
    format!("{second:x}-{position:x}")
}

fn mark_of(token: &str) -> Option<PageMark> {
    let (second, position) = token.split_once('-')?;
    Some((
        i64::from_str_radix(second, 16).ok()?,
        u32::from_str_radix(position, 16).ok()?,
    ))
}

impl CrmState {
    fn page_behind(&self, window: &ModificationWindow) -> Result<CustomerPage, BadParameter> {
        match &window.after {
            None => Ok(self.population().since(window.since()?, 0, window.limit())),
            Some(token) => {
                let mark = mark_of(token).ok_or(BadParameter("not a token of this system"))?;
                Ok(self.population().after(mark, window.limit()))
            }
        }
    }

    /// `{"customers": […], …}` with the other members behind.
    fn answer(&self, page: &CustomerPage, others: Value) -> Response {
        let mut body = Vec::with_capacity(1024 * (page.entries.len() + 1));
        body.extend_from_slice(br#"{"customers":["#);
        for (place, &(position, entry)) in page.entries.iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            // Writing text to memory does not fail.
            let _ =
                serde_json::to_writer(&mut body, &generate::customer(self.seed, position, entry));
        }
        body.extend_from_slice(b"],");
        body.extend_from_slice(&others.to_string().as_bytes()[1..]);
        ([(CONTENT_TYPE, "application/json")], body).into_response()
    }
}
