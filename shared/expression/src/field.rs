//! The fields of the object that an expression makes, each by itself: to find the one that fails.

use jaq_core::load::{
    Lexer,
    lex::{Tok, Token},
    span,
};

use crate::Expression;

/// One field of the object under construction.
pub(crate) struct Field {
    /// Its JSON pointer in that object; empty for the object without any field.
    pub(crate) pointer: String,
    /// What makes this field and no other.
    pub(crate) expression: Expression,
}

impl Field {
    /// The fields of an expression that ends in an object, `… | { a: …, b: … }`; none of any other.
    /// The first is the object without any field: where that fails, no field is to blame.
    pub(crate) fn all_of(source: &str) -> Vec<Field> {
        let Ok(tokens) = Lexer::new(source).lex() else { return Vec::new() };
        let mut fields = Vec::new();
        if let Some((object, before)) = tokens.split_last()
            && before.last().is_none_or(|token| matches!(token.0, "|" | ";"))
        {
            let prefix = &source[..span(source, object.0).start];
            let whole = Expression::compile(&format!("{prefix}{{}}")).ok();
            fields.extend(whole.map(|expression| Field { pointer: String::new(), expression }));
            collect(source, prefix, "", object, &mut fields);
        }
        fields
    }
}

fn collect(source: &str, prefix: &str, pointer: &str, object: &Token<&str>, fields: &mut Vec<Field>) {
    let Tok::Block(tokens) = &object.1 else { return };
    if !object.0.starts_with('{') {
        return;
    }
    for entry in tokens.split(|token| matches!(token.0, "," | "}") && matches!(token.1, Tok::Sym)) {
        let (Some(first), Some(last)) = (entry.first(), entry.last()) else { continue };
        let Some(name) = name(first) else { continue };
        let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        if entry.len() == 3 && last.0.starts_with('{') {
            collect(source, prefix, &pointer, last, fields);
            continue;
        }
        let text = &source[span(source, first.0).start..span(source, last.0).end];
        if let Ok(expression) = Expression::compile(&format!("{prefix}{{{text}}}")) {
            fields.push(Field { pointer, expression });
        }
    }
}

/// The name of a field that is written out: `name`, `$name`, `"name"`.
fn name<'s>(token: &Token<&'s str>) -> Option<&'s str> {
    match token.1 {
        Tok::Word => Some(token.0),
        Tok::Var => token.0.strip_prefix('$'),
        Tok::Str(_) => Some(token.0.trim_matches('"')).filter(|name| !name.contains('\\')),
        _ => None,
    }
}
