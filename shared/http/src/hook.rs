//! Telling people.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{Failure, FailureClass, trust::trusting_the_platform};

/// How long a hook may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What failures call it: its URL is a secret.
const NAME: &str = "alerts.yaml";
const LABEL: &str = "POST to 'url'";

/// A URL that takes messages to people, as Slack's incoming webhooks do.
pub struct AlertHook {
    http: reqwest::Client,
    url: SecretString,
}

impl AlertHook {
    /// The hook at a URL, which lets in whoever knows it.
    pub fn new(url: SecretString) -> Result<AlertHook, Failure> {
        // Whoever comes first installs it; a second time is no error of ours.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("pomost/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .redirect(Policy::none());
        let http = trusting_the_platform(builder).build();
        let http = http.map_err(|error| Failure::from_reqwest(NAME, "making a client", error))?;
        Ok(AlertHook { http, url })
    }

    /// Posts `{"text": …}`. It was taken if it was answered with 2xx.
    pub async fn post(&self, text: &str) -> Result<(), Failure> {
        let request = self
            .http
            .post(self.url.expose_secret())
            .header(CONTENT_TYPE, "application/json");
        let answer = request
            .body(json!({ "text": text }).to_string())
            .send()
            .await;
        let answer = answer.map_err(|error| Failure::from_reqwest(NAME, LABEL, error))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(Failure::new(
                FailureClass::of(status),
                format!("{NAME}: {LABEL} answered {status}"),
            )),
        }
    }
}
