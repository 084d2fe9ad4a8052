//! `pomost sandbox`: one of the sandbox systems in a process of its own.

use std::{net::SocketAddr, process::ExitCode};

use clap::Subcommand;
use pomost_models::Period;
use pomost_sandbox::{CrmOptions, FaultPlan, ShopOptions, run_crm, run_shop};

/// The arguments of `pomost sandbox`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    system: SandboxSystem,
}

#[derive(Debug, Subcommand)]
enum SandboxSystem {
    /// The CRM
    Crm {
        /// Number of customers
        #[arg(long, default_value_t = 1000)]
        customers: u32,
        /// The address to listen on; port 0 takes any free port
        #[arg(long, default_value = "127.0.0.1:0")]
        address: SocketAddr,
    },
    /// The shop
    Shop {
        /// The address to listen on; port 0 takes any free port
        #[arg(long, default_value = "127.0.0.1:0")]
        address: SocketAddr,
        /// Take two customers with one e-mail address
        #[arg(long)]
        allow_duplicates: bool,
        /// The time that each answer takes: 20ms, for example
        #[arg(long, default_value = "0ms")]
        latency: Period,
    },
}

/// Prints the system's URL when it listens, and serves until the process is ended.
#[expect(clippy::print_stdout, reason = "a command's data")]
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.system {
        SandboxSystem::Crm { customers, address } => {
            let options = CrmOptions {
                customers,
                address,
                ..CrmOptions::default()
            };
            run_crm(options, |crm| println!("{}", crm.url())).await?;
        }
        SandboxSystem::Shop {
            address,
            allow_duplicates,
            latency,
        } => {
            let delay_ms = latency.0.as_millis().try_into()?;
            let faults = FaultPlan {
                delay_ms,
                ..FaultPlan::default()
            };
            let options = ShopOptions {
                address,
                allow_duplicates,
                faults,
                ..ShopOptions::default()
            };
            run_shop(options, |shop| println!("{}", shop.url())).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
