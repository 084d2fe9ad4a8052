//! Alerts that were announced and are not over.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;

/// Records which alerts were announced.
#[async_trait]
pub trait Alerts: Send + Sync + 'static {
    /// Records that an alert was announced now. An alert of the same subject that is not over stays
    /// as it is.
    async fn raise_alert(&self, subject: &str, text: &str) -> Result<()>;

    /// Records that the end of an alert was announced.
    async fn clear_alert(&self, subject: &str) -> Result<()>;

    /// The alerts that are not over, by subject.
    async fn alerts(&self) -> Result<Vec<Alert>>;
}

/// An alert that was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The cause of the alert. There is at most one alert of each subject.
    pub subject: String,
    pub text: String,
    pub raised_at: Timestamp,
}
