//! Compiling requests, and rules about answers.

use http::HeaderName;
use pomost_expression::{CompileError, Template};
use pomost_format::BodyFormat;
use pomost_models::{
    format::FormatSection,
    request::{AnswerRuleSection, RequestSection},
    text::{JqExpression, StatusPattern},
};

use super::Compile;
use crate::request::{AnswerRule, RequestTemplate, StatusRange};

type CompileTemplate = fn(&str) -> Result<Template, CompileError>;

impl Compile<'_> {
    /// The request whose keys stand in the section at a JSON pointer.
    pub(crate) fn request(
        &mut self,
        section: &str,
        request: &RequestSection,
    ) -> Option<RequestTemplate> {
        self.request_to(section, request, Template::of_url)
    }

    /// A request as [`Compile::request`] compiles it whose URL is to name one record.
    pub(crate) fn addressed_request(
        &mut self,
        section: &str,
        request: &RequestSection,
    ) -> Option<RequestTemplate> {
        self.request_to(section, request, Template::of_address)
    }

    fn request_to(
        &mut self,
        section: &str,
        request: &RequestSection,
        url: CompileTemplate,
    ) -> Option<RequestTemplate> {
        // The pattern of request lines has seen to the method, the space and the slash.
        let (method, path) = request.request.0.split_once(" /")?;
        let path = self.template(&format!("{section}/request"), method.len() + 2, path, url);
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| self.header(&format!("{section}/headers/{name}"), name, &value.0))
            .collect();
        let body = self.optional(&format!("{section}/body"), body_of(request).as_ref());
        let body_format = self.format(
            &format!("{section}/body_format"),
            request.body_format.as_ref(),
        );
        let label = request.request.0.clone();
        let headers = headers.into_iter().collect::<Option<_>>()?;
        let body_format = body_format?.unwrap_or_default();
        Some(RequestTemplate {
            method: method.parse().ok()?,
            path: path?,
            headers,
            body: body?,
            body_format,
            label,
        })
    }

    /// A format, where one is given.
    pub(crate) fn format(
        &mut self,
        pointer: &str,
        format: Option<&FormatSection>,
    ) -> Option<Option<BodyFormat>> {
        let Some(section) = format else {
            return Some(None);
        };
        BodyFormat::try_from(section)
            .map_err(|error| self.refuse(&format!("{pointer}{}", error.field), error.message))
            .ok()
            .map(Some)
    }

    /// A list of rules about answers.
    pub(crate) fn answers(
        &mut self,
        pointer: &str,
        rules: &[AnswerRuleSection],
    ) -> Option<Vec<AnswerRule>> {
        let rule = |(number, rule)| self.answer_rule(&format!("{pointer}/{number}"), rule);
        let rules: Vec<_> = rules.iter().enumerate().map(rule).collect();
        rules.into_iter().collect()
    }

    fn answer_rule(&mut self, pointer: &str, rule: &AnswerRuleSection) -> Option<AnswerRule> {
        if rule.status.is_none() && rule.when.is_none() {
            self.refuse(
                pointer,
                "expected 'status', 'when' or both: which answers the rule is about",
            );
            return None;
        }
        let when = self.optional(&format!("{pointer}/when"), rule.when.as_ref());
        Some(AnswerRule {
            status: rule.status.as_ref().map(range),
            when: when?,
            means: rule.means,
        })
    }

    fn header(&mut self, pointer: &str, name: &str, value: &str) -> Option<(HeaderName, Template)> {
        let template = self.template(pointer, 0, value, Template::of_text);
        match name.parse() {
            Ok(name) => Some((name, template?)),
            Err(_) => {
                self.refuse(pointer, format!("'{name}' cannot be the name of a header"));
                None
            }
        }
    }

    pub(super) fn template(
        &mut self,
        pointer: &str,
        shift: usize,
        source: &str,
        compile: CompileTemplate,
    ) -> Option<Template> {
        compile(source)
            .map_err(|error| self.refuse_expression(pointer, shift, error))
            .ok()
    }
}

/// A body that has only a format is what the request is about.
fn body_of(request: &RequestSection) -> Option<JqExpression> {
    let itself = || {
        request
            .body_format
            .is_some()
            .then(|| JqExpression(".".into()))
    };
    request.body.clone().or_else(itself)
}

/// The pattern of statuses has seen to the digits.
fn range(pattern: &StatusPattern) -> StatusRange {
    let number = |filler| pattern.0.replace('x', filler).parse().unwrap_or_default();
    StatusRange {
        first: number("0"),
        last: number("9"),
    }
}
