//! Why there are no tokens.

use std::time::Duration;

use crate::{Failure, FailureClass};

/// Why there are no tokens. Whatever it is, no request was made with them, so it is never a record's
/// fault and leaves no doubt.
pub(crate) struct Denied {
    pub(crate) failure: Failure,
    /// Whether what tokens are renewed with is worth nothing any more.
    pub(crate) is_final: bool,
}

impl Denied {
    /// Something of our own does not work: the store, where tokens are kept, or the lease under which they are
    /// renewed. That says nothing of the system.
    pub(crate) fn by_us(message: String) -> Denied {
        Denied {
            failure: Failure::not_sent(FailureClass::Unreachable, message),
            is_final: false,
        }
    }

    /// The system itself refuses the tokens that we were given.
    pub(crate) fn by_the_system(message: String, wait: Duration) -> Denied {
        let failure = Failure::new(FailureClass::Unauthorised, message);
        Denied {
            failure: Failure {
                retry_after: Some(wait),
                ..failure
            },
            is_final: false,
        }
    }

    /// What gives tokens cannot be reached or does not work.
    pub(crate) fn unreachable(message: String) -> Denied {
        Denied::by_the_source(FailureClass::Unreachable, message)
    }

    /// It refuses what we show.
    pub(crate) fn refused(message: String) -> Denied {
        Denied::by_the_source(FailureClass::Unauthorised, message)
    }

    /// Somebody has to authorise us again.
    pub(crate) fn finally(message: String) -> Denied {
        Denied {
            is_final: true,
            ..Denied::refused(message)
        }
    }

    /// It is asked too often, or is not ready.
    pub(crate) fn throttled(message: String) -> Denied {
        Denied::by_the_source(FailureClass::Throttled, message)
    }

    /// The same, where it asked to be left alone for so long.
    pub(crate) fn after(self, delay: Option<Duration>) -> Denied {
        Denied {
            failure: Failure {
                retry_after: delay,
                ..self.failure
            },
            ..self
        }
    }

    /// As it fails, so does every request that needs tokens.
    fn by_the_source(class: FailureClass, message: String) -> Denied {
        Denied {
            failure: Failure {
                no_tokens: true,
                ..Failure::new(class, message)
            },
            is_final: false,
        }
    }
}
