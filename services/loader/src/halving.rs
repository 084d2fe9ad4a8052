//! Finding what is at fault among many records that are refused together.

use futures_util::{FutureExt, future::BoxFuture};
use pomost_http::{Failure, FailureClass, RequestEffect};

use crate::{
    act::Failed,
    many::{Kind, Many, Row, Written},
};

/// Writes many records at once; what is refused together is halved until it is known which are at fault.
/// Of `n` records with `k` at fault that takes at most `2 * k * log2(n)` attempts after the first.
#[derive(Clone, Copy)]
pub(crate) struct Halving<'a> {
    /// What takes them.
    pub(crate) many: &'a dyn Many,
    /// What is done to them.
    pub(crate) kind: Kind,
}

impl Halving<'_> {
    /// What became of each row, in their order.
    pub(crate) async fn write(self, rows: &[Row<'_>]) -> Vec<Written> {
        self.attempt(rows).await.0
    }

    /// What became of each row, and whether they were taken together.
    fn attempt<'f>(self, rows: &'f [Row<'f>]) -> BoxFuture<'f, (Vec<Written>, bool)>
    where
        Self: 'f,
    {
        async move {
            if !rows.iter().all(|row| row.act.permit.holds()) {
                return (rows.iter().map(|_| Written::NotTried).collect(), false);
            }
            match self.many.write(self.kind, rows).await {
                Ok(written) => (written, true),
                Err(failure) if rows.len() > 1 && may_be_of_one(&failure) => {
                    (self.halve(rows).await, false)
                }
                Err(failure) => (
                    rows.iter()
                        .map(|row| failed(row, &failure, rows.len()))
                        .collect(),
                    false,
                ),
            }
        }
        .boxed()
    }

    /// The smaller half goes first: where it is taken, the other one is at fault, and need not be tried as a
    /// whole to know that.
    async fn halve(self, rows: &[Row<'_>]) -> Vec<Written> {
        let (first, second) = rows.split_at(rows.len() / 2);
        let (mut written, taken) = self.attempt(first).await;
        written.extend(match taken && second.len() > 1 {
            true => Box::pin(self.halve(second)).await,
            false => self.attempt(second).await.0,
        });
        written
    }
}

/// Whether one of several records may be at fault, and not all or none of them.
fn may_be_of_one(failure: &Failure) -> bool {
    let is_refused = matches!(
        failure.class,
        FailureClass::Invalid | FailureClass::Conflict | FailureClass::Gone
    );
    is_refused && failure.effect == RequestEffect::None
}

/// What an answer says that is about several records may be of any of them: it is not told of this one.
fn failed(row: &Row<'_>, failure: &Failure, together: usize) -> Written {
    let answer = if together == 1 {
        failure.answer.clone()
    } else {
        String::new()
    };
    let effect = row.act.effect(failure, row.id);
    Written::Failed(Failed {
        failure: Failure {
            answer,
            ..failure.clone()
        },
        effect,
    })
}

#[cfg(test)]
mod tests;
