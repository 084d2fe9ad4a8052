//! The exchanges and queues, as plain data: the one place that knows their names and properties.
//!
//! A queue delays its messages by one time for all, or short delays would wait behind long ones. So there is
//! a delay for each power of two, and a message passes those that add up to its own. Its routing key says
//! which: a binary digit for each delay, the longest first, then the queue it goes to. The exchange before
//! each delay leads into it or past it by that digit, and behind the last one everything goes where it is
//! to go.
//!
//! No queue has an `x-max-length`: whoever publishes looks at the length first. A full queue would
//! refuse what comes back from a delay as well. RabbitMQ offers that again after three minutes, and
//! after 32 such messages lets nothing else out of the delay, whichever flow it belongs to.

use crate::{Queue, QueueLimits, Route, route::LONGEST_DELAY};

/// RabbitMQ 4 gives quorum queues a delivery limit of 20 unless told otherwise, and drops what
/// passes it where there is no dead letter exchange. Dead letters have nowhere else to go.
const PRACTICALLY_UNLIMITED: u32 = i32::MAX as u32;

/// Names everything after the namespace and knows how it is to be declared.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    namespace: String,
    limits: QueueLimits,
}

/// How many delays there are.
const DELAYS: u32 = LONGEST_DELAY.ilog2() + 1;

/// An exchange to declare, durable, and what brings messages to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExchangeDefinition {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) binding: Option<Binding>,
}

/// How an exchange chooses among the queues bound to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By the routing key.
    Direct,
    /// All of them.
    Fanout,
    /// By the words of the routing key.
    Topic,
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

/// What brings messages to a queue or an exchange.
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
    /// The queue where the message ends.
    pub(super) to: Queue,
    /// The queue that takes no more once it holds as many messages as the limit.
    pub(super) bounded: Option<String>,
    pub(super) limit: u32,
}

impl Topology {
    pub(super) fn new(namespace: &str, limits: QueueLimits) -> Topology {
        Topology {
            namespace: namespace.to_owned(),
            limits,
        }
    }

    /// Every exchange, whatever the flows, each after those that it is bound to.
    pub(super) fn exchanges(&self) -> Vec<ExchangeDefinition> {
        let exchange = |name, kind| ExchangeDefinition {
            name,
            kind,
            binding: None,
        };
        let delay = |power: u32| ExchangeDefinition {
            name: self.delay(power),
            kind: Kind::Topic,
            binding: (power + 1 < DELAYS).then(|| self.at_delay(power + 1, '0')),
        };
        let delayed = ExchangeDefinition {
            binding: Some(self.at_delay(0, '0')),
            ..exchange(self.behind_delays(), Kind::Topic)
        };
        let direct = exchange(self.namespace.clone(), Kind::Direct);
        let dead = exchange(self.dead_letter_exchange(), Kind::Fanout);
        [direct, dead]
            .into_iter()
            .chain((0..DELAYS).rev().map(delay))
            .chain([delayed])
            .collect()
    }

    /// Every queue that these flows need.
    pub(super) fn queues(&self, flows: &[String]) -> Vec<QueueDefinition> {
        let works = flows
            .iter()
            .flat_map(|flow| Queue::of_flow(flow))
            .map(|queue| self.work_queue(&queue));
        let delays = (0..DELAYS).map(|power| self.delay_queue(power));
        [self.dead_queue()]
            .into_iter()
            .chain(delays)
            .chain(works)
            .collect()
    }

    /// The name of the RabbitMQ queue behind a queue.
    pub(super) fn queue_name(&self, queue: &Queue) -> String {
        format!("{}.{queue}", self.namespace)
    }

