//! The servers of a round, and the connections to them.

use pomost_broker::testing::PrivateNode;
use pomost_tests::{PrivatePostgres, Proxy};

/// A RabbitMQ and a PostgreSQL that nobody else uses, so that anything may happen to them. One
/// round after the other uses the same.
pub(super) struct Servers {
    pub(super) broker: PrivateNode,
    pub(super) database: PrivatePostgres,
    pub(super) broker_wire: Proxy,
    pub(super) database_wire: Proxy,
}

/// A connection between the services and a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    ToTheBroker,
    ToTheDatabase,
}

impl Wire {
    pub(super) fn server(self) -> &'static str {
        match self {
            Wire::ToTheBroker => "broker",
            Wire::ToTheDatabase => "database",
        }
    }
}

impl Servers {
    pub(super) async fn start() -> Servers {
        let (broker, database) = tokio::join!(PrivateNode::start(), PrivatePostgres::start());
        let broker_wire = Proxy::start(&broker.url(), 5672).await;
        let database_wire = Proxy::start(&database.url(), 5432).await;
        Servers {
            broker,
            database,
            broker_wire,
            database_wire,
        }
    }

    pub(super) fn wire(&mut self, wire: Wire) -> &mut Proxy {
        match wire {
            Wire::ToTheBroker => &mut self.broker_wire,
            Wire::ToTheDatabase => &mut self.database_wire,
        }
    }
}
