//! Refuses definitions that call themselves.
//!
//! jaq limits neither depth nor time: `def f: 1 + f; f` would overflow the stack and take down the
//! whole process. A mapping needs no recursion of its own.

use jaq_core::load::{
    parse::{Def, Term},
    span,
};

use crate::{CompileError, syntax};

/// Refuses a term in which a definition calls itself, directly or through others.
pub(crate) fn refuse(source: &str, term: &mut Term<&str>) -> Result<(), CompileError> {
    let mut calls = CallGraph::default();
    calls.collect(term);
    match calls.find_recursion() {
        Some(name) => Err(CompileError {
            offset: span(source, name).start,
            message: format!("the definition '{name}' calls itself, which could go on for ever"),
            help: Some("use map, reduce, recurse, walk or limit".into()),
        }),
        None => Ok(()),
    }
}

/// The definitions of a source, and which of them each calls.
#[derive(Default)]
struct CallGraph<'s> {
    definitions: Vec<DefinitionNode<'s>>,
    /// The definitions that can be called here; the last one of a name and a number of arguments is
    /// meant. An argument of a definition has no number: it calls nothing that its caller does not
    /// call.
    scope: Vec<(&'s str, usize, Option<usize>)>,
    /// The definition whose body this is.
    within: Option<usize>,
}

struct DefinitionNode<'s> {
    name: &'s str,
    calls: Vec<usize>,
    followed: FollowState,
}

#[derive(Clone, Copy, PartialEq)]
enum FollowState {
    No,
    UnderWay,
    Yes,
}

impl<'s> CallGraph<'s> {
    fn collect(&mut self, term: &mut Term<&'s str>) {
        match term {
            Term::Def(definitions, rest) => {
                let outside = self.scope.len();
                definitions
                    .iter_mut()
                    .for_each(|definition| self.define(definition));
                self.collect(rest);
                self.scope.truncate(outside);
                return;
            }
            Term::Call(name, arguments) => self.call(name, arguments.len()),
            Term::Str(Some(format), _) => self.call(format, 0),
            _ => {}
        }
        syntax::within(term)
            .into_iter()
            .for_each(|term| self.collect(term));
    }

    fn define(&mut self, definition: &mut Def<&'s str>) {
        let number = self.definitions.len();
        let name = definition.name;
        self.definitions.push(DefinitionNode {
            name,
            calls: Vec::new(),
            followed: FollowState::No,
        });
        self.scope.push((name, definition.args.len(), Some(number)));
        let inside = self.scope.len();
        self.scope.extend(
            definition
                .args
                .iter()
                .map(|argument| (argument.trim_start_matches('$'), 0, None)),
        );
        let around = self.within.replace(number);
        self.collect(&mut definition.body);
        self.within = around;
        self.scope.truncate(inside);
    }

    fn call(&mut self, name: &str, arguments: usize) {
        let meant = self
            .scope
            .iter()
            .rfind(|(known, count, _)| (*known, *count) == (name, arguments));
        if let (Some((_, _, Some(called))), Some(within)) = (meant, self.within) {
            self.definitions[within].calls.push(*called);
        }
    }

    /// The name of a definition that calls itself.
    fn find_recursion(&mut self) -> Option<&'s str> {
        (0..self.definitions.len()).find_map(|number| self.follow(number))
    }

    fn follow(&mut self, number: usize) -> Option<&'s str> {
        match self.definitions[number].followed {
            FollowState::Yes => return None,
            FollowState::UnderWay => return Some(self.definitions[number].name),
            FollowState::No => self.definitions[number].followed = FollowState::UnderWay,
        }
        let calls = std::mem::take(&mut self.definitions[number].calls);
        let recursive = calls.into_iter().find_map(|called| self.follow(called));
        self.definitions[number].followed = FollowState::Yes;
        recursive
    }
}
