//! The three services in one process.

use pomost_extractor::Scheduling;
use pomost_http::SystemClients;
use pomost_runtime::ServiceContext;
use tokio::task::JoinSet;

/// Runs the extractor, the transformer and the loader until shutdown. When one of them ends
/// earlier, the others are stopped as well. The queues have to be declared.
pub async fn run(
    context: ServiceContext,
    clients: SystemClients,
    scheduling: Scheduling,
) -> anyhow::Result<()> {
    let mut services = JoinSet::new();
    services.spawn(pomost_extractor::run(
        context.clone(),
        clients.clone(),
        scheduling,
    ));
    services.spawn(pomost_transformer::run(context.clone()));
    services.spawn(pomost_loader::run(context.clone(), clients));
    let mut outcome = Ok(());
    while let Some(ended) = services.join_next().await {
        context.shutdown.cancel();
        outcome = outcome.and(ended?);
    }
    outcome
}
