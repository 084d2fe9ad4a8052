//! The servers of a round, and the connections to them.

use pomost_broker::testing::PrivateNode;
use pomost_tests::{PrivatePostgres, Proxy};

/// A RabbitMQ and a PostgreSQL that nobody else uses, so that anything may happen to them. One
/// round after the other uses the same.
pub(super) struct RoundServers {
    pub(super) broker: PrivateNode,
    pub(super) database: PrivatePostgres,
    pub(super) broker_wire: Proxy,
    pub(super) database_wire: Proxy,
}

/// A connection between the services and a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerWire {
    ToTheBroker,
    ToTheDatabase,
}

impl ServerWire {
    pub(super) fn server(self) -> &'static str {
        match self {
            ServerWire::ToTheBroker => "broker",
            ServerWire::ToTheDatabase => "database",
        }
    }
}

impl RoundServers {
    pub(super) async fn start() -> RoundServers {
        let (broker, database) = tokio::join!(PrivateNode::start(), PrivatePostgres::start());
        let broker_wire = Proxy::start(&broker.url(), 5672).await;
        let database_wire = Proxy::start(&database.url(), 5432).await;
        RoundServers {
            broker,
            database,
            broker_wire,
            database_wire,
        }
    }

    pub(super) fn wire(&mut self, wire: ServerWire) -> &mut Proxy {
        match wire {
            ServerWire::ToTheBroker => &mut self.broker_wire,
            ServerWire::ToTheDatabase => &mut self.database_wire,
        }
    }
}
