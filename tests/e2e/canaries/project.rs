//! A project full of marked values.

use std::path::Path;

use serde_json::{Value, json};

/// The secret of the webhook.
pub(crate) const WEBHOOK_SECRET: &str = "CANARY-webhook";

/// The names of secrets, and the texts by which requests show them.
pub(crate) const SECRETS: [(&str, &str); 8] = [
    ("BEARER", "Bearer CANARY-bearer/+="),
    ("HEADER_KEY", "x-api-key: CANARY-header/+="),
    ("QUERY_KEY", "api_key=CANARY-query%2F%2B%3D"),
    // user:CANARY-password/+=
    ("PASSWORD", "Basic dXNlcjpDQU5BUlktcGFzc3dvcmQvKz0="),
    ("CLIENT_SECRET", "client_secret=CANARY-client%2F%2B%3D"),
    ("LOGIN", "CANARY-login/+="),
    ("access token", "Bearer CANARY-access/+="),
    ("session", "Bearer CANARY-session/+="),
];

const ENVIRONMENT: &str = "BEARER=CANARY-bearer/+=
HEADER_KEY=CANARY-header/+=
QUERY_KEY=CANARY-query/+=
PASSWORD=CANARY-password/+=
CLIENT_SECRET=CANARY-client/+=
LOGIN=CANARY-login/+=
WEBHOOK=CANARY-webhook
WAREHOUSE=postgres://user:CANARY-database@127.0.0.1:1/nowhere
PEM=CANARY-pem
";

const SYSTEMS: [(&str, &str); 6] = [
    ("bearer", "bearer: { token: \"${BEARER}\" }"),
    (
        "header",
        "api_key: { header: X-Api-Key, value: \"${HEADER_KEY}\" }",
    ),
    (
        "query",
        "api_key: { query: api_key, value: \"${QUERY_KEY}\" }",
    ),
    (
        "basic",
        "basic: { username: user, password: \"${PASSWORD}\" }",
    ),
    (
        "oauth",
        "oauth2: { grant: client_credentials, token_url: URL/token, client_id: id, client_secret: \"${CLIENT_SECRET}\", client_auth: body }",
    ),
    (
        "login",
        "session: { request: POST /login, body: ., credentials: { password: \"${LOGIN}\" }, token: .body.token }",
    ),
];

/// A flow of the project.
pub(crate) struct CanaryFlow {
    pub(crate) name: &'static str,
    /// True where records die in it.
    pub(crate) dies: bool,
    text: &'static str,
}

const fn dies(name: &'static str, text: &'static str) -> CanaryFlow {
    CanaryFlow {
        name,
        dies: true,
        text,
    }
}

const fn lives(name: &'static str, text: &'static str) -> CanaryFlow {
    CanaryFlow {
        name,
        dies: false,
        text,
    }
}

/// The flows. `ROWS` stands for reading rows, `TO` for a system that is written to.
pub(crate) const FLOWS: [CanaryFlow; 28] = [
    dies(
        "refused",
        "ROWS\nload: { system: header, create: { request: \"POST /answer/422?mail={.email}\", id: .id } }",
    ),
    dies(
        "refused_path",
        "ROWS\nload: { system: query, create: { request: \"POST /answer/400/{.email}\", id: .id } }",
    ),
    dies(
        "refused_bearer",
        "ROWS\nload: { system: bearer, create: { request: POST /answer/422, id: .id } }",
    ),
    dies(
        "refused_basic",
        "ROWS\nload: { system: basic, create: { request: POST /answer/422, id: .id } }",
    ),
    dies(
        "refused_oauth",
        "ROWS\nload: { system: oauth, create: { request: POST /answer/422, id: .id } }",
    ),
    dies(
        "refused_login",
        "ROWS\nload: { system: login, create: { request: POST /answer/422, id: .id } }",
    ),
    dies(
        "redirected",
        "ROWS\nload: { system: query, create: { request: \"POST /answer/302?mail={.email}\", id: .id } }",
    ),
    dies(
        "conflicting",
        "ROWS\nload: { system: query, create: { request: POST /answer/409, id: .id }, update: { request: PUT /x }, lookup: { request: \"GET /answer/422?mail={.email}\", id: .id } }",
    ),
    dies(
        "strange",
        "ROWS\nload: { system: query, create: { request: POST /strange, id: .id } }",
    ),
    dies(
        "doubtful",
        "ROWS\nload: { system: query, create: { request: POST /answer/201, id: .id } }",
    ),
    dies(
        "batched",
        "ROWS\nload: { system: query, create: { request: POST /batch, body: \"[.[] | .data]\" }, batch: { size: 10, results: \".results[]\", rejected: .error } }",
    ),
    dies(
        "mapped_number",
        "ROWS\ntransform: { map: \"{ key, n: (.email | tonumber) }\" }\nTO",
    ),
    dies(
        "mapped_error",
        "ROWS\ntransform: { map: \".email | error\" }\nTO",
    ),
    dies(
        "mapped_index",
        "ROWS\ntransform: { map: \"{ key, n: .email.domain, m: .[.email].x }\" }\nTO",
    ),
    dies(
        "mapped_text",
        "ROWS\ntransform: { map: \"error({ no: .email })\" }\nTO",
    ),
    dies(
        "mapped_endless",
        "ROWS\ntransform: { map: \".email | until(false; . + .)\" }\nTO",
    ),
    dies("expected", "ROWS, expect: schemas/strict.json }\nTO"),
    dies(
        "produced",
        "ROWS\ntransform: { map: ., produce: schemas/strict.json }\nTO",
    ),
    dies(
        "formed",
        "ROWS\nload: { system: query, create: { request: POST /x, body: \"{ a: { b: .email } }\", body_format: form, id: .id } }",
    ),
    dies(
        "keyed",
        "extract: { system: bearer, request: GET /rows/keyed, records: \".rows[]\", key: .email, schedule: { every: 1h } }\nload: { system: query, create: { request: \"POST /answer/422/{$key}\", id: .id } }",
    ),
    dies(
        "fetched",
        "ROWS, fetch: { request: \"GET /answer/422?mail={.email}\" } }\nTO",
    ),
    dies(
        "filed",
        "ROWS\nload: { files: { directory: out, format: { csv: { names: [key] } } } }",
    ),
    dies(
        "hooked",
        "extract: { system: bearer, key: .key, webhook: { path: /hook, verify: { token: { secrets: [\"${WEBHOOK}\"], header: X-Token } } } }\nload: { system: query, create: { request: \"POST /answer/422\", id: .id } }",
    ),
    dies(
        "told",
        "extract: { system: bearer, key: .key, fetch: { request: \"GET /answer/422?mail={.email}\" }, webhook: { path: /told, verify: { token: { secrets: [\"${WEBHOOK}\"], header: X-Token } } } }\nload: { system: query, create: { request: \"POST /answer/422\", id: .id } }",
    ),
    lives(
        "flaky",
        "ROWS\nload: { system: query, create: { request: \"POST /flaky/{$key}?mail={.email}\", id: .id } }",
    ),
    lives(
        "broken_json",
        "extract: { system: query, request: GET /broken/json, records: \".rows[]\", key: .key, schedule: { every: 1h } }\nTO",
    ),
    lives(
        "waiting",
        "ROWS\nload: { system: query, create: { request: POST /answer/503, id: .id } }",
    ),
    lives(
        "tabled",
        "ROWS\nload: { table: { database: \"${WAREHOUSE}\", name: t, columns: { email: text } } }",
    ),
];

