//! The messages between Pomost's services, and the files that its users write.
//!
//! This crate does no I/O. The services, the broker, the store and the command line agree on these
//! types and on nothing else.
//!
//! Reading order: [`record`], [`batch`] (the message that records travel in), [`outcome`],
//! [`dead_letter`] and [`fingerprint`], [`retry`] (delays). Then the files: [`system`] and
//! [`flow`], with [`format`](mod@format) and [`webhook`], and [`alerts`].

pub mod alerts;
pub mod auth;
pub mod batch;
pub mod batch_id;
pub mod cursor;
pub mod dead_letter;
pub mod diagnosis;
pub mod extract;
pub mod files;
pub mod fingerprint;
pub mod flow;
pub mod format;
pub mod lane;
pub mod load;
pub mod outcome;
pub mod period;
pub mod rate;
pub mod record;
pub mod request;
pub mod retry;
pub mod run;
pub mod secret;
pub mod size;
pub mod system;
pub mod table;
pub mod text;
pub mod version;
pub mod webhook;

pub use batch::Batch;
pub use batch_id::BatchId;
pub use cursor::{CursorKind, CursorName};
pub use dead_letter::{DeadLetter, DeadLetterReason};
pub use diagnosis::Diagnosis;
pub use fingerprint::AttemptFingerprint;
pub use lane::Lane;
pub use outcome::{Outcome, SlotOutcomes};
pub use period::Period;
pub use rate::RequestRate;
pub use record::{Operation, Record};
pub use run::{RunId, RunTrigger, Stage};
pub use size::ByteSize;
pub use version::{Version, VersionType};
