//! The exchanges and queues, as plain data: the one place that knows their names and properties.
//!
//! All messages in a delay queue have the same delay, or short delays would wait behind long ones.
//! So there is a delay queue for each power of two, and a message passes the delay queues whose
//! times add up to its delay. Its routing key names them: a binary digit for each delay queue, the
//! longest first, then the name of the queue where the message ends. The exchange before each delay
//! queue leads into it or past it by that digit, and the exchange behind the last one leads to the
//! queue where the message ends.
//!
//! No queue has an `x-max-length`; the publisher asks for the queue's length before. A full queue
//! would also refuse messages that come back from a delay. RabbitMQ offers those again after three
//! minutes, and after 32 of them lets no other message out of the delay queue, whichever flow it
//! belongs to.

use crate::{Queue, QueueLimits, Route, route::LONGEST_DELAY};

/// The delivery limit of the queue of dead letters. RabbitMQ 4 gives quorum queues a limit of 20 by
/// default, and where there is no dead letter exchange it drops messages that pass the limit. There
/// is no other place for dead letters.
const PRACTICALLY_UNLIMITED: u32 = i32::MAX as u32;

/// The exchanges and queues of a namespace.
#[derive(Debug, Clone)]
pub(super) struct BrokerTopology {
    namespace: String,
    limits: QueueLimits,
}

/// Number of delay queues.
const DELAY_QUEUES: u32 = LONGEST_DELAY.ilog2() + 1;

/// A durable exchange to declare, and the binding that brings messages to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExchangeDefinition {
    pub(super) name: String,
    pub(super) kind: ExchangeKind,
    pub(super) binding: Option<ExchangeBinding>,
}

/// The rule by which an exchange chooses among the queues bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExchangeKind {
    /// By the whole routing key.
    Direct,
    /// Every queue.
    Fanout,
    /// By the words of the routing key.
    Topic,
}

/// A durable quorum queue to declare, and its bindings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueueDefinition {
    pub(super) name: String,
    pub(super) arguments: Vec<(&'static str, QueueArgument)>,
    pub(super) bindings: Vec<ExchangeBinding>,
}

/// The value of a queue's argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QueueArgument {
    Text(String),
    Number(u32),
}

/// A rule that brings messages from an exchange to a queue or to another exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExchangeBinding {
    pub(super) exchange: String,
    pub(super) routing_key: String,
}

/// The exchange to publish to, and the queue whose length is asked for before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublishTarget {
    pub(super) exchange: String,
    pub(super) routing_key: String,
    /// The queue where the message ends.
    pub(super) to: Queue,
    /// The name of the queue, where it takes no more once it holds as many messages as the limit.
    pub(super) bounded: Option<String>,
    pub(super) limit: u32,
}

impl BrokerTopology {
    pub(super) fn new(namespace: &str, limits: QueueLimits) -> BrokerTopology {
        BrokerTopology {
            namespace: namespace.to_owned(),
            limits,
        }
    }

    /// Every exchange, each after those that it is bound to. They do not depend on the flows.
    pub(super) fn exchanges(&self) -> Vec<ExchangeDefinition> {
        let exchange = |name, kind| ExchangeDefinition {
            name,
            kind,
            binding: None,
        };
        let delay = |power: u32| ExchangeDefinition {
            name: self.delay_name(power),
            kind: ExchangeKind::Topic,
            binding: (power + 1 < DELAY_QUEUES).then(|| self.at_delay(power + 1, '0')),
        };
        let delayed = ExchangeDefinition {
            binding: Some(self.at_delay(0, '0')),
            ..exchange(self.behind_delays(), ExchangeKind::Topic)
        };
        let direct = exchange(self.namespace.clone(), ExchangeKind::Direct);
        let dead = exchange(self.dead_letter_exchange(), ExchangeKind::Fanout);
        [direct, dead]
            .into_iter()
            .chain((0..DELAY_QUEUES).rev().map(delay))
            .chain([delayed])
            .collect()
    }

    /// Every queue that these flows need.
    pub(super) fn queues(&self, flows: &[String]) -> Vec<QueueDefinition> {
        let work_queues = flows
            .iter()
            .flat_map(|flow| Queue::of_flow(flow))
            .map(|queue| self.work_queue(&queue));
        let delays = (0..DELAY_QUEUES).map(|power| self.delay_queue(power));
        [self.dead_queue()]
            .into_iter()
            .chain(delays)
            .chain(work_queues)
            .collect()
    }

    /// The name of a queue on RabbitMQ.
    pub(super) fn queue_name(&self, queue: &Queue) -> String {
        format!("{}.{queue}", self.namespace)
    }

