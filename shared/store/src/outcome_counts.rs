//! Counting the outcomes of a run's records, in SQL.

use std::collections::BTreeMap;

use pomost_models::{Outcome, SlotOutcomes};

/// Numbers of a run's records by outcome. The outcomes and the waiting records always add up to all
/// records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// The records that were extracted, and those that a mapping made by splitting. A record that
    /// was split remains one of them, with the outcome [`Outcome::Split`].
    pub records: u64,
    /// The records that have not settled.
    pub waiting: u64,
    /// The settled records by outcome. Outcomes of no record are left out.
    pub outcomes: BTreeMap<Outcome, u64>,
}

impl OutcomeCounts {
    /// Number of records with this outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// The characters of masks that make no success of a run whose records all have them.
    pub(crate) fn no_success() -> String {
        let symbols = [Outcome::Dead, Outcome::Split].map(Outcome::symbol);
        symbols.into_iter().chain([SlotOutcomes::VACANT]).collect()
    }

    /// SQL columns that count the characters in the masks of the column `outcomes`, for
    /// [`OutcomeCounts::from_columns`]: all but the vacant ones, the waiting ones, then those of
    /// each outcome in the order of [`Outcome::ALL`].
    pub(crate) fn columns() -> String {
        let occurrences = |letter: char| {
            format!("sum(length(outcomes) - length(replace(outcomes, '{letter}', '')))")
        };
        let letters =
            std::iter::once(SlotOutcomes::UNSETTLED).chain(Outcome::ALL.map(Outcome::symbol));
        let vacant = SlotOutcomes::VACANT;
        let records = format!("sum(length(replace(outcomes, '{vacant}', '')))");
        let columns = std::iter::once(records).chain(letters.map(occurrences));
        columns
            .map(|column| format!("coalesce({column}, 0)"))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Reads the [`OutcomeCounts::columns`]. `column` returns the value of the column with this
    /// index among them.
    pub(crate) fn from_columns<E>(
        column: impl Fn(usize) -> Result<i64, E>,
    ) -> Result<OutcomeCounts, E> {
        let count = |index| column(index).map(i64::unsigned_abs);
        let mut outcomes = BTreeMap::new();
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            outcomes.insert(outcome, count(index + 2)?);
        }
        outcomes.retain(|_, count| *count > 0);
        Ok(OutcomeCounts {
            records: count(0)?,
            waiting: count(1)?,
            outcomes,
        })
    }
}
