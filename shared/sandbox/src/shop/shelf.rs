//! The customers of the shop, as the bytes that were sent, and counts of everything that was done
//! to them.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::form::CustomerKeys;

/// Counts of the shop's acts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopCounts {
    pub created: u64,
    pub updated: u64,
    /// Updates that sent what the shop already had; `updated` has them too.
    pub repeated: u64,
    pub deleted: u64,
    /// Customers refused as invalid.
    pub refused: u64,
    /// Writes refused because another customer has the e-mail address.
    pub conflicts: u64,
    /// Requests for a customer that is not there.
    pub missing: u64,
    /// Searches by e-mail.
    pub searched: u64,
    /// Requests struck by a fault.
    pub struck: u64,
    /// Number of requests in flight at a time, at most.
    pub most_in_flight: u64,
}

/// Counts of the writes to the customers of one external id, now or earlier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteCounts {
    pub created: u32,
    pub updated: u32,
    pub deleted: u32,
}

/// The whole state of the shop at one moment.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShopSnapshot {
    /// Counts of the shop's acts.
    pub counts: ShopCounts,
    /// Its customers, by the order of their creation.
    pub customers: Vec<KeptCustomer>,
    /// Counts of writes, by external id.
    pub tallies: BTreeMap<String, WriteCounts>,
}

/// A customer of the shop.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptCustomer {
    /// The shop's id.
    pub id: String,
    /// The id at the system that the customer comes from.
    pub external_id: String,
    /// The customer as it was sent, digit for digit.
    pub customer: Box<RawValue>,
}

#[derive(Debug)]
pub(super) struct CustomerShelf {
    allow_duplicates: bool,
    last_id: u64,
    customers: BTreeMap<u64, StoredCustomer>,
    by_email: HashMap<Box<str>, Vec<u64>>,
    tallies: HashMap<Box<str>, WriteCounts>,
    pub(super) counts: ShopCounts,
}

#[derive(Debug)]
struct StoredCustomer {
    external_id: Box<str>,
    email: Box<str>,
    body: Box<str>,
}

/// The reason why a write was refused.
#[derive(Debug, Clone, Copy)]
pub(super) enum WriteRefusal {
    Conflict,
    Missing,
}

impl CustomerShelf {
    pub(super) fn new(allow_duplicates: bool) -> CustomerShelf {
        CustomerShelf {
            allow_duplicates,
            last_id: 0,
            customers: BTreeMap::new(),
            by_email: HashMap::new(),
            tallies: HashMap::new(),
            counts: ShopCounts::default(),
        }
    }

    pub(super) fn create(
        &mut self,
        keys: &CustomerKeys<'_>,
        body: &str,
    ) -> Result<u64, WriteRefusal> {
        self.refuse_duplicate(&keys.email, None)?;
        self.last_id += 1;
        self.put(self.last_id, keys, body);
        self.tally(&keys.external_id).created += 1;
        self.counts.created += 1;
        Ok(self.last_id)
    }

    pub(super) fn update(
        &mut self,
        id: u64,
        keys: &CustomerKeys<'_>,
        body: &str,
    ) -> Result<(), WriteRefusal> {
        self.refuse_duplicate(&keys.email, Some(id))?;
        let before = self.take(id)?;
        self.counts.repeated += u64::from(*before.body == *body);
        self.put(id, keys, body);
        self.tally(&keys.external_id).updated += 1;
        self.counts.updated += 1;
        Ok(())
    }

    pub(super) fn delete(&mut self, id: u64) -> Result<(), WriteRefusal> {
        let before = self.take(id)?;
        self.tally(&before.external_id).deleted += 1;
        self.counts.deleted += 1;
        Ok(())
    }

    /// The JSON text of a customer, with its id.
    pub(super) fn get(&mut self, id: u64) -> Result<String, WriteRefusal> {
        let text = self
            .customers
            .get(&id)
            .map(|stored| with_id(id, &stored.body));
        text.ok_or_else(|| self.missing())
    }

    pub(super) fn search(&mut self, email: &str) -> Vec<String> {
        self.counts.searched += 1;
        let ids = self
            .by_email
            .get(email)
            .map(Vec::as_slice)
            .unwrap_or_default();
        ids.iter()
            .filter_map(|id| Some(with_id(*id, &self.customers.get(id)?.body)))
            .collect()
    }

    /// Up to `limit` customers behind an id, and the id after which the next page begins.
    pub(super) fn list(&self, after: u64, limit: usize) -> (Vec<String>, Option<u64>) {
        let mut rest = self.customers.range(after.saturating_add(1)..);
        let page: Vec<(&u64, &StoredCustomer)> = rest.by_ref().take(limit).collect();
        let last = page
            .last()
            .map(|(id, _)| **id)
            .filter(|_| rest.next().is_some());
        (
            page.iter()
                .map(|(id, stored)| with_id(**id, &stored.body))
                .collect(),
            last,
        )
    }

    pub(super) fn snapshot(&self) -> ShopSnapshot {
        let tallies = self
            .tallies
            .iter()
            .map(|(key, tally)| (key.to_string(), *tally))
            .collect();
        let customers = self
            .customers
            .iter()
            .filter_map(|(id, stored)| kept(*id, stored))
            .collect();
        ShopSnapshot {
            counts: self.counts,
            customers,
            tallies,
        }
    }

    fn refuse_duplicate(&mut self, email: &str, own: Option<u64>) -> Result<(), WriteRefusal> {
        let taken = self
            .by_email
            .get(email)
            .is_some_and(|ids| ids.iter().any(|id| Some(*id) != own));
        if taken && !self.allow_duplicates {
            self.counts.conflicts += 1;
            return Err(WriteRefusal::Conflict);
        }
        Ok(())
    }

    fn missing(&mut self) -> WriteRefusal {
        self.counts.missing += 1;
        WriteRefusal::Missing
    }

    fn put(&mut self, id: u64, keys: &CustomerKeys<'_>, body: &str) {
        let email: Box<str> = keys.email.as_ref().into();
        self.by_email.entry(email.clone()).or_default().push(id);
        let stored = StoredCustomer {
            external_id: keys.external_id.as_ref().into(),
            email,
            body: body.into(),
        };
        self.customers.insert(id, stored);
    }

    fn take(&mut self, id: u64) -> Result<StoredCustomer, WriteRefusal> {
        let stored = self.customers.remove(&id).ok_or_else(|| self.missing())?;
        if let Some(ids) = self.by_email.get_mut(&stored.email) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_email.remove(&stored.email);
            }
        }
        Ok(stored)
    }

    fn tally(&mut self, external_id: &str) -> &mut WriteCounts {
        self.tallies.entry(external_id.into()).or_default()
    }
}

pub(super) fn written(id: u64) -> String {
    format!("c-{id}")
}

/// The body that was sent, with the id as its first member. It is an object that is not empty.
pub(super) fn with_id(id: u64, body: &str) -> String {
    format!(r#"{{"id":"c-{id}",{}"#, &body[1..])
}

fn kept(id: u64, stored: &StoredCustomer) -> Option<KeptCustomer> {
    let customer = RawValue::from_string(stored.body.to_string()).ok()?;
    Some(KeptCustomer {
        id: written(id),
        external_id: stored.external_id.to_string(),
        customer,
    })
}
