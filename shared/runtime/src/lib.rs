//! What every service does the same way.
//!
//! [`serve`] is a service's whole `main`: settings, telemetry, project, backends, health, then the
//! service's own `run`, then an orderly end. [`worker`] is the loop around every queue.

pub mod backends;
mod batch_message;
pub mod context;
pub mod dead;
pub mod gate;
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

/// The allocator of every binary that runs a service. Mapping makes and drops many small values:
/// with the system's allocator a third of its time goes into that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use backends::Backends;
pub use context::ServiceContext;
pub use serve::{ServiceProcess, run_services, run_to_the_end, serve};
pub use settings::Settings;
