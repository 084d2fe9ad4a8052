//! Compares the shop with the state that it must have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    expected::ExpectedState,
    flat_document::FlatDocument,
    shop::{KeptCustomer, ShopSnapshot},
};

/// A difference between the shop and the state that it must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CustomerDifference {
    /// A customer that must be there is not.
    Missing {
        /// The CRM's id.
        key: String,
    },
    /// A customer is there that must not be.
    Unexpected {
        /// The CRM's id.
        key: String,
        /// The shop's id.
        id: String,
    },
    /// A customer was created again while it was there.
    Doubled {
        /// The CRM's id.
        key: String,
        /// Number of its creations.
        created: u32,
        /// Number of its deletions.
        deleted: u32,
    },
    /// A field of a customer is not what it must be.
    Wrong {
        /// The CRM's id.
        key: String,
        /// The field's path.
        field: String,
        /// The value that must be there, as JSON; none where the field must be absent.
        expected: Option<String>,
        /// The value that is there.
        found: Option<String>,
    },
}

/// Compares the state that the shop must have with the state that it has. All differences come at
/// once, by key.
pub fn verify(
    expected: &ExpectedState,
    snapshot: &ShopSnapshot,
) -> Result<(), Vec<CustomerDifference>> {
    let mut found: BTreeMap<&str, Vec<&KeptCustomer>> = BTreeMap::new();
    for kept in &snapshot.customers {
        found.entry(&kept.external_id).or_default().push(kept);
    }
    let mut differences = doubled(snapshot);
    let keys: BTreeSet<&str> = expected
        .present
        .keys()
        .map(String::as_str)
        .chain(found.keys().copied())
        .collect();
    for key in keys {
        let kept = found.get(key).map(Vec::as_slice).unwrap_or_default();
        differences.extend(compare(key, expected.present.get(key), kept));
    }
    differences.sort_by(|a, b| a.key().cmp(b.key()));
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences)
    }
}

fn doubled(snapshot: &ShopSnapshot) -> Vec<CustomerDifference> {
    let too_often = snapshot
        .tallies
        .iter()
        .filter(|(_, tally)| tally.created > tally.deleted + 1);
    too_often
        .map(|(key, tally)| CustomerDifference::Doubled {
            key: key.clone(),
            created: tally.created,
            deleted: tally.deleted,
        })
        .collect()
}

fn compare(
    key: &str,
    expected: Option<&FlatDocument>,
    found: &[&KeptCustomer],
) -> Vec<CustomerDifference> {
    match (expected, found) {
        (Some(_), []) => vec![CustomerDifference::Missing {
            key: key.to_owned(),
        }],
        (Some(expected), found) => found
            .iter()
            .flat_map(|kept| wrong(key, expected, kept))
            .collect(),
        (None, found) => found
            .iter()
            .map(|kept| CustomerDifference::Unexpected {
                key: key.to_owned(),
                id: kept.id.clone(),
            })
            .collect(),
    }
}

fn wrong(key: &str, expected: &FlatDocument, kept: &KeptCustomer) -> Vec<CustomerDifference> {
    let found = FlatDocument::of(&kept.customer);
    let names: BTreeSet<&String> = expected.0.keys().chain(found.0.keys()).collect();
    names
        .into_iter()
        .filter(|name| expected.0.get(*name) != found.0.get(*name))
        .map(|name| CustomerDifference::Wrong {
            key: key.to_owned(),
            field: name.clone(),
            expected: expected.0.get(name).cloned(),
            found: found.0.get(name).cloned(),
        })
        .collect()
}

impl CustomerDifference {
    /// The CRM's id of the customer.
    pub fn key(&self) -> &str {
        match self {
            CustomerDifference::Missing { key }
            | CustomerDifference::Unexpected { key, .. }
            | CustomerDifference::Doubled { key, .. }
            | CustomerDifference::Wrong { key, .. } => key,
        }
    }
}

impl fmt::Display for CustomerDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CustomerDifference::Missing { key } => write!(f, "{key}: missing from the shop"),
            CustomerDifference::Unexpected { key, id } => {
                write!(f, "{key}: must not be in the shop, but is, as {id}")
            }
            CustomerDifference::Doubled {
                key,
                created,
                deleted,
            } => {
                write!(
                    f,
                    "{key}: created {created} times and deleted {deleted} times"
                )
            }
            CustomerDifference::Wrong {
                key,
                field,
                expected,
                found,
            } => {
                let shown =
                    |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                write!(
                    f,
                    "{key}: {field} must be {}, but is {}",
                    shown(expected),
                    shown(found)
                )
            }
        }
    }
}
