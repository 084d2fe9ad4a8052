//! How much a queue takes, and how often it delivers.

/// The limits of every queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages waiting in a queue from which on [`crate::Error::Full`] answers who publishes to it.
    /// A call is taken or refused as a whole, and calls at the same time may pass the limit together.
    /// What is to be delayed is always taken, and so is what comes back from a delay, and what a source
    /// told ([`crate::Queue::is_bounded`]).
    pub length: u32,
    /// Deliveries without an acknowledgement that a message survives; the one after that many
    /// makes it a poisoned dead letter. It only brakes messages that bring their consumers down:
    /// attempts that code can count are counted in the message. RabbitMQ fixes it when a queue is
    /// declared.
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
