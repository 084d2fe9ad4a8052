//! The parts that all services share.
//!
//! [`serve`](mod@serve) is a service's whole `main`: settings, telemetry, project, backends,
//! health, then the service's own `run`, then an orderly end. [`worker`] is the loop around every
//! queue, and [`outbox`] publishes batches.

pub mod backends;
pub mod backoff;
pub mod backpressure;
mod batch_message;
pub mod context;
pub mod dead_letters;
mod handler;
pub mod health;
pub mod metrics;
pub mod outbox;
mod publishing;
pub mod serve;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod worker;

/// The allocator of every binary that runs a service. Mapping allocates and frees many small
/// values, which takes a third of its time with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use backends::Backends;
pub use context::ServiceContext;
pub use serve::{ServiceProcess, run_services, run_to_the_end, serve};
pub use settings::Settings;
