//! The exchanges and queues, as plain data: the one place that knows their names and properties.
//!
//! No queue has an `x-max-length`: whoever publishes looks at the length first. A full queue would
//! refuse what comes back from a delay as well. RabbitMQ offers that again after three minutes, and
//! after 32 such messages lets nothing else out of the delay, whichever flow it belongs to.

use pomost_models::{Stage, retry::DELAY_LEVELS};

use crate::{Limits, Queue, Route};

/// RabbitMQ 4 gives quorum queues a delivery limit of 20 unless told otherwise, and drops what
/// passes it where there is no dead letter exchange. Dead letters have nowhere else to go.
const PRACTICALLY_UNLIMITED: u32 = i32::MAX as u32;

/// Names everything after the namespace and knows how it is to be declared.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    namespace: String,
    limits: Limits,
}

/// An exchange to declare, durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExchangeDefinition {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// How an exchange chooses among the queues bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By the routing key.
    Direct,
    /// All of them.
    Fanout,
}

/// A durable quorum queue to declare, and what it is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueueDefinition {
    pub(super) name: String,
    pub(super) arguments: Vec<(&'static str, Argument)>,
    pub(super) bindings: Vec<Binding>,
}

/// The value of a queue's argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    Text(String),
    Number(u32),
}

/// What brings messages to a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) exchange: String,
    pub(super) routing_key: String,
}

/// Where to publish, and what to look at before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) exchange: String,
    pub(super) routing_key: String,
    /// The queue that takes no more once it holds as many messages as the limit.
    pub(super) bounded: Option<String>,
    pub(super) limit: u32,
}

impl Topology {
    pub(super) fn new(namespace: &str, limits: Limits) -> Topology {
        Topology { namespace: namespace.to_owned(), limits }
    }

    /// Every exchange, whatever the flows.
    pub(super) fn exchanges(&self) -> Vec<ExchangeDefinition> {
        let direct = ExchangeDefinition { name: self.namespace.clone(), kind: Kind::Direct };
        let dead = ExchangeDefinition { name: self.dead_letter_exchange(), kind: Kind::Fanout };
        let delays =
            DELAY_LEVELS.map(|level| ExchangeDefinition { name: self.delay(level), kind: Kind::Fanout });
        [direct, dead].into_iter().chain(delays).collect()
    }

    /// Every queue that these flows need.
    pub(super) fn queues(&self, flows: &[String]) -> Vec<QueueDefinition> {
        let works = flows.iter().flat_map(|flow| {
            [Stage::Transform, Stage::Load].map(|stage| self.work_queue(&Queue::work(stage, flow)))
        });
        let delays = DELAY_LEVELS.map(|level| self.delay_queue(level));
        [self.dead_queue()].into_iter().chain(delays).chain(works).collect()
    }

    /// The name of the RabbitMQ queue behind a queue.
    pub(super) fn queue_name(&self, queue: &Queue) -> String {
        format!("{}.{queue}", self.namespace)
    }

