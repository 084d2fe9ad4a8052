//! `examples/analytics-report`, as far as it writes files.

use std::{fs, path::Path};

use pomost_tests::{AnalyticsServer, ExampleProject};

use crate::support::send_request;

#[tokio::test(flavor = "multi_thread")]
async fn figures_become_lines_of_files_and_what_is_corrected_comes_again() {
    let (analytics, example) = begin().await;
    assert_eq!(example.sync("report").await, "3 created");
    let first = [
        "2026-11-01,\"/pióra, \"\"wieczne\"\"\",3,2,0.5",
        "2026-11-01,/kubki,1200,900,0.4310",
        "2026-11-02,/kubki,1100,850,0.4",
    ];
    assert_eq!(lines(example.directory()), first);
    assert_eq!(example.sync("report").await, "3 unchanged");
    assert_eq!(lines(example.directory()), first);

    analytics.set_figures("2026-11-02", "/kubki", 1105, 852, "0.4");
    analytics.set_figures("2026-11-03", "/kubki", 7, 7, "0");
    assert_eq!(
        example.sync("report").await,
        "1 created, 1 updated, 2 unchanged"
    );
    let later = ["2026-11-02,/kubki,1105,852,0.4", "2026-11-03,/kubki,7,7,0"];
    assert_eq!(lines(example.directory()), [&first[..], &later].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_analytics_does_not_understand_is_no_empty_report() {
    let (_analytics, example) = begin().await;
    let flow = example.directory().join("flows/report.yaml");
    fs::write(
        &flow,
        fs::read_to_string(&flow)
            .unwrap()
            .replace("traffic(since", "trafic(since"),
    )
    .unwrap();
    let printed = example.pomost(&["sync", "report"]).await;
    assert_eq!(
        (printed.code, printed.out.as_str()),
        (1, "report failed: no records\n"),
        "{printed:?}"
    );
    assert!(
        printed
            .err
            .contains("POST /graphql answered 200 OK, which means invalid"),
        "{printed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn analytics_does_not_let_in_who_shows_nothing() {
    let (analytics, _example) = begin().await;
    let json = "Content-Type: application/json\r\n";
    assert_eq!(
        send_request("POST", &format!("{}/graphql", analytics.url()), json, "{}")
            .await
            .0,
        401
    );
}

async fn begin() -> (AnalyticsServer, ExampleProject) {
    let analytics = AnalyticsServer::start().await;
    // Nobody connects to it for the sake of files.
    let example = ExampleProject::new(
        "analytics-report",
        &analytics.variables("postgres://127.0.0.1:1/nowhere"),
    );
    (analytics, example)
}

/// The lines of all files below their headers, in order.
fn lines(project: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for file in fs::read_dir(project.join("reports/traffic"))
        .unwrap()
        .map(|file| file.unwrap().path())
    {
        if file.extension().is_some_and(|extension| extension == "csv") {
            let text = fs::read_to_string(&file).unwrap();
            let mut of_file = text.lines().map(str::to_owned);
            assert_eq!(
                of_file.next().unwrap(),
                "date,page,views,visitors,bounce_rate"
            );
            lines.extend(of_file);
        }
    }
    lines.sort();
    lines
}
