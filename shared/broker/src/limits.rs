//! How much a queue takes, and how often it delivers.

/// The limits of every queue. Whoever declares a queue of a RabbitMQ fixes its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages that a queue holds ready before it answers [`crate::Error::Full`]. It is soft: what
    /// is on its way in at that moment still gets in. Delayed messages do not count.
    pub length: u32,
    /// Deliveries without an acknowledgement that a message survives; the one after that many
    /// makes it a poisoned dead letter. It only brakes messages that bring their consumers down:
    /// attempts that code can count are counted in the message.
    pub deliveries: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { length: 1000, deliveries: 20 }
    }
}
