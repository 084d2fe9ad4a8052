//! The promises of the embedded database.
#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    process::{Command, Stdio},
};

use pomost_sqlite::{Database, Error};
use tempfile::TempDir;

mod embedded {
    refinery::embed_migrations!("tests/migrations");
}

async fn open(path: &Path) -> Database {
    Database::open(path, embedded::migrations::runner())
        .await
        .unwrap()
}

async fn opened() -> (TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("deep/down/notes.db")).await;
    (directory, database)
}

async fn note(database: &Database, writer: i64) -> Result<usize, Error> {
    database
        .write(move |t| {
            t.prepare_cached("INSERT INTO notes (writer) VALUES (?)")?
                .execute([writer])
        })
        .await
}

async fn count(database: &Database) -> i64 {
    database
        .read(|c| c.query_row("SELECT count(*) FROM notes", [], |row| row.get(0)))
        .await
        .unwrap()
}

#[tokio::test]
async fn what_was_written_is_there_when_the_file_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.db");
    note(&open(&path).await, 1).await.unwrap();
    assert_eq!(count(&open(&path).await).await, 1);
}

#[tokio::test]
async fn commits_survive_a_power_cut_and_readers_do_not_wait() {
    let (_directory, database) = opened().await;
    let settings = database
        .write(|t| {
            let text: String = t.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
            let number: i64 = t.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
            Ok((text, number))
        })
        .await
        .unwrap();
    assert_eq!(settings, ("wal".to_owned(), 2));
}

#[tokio::test]
async fn an_error_undoes_all_that_its_transaction_wrote() {
    let (_directory, database) = opened().await;
    let result = database
        .write(|t| {
            t.execute("INSERT INTO notes (writer) VALUES (1)", [])?;
            t.execute("INSERT INTO nowhere VALUES (1)", [])
        })
        .await;
    assert!(matches!(result, Err(Error::Unavailable { .. })));
    assert_eq!(count(&database).await, 0);
}

#[tokio::test]
async fn a_panic_undoes_its_transaction_and_the_next_one_works() {
    let (_directory, database) = opened().await;
    let result = database
        .write(|t| -> rusqlite::Result<()> {
            t.execute("INSERT INTO notes (writer) VALUES (1)", [])?;
            panic!("on purpose")
        })
        .await;
    assert!(matches!(result, Err(Error::Unavailable { .. })));
    note(&database, 2).await.unwrap();
    assert_eq!(count(&database).await, 1);
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_directory, database) = opened().await;
    assert!(
        database
            .read(|c| c.execute("INSERT INTO notes (writer) VALUES (1)", []))
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_take_turns_in_the_order_they_came() {
    let (_directory, database) = opened().await;
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let database = database.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    note(&database, writer).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(count(&database).await, 800);
    assert!(
        longest_wait(&database).await <= 64,
        "a writer was passed by too often"
    );
}

/// The largest number of other writers' notes between two notes of one writer.
async fn longest_wait(database: &Database) -> i64 {
    let sql = "SELECT max(gap) FROM (
        SELECT number - lag(number) OVER (PARTITION BY writer ORDER BY number) AS gap FROM notes)";
    database
        .read(move |c| c.query_row(sql, [], |row| row.get(0)))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_a_new_file_many_times_at_once_migrates_it_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.db");
    let openers: Vec<_> = (0..8)
        .map(|writer| {
            let path = path.clone();
            tokio::spawn(async move { note(&open(&path).await, writer).await.unwrap() })
        })
        .collect();
    for opener in openers {
        opener.await.unwrap();
    }
    assert_eq!(count(&open(&path).await).await, 8);
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_with_advice() {
    let (_directory, database) = opened().await;
    let newer =
        "INSERT INTO refinery_schema_history VALUES (9, 'later', '2030-01-01T00:00:00Z', '1')";
    database.write(move |t| t.execute(newer, [])).await.unwrap();
    let Err(error) =
        Database::open(Path::new(database.place()), embedded::migrations::runner()).await
    else {
        panic!("it was opened")
    };
    assert!(error.to_string().contains("use that version"), "{error}");
}

#[tokio::test]
async fn a_place_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let Err(error) = Database::open(directory.path(), embedded::migrations::runner()).await else {
        panic!("it was opened")
    };
    assert!(
        error
            .to_string()
            .contains(&*directory.path().to_string_lossy()),
        "{error}"
    );
}

#[test]
fn the_second_process_is_told_who_has_the_project() {
    use pomost_sqlite::ProjectLock;
    let directory = tempfile::tempdir().unwrap();
    let lock = ProjectLock::acquire(directory.path()).unwrap();
    let error = ProjectLock::acquire(directory.path())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!(
            "is in use by process {}; stop it",
            std::process::id()
        )),
        "{error}"
    );
    drop(lock);
    ProjectLock::acquire(directory.path()).unwrap();
}

/// No behaviour: the other process of [`a_killed_process_leaves_no_lock_behind`].
#[test]
#[ignore = "run by another test, in a process of its own"]
fn hold_the_lock_until_killed() {
    let Ok(directory) = std::env::var("LOCKED") else {
        return;
    };
    let lock = pomost_sqlite::ProjectLock::acquire(Path::new(&directory)).unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
    drop(lock);
}

#[test]
fn a_killed_process_leaves_no_lock_behind() {
    use pomost_sqlite::{LockError, ProjectLock};
    let directory = tempfile::tempdir().unwrap();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_the_lock_until_killed", "--ignored"])
        .env("LOCKED", directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let expected = format!("process {}", holder.id());
    while !std::fs::read_to_string(directory.path().join("lock"))
        .is_ok_and(|text| text.ends_with('\n'))
    {
        assert!(
            holder.try_wait().unwrap().is_none(),
            "the other process ended"
        );
        std::thread::yield_now();
    }
    let refused = ProjectLock::acquire(directory.path()).unwrap_err();
    assert!(matches!(refused, LockError::InUse { holder, .. } if holder == expected));
    holder.kill().unwrap();
    holder.wait().unwrap();
    ProjectLock::acquire(directory.path()).unwrap();
}
