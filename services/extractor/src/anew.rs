//! Reading a source anew that does not know the place any more at which a run was to begin.

use jiff::Timestamp;
use pomost_http::{Failure, FailureClass};
use tracing::warn;

use crate::{
    checkpoint::{Checkpoint, Part, Place},
    cursor::Kind,
    extraction::{Error, Extraction},
};

impl Extraction<'_> {
    /// Whether everything is read from this place on: of a flow without a cursor, and of one by a token or a link
    /// that has none yet. What a value leaves out, nobody knows.
    pub(crate) fn reads_everything(&self, since: Option<&str>) -> bool {
        let cursor = self.flow().extract.cursor.as_ref();
        cursor.is_none_or(|cursor| cursor.value().is_none() && since == cursor.start.as_deref())
    }

    /// What to do when a request of the source has failed: a run that began at a token or a link which the source
    /// does not have any more (404, 410, or what a rule calls gone) begins anew where the first one did. Tokens
    /// expire, and asking for one again does not bring it back. A text that rows told may be one as well.
    pub(crate) fn anew(
        &self,
        checkpoint: Checkpoint,
        place: &Place,
        failure: Failure,
    ) -> Result<Checkpoint, Error> {
        let cursor = self
            .flow()
            .extract
            .cursor
            .as_ref()
            .filter(|_| failure.class == FailureClass::Gone);
        let Some(cursor) = cursor else {
            return Err(failure.into());
        };
        let expired = checkpoint
            .since
            .as_deref()
            .filter(|since| Some(*since) != cursor.start.as_deref());
        let Some(expired) = expired.filter(|_| !checkpoint.anew) else {
            return Err(failure.into());
        };
        let is_value = cursor.value().is_some() && Kind::of(expired) != Kind::Text;
        if is_value || place.part != Part::Records {
            return Err(self.without_its_place(failure));
        }
        warn!(flow = self.run.flow, run = %self.run.id, error = %failure, "the run begins anew");
        let (since, began) = (cursor.start.clone(), Some(Timestamp::now()));
        let place = Some(self.beginning(Part::Records, since.as_deref())?);
        Ok(Checkpoint {
            place,
            since,
            began,
            reached: None,
            token: None,
            anew: true,
            ..checkpoint
        })
    }

    /// What a run has to say that began anew.
    pub(crate) fn began_anew(&self) -> &'static str {
        match self.flow().extract.sweep {
            Some(_) => {
                "the source does not know the place any more at which the run was to begin, so it was read anew from its \
                 start"
            }
            None => {
                "the source does not know the place any more at which the run was to begin, so it was read anew from its \
                 start; what it deleted meanwhile, only extract.sweep would find"
            }
        }
    }

    fn without_its_place(&self, failure: Failure) -> Error {
        Error::Source(format!(
            "{failure}. Where that is since it does not know the value of extract.cursor any more, `pomost cursor set \
             {}` lets the next run begin at the start",
            self.run.flow
        ))
    }
}
