//! Why there are no tokens.

use std::time::Duration;

use crate::{Class, Failure};

/// Why there are no tokens. Whatever it is, no request was made with them, so it is never a record's
/// fault and leaves no doubt.
pub(crate) struct Denied {
    pub(crate) failure: Failure,
    /// Whether what tokens are renewed with is worth nothing any more.
    pub(crate) is_final: bool,
}

impl Denied {
    /// The store, where tokens are kept, does not work.
    pub(crate) fn by_the_store(message: String) -> Denied {
        Denied { failure: Failure::unasked(Class::Unreachable, message), is_final: false }
    }

    /// What gives tokens cannot be reached or does not work.
    pub(crate) fn unreachable(message: String) -> Denied {
        Denied { failure: Failure::new(Class::Unreachable, message), is_final: false }
    }

    /// It refuses what we show.
    pub(crate) fn refused(message: String) -> Denied {
        Denied { failure: Failure::new(Class::Unauthorised, message), is_final: false }
    }

    /// Somebody has to authorise us again.
    pub(crate) fn finally(message: String) -> Denied {
        Denied { is_final: true, ..Denied::refused(message) }
    }

    /// It is asked too often.
    pub(crate) fn throttled(message: String, delay: Option<Duration>) -> Denied {
        let failure = Failure { retry_after: delay, ..Failure::new(Class::Throttled, message) };
        Denied { failure, is_final: false }
    }
}
