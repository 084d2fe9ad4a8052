//! The servers that a round stands on, and the wires to them.

use pomost_broker::testing::PrivateNode;
use pomost_tests::{PrivatePostgres, Proxy};

/// A RabbitMQ and a PostgreSQL that nobody else uses, so that anything may happen to them. Round after
/// round stands on the same.
pub(super) struct Ground {
    pub(super) broker: PrivateNode,
    pub(super) database: PrivatePostgres,
    pub(super) broker_wire: Proxy,
    pub(super) database_wire: Proxy,
}

/// What is between the services and a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    ToTheBroker,
    ToTheDatabase,
}

impl Wire {
    pub(super) fn leads_to(self) -> &'static str {
        match self {
            Wire::ToTheBroker => "broker",
            Wire::ToTheDatabase => "database",
        }
    }
}

impl Ground {
    pub(super) async fn start() -> Ground {
        let (broker, database) = tokio::join!(PrivateNode::start(), PrivatePostgres::start());
        let broker_wire = Proxy::start(&broker.url(), 5672).await;
        let database_wire = Proxy::start(&database.url(), 5432).await;
        Ground {
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