/// Files with mistakes beside their secrets.
pub(crate) const BROKEN: [(&str, &str); 3] = [
    (
        "systems/literal.yaml",
        "system: literal\nbase_url: http://127.0.0.1:1\nauth: { bearer: { token: CANARY-literal } }\n",
    ),
    (
        "systems/tls.yaml",
        "system: tls\nbase_url: https://127.0.0.1:1\ntls: { certificate: \"${PEM}\", key: \"${PEM}\" }\n",
    ),
    (
        "systems/signing.yaml",
        "system: signing\nbase_url: http://127.0.0.1:1\nauth: { oauth2: { grant: jwt_bearer, token_url: \"http://127.0.0.1:1/t\", client_id: x, private_key: \"${PEM}\" } }\n",
    ),
];

/// Writes the project for a server.
pub(crate) fn write(directory: &Path, url: &str) {
    let write = |path: String, text: String| {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(".env".into(), ENVIRONMENT.into());
    write(
        "schemas/strict.json".into(),
        json!({ "properties": { "email": { "enum": ["x"], "maxLength": 3 } } }).to_string(),
    );
    for (name, auth) in SYSTEMS {
        let auth = auth.replace("URL", url);
        write(
            format!("systems/{name}.yaml"),
            // A request that a kill interrupts is in doubt for this time.
            format!("system: {name}\nbase_url: {url}\ntimeout: 5s\nauth:\n  {auth}\n"),
        );
    }
    for flow in &FLOWS {
        let rows = format!(
            "extract: {{ system: bearer, request: GET /rows/{}, records: \".rows[]\", key: .key, schedule: {{ every: 1h }}",
            flow.name
        );
        let text = flow
            .text
            .replace("ROWS,", &format!("{rows},"))
            .replace("ROWS\n", &format!("{rows} }}\n"));
        let text = text.replace(
            "TO",
            "load: { system: query, create: { request: POST /flaky/x, id: .id } }",
        );
        // A create that a kill interrupts is repeated, except where it is to be in doubt or is
        // looked up.
        let text = match flow.name {
            "doubtful" | "conflicting" => text,
            _ => text.replace("id: .id } }", "id: .id, idempotency_header: Key } }"),
        };
        write(
            format!("flows/{}.yaml", flow.name),
            format!("flow: {}\n{text}\nsensitive: [.email]\n", flow.name),
        );
    }
}

/// The rows of the source.
pub(crate) fn rows(flow: &str) -> Vec<Value> {
    (0..2)
        .map(|number| json!({ "key": format!("{flow}-{number}"), "email": email(number) }))
        .collect()
}

/// The body of a delivery.
pub(crate) fn delivery() -> String {
    json!({ "key": "delivered", "email": email(9) }).to_string()
}

/// An address with characters that JSON, URLs and HTML escape.
fn email(number: usize) -> String {
    format!("CANARY-mail-{number} \"ż\" & <it's>/@x.pl")
}
