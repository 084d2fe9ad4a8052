//! Finds the records at fault among many that are refused together.

use futures_util::{FutureExt, future::BoxFuture};
use pomost_http::{Failure, FailureClass, RequestEffect};

use crate::destinations::{DestinationWriter, RecordAction, WriteItem, WriteResult};

/// Writes many records at once, and halves what is refused until it is known which records are at
/// fault. Of `n` records with `k` at fault that takes at most `2 * k * log2(n)` attempts after the
/// first.
#[derive(Clone, Copy)]
pub(super) struct BulkBisection<'a> {
    pub(super) writer: &'a dyn DestinationWriter,
    pub(super) action: RecordAction,
}

/// The results of items, none for those that were not tried; and true if all were taken together.
type BisectionAttempt = (Vec<Option<WriteResult>>, bool);

impl BulkBisection<'_> {
    /// Returns the result of each item, in their order; none for an item for which no time was
    /// left.
    pub(super) async fn write(self, items: &[WriteItem<'_>]) -> Vec<Option<WriteResult>> {
        self.attempt(items).await.0
    }

    fn attempt<'f>(self, items: &'f [WriteItem<'f>]) -> BoxFuture<'f, BisectionAttempt>
    where
        Self: 'f,
    {
        async move {
            if !items.iter().all(|item| item.permit.holds()) {
                return (items.iter().map(|_| None).collect(), false);
            }
            match self.write_together(items).await {
                Ok(results) => (results.into_iter().map(Some).collect(), true),
                Err(failure) if items.len() > 1 && may_be_of_one(&failure) => {
                    (self.halve(items).await, false)
                }
                Err(failure) => {
                    let failure = of_each(failure, items.len());
                    let results = items.iter().map(|_| Some(Err(failure.clone())));
                    (results.collect(), false)
                }
            }
        }
        .boxed()
    }

    async fn write_together(self, items: &[WriteItem<'_>]) -> Result<Vec<WriteResult>, Failure> {
        self.writer.plan(self.action, items)?.perform().await
    }

    /// The smaller half goes first: if it is taken, a record of the other half is at fault, and
    /// that half need not be tried as a whole to know it.
    async fn halve(self, items: &[WriteItem<'_>]) -> Vec<Option<WriteResult>> {
        let (first, second) = items.split_at(items.len() / 2);
        let (mut results, taken) = self.attempt(first).await;
        results.extend(match taken && second.len() > 1 {
            true => Box::pin(self.halve(second)).await,
            false => self.attempt(second).await.0,
        });
        results
    }
}

/// True if one of several records may be at fault, and not all or none of them.
fn may_be_of_one(failure: &Failure) -> bool {
    let is_refused = matches!(
        failure.class,
        FailureClass::Invalid | FailureClass::Conflict | FailureClass::Gone
    );
    is_refused && failure.effect == RequestEffect::None
}

/// The failure of each of `count` items. An answer about several records may quote any of them, so
/// that it is told only of a record that was written alone.
fn of_each(failure: Failure, count: usize) -> Failure {
    match count {
        1 => failure,
        _ => Failure {
            answer: String::new(),
            ..failure
        },
    }
}

#[cfg(test)]
mod tests;
