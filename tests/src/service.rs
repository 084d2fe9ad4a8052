//! A service as a process.

use std::{
    fs::File,
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
};

use crate::eventually;

/// Number of bytes that a file may have on a full disk: enough for the log of a short test, and for
/// no database.
const FULL_DISK_BYTES: u64 = 64 * 1024;

/// Time that a process may take to end.
const EXIT_TIMEOUT: Duration = Duration::from_secs(60);

/// A service as a process, which may be started many times. Dropped, it is killed.
pub struct Service {
    /// The name of its binary.
    pub name: &'static str,
    arguments: &'static [&'static str],
    wrapper: &'static [&'static str],
    environment: Vec<(String, String)>,
    logs: PathBuf,
    starts: usize,
    child: Option<Child>,
    /// The moment of the last signal to end.
    signalled_at: Instant,
}

/// The end of a process.
#[derive(Debug)]
pub struct ServiceExit {
    /// Its exit code, or the signal that ended it.
    pub status: ExitStatus,
    /// Time from the signal to its end.
    pub took: Duration,
    /// True where its log had said that it is ready.
    pub was_ready: bool,
}

impl ServiceExit {
    /// True where it ended as it should after SIGTERM: with code 0, or by the signal where that
    /// came before it listened for signals.
    pub fn is_orderly(&self) -> bool {
        let by_the_signal = self.status.signal() == Some(Signal::TERM.as_raw());
        self.status.success() || (by_the_signal && !self.was_ready)
    }
}

impl Service {
    /// A service that is not started yet. Its environment is this and nothing else; each start has
    /// a log file of its own in `logs`.
    pub fn new(name: &'static str, environment: Vec<(String, String)>, logs: PathBuf) -> Service {
        let (arguments, wrapper): (&[_], &[_]) = (&[], &[]);
        let (starts, child, signalled_at) = (0, None, Instant::now());
        Service {
            name,
            arguments,
            wrapper,
            environment,
            logs,
            starts,
            child,
            signalled_at,
        }
    }

    /// The service with arguments.
    pub fn with_arguments(self, arguments: &'static [&'static str]) -> Service {
        Service { arguments, ..self }
    }

    /// The service with another value of a variable of its environment.
    pub fn with_variable(mut self, variable: &str, value: String) -> Service {
        self.environment.retain(|(name, _)| name != variable);
        self.environment.push((variable.to_owned(), value));
        self
    }

    /// The service without the signal that would end it after [`Service::set_full_disk`]: its
    /// writes fail with an error instead.
    pub fn surviving_a_full_disk(self) -> Service {
        Service {
            wrapper: &["/usr/bin/env", "--ignore-signal=XFSZ"],
            ..self
        }
    }

    /// Starts it.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        self.starts += 1;
        let log = File::create(self.log_file(self.starts)).unwrap();
        let binary = binary(self.name);
        let mut command = self.wrapper.iter().map(Path::new).chain([&*binary]);
        let child = Command::new(command.next().unwrap())
            .args(command)
            .args(self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Starts it again where it has ended by itself before it was ready, as an orchestrator would
    /// when servers went away meanwhile.
    pub fn restart_if_it_gave_up(&mut self) {
        let Some(ended) = self
            .child
            .as_mut()
            .and_then(|child| child.try_wait().unwrap())
        else {
            return;
        };
        assert!(
            self.address().is_none(),
            "{} was ready, and ended by itself with {ended:?}",
            self.name
        );
        self.child = None;
        self.start();
    }

    /// Waits until it is ready; returns the address of its health endpoints.
    pub async fn ready(&mut self) -> SocketAddr {
        eventually(async || {
            let ended = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().unwrap());
            assert!(
                ended.is_none(),
                "{} ended before it was ready, with {ended:?}",
                self.name
            );
            self.address().ok_or(format!("{} is not ready", self.name))
        })
        .await
    }

    /// The address of its health endpoints, once it is ready.
    fn address(&self) -> Option<SocketAddr> {
        let lines = std::fs::read_to_string(self.log_file(self.starts)).unwrap();
        lines.lines().find_map(ready_address)
    }

    /// Kills it without a warning.
    pub async fn kill(&mut self) {
        self.end(Signal::KILL).await;
    }

    /// Sends SIGTERM, as an upgrade would, and waits until it has ended.
    pub async fn terminate(&mut self) -> ServiceExit {
        self.end(Signal::TERM).await
    }

    /// Sends SIGTERM without waiting for the end.
    pub fn ask_to_end(&mut self) {
        self.signal_end(Signal::TERM);
    }

    /// Waits until it has ended after [`Service::ask_to_end`].
    pub async fn ended(&mut self) -> ServiceExit {
        let was_ready = self.address().is_some();
        let mut child = self.child.take().unwrap();
        let ending = tokio::time::timeout(EXIT_TIMEOUT, child.wait());
        let status = ending
            .await
            .unwrap_or_else(|_| panic!("{} does not end", self.name));
        ServiceExit {
            status: status.unwrap(),
            took: self.signalled_at.elapsed(),
            was_ready,
        }
    }

    /// Pauses the process: it is there and does nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Service::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Makes its disk full, or not: files can then be written in their first bytes, where the log
    /// is, and no further.
    pub fn set_full_disk(&self, full: bool) {
        let limit = Rlimit {
            current: full.then_some(FULL_DISK_BYTES),
            maximum: None,
        };
        prlimit(Some(self.id()), Resource::Fsize, limit).unwrap();
    }

    /// Number of bytes of its resident set.
    pub fn memory_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.id().as_raw_nonzero()))
                .unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// True where it was started and has not been ended since.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// The logs of all its starts.
    pub fn log(&self) -> String {
        (1..=self.starts)
            .map(|start| std::fs::read_to_string(self.log_file(start)).unwrap())
            .collect()
    }

    /// Waits until its log has a text.
    pub async fn wait_for_log(&self, text: &str) {
        self.wait_for_log_after(0, text).await;
    }

    /// Waits until its [`Service::log`] has a text after its first `bytes`.
    pub async fn wait_for_log_after(&self, bytes: usize, text: &str) {
        eventually(async || match self.log()[bytes..].contains(text) {
            true => Ok(()),
            false => Err(format!("{} has not logged '{text}'", self.name)),
        })
        .await;
    }

    /// Sends a GET request to its health endpoints; returns the status and the body of the
    /// response.
    pub async fn get(&mut self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.ready().await).await.unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        )
    }

    async fn end(&mut self, signal: Signal) -> ServiceExit {
        self.signal_end(signal);
        self.ended().await
    }

    fn signal_end(&mut self, signal: Signal) {
        self.signalled_at = Instant::now();
        self.signal(signal);
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    fn id(&self) -> Pid {
        let id = self
            .child
            .as_ref()
            .and_then(Child::id)
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        id.unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    fn log_file(&self, start: usize) -> PathBuf {
        self.logs.join(format!("{}.{start}.log", self.name))
    }
}

/// The binary of the same build as this test.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test
        .parent()
        .and_then(|deps| deps.parent())
        .unwrap()
        .join(name);
    assert!(
        path.exists(),
        "{} is missing: build the binaries, or use ./tests/run",
        path.display()
    );
    path
}

fn ready_address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    (line["message"] == "ready" || line["message"] == "running")
        .then(|| line["address"].as_str()?.parse().ok())
        .flatten()
}
