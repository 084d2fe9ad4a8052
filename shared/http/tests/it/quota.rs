//! A quota that processes share and use up.

use std::{
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use pomost_http::{FailureClass, SystemClient};
use tokio::process::{Child, Command};

use crate::support::{FakeServer, Place, Reply, SystemFile, on_postgres, things};

const PROCESSES: usize = 3;

/// The number of requests that a process makes at a time: 12 in all.
const WORKERS: usize = 4;

/// The number of requests that the server takes in one window.
const QUOTA: usize = 100;

const WINDOW: Duration = Duration::from_secs(10);

const WINDOWS: usize = 2;

/// A server that counts requests in fixed windows and refuses those beyond its quota.
#[derive(Default)]
struct Quota {
    /// Half a slot before the first request: to which window one belongs that comes just between
    /// two is a matter of chance.
    began: Option<Instant>,
    taken: [usize; WINDOWS],
    refused: usize,
}

impl Quota {
    fn answer(&mut self, now: Instant) -> Reply {
        let began = *self.began.get_or_insert(now - WINDOW / QUOTA as u32 / 2);
        let since = now - began;
        let window = (since.as_secs() / WINDOW.as_secs()) as usize;
        match self.taken.get_mut(window) {
            None => Reply::of(200, "done"),
            Some(taken) if *taken < QUOTA => {
                *taken += 1;
                Reply::of(200, "taken")
            }
            Some(_) => {
                self.refused += 1;
                let left = WINDOW * (window as u32 + 1) - since;
                Reply::of(429, "refused").with("ratelimit-reset", left.as_secs_f64())
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_use_up_the_quota_that_they_share_and_no_more() {
    on_postgres(|place| async move {
        let quota = Arc::new(Mutex::new(Quota::default()));
        let counted = quota.clone();
        let server =
            FakeServer::start(move |_| counted.lock().unwrap().answer(Instant::now())).await;
        let processes: Vec<Child> = (0..PROCESSES).map(|_| start(&server, &place)).collect();
        for process in processes {
            let output = process.wait_with_output().await.unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
        let quota = quota.lock().unwrap();
        let (taken, refused) = (quota.taken.iter().sum::<usize>(), quota.refused);
        assert!(
            taken >= QUOTA * WINDOWS * 95 / 100,
            "{:?} were taken",
            quota.taken
        );
        assert!(
            refused * 100 <= taken + refused,
            "{refused} were refused and {taken} taken"
        );
    })
    .await;
}

fn start(server: &FakeServer, place: &Place) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "quota::a_process_of_the_test_above",
            "--ignored",
            "--nocapture",
        ])
        .env("TEST_SERVER", &server.url)
        .env("TEST_STORE", place.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process that the test above starts"]
async fn a_process_of_the_test_above() {
    let variable = |name| std::env::var(name).unwrap();
    let (url, place) = (
        variable("TEST_SERVER"),
        variable("TEST_STORE").parse::<Place>().unwrap(),
    );
    let system = SystemFile::at(&url).with("rate_limit: 100/10s");
    let client = system.client(&place.open().await);
    join_all((0..WORKERS).map(|_| work(&client, &url))).await;
}

/// Asks for things until the server says that it is enough.
async fn work(client: &SystemClient, url: &str) {
    loop {
        match client.send(things(url)).await {
            Ok(answer) if answer.body == "done" => return,
            Ok(_) => {}
            Err(failure) => {
                assert_eq!(failure.class, FailureClass::Throttled, "{failure}");
                tokio::time::sleep(failure.retry_after.unwrap_or_default()).await;
            }
        }
    }
}
