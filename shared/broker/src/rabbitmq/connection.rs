//! The broker's address, the connections to it, and the meaning of their failures.

use std::time::Duration;

use deadpool_lapin::{Config, Pool, PoolConfig, PoolError, Runtime, Timeouts};
use lapin::{Channel, ConnectionProperties, ErrorKind, protocol::AMQPErrorKind, uri::AMQPUri};

use crate::{Error, Result};

/// The time within which a connection and a channel have to be open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The heartbeat interval in seconds. A broker that says nothing for twice as long counts as gone.
const HEARTBEAT_SECONDS: u16 = 20;

/// The broker's address, in the form that may be shown and the form that connects.
pub(super) struct BrokerAddress {
    /// The address without a password.
    pub(super) place: String,
    secret_url: String,
}

impl BrokerAddress {
    pub(super) fn parse(url: &str) -> Result<BrokerAddress> {
        let mut uri: AMQPUri = url
            .parse()
            .map_err(|reason: String| unreadable(&reason.replace(url, "…")))?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        uri.query
            .connection_timeout
            .get_or_insert(CONNECT_TIMEOUT.as_millis() as u64);
        Ok(BrokerAddress {
            place: place(&uri),
            secret_url: uri.to_string(),
        })
    }
}

/// One connection, which is opened when it is needed and again after it was lost.
///
/// Publishing and consuming each have a connection: under a memory alarm RabbitMQ stops reading
/// from connections that publish, and acknowledgements must still get through.
pub(super) struct ServerLink {
    place: String,
    pool: Pool,
}

impl ServerLink {
    pub(super) fn new(address: &BrokerAddress, purpose: &'static str) -> Result<ServerLink> {
        let timeouts = Timeouts {
            wait: Some(CONNECT_TIMEOUT),
            create: Some(CONNECT_TIMEOUT),
            recycle: Some(CONNECT_TIMEOUT),
        };
        let pool = PoolConfig {
            timeouts,
            ..PoolConfig::new(1)
        };
        let config = Config {
            url: Some(address.secret_url.clone()),
            pool: Some(pool),
        };
        let properties = move || {
            ConnectionProperties::default().with_connection_name(format!("pomost {purpose}").into())
        };
        let pool = config
            .builder(properties, Runtime::Tokio1)
            .map_err(|error| unavailable(&address.place, error))?
            .build()
            .map_err(|error| unavailable(&address.place, error))?;
        Ok(ServerLink {
            place: address.place.clone(),
            pool,
        })
    }

    /// Opens a channel. It outlives its place in the pool: the connection closes with its last
    /// channel.
    pub(super) async fn open_channel(&self) -> Result<Channel> {
        let opening = async {
            let connection = self
                .pool
                .get()
                .await
                .map_err(|error| self.unreachable(error))?;
            connection
                .create_channel()
                .await
                .map_err(|error| self.unavailable(error))
        };
        tokio::time::timeout(CONNECT_TIMEOUT, opening)
            .await
            .unwrap_or_else(|_| {
                Err(self.unavailable(format!("no channel within {} s", CONNECT_TIMEOUT.as_secs())))
            })
    }

    /// The error that the broker cannot be used right now.
    pub(super) fn unavailable(&self, reason: impl ToString) -> Error {
        unavailable(&self.place, reason)
    }

    fn unreachable(&self, error: PoolError) -> Error {
        match error {
            PoolError::Backend(error) => self.unavailable(error),
            PoolError::Timeout(_) => self.unavailable(format!(
                "no connection within {} s",
                CONNECT_TIMEOUT.as_secs()
            )),
            other => self.unavailable(other),
        }
    }
}

/// True when the broker refused a request because a queue or exchange has other properties.
pub(super) fn is_incompatible(error: &lapin::Error) -> bool {
    reply_code(error) == Some(406)
}

/// True when the broker refused a request because a queue or exchange does not exist.
pub(super) fn is_missing(error: &lapin::Error) -> bool {
    reply_code(error) == Some(404)
}

fn reply_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) if matches!(error.kind(), AMQPErrorKind::Soft(_)) => {
            Some(error.get_id())
        }
        _ => None,
    }
}

fn place(uri: &AMQPUri) -> String {
    let AMQPUri {
        scheme,
        authority,
        vhost,
        ..
    } = uri;
    format!(
        "{scheme}://{}@{}:{} (vhost {vhost})",
        authority.userinfo.username, authority.host, authority.port
    )
}

fn unreadable(reason: &str) -> Error {
    let expected = "expected amqp://user:password@host:5672/vhost";
    Error::Settings {
        reason: format!("its URL cannot be read ({reason}); {expected}"),
    }
}

fn unavailable(place: &str, reason: impl ToString) -> Error {
    Error::Unavailable {
        place: place.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address =
            BrokerAddress::parse("amqps://anna:t0p%20secret@mq.example.com/sales").unwrap();
        assert_eq!(
            address.place,
            "amqps://anna@mq.example.com:5671 (vhost sales)"
        );
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_repeated() {
        for url in [
            "rabbit:t0psecret",
            "http://anna:t0psecret@host",
            "t0psecret",
        ] {
            let error = BrokerAddress::parse(url).err().unwrap().to_string();
            assert!(
                !error.contains("t0psecret") && error.contains("amqp://user:password@host"),
                "{error}"
            );
        }
    }
}
