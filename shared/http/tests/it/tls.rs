//! Certificates of one's own.

use std::sync::Arc;

use pomost_http::FailureClass;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier},
};

use crate::support::{SystemFile, things};

/// A certificate authority of the test's own.
struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Ca {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ca(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for a name, and its key.
    fn certify(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A server whose certificate it signed; with `clients`, one that asks for theirs.
    async fn serve(&self, clients: bool) -> String {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions();
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let builder = match clients {
            false => builder.unwrap().with_no_client_auth(),
            true => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder
                    .unwrap()
                    .with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let (certificate, key) = self.certify("localhost");
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        tokio::spawn(answer_all(listener, TlsAcceptor::from(Arc::new(config))));
        url
    }
}

async fn answer_all(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((connection, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut connection = acceptor.accept(connection).await?;
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(connection.read_u8().await?);
            }
            connection
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                .await?;
            connection.shutdown().await
        });
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_refused() {
    let url = Ca::new().serve(false).await;
    let failure = SystemFile::at(&url)
        .lone()
        .await
        .send(things(&url))
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Unreachable, "{failure}");
    assert!(failure.message.contains("certificate"), "{failure}");
}

#[tokio::test]
async fn a_certificate_of_one_s_own_authority_is_trusted_and_of_no_other() {
    let (ours, theirs) = (Ca::new(), Ca::new());
    let url = ours.serve(false).await;
    let system = SystemFile::at(&url).with("tls: { ca: '${CA}' }");
    system
        .clone()
        .set("CA", ours.0.pem())
        .lone()
        .await
        .send(things(&url))
        .await
        .unwrap();
    let failure = system
        .set("CA", theirs.0.pem())
        .lone()
        .await
        .send(things(&url))
        .await
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Unreachable, "{failure}");
}

#[tokio::test]
async fn a_system_may_ask_for_our_certificate() {
    let ca = Ca::new();
    let url = ca.serve(true).await;
    let system = SystemFile::at(&url).set("CA", ca.0.pem());
    let bare = system.clone().with("tls: { ca: '${CA}' }").lone().await;
    assert!(bare.send(things(&url)).await.is_err());
    let (certificate, key) = ca.certify("us");
    let system = system.with("tls: { ca: '${CA}', certificate: '${CERTIFICATE}', key: '${KEY}' }");
    let system = system
        .set("CERTIFICATE", certificate.pem())
        .set("KEY", key.serialize_pem());
    system.lone().await.send(things(&url)).await.unwrap();
}
