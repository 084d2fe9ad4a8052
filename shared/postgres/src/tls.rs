//! TLS connections to a database.

use std::sync::Arc;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, ring},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The certificates of a server that are accepted.
pub(crate) enum TrustedCertificates<'a> {
    /// Certificates that one of these has signed (as PEM), for the name of the server.
    Given(&'a str),
    /// Certificates that one of the platform's has signed, for the name of the server.
    Platform,
    /// Any certificate. This protects from listeners, but not from an attacker who stands in
    /// between.
    Any,
}

/// Makes TLS connections to servers whose certificates are accepted.
pub(crate) fn connector(trusted: TrustedCertificates<'_>) -> Result<MakeRustlsConnect, Error> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match trusted {
        TrustedCertificates::Given(pem) => builder.with_root_certificates(roots(pem)?),
        TrustedCertificates::Platform => builder.with_platform_verifier()?,
        TrustedCertificates::Any => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AcceptAnyCertificate(algorithms))),
    };
    Ok(MakeRustlsConnect::new(builder.with_no_client_auth()))
}

fn roots(pem: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|_| CertificateError::BadEncoding)?)?;
    }
    match roots.is_empty() {
        true => Err(Error::General(
            "expected certificates as PEM (-----BEGIN CERTIFICATE-----)".into(),
        )),
        false => Ok(roots),
    }
}

/// Accepts every certificate, so signatures need no check either.
#[derive(Debug)]
struct AcceptAnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AcceptAnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
