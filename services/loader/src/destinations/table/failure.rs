//! The failures of statements, sorted by what has to be done about them.

use deadpool_postgres::{HookError, PoolError};
use pomost_http::{Failure, FailureClass};
use tokio_postgres::error::{DbError, SqlState};

use crate::destinations::{with_unknown_effect, without_effect};

/// The reason why a statement failed.
#[derive(Debug)]
pub(super) enum StatementFailure {
    /// There is no connection to the database.
    Connection(PoolError),
    /// The database refused the statement, or the connection broke.
    Statement(tokio_postgres::Error),
    /// The database did not answer in time.
    TimedOut,
}

impl From<PoolError> for StatementFailure {
    fn from(error: PoolError) -> StatementFailure {
        StatementFailure::Connection(error)
    }
}

impl StatementFailure {
    pub(super) fn is_missing_table(&self) -> bool {
        self.refusal()
            .is_some_and(|refusal| *refusal.code() == SqlState::UNDEFINED_TABLE)
    }

    /// True if a value does not fit its column.
    pub(super) fn is_of_a_value(&self) -> bool {
        self.refusal()
            .is_some_and(|refusal| refusal.code().code().starts_with("22"))
    }

    /// Makes the failure of a write. It names a column and a constraint where they are known, and
    /// no value: the database's own message and detail are full of values.
    pub(super) fn into_failure(self, place: &str, column: Option<&str>) -> Failure {
        let (class, what) = match self.refusal() {
            Some(refusal) => described(refusal, column),
            None => (self.class(), self.reason()),
        };
        let in_doubt =
            self.broke_off() || class == FailureClass::Transient && self.refusal().is_none();
        let failure = Failure::new(class, format!("{place}: {what}"));
        if in_doubt {
            with_unknown_effect(failure)
        } else {
            without_effect(failure)
        }
    }

    /// The database's own answer, if it gave one.
    fn refusal(&self) -> Option<&DbError> {
        self.error()?.as_db_error()
    }

    fn error(&self) -> Option<&tokio_postgres::Error> {
        match self {
            StatementFailure::Connection(PoolError::Backend(error))
            | StatementFailure::Connection(PoolError::PostCreateHook(HookError::Backend(error)))
            | StatementFailure::Statement(error) => Some(error),
            StatementFailure::Connection(_) | StatementFailure::TimedOut => None,
        }
    }

    /// True if the statement was on its way when the database went away.
    fn broke_off(&self) -> bool {
        match self {
            StatementFailure::Statement(error) => error
                .as_db_error()
                .is_none_or(|refusal| refusal.code().code().starts_with("57P")),
            StatementFailure::Connection(_) | StatementFailure::TimedOut => false,
        }
    }

    /// A database that goes away during a statement is treated as one that is down: writing again
    /// is harmless.
    fn class(&self) -> FailureClass {
        match self {
            StatementFailure::Connection(_) | StatementFailure::Statement(_) => {
                FailureClass::Unreachable
            }
            StatementFailure::TimedOut => FailureClass::Transient,
        }
    }

    fn reason(&self) -> String {
        match (self, self.error()) {
            (_, Some(error)) => with_advice(pomost_postgres::with_causes(error)),
            (StatementFailure::Connection(error), None) => error.to_string(),
            _ => "no answer in time".into(),
        }
    }
}

/// Describes a refusal (PostgreSQL, appendix A: error codes) in our own words.
fn described(refusal: &DbError, column: Option<&str>) -> (FailureClass, String) {
    let code = refusal.code().code();
    let (class, words) = meaning(code);
    let name = |what: &str, name: Option<&str>| {
        name.map_or(String::new(), |name| format!("{what} '{name}': "))
    };
    let (column, constraint) = (
        name("column", column.or(refusal.column())),
        name("constraint", refusal.constraint()),
    );
    (
        class,
        format!("{column}{constraint}{words} (SQLSTATE {code})"),
    )
}

