//! The words Pomost's parts say to each other, and the files its users write.
//!
//! Nothing here touches a socket, a file or a clock: every service, the broker, the store and the
//! command line agree on these types and on nothing else.
//!
//! Reading order: [`record`] (what moves), [`batch`] (how it travels), [`outcome`] (how it ends),
//! [`dead_letter`] and [`fate`] (how it fails), [`retry`] (when it is tried again), then the files:
//! [`system`] and [`flow`], with [`format`](mod@format) and [`webhook`], and [`alerts`].

pub mod alerts;
pub mod auth;
pub mod batch;
pub mod dead_letter;
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
pub mod size;
pub mod system;
pub mod table;
pub mod text;
pub mod version;
pub mod webhook;

pub use batch::Batch;
pub use dead_letter::{DeadLetter, DeadLetterReason};
pub use fingerprint::AttemptFingerprint;
pub use lane::Lane;
pub use outcome::{Outcome, SlotOutcomes};
pub use period::Period;
pub use rate::RequestRate;
pub use record::{Operation, Record};
pub use run::{RunId, RunTrigger, Stage};
pub use size::ByteSize;
pub use version::{Version, VersionType};
