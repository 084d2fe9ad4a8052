//! The dead letters of records that are given up, and what their errors advise.

use pomost_http::{Failure, FailureClass};
use pomost_models::{DeadLetter, DeadLetterReason, Diagnosis, Record, Stage};
use pomost_runtime::dead_letters;

use super::Settlement;

const IN_DOUBT: &str = "an earlier create may have taken place, and the flow has neither load.lookup nor \
    load.create.idempotency_header to find out; look at the destination, then replay it with --absent or \
    --present, or discard it";

const OTHER_CONTENT_IN_DOUBT: &str = "an earlier create of other content may have taken place; it can only be \
    repeated or looked up with that content, which has not come again; look at the destination, then replay it with --absent or --present, or discard it";

const CHANGED: &str = "; somebody else changed the record there after it was last written or read; look at it, then \
    replay this letter to overwrite the change, or discard it";

const CREATED_PERHAPS: &str = "; the record may have been created all the same: look at the destination, then replay \
    it with --absent or --present, or discard it";

impl Settlement<'_> {
    pub(super) fn bury_failed(&mut self, record: Record, failure: &Failure) {
        let reason = match failure.class {
            FailureClass::Transient => DeadLetterReason::Transient,
            _ => DeadLetterReason::Invalid,
        };
        self.bury(record, reason, failure, "");
    }

    pub(super) fn bury_changed(&mut self, record: Record, failure: &Failure) {
        self.bury(record, DeadLetterReason::Conflict, failure, CHANGED);
    }

    pub(super) fn bury_created_perhaps(&mut self, record: Record, failure: &Failure) {
        self.bury(record, DeadLetterReason::InDoubt, failure, CREATED_PERHAPS);
    }

    pub(super) fn bury_in_doubt(&mut self, record: Record) {
        let letter = self.letter(record, DeadLetterReason::InDoubt, IN_DOUBT.to_owned());
        self.letters.push(letter);
    }

    /// The letter stands beside older ones of its key: an older one may have the content whose
    /// replay clears the doubt.
    pub(super) fn bury_other_content_in_doubt(&mut self, record: Record) {
        let error = OTHER_CONTENT_IN_DOUBT.to_owned();
        let letter = self.letter(record, DeadLetterReason::InDoubt, error);
        self.letters.push(DeadLetter {
            latest_only: false,
            ..letter
        });
    }

    fn bury(&mut self, record: Record, reason: DeadLetterReason, failure: &Failure, advice: &str) {
        self.failures.add(failure);
        let answer = match failure.answer.is_empty() {
            true => String::new(),
            false => format!(": {}", self.flow.mask_for_record(&record, &failure.answer)),
        };
        let error = format!("{}{answer}{advice}", failure.message);
        let letter = self.letter(record, reason, error);
        self.letters.push(letter);
    }

    fn letter(&self, record: Record, reason: DeadLetterReason, error: String) -> DeadLetter {
        let diagnosis = Diagnosis::new(reason, error);
        let under = Some(self.flow.into());
        dead_letters::of_record(under, self.batch, record, Stage::Load, diagnosis)
    }
}
