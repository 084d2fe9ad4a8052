//! The sandbox CRM.

mod population;
mod routes;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::header::AUTHORIZATION;
use serde::Deserialize;

use crate::{
    Error, ExpectedState, customer::Customer, expected, fault::FaultPlan, gate::RequestGate,
    generate, server::SandboxServer,
};
use population::CustomerPopulation;

/// The options of a CRM.
#[derive(Debug, Clone)]
pub struct CrmOptions {
    /// The address that it listens at; port 0 takes any free port.
    pub address: SocketAddr,
    /// The bearer token that it accepts.
    pub token: String,
    /// Number of customers at first.
    pub customers: u32,
    /// The same seed makes the same customers.
    pub seed: u64,
    /// The faults from the start.
    pub faults: FaultPlan,
}

impl Default for CrmOptions {
    fn default() -> CrmOptions {
        CrmOptions {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            token: "sandbox-crm-token".to_owned(),
            customers: 1000,
            seed: 1,
            faults: FaultPlan::default(),
        }
    }
}

/// A running CRM; dropped, it stops.
///
/// `GET /customers?modified_since=…&limit=…` answers `{"customers": […], "next": …}`, sorted by
/// `updated_at` and `id`; `next` is the path of the next page or null. The same customers come by
/// page number (`/pages/customers?page=1&size=`), by offset (`/offsets/customers?offset=0&limit=`)
/// and by token (`/tokens/customers?token=`, with `next_token` in the answer).
/// `POST /_sandbox/edit` takes an [`CrmEdit`] and `POST /_sandbox/faults` takes [`FaultPlan`].
#[derive(Debug)]
pub struct Crm {
    desk: Arc<CrmState>,
    server: SandboxServer,
}

/// The state that the routes share.
#[derive(Debug)]
pub(crate) struct CrmState {
    seed: u64,
    population: Mutex<CustomerPopulation>,
    gate: Arc<RequestGate>,
}

/// Changes to customers, who are named by their positions, counted from 0. Positions that do not
/// exist are passed over.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrmEdit {
    /// Customers that get another phone number or another balance.
    pub change: Vec<u32>,
    /// Customers that get a newer `updated_at` and nothing else.
    pub touch: Vec<u32>,
    /// Customers that are deleted.
    pub archive: Vec<u32>,
    /// Number of new customers.
    pub add: u32,
}

impl Crm {
    /// Makes the customers and listens.
    pub async fn start(options: CrmOptions) -> Result<Crm, Error> {
        let credentials = format!("Bearer {}", options.token);
        let gate = Arc::new(RequestGate::new(
            AUTHORIZATION,
            credentials,
            r#"Bearer realm="crm""#,
            options.faults,
        ));
        let population = Mutex::new(CustomerPopulation::new(options.seed, options.customers));
        let desk = Arc::new(CrmState {
            seed: options.seed,
            population,
            gate,
        });
        let server = SandboxServer::start(options.address, routes::router(&desk)).await?;
        Ok(Crm { desk, server })
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Carries out an edit.
    pub fn edit(&self, edit: &CrmEdit) {
        self.desk.edit(edit);
    }

    /// Replaces the faults.
    pub fn set_faults(&self, faults: FaultPlan) {
        self.desk.gate.set_faults(faults);
    }

    /// Every customer as the CRM would send it now, by position.
    pub fn customers(&self) -> impl Iterator<Item = Customer> + use<> {
        let (seed, entries) = (self.desk.seed, self.desk.population().entries());
        (0..)
            .zip(entries)
            .map(move |(position, entry)| generate::customer(seed, position, entry))
    }

    /// The state that the shop must have once all customers have crossed.
    pub fn expected(&self) -> ExpectedState {
        expected(self.customers())
    }

    /// Stops answering, as in an outage; the customers stay.
    pub async fn pause(&mut self) {
        self.server.stop().await;
    }

    /// Answers again, at the same address.
    pub async fn resume(&mut self) -> Result<(), Error> {
        self.server = SandboxServer::start(self.address(), routes::router(&self.desk)).await?;
        Ok(())
    }
}

impl CrmState {
    fn population(&self) -> MutexGuard<'_, CustomerPopulation> {
        self.population
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn edit(&self, edit: &CrmEdit) {
        let mut population = self.population();
        population.update(&edit.change, |entry| entry.revision += 1);
        population.update(&edit.touch, |_| {});
        population.update(&edit.archive, |entry| entry.archived = true);
        population.add(self.seed, edit.add);
    }
}

/// Runs a CRM until dropped; `ready` is called once it listens.
pub async fn run_crm(options: CrmOptions, ready: impl FnOnce(&Crm)) -> Result<(), Error> {
    let crm = Crm::start(options).await?;
    ready(&crm);
    std::future::pending().await
}