    /// A queue's name on RabbitMQ without the namespace.
    pub(super) fn without_namespace<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&self.namespace)
            .and_then(|rest| rest.strip_prefix('.'))
            .unwrap_or(name)
    }

    /// The target of a publish. A message with a delay begins at the longest delay queue that it
    /// passes.
    pub(super) fn target(&self, route: &Route) -> PublishTarget {
        let name = route.to.to_string();
        let longest = route
            .delay
            .and_then(|seconds| Some((seconds, seconds.checked_ilog2()?)));
        let (exchange, routing_key) = match (longest, &route.to) {
            (Some((seconds, power)), _) => (
                self.delay_name(power),
                format!("{}.{name}", digits(seconds)),
            ),
            (None, Queue::Dead) => (self.dead_letter_exchange(), name),
            (None, Queue::Work { .. }) => (self.namespace.clone(), name),
        };
        let is_bounded = longest.is_none() && route.to.is_bounded();
        let bounded = is_bounded.then(|| self.queue_name(&route.to));
        PublishTarget {
            exchange,
            routing_key,
            to: route.to.clone(),
            bounded,
            limit: self.limits.length,
        }
    }

    fn dead_letter_exchange(&self) -> String {
        format!("{}.dlx", self.namespace)
    }

    /// The name of the exchange and the queue that delay by 2 to this power seconds.
    fn delay_name(&self, power: u32) -> String {
        format!("{}.delay.{}s", self.namespace, 1 << power)
    }

    /// The name of the exchange that leads delayed messages to their queues.
    fn behind_delays(&self) -> String {
        format!("{}.delayed", self.namespace)
    }

    /// The binding for messages whose routing key has this digit for a delay queue.
    fn at_delay(&self, power: u32, digit: char) -> ExchangeBinding {
        let longer = "*.".repeat((DELAY_QUEUES - 1 - power) as usize);
        ExchangeBinding {
            exchange: self.delay_name(power),
            routing_key: format!("{longer}{digit}.#"),
        }
    }

    fn after_delays(&self, queue: &Queue) -> ExchangeBinding {
        let routing_key = format!("{}{queue}", "*.".repeat(DELAY_QUEUES as usize));
        ExchangeBinding {
            exchange: self.behind_delays(),
            routing_key,
        }
    }

    fn work_queue(&self, queue: &Queue) -> QueueDefinition {
        let mut arguments = dead_lettering_to(self.dead_letter_exchange());
        arguments.push((
            "x-delivery-limit",
            QueueArgument::Number(self.limits.deliveries),
        ));
        QueueDefinition {
            name: self.queue_name(queue),
            arguments,
            bindings: vec![self.bound_directly(queue), self.after_delays(queue)],
        }
    }

    fn dead_queue(&self) -> QueueDefinition {
        let limit = QueueArgument::Number(PRACTICALLY_UNLIMITED);
        let arguments = vec![
            ("x-queue-type", text("quorum")),
            ("x-delivery-limit", limit),
        ];
        let dead = ExchangeBinding {
            exchange: self.dead_letter_exchange(),
            routing_key: String::new(),
        };
        let bindings = vec![
            dead,
            self.bound_directly(&Queue::Dead),
            self.after_delays(&Queue::Dead),
        ];
        QueueDefinition {
            name: self.queue_name(&Queue::Dead),
            arguments,
            bindings,
        }
    }

    fn delay_queue(&self, power: u32) -> QueueDefinition {
        let next = if power == 0 {
            self.behind_delays()
        } else {
            self.delay_name(power - 1)
        };
        let mut arguments = dead_lettering_to(next);
        arguments.push(("x-message-ttl", QueueArgument::Number(1000 << power)));
        QueueDefinition {
            name: self.delay_name(power),
            arguments,
            bindings: vec![self.at_delay(power, '1')],
        }
    }

    fn bound_directly(&self, queue: &Queue) -> ExchangeBinding {
        ExchangeBinding {
            exchange: self.namespace.clone(),
            routing_key: queue.to_string(),
        }
    }
}

/// The binary digits of a delay as words, the digit of the longest delay queue first.
fn digits(seconds: u32) -> String {
    let digit = |power| if seconds >> power & 1 == 1 { "1" } else { "0" };
    (0..DELAY_QUEUES)
        .rev()
        .map(digit)
        .collect::<Vec<_>>()
        .join(".")
}

