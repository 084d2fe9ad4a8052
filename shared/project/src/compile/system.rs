//! Compiling `systems/*.yaml`.

use std::time::Duration;

use pomost_models::{ByteSize, Period, rate::RateLimitSection, system::SystemFile};
use url::{Host, Url};

use super::{FileCompiler, optional};
use crate::{System, environment::Environment, system::RateLimit};

/// The longest time-out. A message is held while its records are sent, and the broker delivers it
/// again after a while.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// The longest answer, because answers are held in memory.
const LONGEST_ANSWER: ByteSize = ByteSize(1 << 30);

/// The shortest time between two requests, ten thousand a second. Slots are counted in
/// microseconds.
const SHORTEST_INTERVAL: Duration = Duration::from_micros(100);

const LONGEST_PERIOD: Duration = Duration::from_secs(31 * 86_400);

/// The settings of a system that its `auth` depends on.
#[derive(Clone, Copy)]
pub(crate) struct AuthContext {
    /// Allows plain http to other machines.
    pub(crate) allow_http: bool,
    /// True where connections have a client certificate.
    pub(crate) has_certificate: bool,
}

pub(crate) fn compile(
    compiler: &mut FileCompiler<'_>,
    file: &SystemFile,
    name: &str,
    environment: &Environment,
) -> Option<System> {
    compiler.check_name("/system", &file.system.0, name);
    let read_timeout = file.read_timeout.unwrap_or(file.timeout);
    compiler.check_timeout("/timeout", Some(file.timeout));
    compiler.check_timeout("/connect_timeout", Some(file.connect_timeout));
    compiler.check_timeout("/read_timeout", file.read_timeout);
    compiler.check_max_answer(file.max_answer);
    let context = AuthContext {
        allow_http: file.allow_http,
        has_certificate: file
            .tls
            .as_ref()
            .is_some_and(|tls| tls.certificate.is_some()),
    };
    let base_url = base_url(compiler, file, context, environment);
    let auth = compiler.auth(file.auth.as_ref(), context, environment);
    let tls = compiler.tls(file.tls.as_ref(), environment);
    let rate_limit = optional(file.rate_limit, |section| compiler.rate_limit(section));
    let answers = compiler.answers("/answers", &file.answers);
    Some(System {
        name: name.to_owned(),
        digest: compiler.document.digest(),
        base_url: base_url?,
        auth: auth?,
        tls: tls?,
        timeout: file.timeout.0,
        // Connecting is a part of the request, so it may not take longer.
        connect_timeout: file.connect_timeout.0.min(file.timeout.0),
        read_timeout: read_timeout.0,
        max_answer: file.max_answer.0,
        concurrency: file.concurrency as usize,
        rate_limit: rate_limit?,
        answers: answers?,
    })
}

fn base_url(
    compiler: &mut FileCompiler<'_>,
    file: &SystemFile,
    context: AuthContext,
    environment: &Environment,
) -> Option<Url> {
    let text = compiler.resolve("/base_url", &file.base_url, environment)?;
    let mut url = compiler.url("/base_url", &text, context)?;
    if url.query().is_some() {
        compiler.refuse(
            "/base_url",
            "expected a URL without a query; credentials go to 'auth'",
        );
        return None;
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Some(url)
}

impl FileCompiler<'_> {
    /// Compiles a URL that requests may be sent to.
    pub(crate) fn url(&mut self, pointer: &str, text: &str, context: AuthContext) -> Option<Url> {
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                self.refuse(
                    pointer,
                    "expected a URL that begins with https:// or http://",
                );
                return None;
            }
        };
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            self.refuse(
                pointer,
                "expected a URL without user, password and fragment; credentials go to 'auth'",
            );
            return None;
        }
        if url.scheme() == "http" && !context.allow_http && !is_this_machine(&url) {
            self.refuse_with_help(
                pointer,
                "plain http to another machine: credentials and data would cross the network readable",
                "use https, or say allow_http: true if you mean it",
            );
            return None;
        }
        Some(url)
    }

    pub(super) fn check_timeout(&mut self, pointer: &str, timeout: Option<Period>) {
        let timeout = timeout.map(|timeout| timeout.0);
        self.check_not_zero(pointer, timeout);
        if timeout > Some(LONGEST_TIMEOUT) {
            self.refuse(
                pointer,
                "expected 5m at most: a message is held while a request waits for its answer",
            );
        }
    }

    fn rate_limit(&mut self, section: RateLimitSection) -> Option<RateLimit> {
        let RateLimitSection { limit, burst } = section;
        let interval = limit
            .interval()
            .filter(|interval| *interval >= SHORTEST_INTERVAL);
        if interval.is_none() || limit.period.0 > LONGEST_PERIOD {
            let pointer = match self.document.value.pointer("/rate_limit/limit") {
                Some(_) => "/rate_limit/limit",
                None => "/rate_limit",
            };
            self.refuse(
                pointer,
                "expected at least one request in at most 31d, and at most 10000/s",
            );
            return None;
        }
        interval.map(|interval| RateLimit { interval, burst })
    }

    fn check_max_answer(&mut self, size: ByteSize) {
        if size == ByteSize(0) || size > LONGEST_ANSWER {
            self.refuse(
                "/max_answer",
                "expected from 1KiB to 1GiB: the answer is held in memory",
            );
        }
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost" || domain.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
