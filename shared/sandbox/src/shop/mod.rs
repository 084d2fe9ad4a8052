//! The sandbox shop.

mod form;
mod routes;
mod shelf;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::HeaderName;

use crate::{Error, fault::FaultPlan, gate::RequestGate, server::SandboxServer};
use shelf::CustomerShelf;
pub use shelf::{KeptCustomer, ShopCounts, ShopSnapshot, WriteCounts};

/// The options of a shop.
#[derive(Debug, Clone)]
pub struct ShopOptions {
    /// The address that it listens at; port 0 takes any free port.
    pub address: SocketAddr,
    /// The API key that it accepts.
    pub key: String,
    /// True where two customers may have one e-mail address, so that a create that is sent twice
    /// makes a double instead of a conflict.
    pub allow_duplicates: bool,
    /// The faults from the start.
    pub faults: FaultPlan,
}

impl Default for ShopOptions {
    fn default() -> ShopOptions {
        ShopOptions {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            key: "sandbox-shop-key".to_owned(),
            allow_duplicates: false,
            faults: FaultPlan::default(),
        }
    }
}

/// A running shop; dropped, it stops.
///
/// `POST /customers`, `GET`, `PUT` and `DELETE /customers/{id}`, `GET /customers?email=…` to
/// search, and `GET /customers?limit=…` to read them all. What is sent must be right to the letter;
/// what is not is answered with 422 and `{"error": …, "field": …}`, a second customer with an
/// e-mail address with 409. `GET /_sandbox/counts` answers [`ShopCounts`], `GET /_sandbox/state` a
/// [`ShopSnapshot`], and `POST /_sandbox/faults` takes [`FaultPlan`].
#[derive(Debug)]
pub struct Shop {
    counter: Arc<ShopState>,
    server: SandboxServer,
}

/// The state that the routes share.
#[derive(Debug)]
struct ShopState {
    shelf: Mutex<CustomerShelf>,
    gate: Arc<RequestGate>,
}

impl Shop {
    /// Opens an empty shop.
    pub async fn start(options: ShopOptions) -> Result<Shop, Error> {
        let header = HeaderName::from_static("x-api-key");
        let gate = Arc::new(RequestGate::new(
            header,
            options.key,
            r#"ApiKey realm="shop""#,
            options.faults,
        ));
        let counter = Arc::new(ShopState {
            shelf: Mutex::new(CustomerShelf::new(options.allow_duplicates)),
            gate,
        });
        let server = SandboxServer::start(options.address, routes::router(&counter)).await?;
        Ok(Shop { counter, server })
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: FaultPlan) {
        self.counter.gate.set_faults(faults);
    }

    /// Counts of the shop's acts.
    pub fn counts(&self) -> ShopCounts {
        self.counter.counts()
    }

    /// The whole state of the shop.
    pub fn snapshot(&self) -> ShopSnapshot {
        self.counter.snapshot()
    }

    /// Stops answering, as in an outage; the customers stay.
    pub async fn pause(&mut self) {
        self.server.stop().await;
    }

    /// Answers again, at the same address.
    pub async fn resume(&mut self) -> Result<(), Error> {
        self.server = SandboxServer::start(self.address(), routes::router(&self.counter)).await?;
        Ok(())
    }
}

impl ShopState {
    fn shelf(&self) -> MutexGuard<'_, CustomerShelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> ShopCounts {
        let (struck, most_in_flight) = self.gate.counted();
        ShopCounts {
            struck,
            most_in_flight,
            ..self.shelf().counts
        }
    }

    fn snapshot(&self) -> ShopSnapshot {
        ShopSnapshot {
            counts: self.counts(),
            ..self.shelf().snapshot()
        }
    }
}

/// Runs a shop until dropped; `ready` is called once it listens.
pub async fn run_shop(options: ShopOptions, ready: impl FnOnce(&Shop)) -> Result<(), Error> {
    let shop = Shop::start(options).await?;
    ready(&shop);
    std::future::pending().await
}
