//! TLS to a table's database.

use std::sync::Arc;

use rustls::{CertificateError, ClientConfig, Error, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Connections to servers whose certificates come from these (as PEM), or else from those that the
/// platform trusts, and are for the name that is connected to.
pub(super) fn connector(ca: Option<&str>) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match ca {
        Some(pem) => builder.with_root_certificates(roots(pem)?).with_no_client_auth(),
        None => builder.with_platform_verifier()?.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

fn roots(pem: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|_| CertificateError::BadEncoding)?)?;
    }
    Ok(roots)
}
