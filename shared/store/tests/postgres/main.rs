//! The store on PostgreSQL, at `POMOST_TEST_DATABASE_URL`. Each test has a schema of its own.
#![allow(clippy::unwrap_used)]

mod rules;

use std::sync::Arc;

use pomost_postgres::testing::{proxy_with_tls, proxy_without_tls, self_signed_certificate};
use pomost_store::{Cursors, Error, Health, Store, postgres::PostgresStore};
use tokio_postgres::{Client, NoTls};

pomost_store::every_behaviour!(on_a_store);

async fn on_a_store<Behaviour, Running>(behaviour: Behaviour)
where
    Behaviour: FnOnce(Arc<dyn Store>) -> Running + Send + 'static,
    Running: Future<Output = ()> + Send + 'static,
{
    in_a_schema(|namespace| async move {
        let store = PostgresStore::connect(&url(), None, &namespace)
            .await
            .unwrap();
        behaviour(Arc::new(store)).await;
    })
    .await;
}

/// Runs the work and drops the schema, also when the work panics.
async fn in_a_schema<Work, Running>(work: Work)
where
    Work: FnOnce(String) -> Running,
    Running: Future<Output = ()> + Send + 'static,
{
    let namespace = format!("test {}", uuid::Uuid::new_v4());
    let result = tokio::spawn(work(namespace.clone())).await;
    let drop_it = format!("DROP SCHEMA IF EXISTS \"{namespace}\" CASCADE");
    client().await.batch_execute(&drop_it).await.unwrap();
    if let Err(error) = result {
        std::panic::resume_unwind(error.into_panic());
    }
}

fn url() -> String {
    std::env::var("POMOST_TEST_DATABASE_URL").expect(
        "POMOST_TEST_DATABASE_URL must name a PostgreSQL database for tests, \
         as postgres://USER:PASSWORD@HOST:PORT/DATABASE (./tests/run starts one)",
    )
}

