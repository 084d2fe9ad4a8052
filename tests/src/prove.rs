//! A behaviour and its stack.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use crate::{Options, Stack};

/// Each stack is three processes with up to 32 connections to PostgreSQL, which takes 100 by
/// default; and more of them at a time would only make each slower than its patience.
static STACKS: Semaphore = Semaphore::const_new(2);

/// Runs a behaviour on a stack of its own. What the stack has on the servers is removed in the end,
/// also when the behaviour panics; then what the services said is printed as well.
#[expect(clippy::print_stderr, reason = "shown where the test fails")]
pub async fn prove(options: Options, behaviour: impl AsyncFnOnce(&mut Stack)) {
    let _permit = STACKS.acquire().await.unwrap();
    let mut stack = Stack::prepare(options).await;
    let proving = async {
        stack.start_services().await;
        behaviour(&mut stack).await;
    };
    let proven = AssertUnwindSafe(proving).catch_unwind().await;
    for service in stack
        .services()
        .into_iter()
        .filter(|service| service.is_running())
    {
        service.kill().await;
    }
    let deleted = stack.delete().await;
    if let Err(panic) = proven {
        eprintln!("{}", stack.last_words());
        resume_unwind(panic);
    }
    deleted.expect("the test's share of the servers can be removed");
}
