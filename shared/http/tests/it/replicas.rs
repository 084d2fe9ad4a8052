//! Replicas that are processes of their own, and that are killed.

use std::{collections::BTreeMap, process::Stdio};

use futures_util::future::join_all;
use tokio::process::{Child, Command};

use crate::{
    renewal::{until, work},
    support::{Authority, Place, SystemFile, on_both},
};

const PROCESSES: usize = 3;

/// The number of requests that a process makes at a time: 51 in all.
const WORKERS: usize = 17;

const EXPIRIES: usize = 200;

/// The number of processes that are killed: one of each kind. After the one that was renewing, all
/// wait until its lease is over.
const KILLS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn each_expiry_is_renewed_once_by_processes_that_are_killed() {
    on_both(|place| async move {
        let authority = Authority::start(20).await;
        authority.change(|state| state.until = EXPIRIES);
        let mut processes: BTreeMap<String, Child> = (0..PROCESSES)
            .map(|number| start(number.to_string(), &authority, &place))
            .collect();
        for kill in 1..=KILLS {
            until(|| authority.standing().expired >= kill * EXPIRIES / (KILLS + 1)).await;
            let victim = victim(kill, &authority, &processes).await;
            let mut killed = processes.remove(&victim).unwrap();
            killed.kill().await.unwrap();
            if authority.standing().asking.as_ref() == Some(&victim) {
                until(|| authority.waiting() == 0).await;
            }
            authority.open_gate();
            let (name, process) = start(format!("{victim}'"), &authority, &place);
            processes.insert(name, process);
        }
        for (name, process) in processes {
            let output = process.wait_with_output().await.unwrap();
            let said = [output.stdout, output.stderr].concat();
            assert!(
                output.status.success(),
                "{name}: {}",
                String::from_utf8_lossy(&said)
            );
        }
        let standing = authority.standing();
        assert_eq!(
            (standing.reused, standing.premature),
            (0, 0),
            "{standing:?}"
        );
        assert_eq!(
            (standing.expired, standing.issued),
            (EXPIRIES, EXPIRIES + 1),
            "{standing:?}"
        );
    })
    .await;
}

/// Whom to kill: in turns the process that is just renewing, its request sent and its refresh token
/// not used yet, and one of those that wait for it. Since that request shows the current refresh
/// token, all before it was stored.
async fn victim(kill: usize, authority: &Authority, processes: &BTreeMap<String, Child>) -> String {
    authority.close_gate();
    until(|| authority.waiting() == 1).await;
    let renewing = authority.standing().asking.unwrap();
    if kill % 2 == 1 {
        return renewing;
    }
    processes
        .keys()
        .find(|name| **name != renewing)
        .unwrap()
        .clone()
}

fn start(name: String, authority: &Authority, place: &Place) -> (String, Child) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "replicas::a_process_of_the_test_above",
            "--ignored",
            "--nocapture",
        ])
        .env("TEST_WORKER", &name)
        .env("TEST_SERVER", &authority.url)
        .env("TEST_STORE", place.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    (name, command.spawn().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process that the test above starts"]
async fn a_process_of_the_test_above() {
    let variable = |name| std::env::var(name).unwrap();
    let (url, place) = (
        variable("TEST_SERVER"),
        variable("TEST_STORE").parse::<Place>().unwrap(),
    );
    let system: SystemFile = Authority::system_at(&url).set("WORKER", variable("TEST_WORKER"));
    let client = system.client(&place.open().await);
    let working = (0..WORKERS).map(|_| work(&client, &url));
    join_all(working).await;
}
