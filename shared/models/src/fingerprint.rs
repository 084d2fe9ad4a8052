//! What decides what becomes of a record.

use sha2::{Digest, Sha256};

use crate::{Record, Stage};

/// Stands for all that decides what becomes of a record: its content, its operation and its version as they were
/// extracted, what was mapped of it, and the files of its flow. A record that is read again with the fate of one that
/// died would die again. What is mapped counts beside the files: it may have waited since it was mapped by older ones.
///
/// The order of extraction is no part of it: it is another one each time a record is read. Nor are the headers that a
/// row was told by, which are other ones each time it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptFingerprint(pub [u8; 16]);

impl AttemptFingerprint {
    /// The fate of a record at a stage, under this version of its flow's files.
    pub fn of(flow_version: &str, stage: Stage, record: &Record) -> AttemptFingerprint {
        let (op, version) = (
            record.op.as_str(),
            record.version.source_text().unwrap_or_default(),
        );
        let mut digest = Sha256::new();
        for part in [
            flow_version,
            op,
            version,
            record.extracted().get(),
            made_of_it(stage, record),
        ] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut fate = [0; 16];
        fate.copy_from_slice(&digest.finalize()[..16]);
        AttemptFingerprint(fate)
    }
}

/// What became of a record that is no longer as it was extracted, or not yet.
fn made_of_it(stage: Stage, record: &Record) -> &str {
    match record.source {
        None => "",
        Some(_) if record.awaits_fetch(stage) => "told",
        Some(_) => record.data.get(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::value::RawValue;

    use super::*;
    use crate::{Operation, Version};

    fn record(slot: u32, version: Version, data: &str) -> Record {
        let data = RawValue::from_string(data.to_owned()).unwrap();
        Record {
            slot,
            key: "a".into(),
            version,
            op: Operation::Upsert,
            data,
            source: None,
        }
    }

    fn read(row: usize, version: &str) -> Version {
        Version::new(version)
            .with_extraction_order(&Version::of_extraction(uuid::Uuid::now_v7(), row))
    }

    fn of(flow: &str, record: &Record) -> AttemptFingerprint {
        AttemptFingerprint::of(flow, Stage::Load, record)
    }

    fn mapped(record: &Record, data: &str) -> Record {
        let data = RawValue::from_string(data.to_owned()).unwrap();
        Record {
            source: Some(record.data.clone()),
            data,
            ..record.clone()
        }
    }

    #[test]
    fn a_record_that_is_read_again_unchanged_has_the_same_fate_also_mapped() {
        let (first, again) = (record(0, read(0, "1"), "{}"), record(5, read(7, "1"), "{}"));
        assert_eq!(of("f", &first), of("f", &again));
        assert_eq!(
            of("f", &mapped(&first, "[1]")),
            of("f", &mapped(&again, "[1]"))
        );
    }

    #[test]
    fn another_content_mapping_version_operation_or_flow_is_another_fate() {
        let first = record(0, read(0, "1"), "{}");
        let others = [
            record(0, read(0, "1"), "{ }"),
            record(0, read(0, "2"), "{}"),
            record(0, Version::of_extraction(uuid::Uuid::now_v7(), 0), "{}"),
            Record {
                op: Operation::Delete,
                ..first.clone()
            },
            mapped(&first, "[1]"),
        ];
        assert!(others.iter().all(|other| of("f", other) != of("f", &first)));
        assert_ne!(
            of("f", &mapped(&first, "[1]")),
            of("f", &mapped(&first, "[2]"))
        );
        assert_ne!(of("g", &first), of("f", &first));
    }

    #[test]
    fn a_row_that_is_told_again_by_other_headers_has_the_same_fate_and_none_of_a_record_s() {
        let row = record(0, read(0, "1"), "{}");
        let told = |headers| AttemptFingerprint::of("f", Stage::Extract, &mapped(&row, headers));
        assert_eq!(told("null"), told(r#"{"id":1}"#));
        assert_ne!(
            told("null"),
            AttemptFingerprint::of("f", Stage::Extract, &row)
        );
    }
}
