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

/// The time within which a node has to start or to stop.
const NODE_TIMEOUT: Duration = Duration::from_secs(90);

/// The node's name. It may be the same for all nodes, since each has an epmd of its own.
const NODE_NAME: &str = "pomost@localhost";

/// The places where packages put the start script itself. The one in `/usr/sbin` changes the user
/// and the directory.
const START_SCRIPTS: [&str; 3] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/sbin/rabbitmq-server",
];

/// A RabbitMQ node on loopback, with its own data, cookie and address. All of it is removed with
/// the value, and its processes end with this process, however that ends.
///
/// Its methods are for tests: they panic when the node does not do as it is told.
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

    /// The node's URL, with its default user.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}", self.address)
    }

    /// The addresses on which the node's processes listen: for clients, for other nodes, and for
    /// requests to epmd.
    pub fn addresses(&self) -> [SocketAddr; 3] {
        [
            self.address,
            loopback(self.distribution),
            loopback(self.epmd.port),
        ]
    }

    /// Tells the node to stop, as an upgrade would, and waits until it has.
    pub async fn stop(&mut self) {
        self.end(|script| kill_process(script, Signal::TERM)).await;
    }

    /// Kills the node without a warning, once it has written its list of queues.
    ///
    /// Old versions write new queues into that file seconds later, and the messages in a queue that
    /// is not listed are lost.
    pub async fn kill(&mut self) {
        let deadline = Instant::now() + NODE_TIMEOUT;
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

    /// Starts the node again after [`PrivateNode::stop`] or [`PrivateNode::kill`], with the data it
    /// had.
    pub async fn start_again(&mut self) {
        self.process = Some(self.command().spawn().unwrap());
        let deadline = Instant::now() + NODE_TIMEOUT;
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

    /// Stops the node and starts it again.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }

    /// Switches the memory alarm on or off. During an alarm the node takes nothing from publishers.
    /// Returns once the node knows.
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

    /// Starts the node again with another port where it gave up, since another process took its
    /// port.
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

    /// The command that starts the node. The start script waits for the node, so both end together.
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

    /// Adds the environment that the node's programs need.
    fn environment(&self, mut command: Command) -> Command {
        let home = self.directory.path();
        command
            .env("HOME", home)
            .env("ERL_EPMD_PORT", self.epmd.port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", NODE_NAME)
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
        let deadline = Instant::now() + NODE_TIMEOUT;
        while process.try_wait().unwrap().is_none() || listens(self.address) {
            assert!(
                Instant::now() < deadline,
                "the node does not end; its log: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// True when the file with the list of queues names the directory of each quorum queue.
    fn lists_all_queues(&self) -> bool {
        let quorum = self
            .directory
            .path()
            .join("data")
            .join(NODE_NAME)
            .join("quorum")
            .join(NODE_NAME);
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

/// The daemon that tells nodes of each other. Without it the node would start one that outlives it.
struct Epmd {
    port: u16,
    process: Child,
}

impl Epmd {
    /// Starts the daemon and waits until it answers. It gets another port where the first was taken
    /// meanwhile.
    async fn start() -> Epmd {
        let deadline = Instant::now() + NODE_TIMEOUT;
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

/// A command that is told to end when this process has ended, even if this process is killed. Its
/// own process group keeps the terminal's signals away from it until then.
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

/// A port of 127.0.0.1 that is free now, for processes that cannot listen on another loopback
/// address.
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

/// The program that controls a running node, which is beside the start script.
fn control() -> PathBuf {
    script().with_file_name("rabbitmqctl")
}

fn script() -> PathBuf {
    let found = START_SCRIPTS
        .iter()
        .map(Path::new)
        .find(|path| path.exists());
    found
        .expect("RabbitMQ is not installed; install the package rabbitmq-server")
        .to_owned()
}
