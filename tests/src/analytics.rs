//! An analytics that answers in GraphQL, for the example `analytics-report`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::post,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// `POST /graphql` with the field `traffic(since, after)`, two figures a page.
pub struct Analytics {
    /// Where it is.
    pub url: String,
    traffic: Traffic,
    serving: JoinHandle<()>,
}

/// Views, visitors and the share of those who left at once, by day and page.
type Traffic = Arc<Mutex<BTreeMap<(&'static str, &'static str), (u32, u32, &'static str)>>>;

impl Analytics {
    /// What lets in.
    pub const TOKEN: &'static str = "analytics-token-of-the-tests";

    /// Starts it with a few figures.
    pub async fn start() -> Analytics {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let traffic = Traffic::default();
        let router = Router::new()
            .route("/graphql", post(answer))
            .with_state(traffic.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let analytics = Analytics {
            url,
            traffic,
            serving,
        };
        analytics.counts("2026-11-01", "/kubki", 1200, 900, "0.4310");
        analytics.counts("2026-11-01", "/pióra, \"wieczne\"", 3, 2, "0.5");
        analytics.counts("2026-11-02", "/kubki", 1100, 850, "0.4");
        analytics
    }

    /// Has these figures from now on.
    pub fn counts(
        &self,
        day: &'static str,
        page: &'static str,
        views: u32,
        visitors: u32,
        left: &'static str,
    ) {
        self.traffic
            .lock()
            .unwrap()
            .insert((day, page), (views, visitors, left));
    }

    /// What the example project needs to know, with the database that its table is in.
    pub fn variables<'a>(&'a self, warehouse: &'a str) -> [(&'static str, &'a str); 3] {
        [
            ("ANALYTICS_URL", &self.url),
            ("ANALYTICS_TOKEN", Analytics::TOKEN),
            ("WAREHOUSE_URL", warehouse),
        ]
    }
}

impl Drop for Analytics {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    State(traffic): State<Traffic>,
    headers: HeaderMap,
    Json(question): Json<Value>,
) -> (StatusCode, Json<Value>) {
    if headers
        .get(AUTHORIZATION)
        .is_none_or(|sent| *sent != *format!("Bearer {}", Analytics::TOKEN))
    {
        return (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": "who are you?" })),
        );
    }
    let fields = "traffic(since: $since, after: $after)";
    if !question["query"]
        .as_str()
        .is_some_and(|query| query.contains(fields))
    {
        return (
            StatusCode::OK,
            Json(json!({ "errors": [{ "message": "no such field" }] })),
        );
    }
    (StatusCode::OK, Json(page(&traffic, &question["variables"])))
}

fn page(traffic: &Traffic, variables: &Value) -> Value {
    let since = variables["since"].as_str().unwrap();
    let skip = variables["after"]
        .as_str()
        .map_or(0, |after| after.parse().unwrap());
    let traffic = traffic.lock().unwrap();
    let node = |((date, page), (views, visitors, left)): (&(&str, &str), &(u32, u32, &str))| {
        json!({ "node": {
            "date": date, "page": page, "views": views, "visitors": visitors, "bounceRate": left
        } })
    };
    let edges: Vec<Value> = traffic
        .iter()
        .filter(|((date, _), _)| *date >= since)
        .map(node)
        .collect();
    let (rest, end) = (edges.len().saturating_sub(skip), skip + 2);
    json!({ "data": { "traffic": {
        "edges": edges.iter().skip(skip).take(2).collect::<Vec<_>>(),
        // The last page has one as well.
        "pageInfo": { "hasNextPage": rest > 2, "endCursor": end.to_string() },
    } } })
}
