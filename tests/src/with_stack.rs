//! A stack for the time of one behaviour.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use crate::{Stack, StackOptions};

/// The stacks at a time. Each has up to 32 connections to PostgreSQL, which accepts 100 by default,
/// and more stacks would only make each other slow.
static STACKS: Semaphore = Semaphore::const_new(2);

/// Runs a behaviour on a stack of its own. At the end the stack's part of the servers is removed,
/// also when the behaviour panics; then the logs of the services are printed as well.
#[expect(clippy::print_stderr, reason = "shown where the test fails")]
pub async fn with_stack(options: StackOptions, behaviour: impl AsyncFnOnce(&mut Stack)) {
    let _permit = STACKS.acquire().await.unwrap();
    let mut stack = Stack::prepare(options).await;
    let running = async {
        stack.start_services().await;
        behaviour(&mut stack).await;
    };
    let outcome = AssertUnwindSafe(running).catch_unwind().await;
    for service in stack
        .services()
        .into_iter()
        .filter(|service| service.is_running())
    {
        service.kill().await;
    }
    let deleted = stack.delete().await;
    if let Err(panic) = outcome {
        eprintln!("{}", stack.describe_for_failure());
        resume_unwind(panic);
    }
    deleted.expect("the test's part of the servers can be removed");
}