async fn client() -> Client {
    let (client, connection) = tokio_postgres::connect(&url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn services_that_start_together_migrate_once() {
    in_a_schema(|namespace| async move {
        let starting: Vec<_> = (0..8)
            .map(|_| {
                let namespace = namespace.clone();
                tokio::spawn(async move {
                    PostgresStore::connect(&url(), None, &namespace)
                        .await
                        .unwrap()
                })
            })
            .collect();
        for service in starting {
            service.await.unwrap().ping().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    in_a_schema(|one| async move {
        in_a_schema(|other| async move {
            let one = PostgresStore::connect(&url(), None, &one).await.unwrap();
            let other = PostgresStore::connect(&url(), None, &other).await.unwrap();
            one.set_cursor("customers", Some("5")).await.unwrap();
            assert_eq!(other.cursor("customers").await.unwrap(), None);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_with_advice() {
    in_a_schema(|namespace| async move {
        PostgresStore::connect(&url(), None, &namespace).await.unwrap();
        let newer = format!(
            "INSERT INTO \"{namespace}\".refinery_schema_history VALUES (99, 'later', '2030-01-01T00:00:00Z', '1')"
        );
        client().await.batch_execute(&newer).await.unwrap();
        let Err(Error::Unreadable(error)) = PostgresStore::connect(&url(), None, &namespace).await else {
            panic!("it was opened")
        };
        assert!(error.contains("use that version"), "{error}");
    })
    .await;
}

/// Waiting would not help, unlike where a server is away.
#[tokio::test]
async fn a_url_that_cannot_be_read_and_a_name_that_cannot_be_one_are_wrong_settings() {
    for (url, namespace) in [
        ("postgres:/nowhere", "pomost"),
        (&*url(), ""),
        (&*url(), &"x".repeat(64)),
    ] {
        let Err(error) = PostgresStore::connect(url, None, namespace).await else {
            panic!("it connected")
        };
        assert!(matches!(error, Error::Settings { .. }), "{error}");
    }
}

/// A PostgreSQL in a private network needs no settings. Both proxies refuse clients that do not ask
/// for TLS.
#[tokio::test]
async fn tls_is_used_where_the_server_offers_it_and_not_missed_where_it_does_not() {
    in_a_schema(|namespace| async move {
        for url in [
            proxy_with_tls(&url(), &self_signed_certificate()).await,
            proxy_without_tls(&url()).await,
        ] {
            PostgresStore::connect(&url, None, &namespace)
                .await
                .unwrap()
                .ping()
                .await
                .unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn tls_that_the_url_requires_is_not_done_without() {
    let url = format!("{}?sslmode=require", proxy_without_tls(&url()).await);
    let Err(error) = PostgresStore::connect(&url, None, "pomost").await else {
        panic!("it connected")
    };
    assert!(
        error.to_string().contains("server does not support TLS"),
        "{error}"
    );
}

/// TLS is required by the URL, or only preferred.
#[tokio::test]
async fn the_server_s_certificate_has_to_come_from_the_given_ones() {
    in_a_schema(|namespace| async move {
        let (its, another) = (self_signed_certificate(), self_signed_certificate());
        let preferred = proxy_with_tls(&url(), &its).await;
        let required = format!("{preferred}?sslmode=require");
        let another = another.cert.pem();
        for (url, ca) in [
            (&preferred, Some(&*another)),
            (&required, Some(&*another)),
            (&required, None),
        ] {
            let Err(error) = PostgresStore::connect(url, ca, &namespace).await else {
                panic!("it connected")
            };
            assert!(matches!(error, Error::Unavailable { .. }), "{error}");
            assert!(
                error.to_string().contains("invalid peer certificate"),
                "{error}"
            );
        }
        for url in [preferred, required] {
            let store = PostgresStore::connect(&url, Some(&its.cert.pem()), &namespace)
                .await
                .unwrap();
            store.ping().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn certificates_that_are_none_are_wrong_settings() {
    let Err(error) = PostgresStore::connect(&url(), Some("none"), "pomost").await else {
        panic!("it connected")
    };
    assert!(matches!(error, Error::Settings { .. }), "{error}");
    assert!(
        error.to_string().contains("expected certificates as PEM"),
        "{error}"
    );
}

#[tokio::test]
async fn errors_name_the_place_and_never_the_password() {
    for url in [
        "postgres://user:hunter2@127.0.0.1:1/shop",
        "postgres://user:hun@ter2@127.0.0.1/shop?nonsense=hunter2",
        "postgres:/user:hunter2@127.0.0.1/shop",
        "host=127.0.0.1 port=1 password=hunter2 dbname=shop user=u",
        "password=hunter2 port=hunter2",
    ] {
        let Err(error) = PostgresStore::connect(url, None, "pomost").await else {
            panic!("it connected")
        };
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("ter2"), "{text}");
        }
    }
    let Err(error) =
        PostgresStore::connect("postgres://user:hunter2@127.0.0.1:1/shop", None, "pomost").await
    else {
        panic!("it connected")
    };
    assert!(
        error.to_string().contains("postgres://127.0.0.1:1/shop"),
        "{error}"
    );
}

#[tokio::test]
async fn errors_of_the_server_hold_no_values_of_a_row() {
    in_a_schema(|namespace| async move {
        let store = PostgresStore::connect(&url(), None, &namespace)
            .await
            .unwrap();
        let closed =
            format!("ALTER TABLE \"{namespace}\".cursors ADD CHECK (value <> 'jan@example.org')");
        client().await.batch_execute(&closed).await.unwrap();
        let error = store
            .set_cursor("customers", Some("jan@example.org"))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("violates check constraint"),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("jan@"), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn connections_that_the_server_closed_are_replaced() {
    in_a_schema(|namespace| async move {
        let separator = if url().contains('?') { '&' } else { '?' };
        let named = format!("{}{separator}application_name={}", url(), namespace.replace(' ', "-"));
        let store = PostgresStore::connect(&named, None, &namespace).await.unwrap();
        store.ping().await.unwrap();
        let close =
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
        let closed: i64 =
            client().await.query_one(close, &[&namespace.replace(' ', "-")]).await.unwrap().get(0);
        assert!(closed > 0);
        let answers = async { while store.ping().await.is_err() {} };
        tokio::time::timeout(std::time::Duration::from_secs(30), answers).await.unwrap();
    })
    .await;
}
