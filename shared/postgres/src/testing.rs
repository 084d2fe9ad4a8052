//! For tests: a wire before a database that offers TLS or refuses it, whatever the database does.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls_pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring},
};
use url::Url;

/// What asks for TLS (PostgreSQL, 55.2.10): a length of 8, and a number that no version has.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A certificate for `localhost` that nobody has signed.
pub fn self_signed_certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// The URL, without a query, of a server that is the one at `url` behind TLS. It does not speak to whoever
/// does not ask for that.
pub async fn proxy_with_tls(url: &str, certified: &CertifiedKey<KeyPair>) -> String {
    before(url, Some(acceptor(certified))).await
}

/// The URL, without a query, of a server that is the one at `url` and offers no TLS. It does not speak to
/// whoever does not ask.
pub async fn proxy_without_tls(url: &str) -> String {
    before(url, None).await
}

fn acceptor(certified: &CertifiedKey<KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn before(url: &str, acceptor: Option<TlsAcceptor>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut address = Url::parse(url).unwrap();
    let server = (
        address.host_str().unwrap().to_owned(),
        address.port().unwrap_or(5432),
    );
    address.set_host(Some("localhost")).unwrap();
    address
        .set_port(Some(listener.local_addr().unwrap().port()))
        .unwrap();
    address.set_query(None);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(client, acceptor.clone(), server.clone()));
        }
    });
    address.into()
}

async fn answer(mut client: TcpStream, acceptor: Option<TlsAcceptor>, server: (String, u16)) {
    let mut request = [0; REQUEST.len()];
    client.read_exact(&mut request).await.unwrap();
    assert_eq!(request, REQUEST);
    let Some(acceptor) = acceptor else {
        client.write_all(b"N").await.unwrap();
        return pass_on(client, server).await;
    };
    client.write_all(b"S").await.unwrap();
    // Whoever does not trust the certificate hangs up.
    if let Ok(client) = acceptor.accept(client).await {
        pass_on(client, server).await;
    }
}

async fn pass_on(mut client: impl AsyncRead + AsyncWrite + Unpin, server: (String, u16)) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
