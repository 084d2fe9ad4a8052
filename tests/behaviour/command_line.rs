//! The output of the command line and its exit codes. `UPDATE_EXPECTED=1` writes the expected
//! outputs again: read the difference.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use pomost_tests::eventually;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    CommandOutput, FakeServer, Flow, Reply, Rows, World, examples, outcomes, pomost, row,
};

const CURSOR: &str = "cursor: { value: .at, start: \"2020-01-01\" }";

/// A world with three rows of which one is refused.
async fn world() -> World {
    let rows = Rows::default();
    rows.set_json([
        r#"{"key":"a","at":"2026-01-01","email":"ada@example.com"}"#.into(),
        r#"{"key":"b","at":"2026-01-03","email":"bob@example.com","n":1.10}"#.into(),
        r#"{"key":"c","at":"2026-01-02","email":"cyd@example.com"}"#.into(),
    ]);
    let flow = Flow {
        request: "GET /rows?since={$cursor}",
        extract: CURSOR,
        transform: "map: '. + { from: \"crm\" }'",
        rest: "sensitive: [.email]",
        ..Flow::default()
    };
    let world = World::new(rows.serve().await, flow).await;
    world.shop.intercept(|request| {
        request
            .body
            .contains("bob")
            .then(|| Reply::json(422, &json!({ "error": "bob@example.com is taken" })))
    });
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_with_dead_letters_ends_with_1_and_says_where_they_are() {
    let world = world().await;
    let printed = world.pomost(&["sync", "things"]).await;
    expect("sync-with-dead-letters", 1, &printed);
    expect("dead-list", 0, &world.pomost(&["dead", "list"]).await);
    let id = world.only_dead().await.id;
    expect(
        "dead-show",
        0,
        &world.pomost(&["dead", "show", &id[..6]]).await,
    );
    expect("status", 0, &world.pomost(&["status"]).await);
    world.shop.mend();
    let replayed = world.pomost(&["dead", "replay", &id]).await;
    expect("dead-replay", 0, &replayed);
    expect(
        "sync-after-replay",
        0,
        &world.pomost(&["sync", "things"]).await,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cursor_can_be_shown_and_set() {
    let world = world().await;
    world.shop.mend();
    world.pomost(&["sync", "things"]).await;
    assert_eq!(
        world.pomost(&["cursor", "show", "things"]).await.out,
        "2026-01-03\n"
    );
    assert_eq!(
        world
            .pomost(&["cursor", "set", "things", "2026-01-02"])
            .await
            .code,
        0
    );
    assert_eq!(
        world.pomost(&["cursor", "show", "things"]).await.out,
        "2026-01-02\n"
    );
    world.pomost(&["cursor", "set", "things"]).await;
    assert_eq!(world.pomost(&["cursor", "show", "things"]).await.out, "\n");
    world.pomost(&["sync", "things"]).await;
    assert_eq!(
        world.source.query_values("since"),
        ["2020-01-01", "2020-01-01"]
    );
}

/// The source had asked for no requests for an hour, and the run waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_is_resumed_is_asked_again_by_the_process_that_runs() {
    let first = AtomicBool::new(true);
    let source = FakeServer::start(move |_| match first.swap(false, Ordering::Relaxed) {
        true => Reply::json(429, &json!({})).with("retry-after", "3600"),
        false => Reply::rows([row(1), row(2)]),
    })
    .await;
    let world = World::new(source, Flow::default()).await;
    let running = world.start().await;
    let run = running.request(None).await;
    let store = world.backends().await.store;
    eventually(
        async || match store.remaining_hold("source").await.unwrap() {
            Duration::ZERO => Err("the source is not held"),
            _ => Ok(()),
        },
    )
    .await;
    let resumed = world.pomost(&["system", "resume", "source"]).await;
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(
        resumed
            .out
            .starts_with("source: lifted a hold that would have lasted 3"),
        "{resumed:?}"
    );
    assert_eq!(outcomes(&running.ended(run).await), [("created", 2)]);
    running.stop().await;
    let again = world.pomost(&["system", "resume", "source"]).await;
    expect("system-resume-not-held", 0, &again);
    let unknown = world.pomost(&["system", "resume", "sorce"]).await;
    expect("system-resume-unknown", 1, &unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_to_begin_at_that_makes_no_sense_is_refused_with_2() {
    let world = world().await;
    for value in ["yesterday", "2026-02-30", "17", "", "9999-12-31"] {
        let set = world.pomost(&["cursor", "set", "things", value]).await;
        let since = world.pomost(&["sync", "things", "--since", value]).await;
        assert_eq!(
            (set.code, since.code),
            (2, 2),
            "{value}: {} {}",
            set.err,
            since.err
        );
        assert!(
            set.err.starts_with("error: ") && since.err.starts_with("error: --since: "),
            "{}",
            since.err
        );
    }
    let refused = world
        .pomost(&["cursor", "set", "things", "yesterday"])
        .await
        .err;
    assert!(
        refused.contains("expected a time") && refused.contains("\"yesterday\""),
        "{refused}"
    );
    assert!(world.source.requests().is_empty());
    assert_eq!(world.cursor().await, None);
    assert!(
        world
            .backends()
            .await
            .store
            .runs(None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_without_dead_letters_ends_with_0() {
    let world = world().await;
    world.shop.mend();
    expect("sync", 0, &world.pomost(&["sync", "things"]).await);
    expect(
        "sync-since",
        0,
        &world
            .pomost(&["sync", "things", "--since", "2026-01-01"])
            .await,
    );
    expect("dead-list-empty", 0, &world.pomost(&["dead", "list"]).await);
    expect(
        "dead-replay-nothing",
        1,
        &world.pomost(&["dead", "replay", "--all"]).await,
    );
    expect(
        "dead-replay-everything",
        1,
        &world.pomost(&["dead", "replay"]).await,
    );
    expect(
        "sync-unknown-flow",
        1,
        &world.pomost(&["sync", "thngs"]).await,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_cannot_read_its_source_ends_with_1() {
    let source = crate::support::FakeServer::start(|_| Reply::of(200, "Welcome")).await;
    let world = World::new(source, Flow::default()).await;
    expect("sync-failed", 1, &world.pomost(&["sync", "things"]).await);
    expect("status-failed", 0, &world.pomost(&["status"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn checking_a_project_with_problems_ends_with_2() {
    let world = world().await;
    let directory = world.directory().to_str().unwrap().to_owned();
    expect("check", 0, &world.pomost(&["check", &directory]).await);
    world.write("flows/things.yaml", "flow: things\nextarct: {}\n");
    expect(
        "check-problems",
        2,
        &world.pomost(&["check", &directory]).await,
    );
    expect(
        "check-problems",
        2,
        &world.pomost(&["sync", "things"]).await,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dot_env_that_cannot_be_read_is_a_problem_and_never_none() {
    let world = world().await;
    let directory = world.directory().to_str().unwrap().to_owned();
    world.write(".env", "TOKEN=secret-of-the-tests\nsecret-of-the-tests\n");
    for arguments in [
        ["check", &directory],
        ["sync", "things"],
        ["run", &directory],
    ] {
        let printed = world.pomost(&arguments).await;
        let said = format!("{}{}", printed.out, printed.err);
        assert!(
            printed.code == 2 && said.contains(".env:2:1: expected NAME=value"),
            "{arguments:?}: {printed:?}"
        );
        assert!(!said.contains("secret-of-the-tests"), "{said}");
    }
    std::fs::remove_file(world.directory().join(".env")).unwrap();
    std::fs::create_dir(world.directory().join(".env")).unwrap();
    let printed = world.pomost(&["check", &directory]).await;
    assert!(
        printed.err.contains(".env: cannot be read: "),
        "{printed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_when_there_are_more_letters_than_it_shows() {
    let world = world().await;
    world.shop.intercept(|_| Some(Reply::json(422, &json!({}))));
    world.pomost(&["sync", "things"]).await;
    for (limit, listed, said) in [
        ("2", 2, "there are more; see more with --limit\n"),
        ("3", 3, ""),
    ] {
        let printed = world.pomost(&["dead", "list", "--limit", limit]).await;
        assert_eq!(
            (printed.out.lines().count(), printed.err.as_str()),
            (1 + listed, said)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_was_just_made_is_well_formed_and_is_not_made_again() {
    let world = world().await;
    let project = world.directory().join("new");
    let project = project.to_str().unwrap();
    let made = world.pomost(&["init", project]).await;
    assert_eq!(made.code, 0, "{made:?}");
    assert!(
        made.out.lines().count() > 4 && made.out.lines().all(|file| Path::new(file).exists()),
        "{made:?}"
    );
    let checked = world.pomost(&["check", project]).await;
    assert_eq!((checked.code, checked.err.as_str()), (0, ""), "{checked:?}");
    let flow = Path::new(project).join("flows/customers.yaml");
    std::fs::write(&flow, "flow: mine\n").unwrap();
    assert_eq!(world.pomost(&["init", project]).await.code, 1);
    assert_eq!(std::fs::read_to_string(&flow).unwrap(), "flow: mine\n");
}

/// The schemas that the examples refer to are those that the command prints.
#[tokio::test(flavor = "multi_thread")]
async fn the_schemas_for_editors_are_printed() {
    let world = world().await;
    for kind in ["alerts", "flow", "system"] {
        let printed = world.pomost(&["schema", kind]).await;
        let kept = examples().join(format!("schemas/{kind}.schema.json"));
        assert_eq!(
            (printed.code, printed.out),
            (0, std::fs::read_to_string(kept).unwrap())
        );
    }
    assert_eq!(world.pomost(&["schema", "flows"]).await.code, 2);
}

/// The check prints no warnings either.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_are_well_formed_with_their_example_environments() {
    let mut checked = 0;
    for example in std::fs::read_dir(examples()).unwrap() {
        let directory = example.unwrap().path();
        let Ok(environment) = std::fs::read_to_string(directory.join(".env.example")) else {
            continue;
        };
        let mut command = pomost(&["check", directory.to_str().unwrap()]);
        let variables = environment.lines().filter_map(|line| line.split_once('='));
        let printed = CommandOutput::of(command.envs(variables).output().await.unwrap());
        let said =
            printed.out.ends_with(" flows are well-formed\n") && printed.out.lines().count() == 1;
        assert!(
            said && (printed.code, &*printed.err) == (0, ""),
            "{}: {printed:?}",
            directory.display()
        );
        checked += 1;
    }
    assert!(checked > 6, "only {checked} of them are there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_project_is_told_that_it_is_in_use() {
    let world = world().await;
    let mut first = world.command(&["run", world.directory().to_str().unwrap()]);
    let mut first = first
        .env("POMOST_CLAIM_SECONDS", "5")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = first.stderr.take().unwrap();
    while !said.contains("running") {
        let mut some = [0; 256];
        let length = output.read(&mut some).await.unwrap();
        assert!(length > 0, "{said}");
        said.push_str(std::str::from_utf8(&some[..length]).unwrap());
    }
    let second = world
        .pomost(&["run", world.directory().to_str().unwrap()])
        .await;
    assert_eq!(second.code, 1);
    let holder = format!("is in use by process {}", first.id().unwrap());
    assert!(second.err.contains(&holder), "{second:?}");
    let synced = world.pomost(&["sync", "things"]).await;
    assert_eq!(
        synced.out, "things settled: 2 created, 1 dead\n",
        "{synced:?}"
    );
    first.kill().await.unwrap();
    eventually(async || match world.pomost(&["sync", "things"]).await {
        printed if printed.out == "things settled: 2 unchanged, 1 dead\n" => Ok(()),
        printed => Err(format!("{printed:?}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_sensitive_value_is_printed() {
    let world = world().await;
    let mut printed = vec![world.pomost(&["sync", "things"]).await];
    let id = world.only_dead().await.id;
    for arguments in [
        &["dead", "list"][..],
        &["dead", "show", &id],
        &["status"],
        &["dead", "discard", &id],
    ] {
        printed.push(world.pomost(arguments).await);
    }
    for CommandOutput { out, err, .. } in printed {
        for secret in ["bob@example.com", "secret-of-the-tests"] {
            assert!(!out.contains(secret) && !err.contains(secret), "{out}{err}");
        }
    }
}

/// On one side of the mapping the value has a name that is not among the sensitive paths.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sensitive_before_the_mapping_or_after_it_is_masked_in_both() {
    for rest in ["sensitive: [.email]", "sensitive: [.mail]"] {
        let flow = Flow {
            transform: "map: '{ key, email: .mail }'",
            rest,
            ..Flow::default()
        };
        let row = json!({"key": "b", "mail": "bob@example.com", "n": 7});
        let (world, _) = World::with_rows([row], flow).await;
        world.shop.intercept(|_| Some(Reply::json(422, &json!({}))));
        world.sync().await;
        let shown = world
            .pomost(&["dead", "show", &world.only_dead().await.id])
            .await
            .out;
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["data"], json!({"key": "b", "email": "***"}), "{rest}");
        assert_eq!(
            shown["extracted"],
            json!({"key": "b", "mail": "***", "n": 7}),
            "{rest}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_a_sensitive_field_is_masked() {
    let world = world().await;
    let flow = std::fs::read_to_string(world.directory().join("flows/things.yaml")).unwrap();
    world.write(
        "flows/things.yaml",
        &flow.replace("key: .key", "key: '[.email, .key]'"),
    );
    world.pomost(&["sync", "things"]).await;
    let id = world.only_dead().await.id;
    let listed = world.pomost(&["dead", "list"]).await.out;
    assert!(listed.contains(r#"["***","b"]"#), "{listed}");
    world.write("flows/things.yaml", "flow: things\n");
    for arguments in [&["dead", "list"][..], &["dead", "show", &id]] {
        let printed = world.pomost(arguments).await;
        assert!(
            printed.code == 0 && !printed.out.contains("bob@example.com"),
            "{printed:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eval_prints_each_output_on_a_line_of_its_own_and_goes_on_after_an_error() {
    let rows = concat!(
        r#"{"name":"Łódź","price":1.10,"q":3}"#,
        "\n\n",
        r#"{"name":"geheim","price":"x","q":2} {"name":"","price":0.1,"q":9007199254740993}"#,
    );
    expect(
        "eval",
        1,
        &eval(
            &["{total: (.price * .q | round(2))}, (.name | upcase)"],
            rows,
        )
        .await,
    );
    expect(
        "eval-field",
        1,
        &eval(&["{name, total: (.price | round(2))}"], rows).await,
    );
    expect(
        "eval-raw",
        0,
        &eval(&["--raw", ".name, .price"], rows).await,
    );
    expect(
        "eval-null-input",
        0,
        &eval(&["--null-input", "., (1, 2)"], "").await,
    );
    expect(
        "eval-not-json",
        1,
        &eval(&[".name"], "{\"name\":1}\n{\"name\":").await,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn eval_of_an_expression_that_does_not_compile_ends_with_2_and_points_at_the_place() {
    expect(
        "eval-unknown-function",
        2,
        &eval(&["{\n  a: (.a | downcsae)\n}"], "{}").await,
    );
    expect(
        "eval-bad-format",
        2,
        &eval(&[".a | date(\"%K\")"], "{}").await,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn eval_lists_the_functions_as_they_are_documented() {
    let documented = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/functions.md");
    let printed = eval(&["--functions"], "").await;
    assert_eq!(
        (printed.code, printed.out),
        (0, std::fs::read_to_string(documented).unwrap())
    );
}

async fn eval(arguments: &[&str], input: &str) -> CommandOutput {
    let mut command = pomost(&[&["eval"], arguments].concat());
    let piped = std::process::Stdio::piped;
    let mut child = command
        .stdin(piped())
        .stdout(piped())
        .stderr(piped())
        .spawn()
        .unwrap();
    // Whoever fails before it reads closes the pipe.
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .await
        .ok();
    CommandOutput::of(child.wait_with_output().await.unwrap())
}

/// Compares the outputs and the exit code of a command with `expected/{name}.txt`.
fn expect(name: &str, code: i32, printed: &CommandOutput) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("behaviour/expected")
        .join(format!("{name}.txt"));
    let actual = format!(
        "{}--- stderr ---\n{}",
        with_placeholders(&printed.out),
        with_placeholders(&printed.err)
    );
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{}\n--- expected ---\n{expected}\n--- actual ---\n{actual}",
        path.display()
    );
    assert_eq!(printed.code, code, "{actual}");
}

/// The text with letters in the place of ids, times and ports, which differ from run to run.
fn with_placeholders(text: &str) -> String {
    let mut plain = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() || "-:.".contains(c) {
            word.push(c);
            continue;
        }
        plain.push_str(&plain_word(&word));
        word.clear();
        plain.extend((c != '\0').then_some(c));
    }
    plain
}

fn plain_word(word: &str) -> String {
    let hexadecimal = || word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    match word.len() {
        12 | 24 | 32 | 36 if hexadecimal() => word
            .chars()
            .map(|c| if c == '-' { c } else { 'h' })
            .collect(),
        20.. if word.starts_with("20") && word.ends_with('Z') => "TTTT-TT-TTTTT:TT:TTZ".into(),
        _ if word.starts_with("127.0.0.1:") => "127.0.0.1:PORT".into(),
        _ => word.to_owned(),
    }
}
