//! The certificates that are trusted where a system's file names none: those that the platform
//! trusts.

use std::sync::LazyLock;

use reqwest::ClientBuilder;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;

/// Has servers' certificates checked against those that the platform trusts. They are read once per
/// process: each system has three pools of connections, and these are some hundred files.
pub(super) fn trusting_the_platform(builder: ClientBuilder) -> ClientBuilder {
    match &*PLATFORM {
        Some(tls) => builder.tls_backend_preconfigured(tls.clone()),
        // reqwest then reads them itself and says what is wrong with them.
        None => builder,
    }
}

static PLATFORM: LazyLock<Option<ClientConfig>> = LazyLock::new(|| {
    let builder = ClientConfig::builder().with_platform_verifier().ok()?;
    let mut tls = builder.with_no_client_auth();
    tls.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    Some(tls)
});
