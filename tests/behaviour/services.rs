//! A service as a process without servers.

use pomost_tests::binary;
use tokio::process::Command;

use crate::support::{Flow, World};

/// Waiting would not help. The exit code tells an orchestrator not to start the service again.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_database_url_cannot_be_read_ends_at_once_with_78() {
    let (world, _) = World::with_rows([], Flow::default()).await;
    let mut service = Command::new(binary("loader"));
    service
        .env_clear()
        .env("POMOST_PROJECT", world.directory())
        .kill_on_drop(true);
    service
        .env("POMOST_AMQP_URL", "amqp://127.0.0.1:1")
        .env("POMOST_DATABASE_URL", "postgres:/hunter2");
    let output = service.output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.contains("expected postgres://USER:PASSWORD@HOST") && !said.contains("again"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}
