//! Whether a delivery comes from whom it should. Nothing in it is parsed for that; what is secret is
//! compared in constant time.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac as HmacOf, Mac, digest::KeyInit};
use http::{HeaderName, header};
use jiff::Timestamp;
use pomost_expression::{EvaluationError, Value, Variables, text};
use pomost_project::webhook::{
    BasicVerification, HashAlgorithm, HmacVerification, SignatureEncoding, SignedTimestamp,
    TokenVerification, Verification, WebhookTokenPlace,
};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::received::Received;

/// Why a delivery is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unverified {
    /// There is no signature.
    #[error("the header {0} with the signature is missing")]
    NotSigned(HeaderName),
    /// None of the signatures is one of ours.
    #[error("no signature in the header {0} is one that our secrets make")]
    WrongSignature(HeaderName),
    /// What was signed cannot be told from the delivery.
    #[error("what was signed cannot be told: {0}")]
    Content(String),
    /// It was signed too long ago, or in the future.
    #[error("the time of signing is too far from now")]
    NotNow,
    /// The token is not one of ours.
    #[error("the token is missing or wrong")]
    Token,
    /// The user's name or password is not ours.
    #[error("the user's name or password is missing or wrong")]
    Basic,
}

/// How many signatures of one delivery are looked at: a provider sends one for each of its secrets.
const SIGNATURES: usize = 16;

/// Believes a delivery or says why not.
pub(super) fn verify(verify: &Verification, received: &Received) -> Result<(), Unverified> {
    match verify {
        Verification::Hmac(scheme) => hmac(scheme, received),
        Verification::Token(scheme) => token(scheme, received),
        Verification::Basic(scheme) => basic(scheme, received),
    }
}

/// Any signature may be of any key: both sides replace their secrets one after the other.
fn hmac(scheme: &HmacVerification, received: &Received) -> Result<(), Unverified> {
    let header = received
        .header(&scheme.header)
        .ok_or(Unverified::NotSigned(scheme.header.clone()))?;
    let signatures = signatures(scheme, &header);
    let content = content(scheme, received)?;
    let signed = scheme.keys.iter().any(|key| {
        let expected = mac(scheme.algorithm, key.expose_secret(), &content);
        signatures
            .iter()
            .any(|signature| expected.ct_eq(signature).into())
    });
    if signed {
        Ok(())
    } else {
        Err(Unverified::WrongSignature(scheme.header.clone()))
    }
}

/// What stands between commas and spaces after the prefix, unless the prefix has such itself.
fn signatures(scheme: &HmacVerification, header: &str) -> Vec<Vec<u8>> {
    let separates = |c: char| matches!(c, ' ' | ',') && !scheme.prefix.contains(c);
    let signatures = header
        .split(separates)
        .filter_map(|signature| signature.strip_prefix(&*scheme.prefix));
    let decoded = signatures.filter_map(|signature| match scheme.encoding {
        SignatureEncoding::Hex => hex::decode(signature).ok(),
        SignatureEncoding::Base64 => STANDARD.decode(signature).ok(),
    });
    decoded.take(SIGNATURES).collect()
}

fn content<'r>(
    scheme: &HmacVerification,
    received: &'r Received,
) -> Result<Cow<'r, [u8]>, Unverified> {
    let Some(template) = &scheme.content else {
        return Ok(Cow::Borrowed(&received.body));
    };
    let body = std::str::from_utf8(&received.body);
    let body = body.map_err(|_| Unverified::Content("the body is not UTF-8".into()))?;
    let (body, variables) = (Value::from(body.to_owned()), headers_of(received));
    if let Some(signed_at) = &scheme.timestamp {
        check_time(signed_at, &body, &variables, received.at)?;
    }
    let content = template.render(&body, &variables).map_err(untold)?;
    Ok(Cow::Owned(content.into_bytes()))
}

fn headers_of(received: &Received) -> Variables {
    Variables {
        headers: received.headers(),
        ..Variables::default()
    }
}

fn untold(error: EvaluationError) -> Unverified {
    Unverified::Content(error.message)
}

fn check_time(
    signed_at: &SignedTimestamp,
    body: &Value,
    variables: &Variables,
    now: Timestamp,
) -> Result<(), Unverified> {
    let found = signed_at
        .value
        .one(body.clone(), variables)
        .map_err(untold)?;
    let time = text(&found).and_then(|text| time_of(&text));
    let time =
        time.ok_or_else(|| Unverified::Content("the time of signing is not a time".into()))?;
    match now.duration_since(time).unsigned_abs() <= signed_at.tolerance {
        true => Ok(()),
        false => Err(Unverified::NotNow),
    }
}