    /// The queue's name without the namespace.
    pub(super) fn without_namespace<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(&self.namespace)
            .and_then(|rest| rest.strip_prefix('.'))
            .unwrap_or(name)
    }

    /// Where a message is published to. One that is to wait begins at the longest delay it passes.
    pub(super) fn destination(&self, route: &Route) -> Destination {
        let name = route.to.to_string();
        let longest = route
            .delay
            .and_then(|seconds| Some((seconds, seconds.checked_ilog2()?)));
        let (exchange, routing_key) = match (longest, &route.to) {
            (Some((seconds, power)), _) => {
                (self.delay(power), format!("{}.{name}", digits(seconds)))
            }
            (None, Queue::Dead) => (self.dead_letter_exchange(), name),
            (None, Queue::Work { .. }) => (self.namespace.clone(), name),
        };
        let is_bounded = longest.is_none() && route.to.is_bounded();
        let bounded = is_bounded.then(|| self.queue_name(&route.to));
        Destination {
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

    /// The exchange and the queue of the delay of 2 to this power seconds.
    fn delay(&self, power: u32) -> String {
        format!("{}.delay.{}s", self.namespace, 1 << power)
    }

    /// The exchange where what was delayed goes to its queue.
    fn behind_delays(&self) -> String {
        format!("{}.delayed", self.namespace)
    }

    /// What has this digit for a delay, where its exchange decides.
    fn at_delay(&self, power: u32, digit: char) -> Binding {
        let longer = "*.".repeat((DELAYS - 1 - power) as usize);
        Binding {
            exchange: self.delay(power),
            routing_key: format!("{longer}{digit}.#"),
        }
    }

    fn after_delays(&self, queue: &Queue) -> Binding {
        let routing_key = format!("{}{queue}", "*.".repeat(DELAYS as usize));
        Binding {
            exchange: self.behind_delays(),
            routing_key,
        }
    }

    fn work_queue(&self, queue: &Queue) -> QueueDefinition {
        let mut arguments = dead_lettering_to(self.dead_letter_exchange());
        arguments.push(("x-delivery-limit", Argument::Number(self.limits.deliveries)));
        QueueDefinition {
            name: self.queue_name(queue),
            arguments,
            bindings: vec![self.bound_directly(queue), self.after_delays(queue)],
        }
    }

    fn dead_queue(&self) -> QueueDefinition {
        let limit = Argument::Number(PRACTICALLY_UNLIMITED);
        let arguments = vec![
            ("x-queue-type", text("quorum")),
            ("x-delivery-limit", limit),
        ];
        let dead = Binding {
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
            self.delay(power - 1)
        };
        let mut arguments = dead_lettering_to(next);
        arguments.push(("x-message-ttl", Argument::Number(1000 << power)));
        QueueDefinition {
            name: self.delay(power),
            arguments,
            bindings: vec![self.at_delay(power, '1')],
        }
    }

    fn bound_directly(&self, queue: &Queue) -> Binding {
        Binding {
            exchange: self.namespace.clone(),
            routing_key: queue.to_string(),
        }
    }
}

/// The binary digits of a delay as words, the longest delay's first.
fn digits(seconds: u32) -> String {
    let digit = |power| if seconds >> power & 1 == 1 { "1" } else { "0" };
    (0..DELAYS).rev().map(digit).collect::<Vec<_>>().join(".")
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
    use pomost_models::Stage;

    use super::*;

    fn topology() -> Topology {
        Topology::new("pomost", QueueLimits::default())
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
        let destination =
            topology().destination(&Route::delayed(Queue::work(Stage::Load, "customers"), 30));
        assert_eq!(destination.exchange, "pomost.delay.16s");
        assert_eq!(
            destination.routing_key,
            "0.0.0.0.0.0.0.1.1.1.1.0.load.customers"
        );
        assert_eq!(destination.bounded, None);
    }

    /// Whether a topic's pattern takes a routing key: `*` is one word, `#` at the end the rest.
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

    /// Where an exchange leads a message to, through other exchanges: a queue each.
    fn queues_behind<'q>(
        queues: &'q [QueueDefinition],
        exchange: &str,
        key: &str,
    ) -> Vec<&'q QueueDefinition> {
        let takes =
            |binding: &Binding| binding.exchange == exchange && takes(&binding.routing_key, key);
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
            let Destination {
                mut exchange,
                routing_key,
                ..
            } = topology().destination(&route);
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
                let Some((_, Argument::Number(milliseconds))) = argument("x-message-ttl") else {
                    break found[0];
                };
                waited += milliseconds;
                let Some((_, Argument::Text(next))) = argument("x-dead-letter-exchange") else {
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
