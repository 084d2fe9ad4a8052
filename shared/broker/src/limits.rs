//! Limits of queues: how many messages they take, and how often they deliver one.

/// The limits of every queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Number of waiting messages from which on a publish to the queue fails with
    /// [`crate::Error::Full`]. A publish is taken or refused as a whole, and publishes at the same
    /// time may pass the limit together. Messages that are to be delayed or come back from a delay
    /// are always taken, and so are rows that a source delivered ([`crate::Queue::is_bounded`]).
    pub length: u32,
    /// Number of deliveries without an acknowledgement that a message survives. After one more it
    /// is a poison message and becomes a dead letter. The limit is only for messages that bring
    /// their consumers down: attempts that code can count are counted in the message. RabbitMQ
    /// fixes the limit when a queue is declared.
    pub deliveries: u32,
}

impl Default for QueueLimits {
    fn default() -> QueueLimits {
        QueueLimits {
            length: 1000,
            deliveries: 20,
        }
    }
}
