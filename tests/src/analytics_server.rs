//! An analytics that answers in GraphQL, for the example `analytics-report`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use pomost_testkit::{FakeServer, ReceivedRequest, Reply};
use serde_json::{Value, json};

/// `POST /graphql` with the field `traffic(since, after)`, two figures a page.
pub struct AnalyticsServer {
    server: FakeServer,
    traffic: Traffic,
}

/// Views, visitors and the share of those who left at once, by day and page.
type Traffic = Arc<Mutex<BTreeMap<(&'static str, &'static str), (u32, u32, &'static str)>>>;

impl AnalyticsServer {
    /// The token that it accepts.
    pub const TOKEN: &'static str = "analytics-token-of-the-tests";

    /// Starts it with a few figures.
    pub async fn start() -> AnalyticsServer {
        let traffic = Traffic::default();
        let kept = traffic.clone();
        let server = FakeServer::start(move |request| reply(&kept, request)).await;
        let analytics = AnalyticsServer { server, traffic };
        analytics.set_figures("2026-11-01", "/kubki", 1200, 900, "0.4310");
        analytics.set_figures("2026-11-01", "/pióra, \"wieczne\"", 3, 2, "0.5");
        analytics.set_figures("2026-11-02", "/kubki", 1100, 850, "0.4");
        analytics
    }

    /// The base URL.
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Sets the figures of a page on a day.
    pub fn set_figures(
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

    /// The variables of the example project, whose table is in the database at `warehouse`.
    pub fn variables<'a>(&'a self, warehouse: &'a str) -> [(&'static str, &'a str); 3] {
        [
            ("ANALYTICS_URL", self.url()),
            ("ANALYTICS_TOKEN", AnalyticsServer::TOKEN),
            ("WAREHOUSE_URL", warehouse),
        ]
    }
}

fn reply(traffic: &Traffic, request: &ReceivedRequest) -> Reply {
    if request.header("authorization") != format!("Bearer {}", AnalyticsServer::TOKEN) {
        return Reply::json(401, &json!({ "error": "who are you?" }));
    }
    let query: Value = serde_json::from_str(&request.body).unwrap();
    let fields = "traffic(since: $since, after: $after)";
    let is_known = query["query"]
        .as_str()
        .is_some_and(|text| text.contains(fields));
    let body = match is_known {
        true => page(traffic, &query["variables"]),
        false => json!({ "errors": [{ "message": "no such field" }] }),
    };
    Reply::json(200, &body)
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
        // The last page has an end cursor as well.
        "pageInfo": { "hasNextPage": rest > 2, "endCursor": end.to_string() },
    } } })
}
