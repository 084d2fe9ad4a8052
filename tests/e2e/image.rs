//! The build of an image, tried on a small workspace in place of this one.

use std::{
    fs::{File, create_dir_all, read_to_string, write},
    path::Path,
    process::{Command, Output},
    time::{Duration, SystemTime},
};

/// The commands of the Dockerfile that compile the sources after they were copied.
fn build_commands() -> String {
    let dockerfile = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/docker/Dockerfile");
    let dockerfile = read_to_string(dockerfile).unwrap();
    let (_, after) = dockerfile.split_once("\nCOPY . .\n").unwrap();
    let (_, run) = after.split_once("\nRUN ").unwrap();
    let (run, _) = run.split_once("\n\n").unwrap();
    let words = run
        .split_whitespace()
        .filter(|word| *word != "\\" && !word.starts_with("--mount="));
    let script = words.collect::<Vec<_>>().join(" ");
    let (building, _) = script.split_once(" && install ").unwrap();
    assert!(
        building.ends_with("cargo build --locked --release --bins"),
        "{building}"
    );
    building.to_owned()
}

/// Writes a source as COPY does, which keeps the time of its last change.
fn copy(workspace: &Path, path: &str, content: &str, age: Duration) {
    let path = workspace.join(path);
    create_dir_all(path.parent().unwrap()).unwrap();
    write(&path, content).unwrap();
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(SystemTime::now() - age)
        .unwrap();
}

fn succeeded(output: Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

/// Sources come from an archive or another checkout, so that their times do not tell when they
/// changed.
#[test]
fn an_image_holds_the_code_that_was_copied_also_where_its_files_are_older_than_the_last_build() {
    let directory = tempfile::tempdir().unwrap();
    let workspace = directory.path();
    let build_and_run = |text: &str, said: &str, age: Duration| {
        copy(
            workspace,
            "Cargo.toml",
            "[package]\nname = 'program'\nversion = '0.1.0'\nedition = '2024'\n",
            age,
        );
        copy(
            workspace,
            "Cargo.lock",
            "version = 4\n[[package]]\nname = 'program'\nversion = '0.1.0'\n",
            age,
        );
        let main =
            format!("fn main() {{ println!(\"{text}, {{}}\", include_str!(\"said.txt\")) }}");
        copy(workspace, "src/main.rs", &main, age);
        copy(workspace, "src/said.txt", said, age);
        let mut sh = Command::new("sh");
        sh.args(["-c", &build_commands()])
            .current_dir(workspace)
            .env_remove("CARGO_TARGET_DIR");
        succeeded(sh.output().unwrap());
        succeeded(
            Command::new(workspace.join("target/release/program"))
                .output()
                .unwrap(),
        )
    };
    assert_eq!(
        build_and_run("first", "as it was", HOUR),
        "first, as it was\n"
    );
    assert_eq!(
        build_and_run("second", "as it was", 2 * HOUR),
        "second, as it was\n"
    );
    assert_eq!(
        build_and_run("second", "as it is", 3 * HOUR),
        "second, as it is\n"
    );
}
