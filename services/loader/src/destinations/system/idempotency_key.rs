//! The key by which a destination recognises a repeated create.

use pomost_store::ledger::ContentHash;
use sha2::{Digest, Sha256};

/// Makes the idempotency key of a create: the same for each repetition, and another one for other
/// content, another record, or after the destination has had and lost the record. A destination
/// that answers a known key from memory would otherwise name a record that is no longer there.
pub(super) fn idempotency_key(
    flow: &str,
    key: &str,
    hash: &ContentHash,
    incarnation: u32,
) -> String {
    let mut digest = Sha256::new()
        .chain_update(flow)
        .chain_update([0])
        .chain_update(key)
        .chain_update([0]);
    digest.update(hash);
    // The first incarnation adds nothing: keys made before incarnations were counted stay the same.
    if incarnation > 0 {
        digest.update(incarnation.to_be_bytes());
    }
    digest.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_for_a_repetition_and_for_nothing_else() {
        let first = idempotency_key("flow", "k", &[1; 16], 0);
        assert_eq!(first, idempotency_key("flow", "k", &[1; 16], 0));
        let others = [
            idempotency_key("other", "k", &[1; 16], 0),
            idempotency_key("flow", "l", &[1; 16], 0),
            idempotency_key("flow", "k", &[2; 16], 0),
            idempotency_key("flow", "k", &[1; 16], 1),
            idempotency_key("flow", "k", &[1; 16], 2),
        ];
        for (place, other) in others.iter().enumerate() {
            assert!(
                *other != first && !others[..place].contains(other),
                "{place}"
            );
        }
    }
}
