//! The queues by their names, and the ways to them: plain data.

use std::{fmt, str::FromStr};

use pomost_models::{Batch, Lane, Stage};

/// The name of the queue of dead letters.
const DEAD: &str = "dead";

/// The end of the name of a queue for backfill.
const BACKFILL: &str = ".backfill";

/// A queue that services take messages from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Queue {
    /// The work of one stage of one flow.
    Work {
        /// `extract` for delivered rows that the source has yet to be asked about, `transform` or
        /// `load`.
        stage: Stage,
        flow: String,
        /// Each lane has a queue of its own, so that backfill does not hold back live records.
        lane: Lane,
    },
    /// Dead letters on their way to the store.
    Dead,
}

impl Queue {
    /// The queue of a stage of a flow, for live records.
    pub fn work(stage: Stage, flow: impl Into<String>) -> Queue {
        Queue::in_lane(stage, flow, Lane::Live)
    }

    /// The queue of a stage of a flow in a lane.
    pub fn in_lane(stage: Stage, flow: impl Into<String>, lane: Lane) -> Queue {
        Queue::Work {
            stage,
            flow: flow.into(),
            lane,
        }
    }

    /// The queue of a stage for a batch.
    pub fn for_batch(stage: Stage, batch: &Batch) -> Queue {
        Queue::in_lane(stage, &batch.flow, batch.lane)
    }

    /// The queues that a flow needs. Delivered rows are never backfill, so their queue has one
    /// lane.
    pub fn of_flow(flow: &str) -> impl Iterator<Item = Queue> {
        let stages = [Stage::Transform, Stage::Load];
        let delivered = Queue::work(Stage::Extract, flow);
        let others = stages
            .into_iter()
            .flat_map(move |stage| Lane::ALL.map(|lane| Queue::in_lane(stage, flow, lane)));
        std::iter::once(delivered).chain(others)
    }

    /// The stage whose work the queue holds; none for dead letters.
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Queue::Work { stage, .. } => Some(*stage),
            Queue::Dead => None,
        }
    }

    /// True when the queue takes no more once it holds as many messages as the limit. An extractor
    /// that reads a source can wait then. A source that delivers to a webhook cannot, and many do
    /// not deliver a second time.
    pub fn is_bounded(&self) -> bool {
        self.stage() != Some(Stage::Extract)
    }
}

/// The name after the namespace's prefix, which is the routing key too: `extract.customers`,
/// `transform.customers`, `load.customers.backfill`, `dead`.
impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Queue::Work { stage, flow, lane } => {
                let end = if lane.is_live() { "" } else { BACKFILL };
                write!(f, "{stage}.{flow}{end}")
            }
            Queue::Dead => f.write_str(DEAD),
        }
    }
}

/// A name that is not the name of a queue.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is not the name of a queue, such as load.customers")]
pub struct ParseQueueError(String);

impl FromStr for Queue {
    type Err = ParseQueueError;

    fn from_str(name: &str) -> Result<Queue, ParseQueueError> {
        if name == DEAD {
            return Ok(Queue::Dead);
        }
        let error = || ParseQueueError(name.to_owned());
        let (stage, flow) = name.split_once('.').ok_or_else(error)?;
        let stage = stage.parse().map_err(|_| error())?;
        Ok(match flow.strip_suffix(BACKFILL) {
            Some(flow) => Queue::in_lane(stage, flow, Lane::Backfill),
            None => Queue::work(stage, flow),
        })
    }
}

/// The longest time for which a message can be delayed, in seconds: what twelve binary digits can
/// say.
pub const LONGEST_DELAY: u32 = (1 << 12) - 1;

/// The way of a message to a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// The queue where the message ends.
    pub to: Queue,
    /// The delay before that, in seconds: up to [`LONGEST_DELAY`].
    pub delay: Option<u32>,
}

impl Route {
    /// The way to a queue without a delay.
    pub fn to(queue: Queue) -> Route {
        Route {
            to: queue,
            delay: None,
        }
    }

    /// The way to a queue after a delay, of at least one second and at most [`LONGEST_DELAY`].
    pub fn delayed(queue: Queue, seconds: u32) -> Route {
        Route {
            to: queue,
            delay: Some(seconds.clamp(1, LONGEST_DELAY)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_queue_is_read_from_its_name() {
        for queue in Queue::of_flow("customers").chain([Queue::Dead]) {
            assert_eq!(queue.to_string().parse::<Queue>().unwrap(), queue);
        }
        for name in ["", "load", "loud.customers", "customers.backfill"] {
            assert!(name.parse::<Queue>().is_err(), "{name}");
        }
    }
}
