//! TLS to the database of a table: a wire that is encrypted before the PostgreSQL at
//! `POMOST_TEST_DATABASE_URL`, which need not do that itself.

use std::sync::Arc;

use crate::support::{Scene, batch, in_a_schema, record, url};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls_pki_types::PrivateKeyDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring},
};
use url::Url;

const MORE: &str = "columns: { total: numeric }\n    create: true\n    ca: ca.pem";

#[tokio::test]
async fn the_database_s_certificate_has_to_come_from_the_given_ones() {
    in_a_schema(async |schema| {
        let (its, another) = (certificate(), certificate());
        let database = encrypted(&its).await;
        let scene = Scene::with_file(&database, &schema, "ca.pem", &another.cert.pem(), MORE).await;
        let failed = scene.refusal(record("a", "{}")).await;
        assert!(failed.contains("unreachable") && failed.contains("invalid peer certificate"), "{failed}");
        let scene = Scene::with_file(&database, &schema, "ca.pem", &its.cert.pem(), MORE).await;
        scene.load(batch([record("a", r#"{"total":1}"#)])).await;
        assert_eq!(schema.rows("sales").await, ["(a,1)"]);
    })
    .await;
}

#[tokio::test]
async fn a_database_without_tls_is_not_spoken_to_readable_unless_the_url_says_so() {
    in_a_schema(async |schema| {
        let its = certificate();
        let plain = format!("{}?sslmode=require", url());
        let scene = Scene::with_file(&plain, &schema, "ca.pem", &its.cert.pem(), MORE).await;
        let failed = scene.refusal(record("a", "{}")).await;
        assert!(failed.contains("unreachable") && failed.contains("?sslmode=disable"), "{failed}");
    })
    .await;
}

fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// The URL of a server that is the database's with TLS before it.
async fn encrypted(certified: &CertifiedKey<KeyPair>) -> String {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut address = Url::parse(&url()).unwrap();
    let server = (address.host_str().unwrap().to_owned(), address.port().unwrap_or(5432));
    address.set_host(Some("localhost")).unwrap();
    address.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
    address.set_query(Some("sslmode=require"));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(decrypt(client, acceptor.clone(), server.clone()));
        }
    });
    address.into()
}

/// Takes the request for TLS (PostgreSQL, 55.2.10), and then what the client says in it.
async fn decrypt(mut client: TcpStream, acceptor: TlsAcceptor, server: (String, u16)) {
    let mut request = [0; 8];
    client.read_exact(&mut request).await.unwrap();
    assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
    client.write_all(b"S").await.unwrap();
    // Whoever does not trust the certificate hangs up.
    let Ok(mut client) = acceptor.accept(client).await else { return };
    let mut server = TcpStream::connect(server).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
