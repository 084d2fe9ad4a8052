//! The reasons why there are no tokens.

use std::time::Duration;

use crate::{Failure, FailureClass};

/// The reason why there are no tokens. No request was sent without them, so it is no record's fault
/// and leaves nothing in doubt.
pub(super) struct TokenDenial {
    pub(super) failure: Failure,
    /// True if the refresh token is worth nothing any more.
    pub(super) is_final: bool,
}

impl TokenDenial {
    /// Something of our own does not work: the store, where tokens are kept, or the lease under
    /// which they are renewed. That says nothing about the system.
    pub(super) fn by_us(message: String) -> TokenDenial {
        TokenDenial {
            failure: Failure::not_sent(FailureClass::Unreachable, message),
            is_final: false,
        }
    }

    /// The system itself refuses the tokens that we were given.
    pub(super) fn by_the_system(message: String, wait: Duration) -> TokenDenial {
        let failure = Failure::new(FailureClass::Unauthorised, message);
        TokenDenial {
            failure: Failure {
                retry_after: Some(wait),
                ..failure
            },
            is_final: false,
        }
    }

    /// The token source cannot be reached or does not work.
    pub(super) fn unreachable(message: String) -> TokenDenial {
        TokenDenial::by_the_source(FailureClass::Unreachable, message)
    }

    /// The token source refuses our credentials.
    pub(super) fn refused(message: String) -> TokenDenial {
        TokenDenial::by_the_source(FailureClass::Unauthorised, message)
    }

    /// The token source refuses our refresh token: a person has to authorise us again.
    pub(super) fn finally(message: String) -> TokenDenial {
        TokenDenial {
            is_final: true,
            ..TokenDenial::refused(message)
        }
    }

    /// The token source is asked too often, or is not ready.
    pub(super) fn throttled(message: String) -> TokenDenial {
        TokenDenial::by_the_source(FailureClass::Throttled, message)
    }

    /// Returns the same denial, where the token source asked to be left alone for so long.
    pub(super) fn after(self, delay: Option<Duration>) -> TokenDenial {
        TokenDenial {
            failure: Failure {
                retry_after: delay,
                ..self.failure
            },
            ..self
        }
    }

    /// As the token source fails, so does every request that needs tokens.
    fn by_the_source(class: FailureClass, message: String) -> TokenDenial {
        TokenDenial {
            failure: Failure {
                no_tokens: true,
                ..Failure::new(class, message)
            },
            is_final: false,
        }
    }
}
