//! Whom we trust unless told otherwise: those whom the platform does.

use std::sync::LazyLock;

use reqwest::ClientBuilder;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;

/// Has certificates held against those that the platform trusts. They are read once for a process: each
/// system has three clients, and these are some hundred files.
pub(crate) fn trusting_the_platform(builder: ClientBuilder) -> ClientBuilder {
    match &*PLATFORM {
        Some(tls) => builder.tls_backend_preconfigured(tls.clone()),
        // It tries itself, and says what is wrong.
        None => builder,
    }
}

static PLATFORM: LazyLock<Option<ClientConfig>> = LazyLock::new(|| {
    let builder = ClientConfig::builder().with_platform_verifier().ok()?;
    let mut tls = builder.with_no_client_auth();
    tls.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    Some(tls)
});
