//! `pomost demo` and `pomost bench` on the servers, where they leave nothing behind.

use std::process::Stdio;

use pomost_tests::{Namespace, binary, eventually, test_url};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

fn pomost(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("pomost"));
    command.args(arguments).env_clear().kill_on_drop(true);
    command
}

fn servers() -> [(&'static str, String); 2] {
    let url = |name: &str| test_url(&format!("POMOST_TEST_{name}"));
    [
        ("POMOST_AMQP_URL", url("AMQP_URL")),
        ("POMOST_DATABASE_URL", url("DATABASE_URL")),
    ]
}

/// The commands that it prints for exploring work, and it prints no password.
#[tokio::test(flavor = "multi_thread")]
async fn a_demo_on_the_servers_can_be_explored_and_leaves_nothing_behind() {
    let [(_, amqp), (_, database)] = servers();
    let arguments = [
        "demo",
        "--customers",
        "100",
        "--keep",
        "--broker",
        &amqp,
        "--database",
        &database,
    ];
    let mut demo = pomost(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut printed = Vec::new();
    while !printed
        .last()
        .is_some_and(|line: &String| line.contains("curl"))
    {
        printed.push(
            lines
                .next_line()
                .await
                .unwrap()
                .unwrap_or_else(|| panic!("it ended: {printed:#?}")),
        );
    }
    assert!(
        !printed
            .iter()
            .any(|line| line.contains(&amqp) || line.contains(&database)),
        "{printed:#?}"
    );
    let after = |beginning: &str| {
        printed
            .iter()
            .find_map(|line| line.trim().strip_prefix(beginning))
            .unwrap_or_else(|| panic!("{printed:#?}"))
    };
    let name = after("export POMOST_NAMESPACE=").to_owned();
    let status: Vec<&str> = after("pomost status").split_whitespace().collect();
    let mut look = pomost(&[&["status"], &status[..]].concat());
    let status = look
        .envs(servers())
        .env("POMOST_NAMESPACE", &name)
        .output()
        .await
        .unwrap();
    let runs = String::from_utf8(status.stdout)
        .unwrap()
        .lines()
        .filter(|line| line.contains("settled"))
        .count();
    assert_eq!(runs, 3);
    let id = Pid::from_raw(demo.id().unwrap().cast_signed()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    assert!(demo.wait().await.unwrap().success());
    let namespace = Namespace {
        name,
        amqp_url: amqp,
        database_url: database,
    };
    assert!(namespace.is_gone().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bench_measures_and_reaches_no_system_that_the_environment_names() {
    let mut bench = pomost(&[
        "bench",
        "--customers",
        "300",
        "--loaders",
        "2",
        "--latency",
        "5ms",
        "--outage",
    ]);
    let elsewhere = [
        ("CRM_URL", "http://127.0.0.1:1"),
        ("SHOP_URL", "http://127.0.0.1:1"),
    ];
    let output = bench
        .envs(servers())
        .envs(elsewhere)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(
        output.status.success() && printed.contains("ratio"),
        "{printed}"
    );
    assert_eq!(
        printed
            .lines()
            .filter(|line| line.starts_with("loader "))
            .count(),
        2,
        "{printed}"
    );
    eventually(async || {
        match pomost_tests::schemas_like("pomost_bench_%")
            .await
            .as_slice()
        {
            [] => Ok(()),
            left => Err(format!("{left:?} are left")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bench_whose_services_cannot_start_says_so() {
    let mut bench = pomost(&["bench", "--customers", "10"]);
    let output = bench
        .envs(servers())
        .env("POMOST_CLAIM_SECONDS", "soon")
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("the extractor ended with exit status: 78 while it started"),
        "{printed}"
    );
}
