//! A shop with OAuth 2.0.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::{
    examples::{basic, not_found, refusal_without},
    support::{FakeServer, ReceivedRequest, Reply},
};

pub(super) const CLIENT_ID: &str = "pomost";
pub(super) const CLIENT_SECRET: &str = "client-secret-of-the-tests";

/// `POST /oauth/token` for the client credentials (RFC 6749 §4.4), and with a token of it `POST
/// /customers`, `PUT` and `DELETE /customers/{id}`, `GET /customers?email={email}`. It takes no
/// second customer with an e-mail address.
pub(super) struct Shop {
    server: FakeServer,
    shelf: Arc<Mutex<CustomerShelf>>,
}

#[derive(Default)]
struct CustomerShelf {
    /// The customers as they were sent, by their ids.
    customers: BTreeMap<usize, String>,
    /// Number of customers that were ever made.
    made: usize,
    /// Number of tokens that were given.
    tokens: usize,
    /// Number of requests without a valid token.
    refused: usize,
}

impl Shop {
    /// A shop in which Iga has made herself an account.
    pub(super) async fn start() -> Shop {
        let shelf: Arc<Mutex<CustomerShelf>> = Arc::default();
        let kept = shelf.clone();
        let server = FakeServer::start(move |request| kept.lock().unwrap().answer(request)).await;
        // Others are made before her account is updated, and stand before it all the same.
        shelf
            .lock()
            .unwrap()
            .customers
            .insert(1000, r#"{"email":"iga@poczta.example"}"#.into());
        Shop { server, shelf }
    }

    pub(super) fn url(&self) -> &str {
        &self.server.url
    }

    /// The customers as they were sent, in the order of their ids in the CRM, those without one
    /// first.
    pub(super) fn customers(&self) -> Vec<String> {
        let mut customers: Vec<String> = self
            .shelf
            .lock()
            .unwrap()
            .customers
            .values()
            .cloned()
            .collect();
        customers.sort();
        customers
    }

    pub(super) fn tokens_given(&self) -> usize {
        self.shelf.lock().unwrap().tokens
    }

    pub(super) fn refused(&self) -> usize {
        self.shelf.lock().unwrap().refused
    }

    /// The methods of the requests that write, sorted.
    pub(super) fn writes(&self) -> Vec<String> {
        let writes = self
            .server
            .requests()
            .into_iter()
            .map(|request| request.method)
            .filter(|method| method != "GET");
        let mut writes: Vec<String> = writes.collect();
        writes.sort();
        writes
    }

    pub(super) fn forget_requests(&self) {
        self.server.forget_requests();
    }
}

impl CustomerShelf {
    fn answer(&mut self, request: &ReceivedRequest) -> Reply {
        if request.path == "/oauth/token" {
            return self.token(request);
        }
        if let Some(answer) = refusal_without(
            request,
            "authorization",
            &format!("Bearer token-{}", self.tokens),
        ) {
            self.refused += 1;
            return answer;
        }
        match (
            request.method.as_str(),
            request
                .path
                .strip_prefix("/customers/")
                .map(|id| id.parse::<usize>()),
        ) {
            ("GET", None) => {
                let found = self
                    .with_email(&json!(request.query["email"]))
                    .map(|id| json!({ "id": id }));
                Reply::json(200, &json!({ "customers": Vec::from_iter(found) }))
            }
            ("POST", None) => self.create(&request.body),
            (method, Some(Ok(id))) if self.customers.contains_key(&id) => {
                self.change(method, id, &request.body)
            }
            _ => not_found(),
        }
    }

    fn token(&mut self, request: &ReceivedRequest) -> Reply {
        if let Some(answer) =
            refusal_without(request, "authorization", &basic(CLIENT_ID, CLIENT_SECRET))
        {
            return answer;
        }
        assert!(
            request.body.contains("grant_type=client_credentials")
                && request.body.contains("scope=customers")
        );
        self.tokens += 1;
        let token = format!("token-{}", self.tokens);
        Reply::json(
            200,
            &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 }),
        )
    }

    fn create(&mut self, body: &str) -> Reply {
        let customer: Value = serde_json::from_str(body).unwrap();
        if self.with_email(&customer["email"]).is_some() {
            return Reply::json(409, &json!({ "error": "the address is taken" }));
        }
        self.made += 1;
        self.customers.insert(self.made, body.to_owned());
        Reply::json(201, &json!({ "customer": { "id": self.made } }))
    }

    fn change(&mut self, method: &str, id: usize, body: &str) -> Reply {
        match method {
            "PUT" => _ = self.customers.insert(id, body.to_owned()),
            "DELETE" => _ = self.customers.remove(&id),
            _ => return not_found(),
        }
        Reply::of(204, Vec::new())
    }

    fn with_email(&self, email: &Value) -> Option<usize> {
        let has =
            |customer: &str| serde_json::from_str::<Value>(customer).unwrap()["email"] == *email;
        self.customers
            .iter()
            .find(|(_, customer)| has(customer))
            .map(|(id, _)| *id)
    }
}
