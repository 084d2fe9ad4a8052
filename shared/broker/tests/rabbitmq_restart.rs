//! Restarts of RabbitMQ in the middle of the work.
#![allow(clippy::unwrap_used)]

use std::{collections::HashSet, net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use pomost_broker::{
    Broker, Queue, RabbitMq, Route,
    conformance::{FLOW, message, next},
    testing::PrivateNode,
};
use pomost_models::Stage;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::Command,
    sync::watch,
    time::timeout,
};

/// Number of messages that arrive before the broker goes away, and of those that arrive after it is
/// back.
const SOME: usize = 300;

const RECOVERY_TIMEOUT: Duration = Duration::from_secs(120);

fn queue() -> Queue {
    Queue::work(Stage::Load, FLOW)
}

/// Publishes one message after the other, each until it is confirmed, and returns their number in
/// the end.
async fn publish_until(broker: Arc<RabbitMq>, enough: watch::Receiver<bool>) -> usize {
    let mut confirmed = 0;
    while !*enough.borrow() {
        while broker
            .publish(&Route::to(queue()), vec![message(confirmed)])
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
        confirmed += 1;
    }
    confirmed
}

/// Takes messages without an end, and tells the number of different messages that have arrived.
async fn take(broker: Arc<RabbitMq>, progress: watch::Sender<usize>) {
    let mut consumer = broker.consume(&queue(), 20).await.unwrap();
    let mut arrived = HashSet::new();
    while let Some(delivery) = consumer.next().await {
        arrived.insert(delivery.message.id.clone());
        // A message that cannot be acknowledged is delivered again.
        let _ = delivery.acknowledge().await;
        progress.send_replace(arrived.len());
    }
}

async fn nothing_is_lost_when(interrupt: impl AsyncFnOnce(&mut PrivateNode)) {
    let mut node = PrivateNode::start().await;
    let broker = Arc::new(RabbitMq::connect(&node.url(), "pomost").await.unwrap());
    broker.declare(&[FLOW.to_owned()]).await.unwrap();
    let ((progress, mut arrived), (end, enough)) = (watch::channel(0), watch::channel(false));
    let publishing = tokio::spawn(publish_until(Arc::clone(&broker), enough));
    let taking = tokio::spawn(take(Arc::clone(&broker), progress));
    wait_for(&mut arrived, SOME).await;
    interrupt(&mut node).await;
    let before = *arrived.borrow();
    wait_for(&mut arrived, before + SOME).await;
    end.send_replace(true);
    let published = timeout(RECOVERY_TIMEOUT, publishing)
        .await
        .expect("publishing stopped")
        .unwrap();
    wait_for(&mut arrived, published).await;
    taking.abort();
}

async fn wait_for(arrived: &mut watch::Receiver<usize>, count: usize) {
    let waiting = arrived.wait_for(|&arrived| arrived >= count);
    timeout(RECOVERY_TIMEOUT, waiting)
        .await
        .expect("messages were lost")
        .expect("taking ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_restarts() {
    nothing_is_lost_when(async |node| node.restart().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed() {
    nothing_is_lost_when(async |node| {
        node.kill().await;
        node.start_again().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_can_be_stopped_and_a_publish_fails_while_the_broker_is_away() {
    let mut node = PrivateNode::start().await;
    let broker = RabbitMq::connect(&node.url(), "pomost").await.unwrap();
    broker.declare(&[FLOW.to_owned()]).await.unwrap();
    let mut consumer = broker.consume(&queue(), 1).await.unwrap();
    broker
        .publish(&Route::to(queue()), vec![message("unacknowledged")])
        .await
        .unwrap();
    let delivery = next(&mut consumer).await;
    node.kill().await;
    assert!(delivery.acknowledge().await.is_err());
    assert!(
        broker
            .publish(&Route::to(queue()), vec![message("lost")])
            .await
            .is_err()
    );
    assert!(broker.ping().await.is_err());
    consumer.stop().await;
    assert!(
        timeout(RECOVERY_TIMEOUT, consumer.next())
            .await
            .expect("it does not end")
            .is_none()
    );
    node.start_again().await;
    let delivery = next(&mut broker.consume(&queue(), 1).await.unwrap()).await;
    assert_eq!(delivery.message.id, "unacknowledged");
}

/// The process that the test below kills.
#[tokio::test]
#[ignore = "it never ends"]
#[allow(
    clippy::print_stdout,
    reason = "this is how the other process learns it"
)]
async fn a_process_with_a_node() {
    let node = PrivateNode::start().await;
    let [clients, nodes, epmd] = node.addresses();
    println!("addresses {clients} {nodes} {epmd}");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_node_and_its_epmd_end_with_the_process_that_started_them_even_if_that_is_killed() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "a_process_with_a_node",
            "--ignored",
            "--nocapture",
        ])
        .kill_on_drop(true);
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let addresses = loop {
        let line = lines
            .next_line()
            .await
            .unwrap()
            .expect("it did not start a node");
        if let Some((_, addresses)) = line.split_once("addresses ") {
            break addresses
                .split(' ')
                .map(|address| address.parse().unwrap())
                .collect::<Vec<SocketAddr>>();
        }
    };
    let listens = async |address| TcpStream::connect(address).await.is_ok();
    for &address in &addresses {
        assert!(listens(address).await, "{address}");
    }
    process.kill().await.unwrap();
    let ending = async {
        for &address in &addresses {
            while listens(address).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    timeout(RECOVERY_TIMEOUT, ending)
        .await
        .expect("they live on");
}
