//! Failures of requests, sorted by what is to be done about them.

mod class;
mod effect;
mod quote;

use std::time::Duration;

use http::StatusCode;

pub use class::FailureClass;
pub use effect::RequestEffect;
pub(crate) use quote::quote;

use crate::{
    Response, TransportFailure, TransportFailureKind,
    response::rate_limit_headers::RateLimitHeaders,
};

/// A request that did not get the response it was made for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub class: FailureClass,
    /// The event in words, without secrets and without anything of the record.
    pub message: String,
    /// The beginning of the response's body. It may hold personal data: mask it before showing it.
    pub answer: String,
    /// True if `answer` is the title of a web page instead, without the words that were sent.
    pub is_titled: bool,
    /// The status of the response, where there was one.
    pub status: Option<u16>,
    /// The time for which the system asked to be left alone.
    pub retry_after: Option<Duration>,
    /// True if nothing was sent to the system, so that the failure says nothing about it.
    pub not_sent: bool,
    /// True if the token endpoint or login failed and there are no tokens to make requests with.
    /// Every request would fail then, so the system is down with the first such failure.
    pub no_tokens: bool,
    /// True if it was the first failure of the system since a success. Those that follow may have
    /// the same reason.
    pub is_first: bool,
    /// True if it counts towards the attempts although the system is down: the same request has
    /// failed as a probe for [too long](crate::BreakerTiming::charge_after).
    pub is_of_suspect: bool,
    pub effect: RequestEffect,
}

impl Failure {
    /// Makes a failure without a response.
    pub fn new(class: FailureClass, message: String) -> Failure {
        let effect = if class == FailureClass::Transient {
            RequestEffect::Unknown
        } else {
            RequestEffect::None
        };
        let (answer, status, retry_after) = Default::default();
        let (is_titled, not_sent, no_tokens) = (false, false, false);
        let (is_first, is_of_suspect) = (false, false);
        Failure {
            class,
            message,
            answer,
            is_titled,
            status,
            retry_after,
            not_sent,
            no_tokens,
            is_first,
            is_of_suspect,
            effect,
        }
    }

    /// Returns the message, with the title of a web page that came instead of a response: for
    /// people who may know what the request was about.
    pub fn with_title(&self) -> String {
        let title = Some(&self.answer).filter(|_| self.is_titled);
        title.map_or_else(
            || self.message.clone(),
            |title| format!("{}: {title}", self.message),
        )
    }

    /// Makes a failure of our own, before anything was sent to the system.
    pub(crate) fn not_sent(class: FailureClass, message: String) -> Failure {
        Failure {
            not_sent: true,
            ..Failure::new(class, message)
        }
    }

    /// Returns the failure of something that a request needed, which was not sent then.
    pub(crate) fn without_effect(self) -> Failure {
        Failure {
            effect: RequestEffect::None,
            ..self
        }
    }

    /// Makes the failure of a request that got no response.
    pub(crate) fn from_transport(system: &str, label: &str, failure: &TransportFailure) -> Failure {
        let class = match failure.kind {
            TransportFailureKind::Unreachable => FailureClass::Unreachable,
            TransportFailureKind::Unusable => FailureClass::Invalid,
            TransportFailureKind::TimedOut | TransportFailureKind::Broken => {
                FailureClass::Transient
            }
        };
        Failure::new(class, format!("{system}: {label}: {failure}"))
    }

    /// Makes the failure of a request whose response is of a class. `hide` takes secrets out of the
    /// quoted text: a system may echo what it was sent.
    pub(crate) fn from_response(
        system: &str,
        label: &str,
        class: FailureClass,
        response: &Response,
        limits: &RateLimitHeaders,
        hide: impl Fn(&str) -> String,
    ) -> Failure {
        let means = match response.status {
            status if status.is_success() => format!(", which means {}", class.as_str()),
            status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
                ", which is not followed".to_owned()
            }
            _ => String::new(),
        };
        let message = format!("{system}: {label} answered {}{means}", response.status);
        Failure {
            answer: quote(&response.body, hide),
            status: Some(response.status.as_u16()),
            retry_after: limits.delay(response.status),
            effect: RequestEffect::of(class, response.status),
            ..Failure::new(class, message)
        }
    }
}
