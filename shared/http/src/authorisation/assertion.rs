//! Assertions that we sign (RFC 7523, RFC 7515).

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use pomost_project::auth::PrivateKey;
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

/// The lifetime of an assertion. It is sent at once; servers do not take long-lived ones.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(300);

/// Signs assertions. The algorithm is the key's own: RS256, ES256 or EdDSA.
///
/// The well-kept crates for JWT either bring a second cryptographic library or sign RSA with one
/// that has an open advisory; signing is little beside what ring does.
pub(super) struct AssertionSigner {
    key: SigningKey,
    id: Option<String>,
}

/// A private key of one of the algorithms.
enum SigningKey {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// A key that does not sign. The error shows nothing of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum SigningError {
    /// The key is of another kind.
    #[error("the private key is neither RSA (2048 to 4096 bits) nor P-256 nor Ed25519 in PKCS#8")]
    UnknownKey,
    /// The key is of a known kind and failed all the same.
    #[error("an assertion could not be signed")]
    Failed,
}

impl AssertionSigner {
    /// Reads the key.
    pub(super) fn new(key: &PrivateKey) -> Result<AssertionSigner, SigningError> {
        let der = PrivateKeyDer::from_pem_slice(key.pem.expose_secret().as_bytes());
        let pair = match &der.map_err(|_| SigningError::UnknownKey)? {
            PrivateKeyDer::Pkcs8(key) => SigningKey::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der())
                .ok()
                .map(|pair| SigningKey::Rsa(Box::new(pair))),
            _ => None,
        };
        Ok(AssertionSigner {
            key: pair.ok_or(SigningError::UnknownKey)?,
            id: key.id.clone(),
        })
    }

    /// Makes an assertion with these claims, the times of its beginning and end, and a unique id.
    pub(super) fn assertion(
        &self,
        claims: &BTreeMap<String, String>,
        now: Timestamp,
    ) -> Result<SecretString, SigningError> {
        let now = now.as_second();
        let mut all = json!({ "iat": now, "exp": now + ASSERTION_LIFETIME.as_secs() as i64, "jti": Uuid::new_v4() });
        claims
            .iter()
            .for_each(|(name, value)| all[name] = json!(value));
        let mut header = json!({ "alg": self.key.algorithm(), "typ": "JWT" });
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let content = format!("{}.{}", encoded(&header), encoded(&all));
        let signature = self
            .key
            .sign(content.as_bytes())
            .ok_or(SigningError::Failed)?;
        Ok(format!("{content}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

impl SigningKey {
    fn from_pkcs8(der: &[u8]) -> Option<SigningKey> {
        let rsa = || {
            RsaKeyPair::from_pkcs8(der)
                .ok()
                .map(|pair| SigningKey::Rsa(Box::new(pair)))
        };
        let p256 = || {
            let pair = EcdsaKeyPair::from_pkcs8(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                der,
                &SystemRandom::new(),
            );
            pair.ok().map(|pair| SigningKey::P256(Box::new(pair)))
        };
        // Without its public half, which is optional in PKCS#8, the key is not checked against it.
        let ed25519 = || {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
                .ok()
                .map(Box::new)
                .map(SigningKey::Ed25519)
        };
        rsa().or_else(p256).or_else(ed25519)
    }

    fn algorithm(&self) -> &'static str {
        match self {
            SigningKey::Rsa(_) => "RS256",
            SigningKey::P256(_) => "ES256",
            SigningKey::Ed25519(_) => "EdDSA",
        }
    }

    fn sign(&self, content: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            SigningKey::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, content, &mut signature)
                    .ok()?;
                Some(signature)
            }
            SigningKey::P256(pair) => pair
                .sign(&random, content)
                .ok()
                .map(|signature| signature.as_ref().to_vec()),
            SigningKey::Ed25519(pair) => Some(pair.sign(content).as_ref().to_vec()),
        }
    }
}

fn encoded(json: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json.to_string())
}

#[cfg(test)]
mod tests {
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
        VerificationAlgorithm,
    };

    use super::*;

    const RSA: &str = include_str!("../../tests/keys/rsa.pem");
    const RSA_PKCS1: &str = include_str!("../../tests/keys/rsa-pkcs1.pem");
    const P256: &str = include_str!("../../tests/keys/p256.pem");
    const ED25519_KEY: &str = include_str!("../../tests/keys/ed25519.pem");

    fn signer(pem: &str) -> Result<AssertionSigner, SigningError> {
        AssertionSigner::new(&PrivateKey {
            pem: pem.into(),
            id: Some("k1".to_owned()),
        })
    }

    fn public(key: &SigningKey) -> (&'static dyn VerificationAlgorithm, Vec<u8>) {
        match key {
            SigningKey::Rsa(pair) => (
                &RSA_PKCS1_2048_8192_SHA256,
                pair.public_key().as_ref().to_vec(),
            ),
            SigningKey::P256(pair) => (
                &ECDSA_P256_SHA256_FIXED,
                pair.public_key().as_ref().to_vec(),
            ),
            SigningKey::Ed25519(pair) => (&ED25519, pair.public_key().as_ref().to_vec()),
        }
    }

    #[test]
    fn an_assertion_is_signed_by_the_algorithm_of_its_key() {
        let claims = BTreeMap::from([("iss".to_owned(), "us".to_owned())]);
        for (pem, algorithm) in [
            (RSA, "RS256"),
            (RSA_PKCS1, "RS256"),
            (P256, "ES256"),
            (ED25519_KEY, "EdDSA"),
        ] {
            let signer = signer(pem).unwrap();
            let token = signer.assertion(&claims, Timestamp::now()).unwrap();
            let parts: Vec<&str> = token.expose_secret().split('.').collect();
            let decoded: Vec<Vec<u8>> = parts
                .iter()
                .map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap())
                .collect();
            let (verification, key) = public(&signer.key);
            let content = format!("{}.{}", parts[0], parts[1]);
            UnparsedPublicKey::new(verification, key)
                .verify(content.as_bytes(), &decoded[2])
                .unwrap();
            let header: Value = serde_json::from_slice(&decoded[0]).unwrap();
            assert_eq!(
                header,
                json!({ "alg": algorithm, "typ": "JWT", "kid": "k1" })
            );
            let claims: Value = serde_json::from_slice(&decoded[1]).unwrap();
            assert_eq!(claims["iss"], "us");
            assert_eq!(
                claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
                300
            );
        }
    }

    #[test]
    fn two_assertions_differ() {
        let signer = signer(ED25519_KEY).unwrap();
        let assertion = || {
            signer
                .assertion(&BTreeMap::new(), Timestamp::now())
                .unwrap()
                .expose_secret()
                .to_owned()
        };
        assert_ne!(assertion(), assertion());
    }

    #[test]
    fn a_key_that_does_not_sign_is_refused_without_its_content() {
        let nonsense = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";
        for pem in ["hunter2", nonsense] {
            let error = signer(pem).err().unwrap();
            assert!(
                !error.to_string().contains("hunter2") && !format!("{error:?}").contains("aHVu")
            );
        }
    }
}
