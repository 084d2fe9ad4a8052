//! What decides what becomes of a record.

use sha2::{Digest, Sha256};

use crate::Record;

/// Stands for all that decides what becomes of a record: its content, its operation and its version as they were
/// extracted, and the files of its flow. A record that is read again with the fate of one that died would die again.
///
/// The order of extraction is no part of it: it is another one each time a record is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fate(pub [u8; 16]);

impl Fate {
    /// The fate of a record under this version of its flow's files.
    pub fn of(flow_version: &str, record: &Record) -> Fate {
        let (op, version) = (record.op.as_str(), record.version.given());
        let mut digest = Sha256::new();
        for part in [flow_version, op, version.unwrap_or_default()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.update(record.extracted().get());
        let mut fate = [0; 16];
        fate.copy_from_slice(&digest.finalize()[..16]);
        Fate(fate)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::value::RawValue;

    use super::*;
    use crate::{Op, Version};

    fn record(slot: u32, version: Version, data: &str) -> Record {
        let data = RawValue::from_string(data.to_owned()).unwrap();
        Record { slot, key: "a".into(), version, op: Op::Upsert, data, source: None }
    }

    fn read(row: usize, version: &str) -> Version {
        Version::new(version).extracted(&Version::of_extraction(uuid::Uuid::now_v7(), row))
    }

    #[test]
    fn a_record_that_is_read_again_unchanged_has_the_same_fate_also_mapped() {
        let first = record(0, read(0, "1"), "{}");
        let again = record(5, read(7, "1"), "{}");
        let mapped = Record {
            data: RawValue::from_string("[1]".into()).unwrap(),
            source: Some(again.data.clone()),
            ..again.clone()
        };
        assert_eq!(Fate::of("f", &first), Fate::of("f", &again));
        assert_eq!(Fate::of("f", &first), Fate::of("f", &mapped));
    }

    #[test]
    fn another_content_version_operation_or_flow_is_another_fate() {
        let first = record(0, read(0, "1"), "{}");
        let others = [
            record(0, read(0, "1"), "{ }"),
            record(0, read(0, "2"), "{}"),
            record(0, Version::of_extraction(uuid::Uuid::now_v7(), 0), "{}"),
            Record { op: Op::Delete, ..first.clone() },
        ];
        assert!(others.iter().all(|other| Fate::of("f", other) != Fate::of("f", &first)));
        assert_ne!(Fate::of("g", &first), Fate::of("f", &first));
    }
}
