//! Connections to a system.

use http::{HeaderMap, HeaderValue, header};
use pomost_project::System;
use reqwest::{Certificate, ClientBuilder, Identity, redirect::Policy};
use secrecy::ExposeSecret;

use crate::{Failure, body, redirect, trust::trusting_the_platform};

/// Connections to a system.
pub(crate) struct Transport {
    /// For requests that only read.
    pub(crate) reading: reqwest::Client,
    /// For requests that write.
    pub(crate) writing: reqwest::Client,
    /// For what gives tokens. Nothing is followed from there: the request holds credentials.
    pub(crate) tokens: reqwest::Client,
}

impl Transport {
    /// Makes the connections' pools; nothing is connected yet.
    pub(crate) fn new(system: &System) -> Result<Transport, Failure> {
        // Whoever comes first installs it; a second time is no error of ours.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = |redirects| builder(system)?.redirect(redirects).build();
        let failed = |error| Failure::from_reqwest(&system.name, "making a client", error);
        Ok(Transport {
            reading: client(redirect::reading(system.base_url.clone())).map_err(failed)?,
            writing: client(redirect::writing(system.base_url.clone())).map_err(failed)?,
            tokens: client(Policy::none()).map_err(failed)?,
        })
    }
}

fn builder(system: &System) -> reqwest::Result<ClientBuilder> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("pomost/", env!("CARGO_PKG_VERSION")))
        .default_headers(HeaderMap::from_iter([(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static(body::CODINGS),
        )]))
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
