//! The reason for which a record is given up.

use crate::DeadLetterReason;

/// The reason for which a record is given up.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    pub reason: DeadLetterReason,
    /// The failure in words, with sensitive values masked.
    pub error: String,
    /// The JSON pointer of the field at fault.
    pub pointer: Option<String>,
}

impl Diagnosis {
    /// A diagnosis that names no field.
    pub fn new(reason: DeadLetterReason, error: impl Into<String>) -> Diagnosis {
        let (error, pointer) = (error.into(), None);
        Diagnosis {
            reason,
            error,
            pointer,
        }
    }

    /// The diagnosis of a record that a schema, a mapping or the destination refused.
    pub fn invalid(error: impl Into<String>) -> Diagnosis {
        Diagnosis::new(DeadLetterReason::Invalid, error)
    }

    /// The same diagnosis for a field at fault, by its JSON pointer.
    pub fn at(self, pointer: Option<String>) -> Diagnosis {
        Diagnosis { pointer, ..self }
    }
}
