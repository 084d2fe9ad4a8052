//! Functions that digest text.

use jaq_core::native::{Fun, bome, run, v};

use super::{AddedFunction, BoundedData, FunctionSubject, no_check, string};

pub(super) const SUBJECT: FunctionSubject = FunctionSubject {
    title: "Digests",
    functions: &FUNCTIONS,
    natives,
    messages: &[],
    messages_about: &[],
    check: no_check,
};

const FUNCTIONS: [AddedFunction; 3] = [
    AddedFunction {
        name: "sha256",
        description: "The SHA-256 of a text's UTF-8, in hexadecimal (FIPS 180-4).",
        example: r#""żółw" | sha256"#,
        gives: r#""f36b811094f4408ff06897bb585bbd814e42bb0463782c8b0b4d28d9ca8e2591""#,
    },
    AddedFunction {
        name: "sha1",
        description: "The SHA-1 of a text's UTF-8, in hexadecimal. No protection against forgery: for systems that ask for it.",
        example: r#""abc" | sha1"#,
        gives: r#""a9993e364706816aba3e25717850c26c9cd0d89d""#,
    },
    AddedFunction {
        name: "md5",
        description: "The MD5 of a text's UTF-8, in hexadecimal (RFC 1321). No protection against forgery: for systems that ask for it.",
        example: r#""abc" | md5"#,
        gives: r#""900150983cd24fb0d6963f7d28e17f72""#,
    },
];

fn natives() -> Vec<Fun<BoundedData>> {
    vec![
        run(("sha256", v(0), |cv| {
            bome(string(&cv.1).map(|text| sha256(&text).into()))
        })),
        run(("sha1", v(0), |cv| {
            bome(string(&cv.1).map(|text| sha1(&text).into()))
        })),
        run(("md5", v(0), |cv| {
            bome(string(&cv.1).map(|text| md5(&text).into()))
        })),
    ]
}

fn sha256(text: &str) -> String {
    hexadecimal(&<sha2::Sha256 as sha2::Digest>::digest(text))
}

fn sha1(text: &str) -> String {
    hexadecimal(&<sha1::Sha1 as sha1::Digest>::digest(text))
}

fn md5(text: &str) -> String {
    hexadecimal(&<md5::Md5 as md5::Digest>::digest(text))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