/// RFC 3339, or a number of seconds or milliseconds since 1970, told by its size: in seconds, twelve
/// digits would lie beyond the year 5000.
fn time_of(text: &str) -> Option<Timestamp> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    match text.parse().ok()? {
        seconds @ 0..100_000_000_000 => Timestamp::from_second(seconds).ok(),
        milliseconds => Timestamp::from_millisecond(milliseconds).ok(),
    }
}

fn mac(algorithm: HashAlgorithm, key: &[u8], content: &[u8]) -> Vec<u8> {
    match algorithm {
        HashAlgorithm::Sha256 => mac_by::<HmacOf<Sha256>>(key, content),
        HashAlgorithm::Sha1 => mac_by::<HmacOf<Sha1>>(key, content),
    }
}

fn mac_by<M: Mac + KeyInit>(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut mac =
        <M as Mac>::new_from_slice(key).expect("an HMAC takes keys of any length (RFC 2104 §2)");
    mac.update(content);
    mac.finalize().into_bytes().to_vec()
}

fn token(scheme: &TokenVerification, received: &Received) -> Result<(), Unverified> {
    let offered = match &scheme.place {
        WebhookTokenPlace::Header { name, prefix } => received
            .header(name)
            .and_then(|value| after(prefix, &value).map(str::to_owned)),
        WebhookTokenPlace::Query { name } => received.query(name),
    };
    match offered.is_some_and(|offered| is_one_of(&offered, &scheme.secrets)) {
        true => Ok(()),
        false => Err(Unverified::Token),
    }
}

/// RFC 7617 §2.
fn basic(scheme: &BasicVerification, received: &Received) -> Result<(), Unverified> {
    let offered = received.header(&header::AUTHORIZATION).unwrap_or_default();
    let offered =
        after("Basic ", &offered).and_then(|offered| STANDARD.decode(offered.trim()).ok());
    let offered = offered
        .and_then(|offered| String::from_utf8(offered).ok())
        .unwrap_or_default();
    let (username, password) = offered.split_once(':').unwrap_or_default();
    let password_is_ours = is_one_of(password, &scheme.passwords);
    match is_same(username, &scheme.username) && password_is_ours {
        true => Ok(()),
        false => Err(Unverified::Basic),
    }
}

/// The names of schemes know no case (RFC 9110 §11.1).
fn after<'v>(prefix: &str, value: &'v str) -> Option<&'v str> {
    let (start, rest) = value.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn is_one_of(offered: &str, secrets: &[SecretString]) -> bool {
    secrets.iter().fold(false, |found, secret| {
        found | is_same(offered, secret.expose_secret())
    })
}

