//! What people are to know: systems that are down, and what has been announced.

use std::time::Duration;

use jiff::Timestamp;

/// A system that is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Its name.
    pub system: String,
    /// The kind of failure that was last seen, by its word.
    pub class: String,
    /// That failure, without secrets and values of records.
    pub reason: String,
    /// When the first was seen.
    pub since: Timestamp,
}

impl Outage {
    /// How long an outage is remembered that nobody sees any more: longer than a system which is down may ask
    /// to be left alone.
    pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);

    /// Whether somebody has to mend our credentials, or what they are granted.
    pub fn is_unauthorised(&self) -> bool {
        self.class == "unauthorised"
    }
}

/// What has been announced and still stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// What it is about: there is one alert at a time of each subject.
    pub subject: String,
    /// What was said.
    pub text: String,
    /// When that was.
    pub raised_at: Timestamp,
}
