//! How long expressions take, one by one, on Linux: `cargo run --release -p pomost-expression
//! --example speed`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Duration;

use pomost_expression::{Expression, Variables, read};

const RECORD: &str = r#"{
    "name": "Ada Żółw", "email": "ada.zolw@example.com", "phone": "(22) 123-45-67", "price": 1.10, "n": 7,
    "at": "24.11.2026 13:45", "country": "Niemcy", "lines": [{"q": 2, "p": 9.99}, {"q": 1, "p": 0.01}]
}"#;

const EXPRESSIONS: [&str; 14] = [
    ".",
    ".n == 7",
    ".n + 1",
    ".name + .email",
    ".price * 100",
    ".price > 1.05",
    "[.lines[] | .q * .p] | add",
    r#".email | test("^[^@]+@[^@]+$")"#,
    r#".phone | gsub("[^0-9]"; "")"#,
    r#".at | datetime("%d.%m.%Y %H:%M"; "Europe/Warsaw")"#,
    r#".phone | phone("PL")"#,
    ".country | country",
    ".name | slug",
    ".email | sha256",
];

fn main() {
    println!(
        "{:>9.2?}  to compile an expression",
        mean(|| drop(Expression::compile(".name | downcase").unwrap()))
    );
    let record = read(RECORD.as_bytes()).unwrap();
    for source in EXPRESSIONS {
        let Ok(expression) = Expression::compile(source) else {
            continue;
        };
        let run = || {
            drop(
                expression
                    .one(record.clone(), &Variables::default())
                    .unwrap(),
            )
        };
        println!("{:>9.2?}  {source}", mean(run));
    }
}

/// The mean of the processor's time: others on the machine do not count.
fn mean(run: impl Fn()) -> Duration {
    let (mut rounds, begin) = (0, processor_time());
    while processor_time() - begin < Duration::from_millis(200) {
        (0..64).for_each(|_| run());
        rounds += 64;
    }
    (processor_time() - begin) / rounds
}

fn processor_time() -> Duration {
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(nanoseconds.split(' ').next().unwrap().parse().unwrap())
}
