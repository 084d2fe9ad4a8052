//! Compiling `load.table`.

use pomost_models::table::{ColumnsSection, TableSection};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Compile;
use crate::{
    environment::Environment,
    table::{TableColumn, TableDestination, TableName},
};

/// PostgreSQL cuts longer names off, and two of them might become one.
const LONGEST_NAME: usize = 63;

/// What a database's URL may have behind its question mark, as its driver reads it.
const PARAMETERS: [&str; 19] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslmode",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// How a database may be spoken to.
const TLS_MODES: [&str; 3] = ["disable", "prefer", "require"];

pub(crate) fn compile(
    compile: &mut Compile<'_>,
    section: &TableSection,
    environment: &Environment,
) -> Option<TableDestination> {
    let database = database(compile, section, environment);
    let ca = super::optional(section.ca.as_ref(), |ca| {
        compile.certificates("/load/table/ca", ca, environment)
    });
    let name = name(compile, &section.name);
    let key = identifier(compile, "/load/table/key", &section.key);
    let columns = columns(compile, &section.columns, &section.key);
    compile.check_timeout("/load/table/timeout", Some(section.timeout));
    Some(TableDestination {
        database: database?,
        ca: ca?,
        name: name?,
        key: key?,
        create: section.create,
        columns: columns?,
        concurrency: section.concurrency as usize,
        timeout: section.timeout.0,
    })
}

/// What cannot be read is not shown: it may hold the password.
fn database(
    compile: &mut Compile<'_>,
    section: &TableSection,
    environment: &Environment,
) -> Option<SecretString> {
    let pointer = "/load/table/database";
    let database = compile.secret(pointer, &section.database, environment)?;
    let url = Url::parse(database.expose_secret());
    let is_postgres =
        |url: &Url| matches!(url.scheme(), "postgres" | "postgresql") && url.has_host();
    let Some(url) = url.ok().filter(is_postgres) else {
        let expected =
            "is to be postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %XX for special characters";
        compile.refuse(pointer, format!("{} {expected}", section.database.0));
        return None;
    };
    let parameters = url
        .query_pairs()
        .all(|(name, value)| check_parameter(compile, &name, &value));
    parameters.then_some(database)
}

/// What the driver would refuse, and every loader with it.
fn check_parameter(compile: &mut Compile<'_>, name: &str, value: &str) -> bool {
    let pointer = "/load/table/database";
    if !PARAMETERS.contains(&name) {
        let known = format!("known are: {}", PARAMETERS.join(", "));
        compile.refuse_with_help(
            pointer,
            format!("the URL's parameter '{name}' is not known here"),
            known,
        );
        return false;
    }
    let is_known = name != "sslmode" || TLS_MODES.contains(&value);
    if !is_known {
        let help = "certificates are verified with 'require', by load.table.ca where that is given";
        let message = format!("the URL's sslmode is to be one of {}", TLS_MODES.join(", "));
        compile.refuse_with_help(pointer, message, help);
    }
    is_known
}

fn name(compile: &mut Compile<'_>, name: &str) -> Option<TableName> {
    let pointer = "/load/table/name";
    let (schema, table) = match name.split_once('.') {
        Some((schema, table)) => (Some(schema), table),
        None => (None, name),
    };
    if table.contains('.') {
        let message = "expected the name of a table, sales, or with its schema, reporting.sales";
        compile.refuse_with_help(pointer, message, "a database stands in the URL");
        return None;
    }
    let schema = super::optional(schema, |schema| identifier(compile, pointer, schema));
    let table = identifier(compile, pointer, table);
    Some(TableName {
        schema: schema?,
        table: table?,
    })
}

fn columns(
    compile: &mut Compile<'_>,
    section: &ColumnsSection,
    key: &str,
) -> Option<Vec<TableColumn>> {
    let place = "/load/table/columns";
    if section.0.is_empty() {
        compile.refuse_key(
            place,
            "expected at least one column and its type, such as total: numeric",
        );
        return None;
    }
    if section.0.iter().any(|(name, _)| name == key) {
        let message = format!("the column '{key}' holds the records' keys, so no field goes there");
        let help = "leave it out, or name another column for the keys in 'key'";
        compile.refuse_key_with_help(&format!("{place}/{key}"), message, help);
    }
    let column = |(name, kind): &(String, _)| {
        let name = identifier(compile, &format!("{place}/{name}"), name)?;
        Some(TableColumn {
            name,
            column_type: *kind,
        })
    };
    let columns: Vec<_> = section.0.iter().map(column).collect();
    columns.into_iter().collect()
}

/// A name that PostgreSQL takes, in quotes, as it is.
fn identifier(compile: &mut Compile<'_>, pointer: &str, name: &str) -> Option<String> {
    let fits = (1..=LONGEST_NAME).contains(&name.len()) && !name.contains(char::is_control);
    if !fits {
        let expected =
            format!("expected a name of 1 to {LONGEST_NAME} bytes without control characters");
        compile.refuse_key(pointer, expected);
        return None;
    }
    Some(name.to_owned())
}
