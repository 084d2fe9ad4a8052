//! Compiling requests, and rules about answers.

use http::HeaderName;
use pomost_expression::Template;
use pomost_models::{
    request::{AnswerRuleSection, RequestSection},
    text::StatusPattern,
};

use super::Compile;
use crate::request::{AnswerRule, Request, StatusRange};

impl Compile<'_> {
    /// The request whose keys stand in the section at a JSON pointer.
    pub(crate) fn request(&mut self, section: &str, request: &RequestSection) -> Option<Request> {
        // The pattern of request lines has seen to the method, the space and the slash.
        let (method, path) = request.request.0.split_once(" /")?;
        let path = self.template(&format!("{section}/request"), method.len() + 2, path, Template::of_url);
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| self.header(&format!("{section}/headers/{name}"), name, &value.0))
            .collect();
        let body = self.optional(&format!("{section}/body"), request.body.as_ref());
        let label = request.request.0.clone();
        let headers = headers.into_iter().collect::<Option<_>>()?;
        Some(Request { method: method.parse().ok()?, path: path?, headers, body: body?, label })
    }

    /// A list of rules about answers.
    pub(crate) fn answers(&mut self, pointer: &str, rules: &[AnswerRuleSection]) -> Option<Vec<AnswerRule>> {
        let rule = |(number, rule)| self.answer_rule(&format!("{pointer}/{number}"), rule);
        let rules: Vec<_> = rules.iter().enumerate().map(rule).collect();
        rules.into_iter().collect()
    }

    fn answer_rule(&mut self, pointer: &str, rule: &AnswerRuleSection) -> Option<AnswerRule> {
        if rule.status.is_none() && rule.when.is_none() {
            self.refuse(pointer, "expected 'status', 'when' or both: which answers the rule is about");
            return None;
        }
        let when = self.optional(&format!("{pointer}/when"), rule.when.as_ref());
        Some(AnswerRule { status: rule.status.as_ref().map(range), when: when?, means: rule.means })
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
        compile: fn(&str) -> Result<Template, pomost_expression::CompileError>,
    ) -> Option<Template> {
        compile(source).map_err(|error| self.refuse_expression(pointer, shift, error)).ok()
    }
}

/// The pattern of statuses has seen to the digits.
fn range(pattern: &StatusPattern) -> StatusRange {
    let number = |filler| pattern.0.replace('x', filler).parse().unwrap_or_default();
    StatusRange { first: number("0"), last: number("9") }
}