    /// The queue's name without the namespace.
    pub(super) fn without_namespace<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&self.namespace).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name)
    }

    /// Where a message is published to. The routing key is the queue's name in any case: it brings
    /// the message from a delay to where it is to go.
    pub(super) fn destination(&self, route: &Route) -> Destination {
        let exchange = match (&route.to, route.delay) {
            (_, Some(seconds)) => self.delay(seconds),
            (Queue::Dead, None) => self.dead_letter_exchange(),
            (Queue::Work { .. }, None) => self.namespace.clone(),
        };
        let bounded = route.delay.is_none().then(|| self.queue_name(&route.to));
        Destination { exchange, routing_key: route.to.to_string(), bounded, limit: self.limits.length }
    }

    fn dead_letter_exchange(&self) -> String {
        format!("{}.dlx", self.namespace)
    }

    fn delay(&self, seconds: u32) -> String {
        format!("{}.delay.{seconds}s", self.namespace)
    }

    fn work_queue(&self, queue: &Queue) -> QueueDefinition {
        let mut arguments = dead_lettering_to(self.dead_letter_exchange());
        arguments.push(("x-delivery-limit", Argument::Number(self.limits.deliveries)));
        QueueDefinition {
            name: self.queue_name(queue),
            arguments,
            bindings: vec![self.bound_directly(queue)],
        }
    }

    fn dead_queue(&self) -> QueueDefinition {
        let limit = Argument::Number(PRACTICALLY_UNLIMITED);
        let arguments = vec![("x-queue-type", text("quorum")), ("x-delivery-limit", limit)];
        let dead = Binding { exchange: self.dead_letter_exchange(), routing_key: String::new() };
        let bindings = vec![dead, self.bound_directly(&Queue::Dead)];
        QueueDefinition { name: self.queue_name(&Queue::Dead), arguments, bindings }
    }

    fn delay_queue(&self, seconds: u32) -> QueueDefinition {
        let mut arguments = dead_lettering_to(self.namespace.clone());
        arguments.push(("x-message-ttl", Argument::Number(seconds * 1000)));
        let binding = Binding { exchange: self.delay(seconds), routing_key: String::new() };
        QueueDefinition { name: self.delay(seconds), arguments, bindings: vec![binding] }
    }

    fn bound_directly(&self, queue: &Queue) -> Binding {
        Binding { exchange: self.namespace.clone(), routing_key: queue.to_string() }
    }
}

/// At least once needs the overflow as well; RabbitMQ silently falls back to at most once without.
fn dead_lettering_to(exchange: String) -> Vec<(&'static str, Argument)> {
    vec![
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", Argument::Text(exchange)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]
}

fn text(value: &str) -> Argument {
    Argument::Text(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        Topology::new("pomost", Limits::default())
    }

    #[test]
    fn every_flow_has_a_queue_for_each_stage_that_receives() {
        let queues = topology().queues(&["customers".to_owned()]);
        let names: Vec<&str> = queues.iter().map(|queue| queue.name.as_str()).collect();
        let delays =
            ["1s", "5s", "30s", "120s", "600s", "3600s"].map(|level| format!("pomost.delay.{level}"));
        let mut expected = vec!["pomost.dead"];
        expected.extend(delays.iter().map(String::as_str));
        expected.extend(["pomost.transform.customers", "pomost.load.customers"]);
        assert_eq!(names, expected);
    }

    #[test]
    fn whatever_dead_letters_does_so_at_least_once() {
        for queue in topology().queues(&["customers".to_owned()]) {
            let has = |name, value| queue.arguments.contains(&(name, text(value)));
            let dead_letters = queue.arguments.iter().any(|(name, _)| *name == "x-dead-letter-exchange");
            let at_least_once = has("x-dead-letter-strategy", "at-least-once");
            assert_eq!(dead_letters, at_least_once, "{}", queue.name);
            assert_eq!(dead_letters, has("x-overflow", "reject-publish"), "{}", queue.name);
            assert!(has("x-queue-type", "quorum"), "{}", queue.name);
        }
    }

    #[test]
    fn every_binding_names_an_exchange_that_is_declared() {
        let exchanges = topology().exchanges();
        for queue in topology().queues(&["customers".to_owned()]) {
            for binding in queue.bindings {
                assert!(exchanges.iter().any(|exchange| exchange.name == binding.exchange), "{}", queue.name);
            }
        }
    }

    #[test]
    fn a_delayed_message_goes_to_the_exchange_of_its_delay_whatever_its_queue_holds() {
        let destination = topology().destination(&Route::delayed(Queue::work(Stage::Load, "customers"), 30));
        assert_eq!(destination.exchange, "pomost.delay.30s");
        assert_eq!(destination.routing_key, "load.customers");
        assert_eq!(destination.bounded, None);
    }

    #[test]
    fn no_queue_refuses_what_comes_back_from_a_delay() {
        for queue in topology().queues(&["customers".to_owned()]) {
            assert!(queue.arguments.iter().all(|(name, _)| *name != "x-max-length"), "{}", queue.name);
        }
    }
}
