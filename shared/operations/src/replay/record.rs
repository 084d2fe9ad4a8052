//! The record of a dead letter, as the stage takes it that the letter goes back to.

use pomost_expression::{Variables, read};
use pomost_models::{DeadLetter, Record, Stage};
use pomost_project::Flow;
use pomost_rows::RowRules;

use super::SkipReason;

/// The letter's record as the stage takes it: as it is, or read anew from the row that it was
/// extracted from.
pub(super) fn for_stage(
    flow: &Flow,
    letter: &DeadLetter,
    stage: Stage,
) -> Result<Record, SkipReason> {
    let record = letter.record.as_ref().ok_or(SkipReason::Unreadable)?;
    match stage {
        Stage::Load => Ok(record.clone()),
        // As it came to that stage: nothing was made of it yet.
        Stage::Transform if letter.stage > Stage::Extract && record.source.is_none() => {
            Ok(record.clone())
        }
        Stage::Extract if letter.awaits_fetch() => delivered_row(flow, letter, record),
        Stage::Extract | Stage::Transform => {
            read_anew(RowRules::of_batch(flow, &letter.batch), record)
        }
    }
}

/// A delivered row about which the source is asked once more. Its answer gives a newer record, so
/// nothing waits for the one that died.
fn delivered_row(flow: &Flow, letter: &DeadLetter, record: &Record) -> Result<Record, SkipReason> {
    let rules = RowRules::of_batch(flow, &letter.batch);
    let fetch = pomost_rows::fetch_of(flow, &letter.batch);
    let uses =
        |name| rules.uses_variable(name) || fetch.is_some_and(|fetch| fetch.uses_variable(name));
    if uses("headers") && record.data.get() == "null" {
        return Err(SkipReason::WithoutHeaders);
    }
    if uses("parent") {
        return Err(SkipReason::WithoutParent);
    }
    if ["cursor", "until", "page"].into_iter().any(uses) {
        return Err(SkipReason::WithoutPosition);
    }
    Ok(record.clone())
}

/// Makes the record anew of the row it was extracted from, with the key and version that the flow
/// reads now. The key it has may be that of one part of the row.
fn read_anew(rules: RowRules<'_>, record: &Record) -> Result<Record, SkipReason> {
    if rules.uses_variable("headers") {
        return Err(SkipReason::WithoutHeaders);
    }
    if rules.uses_variable("parent") {
        return Err(SkipReason::WithoutParent);
    }
    let row = read(record.extracted().get().as_bytes())
        .map_err(|error| SkipReason::RefusedRow(error.to_string()))?;
    let order = record.version.clone();
    match pomost_rows::read_row(rules, row, order, &Variables::default()) {
        Ok(row) => Ok(row.record),
        Err(refused) => Err(SkipReason::RefusedRow(refused.diagnosis.error)),
    }
}
