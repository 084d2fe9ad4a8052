//! A RabbitMQ that a test may stop and kill.
#![allow(clippy::unwrap_used)]

use std::{
    ffi::OsStr,
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::address_of_our_own;
use crate::RabbitMq;

/// How long a node may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(90);

/// Nobody else asks its epmd.
const NAME: &str = "pomost@localhost";

/// Where packages put the script itself. The one in `/usr/sbin` changes the user and the directory.
const SCRIPTS: [&str; 3] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/sbin/rabbitmq-server",
];

/// A RabbitMQ node on loopback, with its own data, cookie and address. All of it goes with the value,
/// and its processes with ours, however that ends.
///
/// Its methods panic where the node does not do what it is told: they are for tests.
pub struct PrivateNode {
    directory: TempDir,
    address: SocketAddr,
    distribution: u16,
    process: Option<Child>,
    epmd: Epmd,
}

impl PrivateNode {
    /// Starts a node and waits until it answers.
    pub async fn start() -> PrivateNode {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("enabled_plugins"), "[].").unwrap();
        std::fs::write(directory.path().join("rabbitmq.conf"), "").unwrap();
        let address = address_of_our_own(5672);
        let mut node = PrivateNode {
            directory,
            address,
            distribution: free_port(),
            process: None,
            epmd: Epmd::start().await,
        };
        node.start_again().await;
        node
    }

    /// Where it listens, with the user it comes with.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}", self.address)
    }

    /// Where its processes listen: for clients, for other nodes, and to tell nodes of each other.
    pub fn addresses(&self) -> [SocketAddr; 3] {
        [
            self.address,
            loopback(self.distribution),
            loopback(self.epmd.port),
        ]
    }

    /// Asks it to stop, as an upgrade would, and waits until it has.
    pub async fn stop(&mut self) {
        self.end(|script| kill_process(script, Signal::TERM)).await;
    }

    /// Kills it without a warning.
    ///
    /// It first waits until the node would know all its queues again: it lists new ones in a file
    /// that old versions write seconds later, and the messages in a queue not listed are lost.
    pub async fn kill(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.lists_all_queues() {
            assert!(
                Instant::now() < deadline,
                "the node does not write its list of queues"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.end(|script| kill_process_group(script, Signal::KILL))
            .await;
    }

    /// Starts it again after [`PrivateNode::stop`] or [`PrivateNode::kill`], with the data it had.
    pub async fn start_again(&mut self) {
        self.process = Some(self.command().spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = RabbitMq::connect(&self.url(), "probe").await {
            assert!(
                Instant::now() < deadline,
                "{error}; its log: {}",
                self.log()
            );
            self.choose_another_port_if_it_gave_up();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Stops it and starts it again.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Has it want more memory than it may have, or no longer: an alarm, during which it takes nothing
    /// from whoever publishes. Returns once the node knows.
    pub async fn set_memory_alarm(&self, on: bool) {
        let share = if on { "0.000001" } else { "0.4" };
        let mut command = self.environment(ending_with_us(control()));
        command.args(["set_vm_memory_high_watermark", share]);
        let set = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        assert!(
            set.status.success(),
            "{}",
            String::from_utf8_lossy(&set.stderr)
        );
    }

    /// It does where somebody took the one it had.
    fn choose_another_port_if_it_gave_up(&mut self) {
        if self
            .process
            .as_mut()
            .expect("it was started")
            .try_wait()
            .unwrap()
            .is_some()
        {
            self.distribution = free_port();
            self.process = Some(self.command().spawn().unwrap());
        }
    }

    /// The script waits for the node, so the end of the one is the end of the other.
    fn command(&self) -> Command {
        let home = self.directory.path();
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.join("output"))
            .unwrap();
        let mut command = self.environment(ending_with_us(script()));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    /// What its programs have to know of it.
    fn environment(&self, mut command: Command) -> Command {
        let home = self.directory.path();
        command
            .env("HOME", home)
            .env("ERL_EPMD_PORT", self.epmd.port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", NAME)
            .env("RABBITMQ_NODE_IP_ADDRESS", self.address.ip().to_string())
            .env("RABBITMQ_NODE_PORT", self.address.port().to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", home.join("data"))
            .env("RABBITMQ_LOG_BASE", home.join("log"))
            .env(
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                home.join("enabled_plugins"),
            )
            .env("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .current_dir(home);
        command
    }

    async fn end(&mut self, signal: impl Fn(Pid) -> rustix::io::Result<()>) {
        let mut process = self.process.take().expect("the node is running");
        signal(Pid::from_child(&process)).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while process.try_wait().unwrap().is_none() || listens(self.address) {
            assert!(
                Instant::now() < deadline,
                "the node does not end; its log: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Each quorum queue has a directory whose name the list repeats.
    fn lists_all_queues(&self) -> bool {
        let quorum = self
            .directory
            .path()
            .join("data")
            .join(NAME)
            .join("quorum")
            .join(NAME);
        let list = std::fs::read(quorum.join("names.dets")).unwrap();
        let entries = std::fs::read_dir(&quorum)
            .unwrap()
            .map(|entry| entry.unwrap());
        let mut queues = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        queues.all(|queue| {
            let queue = queue.file_name();
            list.windows(queue.len())
                .any(|window| window == queue.as_encoded_bytes())
        })
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("output")).unwrap_or_default()
    }
}

impl Drop for PrivateNode {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = kill_process_group(Pid::from_child(&process), Signal::KILL);
            let _ = process.wait();
        }
    }
}

/// What tells nodes of each other. Of our own: the node would start one that outlives it.
struct Epmd {
    port: u16,
    process: Child,
}

impl Epmd {
    /// Starts one and waits until it answers, with another port where somebody took the first meanwhile.
    async fn start() -> Epmd {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut epmd = Epmd::spawn();
            while epmd.process.try_wait().unwrap().is_none() {
                if listens(loopback(epmd.port)) {
                    return epmd;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(Instant::now() < deadline, "epmd does not start");
        }
    }

    fn spawn() -> Epmd {
        let port = free_port();
        let mut command = ending_with_us("epmd");
        command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Epmd {
            port,
            process: command.spawn().unwrap(),
        }
    }
}

impl Drop for Epmd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that is asked to end when we have ended, even if we are killed. A group of its own keeps
/// the terminal's signals away from it until then.
fn ending_with_us(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM"])
        .arg(program)
        .process_group(0);
    command
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A port of 127.0.0.1 that nobody has now: for what listens at no address of our own.
fn free_port() -> u16 {
    TcpListener::bind(loopback(0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn listens(address: SocketAddr) -> bool {
    std::net::TcpStream::connect(address).is_ok()
}

/// The program that tells a running node what to do, beside the script.
fn control() -> PathBuf {
    script().with_file_name("rabbitmqctl")
}

fn script() -> PathBuf {
    let found = SCRIPTS.iter().map(Path::new).find(|path| path.exists());
    found
        .expect("RabbitMQ is not installed; install the package rabbitmq-server")
        .to_owned()
}
