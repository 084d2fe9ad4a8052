//! The processes of a bench: starting, measuring and ending them.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// A process of a bench. It is killed when this is dropped.
pub struct MeasuredProcess {
    pub name: &'static str,
    child: Child,
}

/// The resources that a process has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessUsage {
    /// Processor time of all threads.
    pub cpu: Duration,
    /// The most memory that the process held at a time, in bytes (resident set).
    pub peak_memory: u64,
}

impl MeasuredProcess {
    /// Starts a sandbox system, and returns its URL as well.
    pub async fn sandbox(
        name: &'static str,
        arguments: &[String],
    ) -> anyhow::Result<(MeasuredProcess, String)> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("sandbox")
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .with_context(|| format!("starting the sandbox {name}"))?;
        let output = child.stdout.take().context("a sandbox without output")?;
        let url = BufReader::new(output).lines().next_line().await?;
        Ok((
            MeasuredProcess { name, child },
            url.with_context(|| format!("the sandbox {name} did not start"))?,
        ))
    }

    /// Starts a service from the binary beside this one, which serves its health at `address`.
    pub fn service(
        name: &'static str,
        environment: &[(&str, String)],
        address: SocketAddr,
    ) -> anyhow::Result<MeasuredProcess> {
        let binary = beside_this_one(name)?;
        let mut command = Command::new(&binary);
        command
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true);
        command.env("POMOST_HTTP_ADDR", address.to_string());
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        Ok(MeasuredProcess { name, child })
    }

    /// Fails when the process has ended by itself.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the {} ended with {status} while it started", self.name),
        }
    }

    /// The resources that the process has used so far, from `/proc`.
    pub fn usage(&self) -> ProcessUsage {
        let Some(pid) = self.child.id() else {
            return ProcessUsage::default();
        };
        let read =
            |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        ProcessUsage {
            cpu: cpu(&read("stat")),
            peak_memory: peak_memory(&read("status")),
        }
    }

    /// Tells the process to end, and waits until it has.
    pub async fn end(mut self) -> anyhow::Result<()> {
        let pid = self
            .child
            .id()
            .context("the process has ended already")?
            .to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        let started = Instant::now();
        let status = self.child.wait().await?;
        ensure!(
            status.success(),
            "{} ended with {status} after {:?}",
            self.name,
            started.elapsed()
        );
        Ok(())
    }
}

/// The processor time of the whole machine so far, without idle time.
pub fn machine_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = first
        .split_whitespace()
        .skip(1)
        .filter_map(|text| text.parse().ok())
        .collect();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    of_ticks(ticks.iter().take(8).sum::<u64>() - idle)
}

fn cpu(stat: &str) -> Duration {
    // The name, in brackets, may hold spaces; the numbers come after it.
    let numbers = stat.rsplit(')').next().unwrap_or_default();
    let ticks = numbers
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|text| text.parse::<u64>().ok());
    of_ticks(ticks.sum())
}

/// Linux counts in hundredths of a second here, whatever its own tick is.
fn of_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 10)
}

fn peak_memory(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: Option<u64> =
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn beside_this_one(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(
        path.exists(),
        "{} is missing; build all services: cargo build --release",
        path.display()
    );
    Ok(path)
}
