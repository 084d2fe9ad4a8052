//! Where messages go to and come from: the names, as plain data.

use std::fmt;

use pomost_models::{Batch, Lane, Stage};

/// A queue that a service takes messages from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Queue {
    /// The work of one stage of one flow.
    Work {
        /// `extract` for what a source told and has yet to be asked about, `transform` or `load`.
        stage: Stage,
        /// The flow.
        flow: String,
        /// Who goes first has a queue of its own.
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
    pub fn of(stage: Stage, batch: &Batch) -> Queue {
        Queue::in_lane(stage, &batch.flow, batch.lane)
    }

    /// The queues that a flow needs. What a source tells is never backfill.
    pub fn of_flow(flow: &str) -> impl Iterator<Item = Queue> {
        let stages = [Stage::Transform, Stage::Load];
        let told = Queue::work(Stage::Extract, flow);
        let others = stages
            .into_iter()
            .flat_map(move |stage| Lane::ALL.map(|lane| Queue::in_lane(stage, flow, lane)));
        std::iter::once(told).chain(others)
    }

    /// Whether it takes no more once it holds as many messages as the limit. Whoever reads a source can wait
    /// then; a source that tells cannot, and many of them do not tell again.
    pub fn is_bounded(&self) -> bool {
        !matches!(
            self,
            Queue::Work {
                stage: Stage::Extract,
                ..
            }
        )
    }
}

/// The name after the namespace's prefix; also the routing key: `extract.customers`, `transform.customers`,
/// `load.customers.backfill`, `dead`.
impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Queue::Work {
                stage,
                flow,
                lane: Lane::Live,
            } => write!(f, "{stage}.{flow}"),
            Queue::Work {
                stage,
                flow,
                lane: Lane::Backfill,
            } => write!(f, "{stage}.{flow}.backfill"),
            Queue::Dead => f.write_str("dead"),
        }
    }
}

/// The longest that a message can be made to wait, in seconds: what twelve binary digits can say.
pub const LONGEST_DELAY: u32 = (1 << 12) - 1;

/// How a message gets to a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// Where it ends.
    pub to: Queue,
    /// How long it is to wait first, in seconds: up to [`LONGEST_DELAY`].
    pub delay: Option<u32>,
}

impl Route {
    /// Straight there.
    pub fn to(queue: Queue) -> Route {
        Route {
            to: queue,
            delay: None,
        }
    }

    /// There, after so many seconds, at least one and at most [`LONGEST_DELAY`].
    pub fn delayed(queue: Queue, seconds: u32) -> Route {
        Route {
            to: queue,
            delay: Some(seconds.clamp(1, LONGEST_DELAY)),
        }
    }
}
