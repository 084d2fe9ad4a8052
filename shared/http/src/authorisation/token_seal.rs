//! Encrypting tokens for the store.

use std::num::NonZeroU32;

use pomost_store::GrantKey;
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    pbkdf2::{self, PBKDF2_HMAC_SHA256},
    rand::{SecureRandom, SystemRandom},
};
use secrecy::{ExposeSecret, SecretString};

/// The iterations of the derivation. A login's password may be one that can be guessed: each guess
/// is to take a while.
const PBKDF2_ITERATIONS: NonZeroU32 = NonZeroU32::new(20_000).unwrap();

/// The length of a fingerprint, in bytes.
const FINGERPRINT_BYTES: usize = 16;

/// Encrypts and decrypts the tokens of one system under one configuration, with a key that is
/// derived from a secret of the project: the store alone gives nobody tokens.
pub(super) struct TokenSeal {
    /// The key of the grant in the store.
    pub(super) key: GrantKey,
    cipher: LessSafeKey,
}

impl TokenSeal {
    /// Derives the key and the fingerprint (PBKDF2, RFC 8018). Tokens depend on the secret and the
    /// `configuration`.
    pub(super) fn new(
        system: &str,
        configuration: &[&str],
        secret: &SecretString,
    ) -> Result<TokenSeal, ring::error::Unspecified> {
        let salt = ["pomost grant", system].iter().chain(configuration).fold(
            Vec::new(),
            |mut salt, part| {
                salt.extend_from_slice(&(part.len() as u64).to_be_bytes());
                salt.extend_from_slice(part.as_bytes());
                salt
            },
        );
        let mut derived = [0; FINGERPRINT_BYTES + 32];
        pbkdf2::derive(
            PBKDF2_HMAC_SHA256,
            PBKDF2_ITERATIONS,
            &salt,
            secret.expose_secret().as_bytes(),
            &mut derived,
        );
        let (fingerprint, key) = derived.split_at(FINGERPRINT_BYTES);
        let fingerprint = fingerprint
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let cipher = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key)?);
        Ok(TokenSeal {
            key: GrantKey {
                system: system.to_owned(),
                fingerprint,
            },
            cipher,
        })
    }

    /// Encrypts (ChaCha20-Poly1305, RFC 8439): a nonce, then the sealed text.
    pub(super) fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, ring::error::Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce)?;
        let mut sealed = plain.to_vec();
        let nonce_once = Nonce::assume_unique_for_key(nonce);
        self.cipher
            .seal_in_place_append_tag(nonce_once, self.context(), &mut sealed)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Decrypts; nothing where the text was sealed by another key, or damaged.
    pub(super) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self
            .cipher
            .open_in_place(nonce, self.context(), &mut sealed)
            .ok()?;
        Some(plain.to_vec())
    }

    fn context(&self) -> Aad<&[u8]> {
        Aad::from(self.key.system.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(system: &str, configuration: &[&str], secret: &str) -> TokenSeal {
        TokenSeal::new(system, configuration, &secret.into()).unwrap()
    }

    #[test]
    fn what_is_sealed_comes_back_and_shows_nothing() {
        let seal = seal("shop", &["us"], "secret");
        let sealed = seal.seal(b"a token").unwrap();
        assert_eq!(seal.open(&sealed).unwrap(), b"a token");
        assert!(!sealed.windows(7).any(|bytes| bytes == b"a token"));
        assert_ne!(sealed, seal.seal(b"a token").unwrap());
    }

    #[test]
    fn what_is_damaged_or_sealed_by_another_does_not_open() {
        let (ours, other) = (
            seal("shop", &["us"], "secret"),
            seal("shop", &["us"], "another"),
        );
        let mut sealed = ours.seal(b"a token").unwrap();
        assert_eq!(other.open(&sealed), None);
        *sealed.last_mut().unwrap() ^= 1;
        assert_eq!(ours.open(&sealed), None);
        for length in 0..NONCE_LEN + 2 {
            assert_eq!(ours.open(&sealed[..length]), None);
        }
    }

    #[test]
    fn another_configuration_has_another_fingerprint() {
        let fingerprint = |seal: TokenSeal| seal.key.fingerprint;
        let ours = fingerprint(seal("shop", &["a", "bc"], "secret"));
        assert_eq!(ours, fingerprint(seal("shop", &["a", "bc"], "secret")));
        for other in [
            seal("crm", &["a", "bc"], "secret"),
            seal("shop", &["ab", "c"], "secret"),
            seal("shop", &["a", "bc"], "new"),
        ] {
            assert_ne!(ours, fingerprint(other));
        }
    }
}
