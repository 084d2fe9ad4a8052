//! Reading a project's directory.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use crate::{
    Problem, Problems, Project,
    compile::{Compile, flow, system},
    document::Document,
    environment::Environment,
    file_schema::{self, FileSchema},
};

impl Project {
    /// Reads and compiles everything in the directory, or says all that is wrong with it.
    pub fn load(directory: &Path, environment: &Environment) -> Result<Project, Problems> {
        let mut loading = Loading { directory, problems: Problems::default(), warnings: Problems::default() };
        let systems = loading.systems(environment);
        let flows = loading.flows(&systems);
        if !loading.problems.is_empty() {
            return Err(loading.problems);
        }
        let systems = systems.into_iter().filter_map(|(name, system)| Some((name, system?))).collect();
        Ok(Project { directory: directory.to_owned(), systems, flows, warnings: loading.warnings })
    }
}

struct Loading<'a> {
    directory: &'a Path,
    problems: Problems,
    warnings: Problems,
}

/// The systems by name. One that does not compile is known all the same, so that flows may refer
/// to it without a second complaint.
type Systems = BTreeMap<String, Option<Arc<crate::System>>>;

impl Loading<'_> {
    fn systems(&mut self, environment: &Environment) -> Systems {
        let files = self.files("systems", &file_schema::SYSTEM);
        let mut systems = Systems::new();
        for (name, document, file) in files {
            let compiled = match file {
                Some(file) => system::compile(&mut self.compiling(&document), &file, &name, environment),
                None => None,
            };
            systems.insert(name, compiled.map(Arc::new));
        }
        systems
    }

    fn flows(&mut self, systems: &Systems) -> BTreeMap<String, Arc<crate::Flow>> {
        let names: Vec<&str> = systems.keys().map(String::as_str).collect();
        let mut flows = BTreeMap::new();
        for (name, document, file) in self.files("flows", &file_schema::FLOW) {
            let Some(file) = file else { continue };
            if let Some(flow) = flow::compile(&mut self.compiling(&document), &file, &name, &names) {
                flows.insert(name, Arc::new(flow));
            }
        }
        flows
    }

    fn compiling<'b>(&'b mut self, document: &'b Document) -> Compile<'b> {
        Compile {
            directory: self.directory,
            document,
            problems: &mut self.problems,
            warnings: &mut self.warnings,
        }
    }

    /// The documents of a folder by the names of their files, each as its type where it is of it.
    fn files<T: DeserializeOwned>(
        &mut self,
        folder: &str,
        schema: &FileSchema,
    ) -> Vec<(String, Document, Option<T>)> {
        let paths = yaml_files(&self.directory.join(folder));
        if paths.is_empty() {
            let message = format!("there are no .yaml files in {folder}/ of {}", self.directory.display());
            self.problems.push(of_file(
                Path::new(folder),
                message,
                Some("`pomost init DIR` writes a project to start from"),
            ));
        }
        let mut files: Vec<(String, Document, Option<T>)> = Vec::new();
        for path in paths {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let file = Path::new(folder).join(path.file_name().unwrap_or_default());
            if files.iter().any(|(other, ..)| *other == name) {
                self.problems.push(of_file(&file, format!("there are two files named '{name}'"), None));
                continue;
            }
            if let Some((document, value)) = self.file(&path, &file, schema) {
                files.push((name, document, value));
            }
        }
        files
    }

    fn file<T: DeserializeOwned>(
        &mut self,
        path: &Path,
        file: &Path,
        schema: &FileSchema,
    ) -> Option<(Document, Option<T>)> {
        let read =
            fs::read_to_string(path).map_err(|error| of_file(file, format!("cannot be read: {error}"), None));
        let document = match read.and_then(|source| Document::parse(file, source)) {
            Ok(document) => document,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let mut problems = schema.problems(&document);
        let value = match problems.is_empty() {
            true => T::deserialize(&document.value)
                .map_err(|error| problems.push(document.problem("", error.to_string())))
                .ok(),
            false => None,
        };
        problems.into_iter().for_each(|problem| self.problems.push(problem));
        Some((document, value))
    }
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_yaml =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_yaml).collect();
    paths.sort();
    paths
}

fn of_file(file: &Path, message: String, help: Option<&str>) -> Problem {
    Problem { file: file.to_owned(), line: 1, column: 1, message, help: help.map(str::to_owned) }
}