/// Hashes are as long for any text, so not even the length of a secret shows in the time it takes.
fn is_same(offered: &str, secret: &str) -> bool {
    Sha256::digest(offered)
        .ct_eq(&Sha256::digest(secret))
        .into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::{received::Received, testing},
        *,
    };

    const NOON: i64 = 1_700_000_000;

    fn verified(section: &str, secrets: [&str; 2], received: &Received) -> Result<(), Unverified> {
        let flow = testing::flow(&format!("verify: {section}"), secrets);
        verify(&flow.extract.webhook.as_ref().unwrap().verify, received)
    }

    /// The values of <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.
    #[test]
    fn what_github_signs_is_believed() {
        let github = |signature, body| {
            let received = testing::received(NOON, &[("X-Hub-Signature-256", signature)], body);
            verified(
                "{ github: { secrets: [\"${OLD}\"] } }",
                ["It's a Secret to Everybody", ""],
                &received,
            )
        };
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(github(signature, "Hello, World!"), Ok(()));
        let wrong = Err(Unverified::WrongSignature(
            "x-hub-signature-256".parse().unwrap(),
        ));
        assert_eq!(github(signature, "Hello, World"), wrong);
        for other in [
            "",
            "sha256=",
            &signature[..70],
            &signature[7..],
            &signature.replace("256", "1"),
            "sha256=zz",
        ] {
            assert_eq!(github(other, "Hello, World!"), wrong, "{other}");
        }
    }

    /// Made as <https://docs.stripe.com/webhooks/signatures> says, with OpenSSL; it has no vector.
    #[test]
    fn what_stripe_signs_is_believed_while_it_is_new() {
        let body = r#"{"id":"evt_1","type":"customer.updated"}"#;
        let stripe = |at, signature: &str| {
            let received = testing::received(at, &[("Stripe-Signature", signature)], body);
            verified(
                "{ stripe: { secrets: [\"${OLD}\"] } }",
                ["whsec_test_secret", ""],
                &received,
            )
        };
        let ours = "v1=f4d0c71a3be0787e382efb4a48964e2a27d880235a345a9b5fa0812d59396886";
        let at = 1_492_774_577;
        assert_eq!(stripe(at, &format!("t={at},{ours}")), Ok(()));
        let others = format!("v1={}", "0".repeat(64));
        assert_eq!(
            stripe(at + 300, &format!("t={at},{others},{ours},v0=00")),
            Ok(())
        );
        assert_eq!(
            stripe(at + 301, &format!("t={at},{ours}")),
            Err(Unverified::NotNow)
        );
        assert_eq!(
            stripe(at - 301, &format!("t={at},{ours}")),
            Err(Unverified::NotNow)
        );
        for header in [
            ours,
            &format!("t={at}"),
            &format!("t={at},v0={}", &ours[3..]),
            "t=,v1=",
            "t,v1",
            ",,",
        ] {
            assert!(stripe(at, header).is_err(), "{header}");
        }
    }

    #[test]
    fn two_times_of_signing_are_none() {
        let signature = "t=1700000000,t=1492774577,v1=f4d0c71a3be0787e382efb4a48964e2a27d880235a345a9b5fa0812d59396886";
        let received = testing::received(NOON, &[("Stripe-Signature", signature)], "{}");
        let verified = verified(
            "{ stripe: { secrets: [\"${OLD}\"] } }",
            ["whsec_test_secret", ""],
            &received,
        );
        assert!(
            matches!(verified, Err(Unverified::Content(_))),
            "{verified:?}"
        );
    }

    /// Made as <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries> says, with OpenSSL; it
    /// has no vector.
    #[test]
    fn what_shopify_signs_is_believed() {
        let shopify = |signature, body| {
            let received = testing::received(NOON, &[("X-Shopify-Hmac-SHA256", signature)], body);
            verified(
                "{ shopify: { secrets: [\"${OLD}\"] } }",
                ["hush", ""],
                &received,
            )
        };
        let (signature, body) = (
            "qBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I=",
            r#"{"id":820982911946154508}"#,
        );
        assert_eq!(shopify(signature, body), Ok(()));
        assert!(shopify(signature, r#"{"id":820982911946154509}"#).is_err());
        assert!(shopify("rBvrsZF7RfB1iS6BX6IHqJTp5L911P7intnPeTPsH0I=", body).is_err());
        assert!(shopify("not base64!", body).is_err());
    }

    /// The vector of the specification's own libraries.
    const STANDARD_BODY: &str = r#"{"test": 2432232314}"#;
    const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const STANDARD_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const STANDARD_TIME: i64 = 1_614_265_330;

    fn standard(
        at: i64,
        id: &str,
        time: &str,
        signatures: &str,
        body: &str,
    ) -> Result<(), Unverified> {
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", time),
            ("webhook-signature", signatures),
        ];
        let received = testing::received(at, &headers, body);
        let section = "{ standard_webhooks: { secrets: [\"${OLD}\", \"${NEW}\"] } }";
        verified(
            section,
            ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", STANDARD_SECRET],
            &received,
        )
    }

    #[test]
    fn what_is_signed_by_the_standard_is_believed() {
        let (id, time) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        assert_eq!(
            standard(STANDARD_TIME, id, time, STANDARD_SIGNATURE, STANDARD_BODY),
            Ok(())
        );
        let rotated = format!("v1,AAAA v1a,BBBB {STANDARD_SIGNATURE}");
        assert_eq!(
            standard(STANDARD_TIME, id, time, &rotated, STANDARD_BODY),
            Ok(())
        );
        assert!(
            standard(
                STANDARD_TIME,
                "msg_other",
                time,
                STANDARD_SIGNATURE,
                STANDARD_BODY
            )
            .is_err()
        );
        assert!(
            standard(
                STANDARD_TIME,
                id,
                "1614265331",
                STANDARD_SIGNATURE,
                STANDARD_BODY
            )
            .is_err()
        );
        assert!(standard(STANDARD_TIME, id, time, STANDARD_SIGNATURE, "{}").is_err());
        let late = standard(
            STANDARD_TIME + 301,
            id,
            time,
            STANDARD_SIGNATURE,
            STANDARD_BODY,
        );
        assert_eq!(late, Err(Unverified::NotNow));
    }

    #[test]
    fn what_was_signed_cannot_be_cut_elsewhere() {
        let cut = standard(
            1,
            "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330",
            "1",
            STANDARD_SIGNATURE,
            "x",
        );
        assert!(matches!(cut, Err(Unverified::Content(_))), "{cut:?}");
        let moved = standard(
            1,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330.{",
            STANDARD_SIGNATURE,
            "x",
        );
        assert!(matches!(moved, Err(Unverified::Content(_))), "{moved:?}");
    }

    /// The example of <https://docs.slack.dev/authentication/verifying-requests-from-slack>.
    #[test]
    fn a_signature_of_another_kind_can_be_described() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
            &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=\
            https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
            &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let section = r#"{ hmac: { secrets: ["${OLD}"], header: X-Slack-Signature, prefix: v0=,
          content: 'v0:{$headers["x-slack-request-timestamp"]}:{.}', timestamp: '$headers["x-slack-request-timestamp"]' } }"#;
        let slack = |at, time| {
            let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
            let headers = [
                ("X-Slack-Signature", signature),
                ("X-Slack-Request-Timestamp", time),
            ];
            let received = testing::received(at, &headers, body);
            verified(section, ["8f742231b10e8888abcd99yyyzzz85a5", ""], &received)
        };
        assert_eq!(slack(1_531_420_618, "1531420618"), Ok(()));
        assert_eq!(slack(1_531_421_618, "1531420618"), Err(Unverified::NotNow));
        assert!(matches!(
            slack(1_531_420_618, "1531420617"),
            Err(Unverified::WrongSignature(_))
        ));
        assert!(matches!(
            slack(1_531_420_618, "soon"),
            Err(Unverified::Content(_))
        ));
    }

    /// Test case 2 of RFC 2202 §3.
    #[test]
    fn sha_1_is_there_for_those_who_have_no_better() {
        let section =
            "{ hmac: { secrets: [\"${OLD}\", \"${NEW}\"], header: X-Signature, algorithm: sha1 } }";
        let headers = [("X-Signature", "EFFCDF6AE5EB2FA2D27416D5F184DF9C259A7C79")];
        let received = testing::received(NOON, &headers, "what do ya want for nothing?");
        assert_eq!(verified(section, ["another", "Jefe"], &received), Ok(()));
        assert!(verified(section, ["another", "jefe"], &received).is_err());
    }

    #[test]
    fn a_delivery_without_a_signature_is_not_believed() {
        let received = testing::received(NOON, &[], "{}");
        let verified = verified(
            "{ github: { secrets: [\"${OLD}\"] } }",
            ["secret", ""],
            &received,
        );
        assert_eq!(
            verified,
            Err(Unverified::NotSigned(
                "x-hub-signature-256".parse().unwrap()
            ))
        );
    }

    #[test]
    fn any_of_several_tokens_is_believed() {
        let section = "{ token: { secrets: [\"${OLD}\", \"${NEW}\"], header: Authorization, prefix: \"Bearer \" } }";
        let token = |value| {
            let received = testing::received(NOON, &[("Authorization", value)], "{}");
            verified(section, ["old", "new"], &received)
        };
        for believed in ["Bearer old", "bearer new"] {
            assert_eq!(token(believed), Ok(()), "{believed}");
        }
        for other in [
            "",
            "Bearer",
            "Bearer ",
            "old",
            "Bearer old ",
            "Bearer ol",
            "Bearer old, Bearer new",
        ] {
            assert_eq!(token(other), Err(Unverified::Token), "{other}");
        }
    }

    #[test]
    fn a_token_may_stand_in_the_query() {
        let section = "{ token: { secrets: [\"${OLD}\"], query: token } }";
        let token = |query: Option<&str>| {
            let received = Received::new(
                Default::default(),
                query.map(str::to_owned),
                Default::default(),
            );
            verified(section, ["a b/c", ""], &received)
        };
        assert_eq!(token(Some("x=1&token=a+b%2Fc")), Ok(()));
        for other in [
            None,
            Some(""),
            Some("token"),
            Some("token=a"),
            Some("Token=a+b%2Fc"),
            Some("token=%ff"),
        ] {
            assert_eq!(token(other), Err(Unverified::Token), "{other:?}");
        }
    }

    /// The example of RFC 7617 §2.
    #[test]
    fn a_user_s_name_and_password_are_believed() {
        let section = "{ basic: { username: Aladdin, passwords: [\"${OLD}\", \"${NEW}\"] } }";
        let basic = |value: &str| {
            let received = testing::received(NOON, &[("Authorization", value)], "{}");
            verified(section, ["closed sesame", "open sesame"], &received)
        };
        assert_eq!(basic("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), Ok(()));
        for (username, password) in [
            ("aladdin", "open sesame"),
            ("Aladdin", ""),
            ("", "open sesame"),
        ] {
            let value = format!(
                "Basic {}",
                STANDARD.encode(format!("{username}:{password}"))
            );
            assert_eq!(
                basic(&value),
                Err(Unverified::Basic),
                "{username}:{password}"
            );
        }
        for other in [
            "",
            "Basic",
            "Basic QWxhZGRpbg==",
            "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic /w==",
        ] {
            assert_eq!(basic(other), Err(Unverified::Basic), "{other}");
        }
    }
}
