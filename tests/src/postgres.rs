//! A PostgreSQL that a test may stop and kill.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
};

use pomost_broker::testing::address_of_our_own;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio_postgres::NoTls;

use crate::eventually;

/// A PostgreSQL server on loopback, with its own data, password and address. All of it goes with
/// the value, and its processes with ours.
pub struct PrivatePostgres {
    directory: TempDir,
    address: SocketAddr,
    password: String,
    server: Option<Child>,
}

impl PrivatePostgres {
    /// Starts a new server and waits until it accepts connections.
    pub async fn start() -> PrivatePostgres {
        let directory = tempfile::tempdir().unwrap();
        let password = format!("{:016x}", fastrand::u64(..));
        std::fs::write(directory.path().join("password"), &password).unwrap();
        give_to_postgres(directory.path()).await;
        let mut postgres = PrivatePostgres {
            directory,
            address: address_of_our_own(5432),
            password,
            server: None,
        };
        postgres.initialise().await;
        postgres.start_again().await;
        postgres
    }

    /// The URL, with a user who may do everything.
    pub fn url(&self) -> String {
        format!(
            "postgres://pomost:{}@{}/postgres",
            self.password, self.address
        )
    }

    /// Asks it to stop, as an upgrade would, and waits until it has. It closes its connections.
    pub async fn stop(&mut self) {
        self.end(Signal::INT).await;
    }

    /// Makes it break off where it is, so that it recovers when it is started again.
    pub async fn kill(&mut self) {
        self.end(Signal::QUIT).await;
    }

    /// Starts it again after [`PrivatePostgres::stop`] or [`PrivatePostgres::kill`], with its data.
    pub async fn start_again(&mut self) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.path().join("log"))
            .unwrap();
        let mut command = self.program("postgres");
        command.args(["-D", "data", "-k", "", "-c", "max_connections=300"]);
        command.args([
            "-h",
            &self.address.ip().to_string(),
            "-p",
            &self.address.port().to_string(),
        ]);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        self.server = Some(command.spawn().unwrap());
        eventually(async || tokio_postgres::connect(&self.url(), NoTls).await.map(drop)).await;
    }

    async fn initialise(&self) {
        let mut command = self.program("initdb");
        command.args([
            "--pgdata",
            "data",
            "--username",
            "pomost",
            "--pwfile",
            "password",
        ]);
        command.args([
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-sync",
        ]);
        let output = command.output().await.unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    async fn end(&mut self, signal: Signal) {
        let mut server = self.server.take().expect("the server is running");
        let id = server
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()))
            .unwrap();
        kill_process(id, signal).unwrap();
        server.wait().await.unwrap();
    }

    /// One of the server's programs, run by the user who may run it. It ends when the test has
    /// ended.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new("setpriv");
        if geteuid().is_root() {
            command.args([
                "--reuid",
                "postgres",
                "--regid",
                "postgres",
                "--init-groups",
            ]);
        }
        command
            .args(["--pdeathsig", "QUIT"])
            .arg(programs().join(name));
        command.current_dir(self.directory.path()).process_group(0);
        command
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        let id = self
            .server
            .as_ref()
            .and_then(Child::id)
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        let _ = id.map(|id| kill_process(id, Signal::QUIT));
    }
}

/// Gives the directory to the user `postgres` where the test is root: the server refuses to run as
/// root.
async fn give_to_postgres(directory: &Path) {
    if geteuid().is_root() {
        let given = Command::new("chown")
            .args(["-R", "postgres"])
            .arg(directory)
            .status()
            .await;
        assert!(
            given.unwrap().success(),
            "PostgreSQL's package has a user `postgres`"
        );
    }
}

/// Debian keeps the programs of each version in a folder of their own, outside the `PATH`.
fn programs() -> PathBuf {
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").expect("the package postgresql is installed");
    let version =
        |entry: std::fs::DirEntry| entry.file_name().into_string().ok()?.parse::<u32>().ok();
    let newest = versions.filter_map(Result::ok).filter_map(version).max();
    PathBuf::from(format!(
        "/usr/lib/postgresql/{}/bin",
        newest.expect("the package postgresql is installed")
    ))
}
