//! The names of batches.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a batch, unique within its run: `3.0` for the first batch of the fourth page.
///
/// Ids are deterministic: a page that is read again after a crash, a split that is made again from
/// the same message, or a replay that is resumed gives the same ids, so that repetitions are
/// recognised. The id also says where the batch came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(String);

/// Begins the ids of batches whose rows were delivered by a webhook.
const WEBHOOK: &str = "webhook.";

/// Follows in the ids of replayed batches whose rows have yet to be fetched from the source.
const AWAITS_FETCH: &str = "told.";

/// Stands in the ids of replayed batches, and in no others.
const REPLAY: &str = "replay.";

/// The origin of the records of a replayed batch. It decides how their rows are read again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplayOrigin {
    /// True where a webhook delivered the records.
    pub webhook: bool,
    /// True where the rows have yet to be fetched from the source.
    pub awaits_fetch: bool,
}

impl BatchId {
    /// The id of the batch with this number of a page. Both count from 0.
    pub fn of_page(page: u64, batch: usize) -> BatchId {
        BatchId(format!("{page}.{batch}"))
    }

    /// A new id for a batch of records that a webhook delivered.
    pub fn of_webhook() -> BatchId {
        BatchId(format!("{WEBHOOK}{}", Uuid::now_v7().simple()))
    }

    /// The id of the batch with this number of a replay, among the batches of the same origin.
    pub fn of_replay(origin: ReplayOrigin, number: usize) -> BatchId {
        let webhook = if origin.webhook { WEBHOOK } else { "" };
        let awaits_fetch = if origin.awaits_fetch {
            AWAITS_FETCH
        } else {
            ""
        };
        BatchId(format!("{webhook}{awaits_fetch}{REPLAY}{number}"))
    }

    /// The id of the batch of the records that a mapping made by splitting records of this batch.
    ///
    /// A batch may travel in several messages; `first_slot` is the first slot of the message that
    /// was mapped, so that each message has a batch of split records of its own.
    pub fn of_split(&self, first_slot: u32) -> BatchId {
        self.derived("split", first_slot)
    }

    /// The id of a batch of deletions: of parts that went away when records of this batch were
    /// mapped. Each of their messages is a batch; `message` counts from 0.
    pub fn of_gone_parts(&self, first_slot: u32, message: usize) -> BatchId {
        let first = self.derived("gone", first_slot);
        match message {
            0 => first,
            number => BatchId(format!("{first}/{number}")),
        }
    }

    fn derived(&self, word: &str, first_slot: u32) -> BatchId {
        match first_slot {
            0 => BatchId(format!("{self}/{word}")),
            slot => BatchId(format!("{self}/{word}.{slot}")),
        }
    }

    /// The name under which the changes of one message of this batch are noted in the store.
    /// `first_slot` is the first slot of the message.
    pub fn of_message(&self, first_slot: u32) -> BatchId {
        match first_slot {
            0 => self.clone(),
            slot => BatchId(format!("{self}/{slot}")),
        }
    }

    /// True where a webhook delivered the records, also when they are replayed.
    pub fn is_of_webhook(&self) -> bool {
        self.0.starts_with(WEBHOOK)
    }

    /// True where somebody replayed the records with `pomost dead replay`.
    pub fn is_replay(&self) -> bool {
        self.0.contains(REPLAY)
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes the text of the id.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl From<String> for BatchId {
    fn from(text: String) -> BatchId {
        BatchId(text)
    }
}

impl From<&str> for BatchId {
    fn from(text: &str) -> BatchId {
        BatchId(text.to_owned())
    }
}

impl PartialEq<&str> for BatchId {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

// The store, metrics and file names take the id as text.
impl Deref for BatchId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_where_a_batch_came_from() {
        let page = BatchId::of_page(3, 0);
        assert_eq!(&*page, "3.0");
        assert!(!page.is_of_webhook() && !page.is_replay());
        assert!(BatchId::of_webhook().is_of_webhook() && !BatchId::of_webhook().is_replay());
        for (webhook, awaits_fetch, expected) in [
            (false, false, "replay.7"),
            (true, false, "webhook.replay.7"),
            (true, true, "webhook.told.replay.7"),
            (false, true, "told.replay.7"),
        ] {
            let origin = ReplayOrigin {
                webhook,
                awaits_fetch,
            };
            let replay = BatchId::of_replay(origin, 7);
            assert_eq!(&*replay, expected);
            assert!(replay.is_replay() && replay.is_of_webhook() == webhook);
            assert!(replay.of_split(0).is_replay());
        }
    }

    #[test]
    fn each_message_of_a_batch_has_names_of_its_own() {
        let page = BatchId::of_page(0, 2);
        assert_eq!(&*page.of_split(0), "0.2/split");
        assert_eq!(&*page.of_split(5), "0.2/split.5");
        assert_eq!(&*page.of_gone_parts(0, 0), "0.2/gone");
        assert_eq!(&*page.of_gone_parts(5, 1), "0.2/gone.5/1");
        assert_eq!(&*page.of_message(0), "0.2");
        assert_eq!(&*page.of_message(5), "0.2/5");
    }
}
