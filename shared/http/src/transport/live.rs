//! The network itself, by reqwest. No other file of the project names it.

use std::{error::Error, sync::Arc};

use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, header};
use pomost_project::System;
use reqwest::{Certificate, ClientBuilder, Identity, redirect::Policy};
use secrecy::ExposeSecret;

use super::{
    Connector, RedirectPolicy, Transport, TransportFailure, TransportFailureKind, TransportRequest,
    TransportResponse, platform_trust::trusting_the_platform, redirects,
};
use crate::response::body;

/// Makes transports over the network.
pub struct LiveConnector;

impl Connector for LiveConnector {
    fn connect(&self, system: &System) -> Result<Arc<dyn Transport>, TransportFailure> {
        Ok(Arc::new(LiveTransport::to_system(system)?))
    }
}

/// Sends requests over the network. It has a pool of connections for each way to treat redirects,
/// since reqwest takes one policy per client.
pub struct LiveTransport {
    following_all: reqwest::Client,
    following_repeats: reqwest::Client,
    stopping: reqwest::Client,
}

impl LiveTransport {
    /// Makes the transport of a system; nothing is connected yet.
    fn to_system(system: &System) -> Result<LiveTransport, TransportFailure> {
        let client = |redirects| build(system_builder(system)?.redirect(redirects));
        Ok(LiveTransport {
            following_all: client(redirects::following_all(system.base_url.clone()))?,
            following_repeats: client(redirects::following_repeats(system.base_url.clone()))?,
            stopping: client(Policy::none())?,
        })
    }

    /// Makes a transport to anywhere, which follows no redirects whatever a request says.
    pub fn to_anywhere() -> Result<LiveTransport, TransportFailure> {
        let client = build(trusting_the_platform(builder()).redirect(Policy::none()))?;
        Ok(LiveTransport {
            following_all: client.clone(),
            following_repeats: client.clone(),
            stopping: client,
        })
    }
}

impl Transport for LiveTransport {
    fn send(
        &self,
        request: TransportRequest,
    ) -> BoxFuture<'_, Result<TransportResponse, TransportFailure>> {
        let client = match request.redirects {
            RedirectPolicy::FollowAll => &self.following_all,
            RedirectPolicy::FollowRepeats => &self.following_repeats,
            RedirectPolicy::Stop => &self.stopping,
        };
        let mut sending = client
            .request(request.method, request.url)
            .headers(request.headers);
        if let Some(timeout) = request.timeout {
            sending = sending.timeout(timeout);
        }
        if let Some(body) = request.body {
            sending = sending.body(body);
        }
        let sent = sending.send();
        async { Ok(TransportResponse::from(sent.await?)) }.boxed()
    }
}

impl From<reqwest::Response> for TransportResponse {
    fn from(mut response: reqwest::Response) -> TransportResponse {
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let body = response.bytes_stream();
        TransportResponse {
            status,
            headers,
            body: body.map(|chunk| Ok(chunk?)).boxed(),
        }
    }
}

impl From<reqwest::Error> for TransportFailure {
    fn from(error: reqwest::Error) -> TransportFailure {
        let kind = match () {
            () if error.is_connect() => TransportFailureKind::Unreachable,
            () if error.is_builder() => TransportFailureKind::Unusable,
            () if error.is_timeout() => TransportFailureKind::TimedOut,
            () => TransportFailureKind::Broken,
        };
        TransportFailure {
            kind,
            message: with_causes(&error.without_url()),
        }
    }
}

fn build(builder: ClientBuilder) -> Result<reqwest::Client, TransportFailure> {
    // The first caller installs the provider; a second installation is no error of ours.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(builder.build()?)
}

fn builder() -> ClientBuilder {
    reqwest::Client::builder().user_agent(concat!("pomost/", env!("CARGO_PKG_VERSION")))
}

fn system_builder(system: &System) -> reqwest::Result<ClientBuilder> {
    let mut builder = builder()
        .default_headers(HeaderMap::from_iter([(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static(body::CODINGS),
        )]))
        // Bodies are decompressed above the transport, where their length is bounded on both sides.
        .no_gzip()
        .no_deflate()
        .no_zstd()
        .connect_timeout(system.connect_timeout)
        .pool_max_idle_per_host(system.concurrency);
    if system.tls.ca.is_none() && system.tls.identity.is_none() {
        return Ok(trusting_the_platform(builder));
    }
    if let Some(pem) = &system.tls.ca {
        builder = builder.tls_certs_only(Certificate::from_pem_bundle(pem.as_bytes())?);
    }
    if let Some(pem) = &system.tls.identity {
        builder = builder.identity(Identity::from_pem(pem.expose_secret().as_bytes())?);
    }
    Ok(builder)
}

fn with_causes(error: &dyn Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.dedup();
    texts.join(": ")
}
