//! Answers, and what they mean.

use std::{cell::OnceCell, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pomost_expression::{Value, read};
use pomost_format::{BodyFormat, DecodeError, decode};
use pomost_project::request::AnswerRule;

use crate::{
    FailureClass,
    authorisation::Pass,
    web_page::{is_web_page, says_page},
};

/// An answer that is what was asked for: by its status (2xx), or by a rule.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, decompressed; empty where it could not be read.
    pub body: Bytes,
    /// Why its body could not be read.
    pub(crate) unread: Option<String>,
    /// What its request was let in by.
    pub(crate) pass: Option<Arc<Pass>>,
}

/// Why there is no value in an answer.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableBody {
    /// Its body did not come, or not as asked for.
    #[error("{0}")]
    Body(String),
    /// Its body is not what it was taken for.
    #[error(transparent)]
    Content(#[from] DecodeError),
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What is to be done about it; nothing where it is what was asked for.
    pub(crate) class: Option<FailureClass>,
    /// Whether a rule says so, not the status.
    pub(crate) by_rule: bool,
}

impl Verdict {
    /// Whether other credentials could help. The status 403 alone says that they are known and not
    /// enough.
    pub(crate) fn is_of_credentials(self, status: StatusCode) -> bool {
        self.class == Some(FailureClass::Unauthorised)
            && (self.by_rule || status == StatusCode::UNAUTHORIZED)
    }

    /// Whether a rule says that requests are too many, as the statuses 429 and 503 do by themselves.
    pub(crate) fn is_throttled_by_rule(self) -> bool {
        self.class == Some(FailureClass::Throttled) && self.by_rule
    }

    /// Whether it is what was asked for, as far as the status says.
    pub(crate) fn is_yes_by_status(self) -> bool {
        self.class.is_none() && !self.by_rule
    }

    /// What a status means by itself. That nothing has changed answers who asks (RFC 9110 §15.4.5).
    fn of(status: StatusCode, method: &Method) -> Verdict {
        let is_answer =
            status.is_success() || status == StatusCode::NOT_MODIFIED && method.is_safe();
        Verdict {
            class: (!is_answer).then(|| FailureClass::of(status)),
            by_rule: false,
        }
    }

    fn of_rule(rule: &AnswerRule) -> Verdict {
        Verdict {
            class: FailureClass::meant_by(rule.means),
            by_rule: true,
        }
    }

    /// What an answer means whose body has not been read; nothing where a rule may want to see it.
    pub(crate) fn by_status<'r>(
        status: StatusCode,
        method: &Method,
        mut rules: impl Iterator<Item = &'r AnswerRule>,
    ) -> Option<Verdict> {
        match rules.find(|rule| rule.may_match(status)) {
            Some(rule) if rule.when.is_some() => None,
            Some(rule) => Some(Verdict::of_rule(rule)),
            None => Some(Verdict::of(status, method)),
        }
    }
}

/// Whether an answer has nothing to say: by its status (RFC 9110 §15.3.5, §15.3.6, §15.4.5), or because all of
/// its body has come and there is nothing in it.
pub(crate) fn is_empty(
    status: StatusCode,
    body: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> bool {
    let is_blank = |chunk: &[u8]| chunk.iter().all(u8::is_ascii_whitespace);
    is_without_content(status) || body.into_iter().all(|chunk| is_blank(chunk.as_ref()))
}

/// Whether a status says by itself that there is nothing to say. Of any other, an empty body may be all that a
/// broken proxy has left of an answer.
pub fn is_without_content(status: StatusCode) -> bool {
    [
        StatusCode::NO_CONTENT,
        StatusCode::RESET_CONTENT,
        StatusCode::NOT_MODIFIED,
    ]
    .contains(&status)
}

impl Response {
    /// A text of the answer without what its request was let in by: a system may echo what it was sent.
    pub fn without_secrets(&self, text: &str) -> String {
        self.pass
            .as_ref()
            .map_or_else(|| text.to_owned(), |pass| pass.hide(text))
    }

    /// Whether it has nothing to say: a 204, a 304, or a body with nothing in it.
    pub fn is_empty(&self) -> bool {
        self.unread.is_none() && is_empty(self.status, [&self.body])
    }

    /// The whole body as one value: of the given format, or of that which its Content-Type names, or
    /// else JSON. Of a format with rows it is the list of them.
    pub fn value(&self, given: Option<&BodyFormat>) -> Result<Value, UnreadableBody> {
        if let Some(reason) = &self.unread {
            return Err(UnreadableBody::Body(reason.clone()));
        }
        let format = self.format(given);
        let (rows, _) = decode(&format, None, &self.body)?;
        Ok(match format.syntax.is_one_document() {
            true => rows.into_iter().next().unwrap_or(Value::Null),
            false => rows.into_iter().collect(),
        })
    }

    /// Whether it is a web page in the place of one in this format. Of one whose body could not be read that
    /// is known by its type alone.
    pub(crate) fn is_web_page(&self, format: Option<&BodyFormat>) -> bool {
        match self.unread {
            Some(_) => says_page(&self.headers),
            None => is_web_page(&self.headers, &self.body, format),
        }
    }

    fn format(&self, given: Option<&BodyFormat>) -> BodyFormat {
        BodyFormat::of_response(given, content_type(&self.headers))
    }

    /// What it means to who asked by this method. The first rule that is about it decides, and where none is,
    /// its status.
    pub(crate) fn verdict<'r>(
        &self,
        method: &Method,
        mut rules: impl Iterator<Item = &'r AnswerRule>,
    ) -> Verdict {
        let parts = OnceCell::new();
        let rule = rules
            .find(|rule| rule.matches(self.status, || parts.get_or_init(|| self.parts()).clone()));
        rule.map_or_else(|| Verdict::of(self.status, method), Verdict::of_rule)
    }

    /// `{status, headers, body}`; a body that is not JSON is text, and so are several headers of one
    /// name, joined by commas (RFC 9110 §5.3).
    pub(crate) fn parts(&self) -> Value {
        let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
        let header = |name: &HeaderName| {
            let values: Vec<_> = self
                .headers
                .get_all(name)
                .iter()
                .map(HeaderValue::as_bytes)
                .collect();
            (
                Value::from(name.as_str().to_owned()),
                text(&values.join(&b", "[..])),
            )
        };
        let body = read(&self.body).unwrap_or_else(|_| text(&self.body));
        let status = Value::from(isize::from(self.status.as_u16() as i16));
        let parts = [
            ("status", status),
            ("headers", object(self.headers.keys().map(header))),
            ("body", body),
        ];
        object(parts.map(|(name, part)| (Value::from(name.to_owned()), part)))
    }
}

/// What the body is written in, as the headers say it.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

fn object(fields: impl IntoIterator<Item = (Value, Value)>) -> Value {
    Value::obj(fields.into_iter().collect())
}
