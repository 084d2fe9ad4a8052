//! For tests: a proxy before a database that offers TLS or refuses it, whatever the database does.

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

/// A client's request for TLS (PostgreSQL, 55.2.10): a length of 8, and a number that no protocol
/// version has.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A certificate for `localhost` that no authority has signed.
pub fn self_signed_certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// Starts a proxy to the server at `url` that requires TLS, and returns its URL without a query.
pub async fn proxy_with_tls(url: &str, certified: &CertifiedKey<KeyPair>) -> String {
    start_proxy(url, Some(acceptor(certified))).await
}

/// Starts a proxy to the server at `url` that refuses TLS, and returns its URL without a query. A
/// client that does not ask for TLS is refused too.
pub async fn proxy_without_tls(url: &str) -> String {
    start_proxy(url, None).await
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

async fn start_proxy(url: &str, acceptor: Option<TlsAcceptor>) -> String {
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
            tokio::spawn(serve(client, acceptor.clone(), server.clone()));
        }
    });
    address.into()
}

async fn serve(mut client: TcpStream, acceptor: Option<TlsAcceptor>, server: (String, u16)) {
    let mut request = [0; TLS_REQUEST.len()];
    client.read_exact(&mut request).await.unwrap();
    assert_eq!(request, TLS_REQUEST);
    let Some(acceptor) = acceptor else {
        client.write_all(b"N").await.unwrap();
        return forward(client, server).await;
    };
    client.write_all(b"S").await.unwrap();
    // A client that does not trust the certificate hangs up.
    if let Ok(client) = acceptor.accept(client).await {
        forward(client, server).await;
    }
}

async fn forward(mut client: impl AsyncRead + AsyncWrite + Unpin, server: (String, u16)) {
    let Ok(mut server) = TcpStream::connect(server).await else {
        return;
    };
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
