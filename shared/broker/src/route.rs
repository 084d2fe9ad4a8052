//! Where messages go to and come from: the names, as plain data.

use std::fmt;

use pomost_models::Stage;

/// A queue that a service takes messages from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Queue {
    /// The work of one stage of one flow.
    Work {
        /// `transform` or `load`.
        stage: Stage,
        /// The flow.
        flow: String,
    },
    /// Dead letters on their way to the store.
    Dead,
}

impl Queue {
    /// The queue of a stage of a flow.
    pub fn work(stage: Stage, flow: impl Into<String>) -> Queue {
        Queue::Work { stage, flow: flow.into() }
    }
}

/// The name after the namespace's prefix; also the routing key: `transform.customers`, `dead`.
impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Queue::Work { stage, flow } => write!(f, "{stage}.{flow}"),
            Queue::Dead => f.write_str("dead"),
        }
    }
}

/// How a message gets to a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// Where it ends.
    pub to: Queue,
    /// One of [`pomost_models::retry::DELAY_LEVELS`], in seconds, where it is to wait first.
    pub delay: Option<u32>,
}

impl Route {
    /// Straight there.
    pub fn to(queue: Queue) -> Route {
        Route { to: queue, delay: None }
    }

    /// There, after a delay of one of the levels.
    pub fn delayed(queue: Queue, seconds: u32) -> Route {
        Route { to: queue, delay: Some(seconds) }
    }
}
