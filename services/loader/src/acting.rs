//! Acting on the records of a batch: on each by itself, and together where many are taken at once.

use futures_util::{StreamExt, stream};

use crate::{
    act::{Act, End, Next, Reached},
    decide::Step,
    destination::Destination,
    halving::Halving,
    many::{Kind, Row, Written},
};

/// Acting on the records of a batch.
pub(crate) struct Acting<'a> {
    /// Where they go.
    pub(crate) destination: &'a Destination,
}

/// A record and the step it is to take.
struct Waiting<'a> {
    place: usize,
    act: Box<Act<'a>>,
    step: Step,
}

impl<'a> Acting<'a> {
    /// Takes all records to their ends, which come in their order. Each goes on by itself up to a step
    /// that is taken together; those who wait for one take it, and go on.
    pub(crate) async fn carry_out(
        &self,
        begun: impl Iterator<Item = (Box<Act<'a>>, Step)>,
    ) -> Vec<End> {
        let mut ends = Vec::new();
        let mut going: Vec<_> = begun
            .enumerate()
            .map(|(place, (act, step))| Waiting { place, act, step })
            .collect();
        while !going.is_empty() {
            let waiting = self.each_by_itself(going, &mut ends).await;
            going = self.together(waiting, &mut ends).await;
        }
        ends.sort_unstable_by_key(|(place, _)| *place);
        ends.into_iter().map(|(_, end)| end).collect()
    }

    async fn each_by_itself(
        &self,
        going: Vec<Waiting<'a>>,
        ends: &mut Vec<(usize, End)>,
    ) -> Vec<Waiting<'a>> {
        let steps: Vec<_> = going.into_iter().map(|going| self.go_on(going)).collect();
        let mut reached = stream::iter(steps).buffer_unordered(self.destination.concurrency);
        let mut waiting = Vec::new();
        while let Some((place, reached)) = reached.next().await {
            match reached {
                Reached::End(end) => ends.push((place, end)),
                Reached::Together(act, step) => waiting.push(Waiting { place, act, step }),
            }
        }
        waiting.sort_unstable_by_key(|waiting| (Kind::of(&waiting.step), waiting.place));
        waiting
    }

    async fn go_on(&self, Waiting { place, act, step }: Waiting<'a>) -> (usize, Reached<'a>) {
        match act.permit.holds() {
            true => (place, act.go_on(step).await),
            false => (place, Reached::End(End::NotNow)),
        }
    }

    /// Takes the steps of those who wait, and returns those who then go on.
    async fn together(
        &self,
        waiting: Vec<Waiting<'a>>,
        ends: &mut Vec<(usize, End)>,
    ) -> Vec<Waiting<'a>> {
        let written = self.write(&waiting).await;
        let mut going = Vec::new();
        for (
            Waiting {
                place,
                mut act,
                step,
            },
            written,
        ) in waiting.into_iter().zip(written)
        {
            let next = match written {
                Written::Done(id) => act.after(step, Ok(id)),
                Written::Failed(failed) => act.after(step, Err(failed)),
                Written::NotTried => Next::End(End::NotNow),
            };
            match next {
                Next::Step(step) => going.push(Waiting { place, act, step }),
                Next::End(end) => ends.push((place, end)),
            }
        }
        going
    }

    /// What became of those who wait, in their order, which is by what is done to them.
    async fn write(&self, waiting: &[Waiting<'a>]) -> Vec<Written> {
        let many = &*self.destination.many;
        let kind = |waiting: &Waiting<'_>| Kind::of(&waiting.step);
        let mut parts = Vec::new();
        for alike in waiting.chunk_by(|one, other| kind(one) == kind(other)) {
            let Some(kind) = alike.first().and_then(kind) else {
                continue;
            };
            let size = many.takes(kind).unwrap_or(1);
            let halving = Halving { many, kind };
            parts.extend(alike.chunks(size).map(|part| async move {
                let rows: Vec<Row<'_>> = part.iter().map(row).collect();
                halving.write(&rows).await
            }));
        }
        let parts: Vec<_> = stream::iter(parts)
            .buffered(self.destination.concurrency)
            .collect()
            .await;
        parts.into_iter().flatten().collect()
    }
}

fn row<'w>(Waiting { act, step, .. }: &'w Waiting<'_>) -> Row<'w> {
    let id = match step {
        Step::Update(id) | Step::Delete(id) => Some(id.as_str()),
        _ => None,
    };
    Row { act, id }
}