fn meaning(code: &str) -> (FailureClass, &'static str) {
    match code {
        "22P02" => (FailureClass::Invalid, "a value is not of the column's type"),
        "22003" => (
            FailureClass::Invalid,
            "a number is too large for the column",
        ),
        "22007" | "22008" => (FailureClass::Invalid, "a value is no such date or time"),
        "22001" => (FailureClass::Invalid, "a text is too long for the column"),
        "22P05" | "22021" => (
            FailureClass::Invalid,
            "a text holds a character that the database does not have",
        ),
        "23502" => (FailureClass::Invalid, "a value is missing"),
        "23503" => (FailureClass::Invalid, "what it refers to is not there"),
        "23505" => (FailureClass::Invalid, "another row has this value"),
        "28P01" | "28000" => (
            FailureClass::Unauthorised,
            "the database does not let us in; look at the URL's user and password",
        ),
        "3D000" => (
            FailureClass::Throttled,
            "the database is not there; create it, or correct the URL",
        ),
        "3F000" => (
            FailureClass::Throttled,
            "its schema is not there; create it",
        ),
        "42P01" => (
            FailureClass::Throttled,
            "it is not there; create it, or set create: true",
        ),
        "42501" => (
            FailureClass::Unauthorised,
            "the user lacks a right; grant SELECT, INSERT, UPDATE and DELETE on it, USAGE on its schema, and for \
             create: true CREATE",
        ),
        "42703" => (
            FailureClass::Throttled,
            "it lacks a column that the flow names; add it, or leave it out of the flow",
        ),
        "42804" => (
            FailureClass::Throttled,
            "a column is of another type than the flow says; change one of the two",
        ),
        "42P10" => (
            FailureClass::Throttled,
            "the key's column is neither the primary key nor unique, by which rows are found; make it so",
        ),
        "53300" => (
            FailureClass::Throttled,
            "the database has no connection left",
        ),
        "57014" => (
            FailureClass::Transient,
            "the statement took longer than load.table.timeout",
        ),
        _ => meaning_of_class(code.get(..2).unwrap_or_default()),
    }
}

fn meaning_of_class(class: &str) -> (FailureClass, &'static str) {
    match class {
        "22" => (FailureClass::Invalid, "a value does not fit"),
        "23" | "44" => (
            FailureClass::Invalid,
            "a constraint of the table refuses it",
        ),
        "54" => (
            FailureClass::Invalid,
            "it is too large for a row or its index",
        ),
        "P0" => (FailureClass::Invalid, "a trigger of the table refuses it"),
        "28" => (
            FailureClass::Unauthorised,
            "the database does not let us in",
        ),
        "40" => (FailureClass::Transient, "it met with another transaction"),
        "25" => (FailureClass::Throttled, "the database takes no writes"),
        "08" | "53" | "57" | "58" => (FailureClass::Throttled, "the database is not ready"),
        "0A" | "42" | "55" => (
            FailureClass::Throttled,
            "it cannot be written as the flow says",
        ),
        _ => (FailureClass::Transient, "the database failed"),
    }
}

fn with_advice(reason: String) -> String {
    match reason.contains("server does not support TLS") {
        true => format!(
            "{reason}; to send credentials and data readable, add ?sslmode=disable to the URL"
        ),
        false => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_s_own_fault_is_told_from_the_database_s() {
        let class = |code| meaning(code).0;
        for code in [
            "22P02", "22012", "23514", "23P01", "44000", "54000", "P0001",
        ] {
            assert_eq!(class(code), FailureClass::Invalid, "{code}");
        }
        for code in [
            "57P01", "53100", "42P01", "42883", "3D000", "25006", "08006", "28P01", "42501",
        ] {
            assert!(class(code).is_of_the_system(), "{code}");
        }
        for code in ["40001", "40P01", "57014", "XX000", ""] {
            assert_eq!(class(code), FailureClass::Transient, "{code}");
        }
    }
}
