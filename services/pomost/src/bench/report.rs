//! The report that a bench prints.

use std::time::Duration;

use super::process::ProcessUsage;
use crate::table::TextTable;

/// The measurements of a bench.
pub struct BenchReport {
    /// Number of records that were extracted.
    pub records: u64,
    /// Number of records that were created at the destination.
    pub created: u64,
    /// The time that the pipeline took.
    pub pipeline: Duration,
    /// The time that the bare loop took for as many posts as records were created.
    pub bare: Duration,
    /// The resources that each process used for the pipeline.
    pub processes: Vec<(&'static str, ProcessUsage)>,
    /// The processor time that the whole machine used for the pipeline.
    pub machine: Duration,
}

impl BenchReport {
    /// Prints the report to standard output.
    #[expect(clippy::print_stdout, reason = "a command's data")]
    pub fn print(&self) {
        let pipeline = per_second(self.records, self.pipeline);
        let bare = per_second(self.created, self.bare);
        println!(
            "pipeline   {:>8} records {:>7.2} s {pipeline:>8.0} records/s",
            self.records,
            self.pipeline.as_secs_f64()
        );
        println!(
            "bare loop  {:>8} posts   {:>7.2} s {bare:>8.0} posts/s",
            self.created,
            self.bare.as_secs_f64()
        );
        println!("ratio      {:.2} of the bare loop\n", pipeline / bare);
        let mut table = TextTable::new(["PROCESS", "CPU S / 1000 RECORDS", "PEAK MEMORY"]);
        for (name, usage) in &self.processes {
            table.row([
                (*name).to_owned(),
                self.per_thousand(usage.cpu),
                mebibytes(usage.peak_memory),
            ]);
        }
        table.row([
            "whole machine".to_owned(),
            self.per_thousand(self.machine),
            String::new(),
        ]);
        table.print();
    }

    fn per_thousand(&self, cpu: Duration) -> String {
        format!(
            "{:.3}",
            cpu.as_secs_f64() * 1000.0 / self.records.max(1) as f64
        )
    }
}

fn per_second(number: u64, took: Duration) -> f64 {
    number as f64 / took.as_secs_f64()
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0))
}
