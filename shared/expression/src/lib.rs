//! The expressions of flows: jq, bounded and strict, over JSON whose numbers keep every digit.
//!
//! [`Expression`] is compiled once and run for every record; [`Template`] is text with expressions
//! in it. [`read()`] and [`write()`] turn JSON into a [`Value`] and back. What the language has
//! beside jq, and what it lacks, stands in [`functions`]; its arithmetic is exact.

mod arithmetic;
mod bounds;
mod brackets;
mod budget;
mod clock;
mod compile;
mod compile_error;
mod decimal;
mod error_trail;
mod evaluation_error;
mod exact;
mod expression;
mod forms;
pub mod functions;
mod literals;
mod operators;
mod output_count;
mod place;
mod recursion;
mod surrogates;
mod syntax;
mod template;
mod tokens;
mod value;
mod value_name;
mod variables;
mod wording;

pub use compile_error::CompileError;
pub use evaluation_error::{EvaluationError, RaisedError};
pub use exact::ExactNumber;
pub use expression::Expression;
pub use jaq_json::Val as Value;
pub use place::ExpressionPlace;
pub use template::Template;
pub use value::{ReadError, WriteError, pointer_part, read, text, to_json, write};
pub use value_name::{canonical, equal, given, name, scalar_name};
pub use variables::Variables;
