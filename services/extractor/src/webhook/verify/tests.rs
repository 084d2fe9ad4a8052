#![allow(clippy::unwrap_used)]
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    super::{request::ReceivedRequest, testing},
    *,
};

const NOON: i64 = 1_700_000_000;

fn verified(section: &str, secrets: [&str; 2], received: &ReceivedRequest) -> Result<(), Error> {
    let flow = testing::flow(&format!("verify: {section}"), secrets);
    verify(&flow.extract.webhook.as_ref().unwrap().verify, received)
}

/// The values of
/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.
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
    let wrong = Err(Error::WrongSignature(
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
        Err(Error::TimestampOutOfTolerance)
    );
    assert_eq!(
        stripe(at - 301, &format!("t={at},{ours}")),
        Err(Error::TimestampOutOfTolerance)
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
        matches!(verified, Err(Error::SignedContent(_))),
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

fn standard(at: i64, id: &str, time: &str, signatures: &str, body: &str) -> Result<(), Error> {
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
    assert_eq!(late, Err(Error::TimestampOutOfTolerance));
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
    assert!(matches!(cut, Err(Error::SignedContent(_))), "{cut:?}");
    let moved = standard(
        1,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330.{",
        STANDARD_SIGNATURE,
        "x",
    );
    assert!(matches!(moved, Err(Error::SignedContent(_))), "{moved:?}");
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
    assert_eq!(
        slack(1_531_421_618, "1531420618"),
        Err(Error::TimestampOutOfTolerance)
    );
    assert!(matches!(
        slack(1_531_420_618, "1531420617"),
        Err(Error::WrongSignature(_))
    ));
    assert!(matches!(
        slack(1_531_420_618, "soon"),
        Err(Error::SignedContent(_))
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
        Err(Error::SignatureMissing(
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
        assert_eq!(token(other), Err(Error::Token), "{other}");
    }
}

#[test]
fn a_token_may_stand_in_the_query() {
    let section = "{ token: { secrets: [\"${OLD}\"], query: token } }";
    let token = |query: Option<&str>| {
        let received = ReceivedRequest::new(
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
        assert_eq!(token(other), Err(Error::Token), "{other:?}");
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
        assert_eq!(basic(&value), Err(Error::Basic), "{username}:{password}");
    }
    for other in [
        "",
        "Basic",
        "Basic QWxhZGRpbg==",
        "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Basic /w==",
    ] {
        assert_eq!(basic(other), Err(Error::Basic), "{other}");
    }
}
