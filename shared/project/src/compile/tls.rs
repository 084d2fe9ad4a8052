//! Compiling a system's `tls`.

use pomost_models::{secret::SecretReference, system::TlsSection};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};

use super::FileCompiler;
use crate::{environment::Environment, system::TlsSettings};

/// The beginning of PEM texts (RFC 7468 §2).
const PEM: &str = "-----BEGIN ";

impl FileCompiler<'_> {
    /// Compiles the certificates and the key of a system. Problems do not quote them.
    pub(crate) fn tls(
        &mut self,
        section: Option<&TlsSection>,
        environment: &Environment,
    ) -> Option<TlsSettings> {
        let Some(section) = section else {
            return Some(TlsSettings::default());
        };
        let ca = section
            .ca
            .as_ref()
            .map(|ca| self.certificates("/tls/ca", ca, environment));
        let identity = match (&section.certificate, &section.key) {
            (Some(certificate), Some(key)) => Some(self.identity(certificate, key, environment)),
            (None, None) => None,
            _ => {
                self.refuse("/tls", "expected both 'certificate' and 'key', or neither");
                return None;
            }
        };
        Some(TlsSettings {
            ca: transpose(ca)?,
            identity: transpose(identity)?,
        })
    }

    fn identity(
        &mut self,
        certificate: &str,
        key: &SecretReference,
        environment: &Environment,
    ) -> Option<SecretString> {
        let certificate = self.certificates("/tls/certificate", certificate, environment);
        let key = self.private_key("/tls/key", key, environment);
        Some(format!("{}\n{}", key?.expose_secret(), certificate?).into())
    }

    /// Certificates as PEM, from a reference or from a file of the project.
    pub(super) fn certificates(
        &mut self,
        pointer: &str,
        text: &str,
        environment: &Environment,
    ) -> Option<String> {
        let pem = self.pem(pointer, text, environment)?;
        let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).peekable();
        if certificates.peek().is_some() && certificates.all(|certificate| certificate.is_ok()) {
            return Some(pem);
        }
        self.refuse(
            pointer,
            format!("expected certificates as PEM ({PEM}CERTIFICATE-----) in {text}"),
        );
        None
    }

    /// The text of a reference is a PEM itself and never a path, because it may be secret, and
    /// problems show paths.
    fn pem(&mut self, pointer: &str, text: &str, environment: &Environment) -> Option<String> {
        let pem = if text.contains("${") {
            environment.resolve(text)
        } else {
            environment.read(text)
        };
        pem.map_err(|message| self.refuse(pointer, message)).ok()
    }

    /// A private key as PEM, of any kind that TLS accepts.
    pub(crate) fn private_key(
        &mut self,
        pointer: &str,
        reference: &SecretReference,
        environment: &Environment,
    ) -> Option<SecretString> {
        let pem = self.secret(pointer, reference, environment)?;
        if PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes()).is_ok() {
            return Some(pem);
        }
        self.refuse_with_help(
            pointer,
            format!(
                "{} does not hold a private key as PEM ({PEM}PRIVATE KEY-----)",
                reference.0
            ),
            "a key with a passphrase is not read; `openssl pkcs8 -topk8 -nodes` writes one without",
        );
        None
    }

    /// A private key as PEM, of a kind that can sign assertions.
    pub(crate) fn signing_key(
        &mut self,
        pointer: &str,
        reference: &SecretReference,
        environment: &Environment,
    ) -> Option<SecretString> {
        let pem = self.private_key(pointer, reference, environment)?;
        let key = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes());
        if matches!(key, Ok(PrivateKeyDer::Sec1(_))) {
            self.refuse_with_help(
                pointer,
                format!("{} holds a key in SEC 1, expected PKCS#8", reference.0),
                "`openssl pkcs8 -topk8 -nodes` writes it so",
            );
            return None;
        }
        Some(pem)
    }
}

fn transpose<T>(of: Option<Option<T>>) -> Option<Option<T>> {
    match of {
        Some(None) => None,
        Some(some) => Some(some),
        None => Some(None),
    }
}
