//! Marked secrets and personal data go every way there is. No place where people look may show
//! them.

mod project;
mod search;
mod server;
mod tables;

use std::{net::SocketAddr, time::Duration};

use futures_util::FutureExt;
use pomost_broker::testing::address_of_our_own;
use pomost_tests::{Namespace, Service, TraceCollector, eventually, pomost, test_url};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use project::{BROKEN, CanaryFlow, FLOWS};
use search::MarkSearch;
use server::EchoServer;
use tables::StoreTables;

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_sensitive_value_is_seen_on_the_embedded_backends() {
    let scene = CanaryRun::start(Vec::new()).await;
    let tables = StoreTables::Embedded(scene.project.path().join(".pomost"));
    scene.with_stack(&tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_sensitive_value_is_seen_on_servers() {
    let (amqp, database) = (
        test_url("POMOST_TEST_AMQP_URL"),
        test_url("POMOST_TEST_DATABASE_URL"),
    );
    let namespace = Namespace::new(amqp, database);
    let servers = vec![
        ("POMOST_AMQP_URL", namespace.amqp_url.clone()),
        ("POMOST_DATABASE_URL", namespace.database_url.clone()),
        ("POMOST_NAMESPACE", namespace.name.clone()),
    ];
    let scene = CanaryRun::start(servers).await;
    let tables = StoreTables::Servers(namespace.name.clone());
    let proven = std::panic::AssertUnwindSafe(scene.with_stack(&tables))
        .catch_unwind()
        .await;
    namespace
        .delete_with(FLOWS.iter().map(|flow| flow.name))
        .await
        .unwrap();
    proven.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// The whole program at work on a project of marked values.
struct CanaryRun {
    project: TempDir,
    environment: Vec<(String, String)>,
    webhooks: SocketAddr,
    collector: TraceCollector,
    server: EchoServer,
    runner: Service,
    search: MarkSearch,
}

impl CanaryRun {
    async fn start(servers: Vec<(&'static str, String)>) -> CanaryRun {
        let (project, collector, server) = (
            tempfile::tempdir().unwrap(),
            TraceCollector::start().await,
            EchoServer::start().await,
        );
        project::write(project.path(), server.url());
        let webhooks = address_of_our_own(8080);
        let mut environment = vec![
            ("POMOST_PROJECT", project.path().display().to_string()),
            ("POMOST_HTTP_ADDR", "127.0.0.1:0".into()),
            ("POMOST_WEBHOOK_ADDR", webhooks.to_string()),
            ("POMOST_CLAIM_SECONDS", "2".into()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.clone()),
            ("RUST_LOG", "trace".into()),
        ];
        environment.extend(servers);
        let environment: Vec<_> = environment
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let runner = Service::new("pomost", environment.clone(), project.path().to_owned())
            .with_arguments(&["run"]);
        CanaryRun {
            project,
            environment,
            webhooks,
            collector,
            server,
            runner,
            search: MarkSearch::new(),
        }
    }

    async fn with_stack(mut self, tables: &StoreTables) {
        self.runner.start();
        self.runner.ready().await;
        self.server.wait_for_write().await;
        self.runner.kill().await;
        self.runner.start();
        self.runner.ready().await;
        self.deliver().await;
        self.wait_for_dead_letters().await;
        self.server.fail_again();
        self.sync_beside().await;
        self.runner.kill().await;
        self.runner.start();
        self.runner.ready().await;
        self.wait_for_dead_letters().await;
        self.search_command_line_and_endpoints().await;
        assert!(self.runner.terminate().await.status.success());
        self.search.look_at("the log", &self.runner.log());
        assert!(
            self.runner.log().contains("DEBUG"),
            "the log is to be detailed"
        );
        self.search
            .look_at_bytes("the traces", &self.collector.bytes());
        assert!(!self.collector.spans().is_empty());
        tables.search(&mut self.search).await;
        self.search_checks_of_broken_files().await;
        self.search.assert_nothing_found();
        assert_eq!(
            self.server.secrets_not_received(),
            Vec::<&str>::new(),
            "every secret is to be in use"
        );
    }

    /// Waits until every flow has its dead letters.
    async fn wait_for_dead_letters(&self) {
        eventually(async || {
            let listed = self.pomost(&["dead", "list", "--limit", "1000"]).await;
            let died = |flow: &&CanaryFlow| listed.contains(&format!(" {} ", flow.name));
            match FLOWS
                .iter()
                .filter(|flow| flow.dies)
                .find(|flow| !died(flow))
            {
                None => Ok(()),
                Some(flow) => {
                    // Each look is a process: it is not to take the time of the others.
                    tokio::time::sleep(Duration::from_millis(500)).await;
                    Err(format!("no dead letter of {}: {listed}", flow.name))
                }
            }
        })
        .await;
    }

    /// Requests more runs at the command line while the program runs.
    async fn sync_beside(&mut self) {
        for flow in ["flaky", "refused", "broken_json"] {
            let printed = self.pomost(&["sync", flow]).await;
            self.search.look_at(&format!("sync {flow}"), &printed);
        }
    }

    /// Sends a delivery that is accepted, and one for each reason of a refusal.
    async fn deliver(&mut self) {
        let right = project::delivery();
        let cases = [
            (
                project::WEBHOOK_SECRET,
                "application/json",
                right.as_str(),
                "200",
            ),
            ("CANARY-wrong", "application/json", right.as_str(), "401"),
            (
                project::WEBHOOK_SECRET,
                "application/json",
                &right[1..],
                "400",
            ),
            (project::WEBHOOK_SECRET, "text/csv", right.as_str(), "200"),
            (
                project::WEBHOOK_SECRET,
                "image/CANARY",
                right.as_str(),
                "415",
            ),
        ];
        for (secret, content_type, body, status) in cases {
            for path in ["/hook", "/told"] {
                let answer = deliver(self.webhooks, path, secret, content_type, body).await;
                assert!(
                    answer.starts_with(&format!("HTTP/1.1 {status}")),
                    "{content_type}: {answer}"
                );
                self.search.look_at("an answer to a delivery", &answer);
            }
        }
    }

    async fn search_command_line_and_endpoints(&mut self) {
        let checked = self.check().await;
        assert!(checked.contains("flows"), "{checked}");
        self.search.look_at("check", &checked);
        for arguments in [
            &["status"][..],
            &["dead", "list", "--limit", "1000"],
            &["cursor", "show", "refused"],
        ] {
            let printed = self.pomost(arguments).await;
            self.search.look_at(&arguments.join(" "), &printed);
        }
        let listed = self.pomost(&["dead", "list", "--limit", "1000"]).await;
        let ids: Vec<&str> = listed
            .lines()
            .skip(1)
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert!(ids.len() >= FLOWS.len());
        for id in ids {
            let printed = self.pomost(&["dead", "show", id]).await;
            self.search
                .look_at(&format!("dead show of {printed:.200}"), &printed);
        }
        for path in ["/metrics", "/readyz"] {
            let (_, told) = self.runner.get(path).await;
            self.search.look_at(path, &told);
        }
    }

    /// Searches the output of `check` about files with misplaced or malformed secrets.
    async fn search_checks_of_broken_files(&mut self) {
        for (file, text) in BROKEN {
            std::fs::write(self.project.path().join(file), text).unwrap();
            let printed = self.check().await;
            assert!(printed.contains(file), "{printed}");
            self.search.look_at(&format!("check of {file}"), &printed);
            std::fs::remove_file(self.project.path().join(file)).unwrap();
        }
    }

    async fn check(&self) -> String {
        self.pomost(&["check", self.project.path().to_str().unwrap()])
            .await
    }

    async fn pomost(&self, arguments: &[&str]) -> String {
        let mut command = pomost(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().await.unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

async fn deliver(
    address: SocketAddr,
    path: &str,
    secret: &str,
    content_type: &str,
    body: &str,
) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: {content_type}\r\nX-Token: {secret}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
