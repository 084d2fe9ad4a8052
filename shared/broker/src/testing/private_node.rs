//! A RabbitMQ that a test may stop and kill.
#![allow(clippy::unwrap_used)]

use std::{
    ffi::OsStr,
    fs::File,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;
use uuid::Uuid;

use crate::RabbitMq;

/// How long a node may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where packages put the script itself. The one in `/usr/sbin` changes the user and the directory.
const SCRIPTS: [&str; 3] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/rabbitmq/sbin/rabbitmq-server",
    "/usr/local/sbin/rabbitmq-server",
];

/// A RabbitMQ node on loopback, with its own data, cookie and ports. All of it goes with the value,
/// and its processes with ours, however that ends.
///
/// Its methods panic where the node does not do what it is told: they are for tests.
pub struct PrivateNode {
    directory: TempDir,
    ports: Ports,
    process: Option<Child>,
    /// Of our own: the node would start one that outlives it.
    epmd: Child,
}

/// Where a node and its epmd listen.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// The node, for clients.
    pub amqp: u16,
    /// The node, for other nodes.
    pub distribution: u16,
    /// The epmd, which tells nodes of each other.
    pub epmd: u16,
}

impl PrivateNode {
    /// Starts a node and waits until it answers.
    pub async fn start() -> PrivateNode {
        let directory = tempfile::tempdir().unwrap();
        let ports = Ports::free();
        std::fs::write(directory.path().join("enabled_plugins"), "[].").unwrap();
        std::fs::write(directory.path().join("rabbitmq.conf"), "").unwrap();
        let mut node = PrivateNode { directory, ports, process: None, epmd: start_epmd(ports.epmd).await };
        node.start_again().await;
        node
    }

    /// Where it listens, with the user it comes with.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.ports.amqp)
    }

    /// Where its processes listen.
    pub fn ports(&self) -> Ports {
        self.ports
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
            assert!(Instant::now() < deadline, "the node does not write its list of queues");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.end(|script| kill_process_group(script, Signal::KILL)).await;
    }

    /// Starts it again after [`PrivateNode::stop`] or [`PrivateNode::kill`], with the data it had.
    pub async fn start_again(&mut self) {
        self.process = Some(self.command().spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = RabbitMq::connect(&self.url(), "probe").await {
            let exit = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(exit.is_none() && Instant::now() < deadline, "{error}; its log: {}", self.log());
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
        let set = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    }

    /// The script waits for the node, so the end of the one is the end of the other.
    fn command(&self) -> Command {
        let home = self.directory.path();
        let log = File::options().create(true).append(true).open(home.join("output")).unwrap();
        let mut command = self.environment(ending_with_us(script()));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        command
    }

    /// What its programs have to know of it.
    fn environment(&self, mut command: Command) -> Command {
        let home = self.directory.path();
        command
            .env("HOME", home)
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", self.name())
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.ports.amqp.to_string())
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", home.join("data"))
            .env("RABBITMQ_LOG_BASE", home.join("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", home.join("enabled_plugins"))
            .env("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .current_dir(home);
        command
    }

    async fn end(&mut self, signal: impl Fn(Pid) -> rustix::io::Result<()>) {
        let mut process = self.process.take().expect("the node is running");
        signal(Pid::from_child(&process)).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while process.try_wait().unwrap().is_none() || listens(self.ports.amqp) {
            assert!(Instant::now() < deadline, "the node does not end; its log: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Each quorum queue has a directory whose name the list repeats.
    fn lists_all_queues(&self) -> bool {
        let name = self.name();
        let quorum = self.directory.path().join("data").join(&name).join("quorum").join(&name);
        let list = std::fs::read(quorum.join("names.dets")).unwrap();
        let entries = std::fs::read_dir(&quorum).unwrap().map(|entry| entry.unwrap());
        let mut queues = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        queues.all(|queue| {
            let queue = queue.file_name();
            list.windows(queue.len()).any(|window| window == queue.as_encoded_bytes())
        })
    }

    fn name(&self) -> String {
        format!("pomost-{}@localhost", self.ports.amqp)
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
        let _ = self.epmd.kill();
        let _ = self.epmd.wait();
    }
}

/// A listener on a port below the range from which the kernel takes ports: who goes away for a while would
/// find one of those taken by somebody's connection.
pub fn listen_below_the_kernels_ports() -> TcpListener {
    let ports = std::iter::repeat_with(|| 12_000 + (Uuid::new_v4().as_u128() % 20_000) as u16);
    let mut free = ports.filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    free.next().expect("there is no end to it")
}

impl Ports {
    /// All are taken before any is given back, so that they differ.
    fn free() -> Ports {
        let sockets = [(); 3].map(|()| listen_below_the_kernels_ports());
        let [amqp, distribution, epmd] = sockets.map(|socket| socket.local_addr().unwrap().port());
        Ports { amqp, distribution, epmd }
    }
}

/// Starts an epmd and waits until it answers: a node that finds none starts its own.
async fn start_epmd(port: u16) -> Child {
    let mut command = ending_with_us("epmd");
    command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]).stdin(Stdio::null());
    let mut epmd = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !listens(port) {
        let exit = epmd.try_wait().unwrap();
        assert!(exit.is_none() && Instant::now() < deadline, "epmd does not start: {exit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    epmd
}

/// A command that is asked to end when we have ended, even if we are killed. A group of its own keeps
/// the terminal's signals away from it until then.
fn ending_with_us(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(program).process_group(0);
    command
}

fn listens(port: u16) -> bool {
    std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// The program that tells a running node what to do, beside the script.
fn control() -> PathBuf {
    script().with_file_name("rabbitmqctl")
}

fn script() -> PathBuf {
    let found = SCRIPTS.iter().map(Path::new).find(|path| path.exists());
    found.expect("RabbitMQ is not installed; install the package rabbitmq-server").to_owned()
}