/// The arguments of a queue that dead-letters at least once. Without the overflow argument RabbitMQ
/// silently falls back to at most once.
fn dead_lettering_to(exchange: String) -> Vec<(&'static str, QueueArgument)> {
    vec![
        ("x-queue-type", text("quorum")),
        ("x-dead-letter-exchange", QueueArgument::Text(exchange)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]
}

fn text(value: &str) -> QueueArgument {
    QueueArgument::Text(value.to_owned())
}

#[cfg(test)]
mod tests {
    use pomost_models::Stage;

    use super::*;

    fn topology() -> BrokerTopology {
        BrokerTopology::new("pomost", QueueLimits::default())
    }

    #[test]
    fn every_flow_has_a_queue_for_each_stage_that_receives() {
        let queues = topology().queues(&["customers".to_owned()]);
        let names: Vec<&str> = queues.iter().map(|queue| queue.name.as_str()).collect();
        let delays = (0..12).map(|power| format!("pomost.delay.{}s", 1 << power));
        let mut expected = vec!["pomost.dead"];
        let delays: Vec<String> = delays.collect();
        expected.extend(delays.iter().map(String::as_str));
        expected.push("pomost.extract.customers");
        expected.extend([
            "pomost.transform.customers",
            "pomost.transform.customers.backfill",
        ]);
        expected.extend(["pomost.load.customers", "pomost.load.customers.backfill"]);
        assert_eq!(names, expected);
    }

    #[test]
    fn whatever_dead_letters_does_so_at_least_once() {
        for queue in topology().queues(&["customers".to_owned()]) {
            let has = |name, value| queue.arguments.contains(&(name, text(value)));
            let dead_letters = queue
                .arguments
                .iter()
                .any(|(name, _)| *name == "x-dead-letter-exchange");
            let at_least_once = has("x-dead-letter-strategy", "at-least-once");
            assert_eq!(dead_letters, at_least_once, "{}", queue.name);
            assert_eq!(
                dead_letters,
                has("x-overflow", "reject-publish"),
                "{}",
                queue.name
            );
            assert!(has("x-queue-type", "quorum"), "{}", queue.name);
        }
    }

    #[test]
    fn every_binding_names_an_exchange_that_is_declared() {
        let exchanges = topology().exchanges();
        for queue in topology().queues(&["customers".to_owned()]) {
            for binding in queue.bindings {
                assert!(
                    exchanges
                        .iter()
                        .any(|exchange| exchange.name == binding.exchange),
                    "{}",
                    queue.name
                );
            }
        }
    }

    #[test]
    fn a_delayed_message_goes_to_the_exchange_of_its_delay_whatever_its_queue_holds() {
        let target = topology().target(&Route::delayed(Queue::work(Stage::Load, "customers"), 30));
        assert_eq!(target.exchange, "pomost.delay.16s");
        assert_eq!(target.routing_key, "0.0.0.0.0.0.0.1.1.1.1.0.load.customers");
        assert_eq!(target.bounded, None);
    }

    /// True when a topic's pattern takes a routing key: `*` is one word, `#` at the end is the
    /// rest.
    fn takes(pattern: &str, key: &str) -> bool {
        let (pattern, open) = pattern
            .strip_suffix(".#")
            .map_or((pattern, false), |pattern| (pattern, true));
        let (words, keys): (Vec<&str>, Vec<&str>) =
            (pattern.split('.').collect(), key.split('.').collect());
        (words.len() == keys.len() || open && words.len() < keys.len())
            && words
                .iter()
                .zip(&keys)
                .all(|(word, key)| *word == "*" || word == key)
    }

    /// The queues to which an exchange leads a message, also through other exchanges.
    fn queues_behind<'q>(
        queues: &'q [QueueDefinition],
        exchange: &str,
        key: &str,
    ) -> Vec<&'q QueueDefinition> {
        let takes = |binding: &ExchangeBinding| {
            binding.exchange == exchange && takes(&binding.routing_key, key)
        };
        let here = queues
            .iter()
            .filter(|queue| queue.bindings.iter().any(takes));
        let exchanges = topology().exchanges();
        let next = exchanges
            .iter()
            .filter(|next| next.binding.as_ref().is_some_and(takes));
        here.chain(next.flat_map(|next| queues_behind(queues, &next.name, key)))
            .collect()
    }

    #[test]
    fn every_delay_is_the_sum_of_the_delays_that_its_messages_pass() {
        let queues = topology().queues(&["customers".to_owned(), "orders".to_owned()]);
        for seconds in [1, 2, 5, 47, 600, 1234, 3600, LONGEST_DELAY] {
            let route = Route::delayed(Queue::work(Stage::Load, "customers"), seconds);
            let PublishTarget {
                mut exchange,
                routing_key,
                ..
            } = topology().target(&route);
            let mut waited = 0;
            let end = loop {
                let found = queues_behind(&queues, &exchange, &routing_key);
                assert_eq!(found.len(), 1, "{seconds} s, at {exchange}");
                let argument = |name| {
                    found[0]
                        .arguments
                        .iter()
                        .find(|(argument, _)| *argument == name)
                };
                let Some((_, QueueArgument::Number(milliseconds))) = argument("x-message-ttl")
                else {
                    break found[0];
                };
                waited += milliseconds;
                let Some((_, QueueArgument::Text(next))) = argument("x-dead-letter-exchange")
                else {
                    panic!()
                };
                exchange = next.clone();
            };
            assert_eq!(
                (waited, end.name.as_str()),
                (seconds * 1000, "pomost.load.customers")
            );
        }
    }

    #[test]
    fn no_queue_refuses_what_comes_back_from_a_delay() {
        for queue in topology().queues(&["customers".to_owned()]) {
            assert!(
                queue
                    .arguments
                    .iter()
                    .all(|(name, _)| *name != "x-max-length"),
                "{}",
                queue.name
            );
        }
    }
}
