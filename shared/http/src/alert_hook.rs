//! Posting alerts to people.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header::CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use url::Url;

use crate::{
    Failure, FailureClass, LiveTransport, RedirectPolicy, Transport, TransportFailure,
    TransportRequest,
};

/// The time in which a hook has to answer.
const POST_TIMEOUT: Duration = Duration::from_secs(10);

/// The names of the hook in failures: its URL is a secret.
const NAME: &str = "alerts.yaml";
const LABEL: &str = "POST to 'url'";

/// A URL that takes messages to people, as Slack's incoming webhooks do.
pub struct AlertHook {
    transport: Arc<dyn Transport>,
    url: SecretString,
}

impl AlertHook {
    /// Makes the hook at a URL, which lets in everyone that knows it.
    pub fn new(url: SecretString) -> Result<AlertHook, Failure> {
        let transport = LiveTransport::to_anywhere()
            .map_err(|failure| Failure::from_transport(NAME, "making a client", &failure))?;
        Ok(AlertHook::over(Arc::new(transport), url))
    }

    /// Makes the hook at a URL over a transport of the caller's.
    pub fn over(transport: Arc<dyn Transport>, url: SecretString) -> AlertHook {
        AlertHook { transport, url }
    }

    /// Posts `{"text": …}`. A message has arrived when it was answered with 2xx.
    pub async fn post(&self, text: &str) -> Result<(), Failure> {
        let url = Url::parse(self.url.expose_secret()).map_err(|error| {
            Failure::new(
                FailureClass::Invalid,
                format!("{NAME}: {LABEL}: not a URL: {error}"),
            )
        })?;
        let json = HeaderValue::from_static("application/json");
        let request = TransportRequest {
            method: Method::POST,
            url,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, json)]),
            body: Some(json!({ "text": text }).to_string().into()),
            timeout: Some(POST_TIMEOUT),
            redirects: RedirectPolicy::Stop,
        };
        let failed = |failure: TransportFailure| Failure::from_transport(NAME, LABEL, &failure);
        match self.transport.send(request).await.map_err(failed)?.status {
            status if status.is_success() => Ok(()),
            status => Err(Failure::new(
                FailureClass::of(status),
                format!("{NAME}: {LABEL} answered {status}"),
            )),
        }
    }
}
