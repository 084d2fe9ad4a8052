//! Loading a project's directory.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use pomost_expression::Expression;
use serde::de::DeserializeOwned;

use crate::{
    AlertRules, Flow, Problem, Problems, Project,
    compile::{FileCompiler, alerts, flow, system},
    document::Document,
    environment::Environment,
    file_schema::{self, FileSchema},
    schema::RecordSchema,
    version,
};

impl Project {
    /// Reads and compiles everything in the directory. The error contains all problems.
    pub fn load(directory: &Path, environment: &Environment) -> Result<Project, Problems> {
        let mut loader = ProjectLoader {
            directory,
            problems: Problems::default(),
            warnings: Problems::default(),
        };
        if !directory.is_dir() {
            loader
                .problems
                .push(Problem::of_file(directory, "there is no such directory"));
            return Err(loader.problems);
        }
        loader.refuse(environment.problems.clone());
        let systems = loader.systems(environment);
        let flows = loader.flows(&systems, environment);
        let alerts = loader.alerts(environment);
        loader.schemas();
        if !loader.problems.is_empty() {
            return Err(loader.problems);
        }
        let systems = systems
            .into_iter()
            .filter_map(|(name, system)| Some((name, system?)))
            .collect();
        Ok(Project {
            directory: directory.to_owned(),
            systems,
            flows,
            alerts,
            warnings: loader.warnings,
        })
    }
}

struct ProjectLoader<'a> {
    directory: &'a Path,
    problems: Problems,
    warnings: Problems,
}

/// The systems by name. A system that does not compile is None, so that flows that refer to it have
/// no second problem.
type CompiledSystems = BTreeMap<String, Option<Arc<crate::System>>>;

impl ProjectLoader<'_> {
    fn systems(&mut self, environment: &Environment) -> CompiledSystems {
        let files = self.files("systems", &file_schema::SYSTEM);
        let mut systems = CompiledSystems::new();
        for (name, file) in files {
            let compiled = file.and_then(|(document, file)| {
                system::compile(&mut self.compiling(&document), &file, &name, environment)
            });
            systems.insert(name, compiled.map(Arc::new));
        }
        systems
    }

    fn flows(
        &mut self,
        systems: &CompiledSystems,
        environment: &Environment,
    ) -> BTreeMap<String, Arc<Flow>> {
        let names: Vec<&str> = systems.keys().map(String::as_str).collect();
        let mut flows = BTreeMap::new();
        for (name, file) in self.files("flows", &file_schema::FLOW) {
            let Some((document, file)) = file else {
                continue;
            };
            if let Some(flow) = flow::compile(
                &mut self.compiling(&document),
                &file,
                &name,
                &names,
                environment,
            ) {
                self.check_webhook(&document, &flow, &flows);
                let system = |name: &str| systems.get(name)?.as_deref();
                let version = version::of_files(self.directory, document.digest(), &file, system);
                flows.insert(name, Arc::new(Flow { version, ..flow }));
            }
        }
        flows
    }

    /// The alerts. None where the file does not exist or contains only comments.
    fn alerts(&mut self, environment: &Environment) -> Option<AlertRules> {
        let file = Path::new("alerts.yaml");
        let path = self.directory.join(file);
        if !path.exists() || fs::read_to_string(&path).is_ok_and(|source| is_only_comments(&source))
        {
            return None;
        }
        match self.file(&path, file, &file_schema::ALERTS) {
            Ok((document, content)) => {
                alerts::compile(&mut self.compiling(&document), &content, environment)
            }
            Err(problems) => {
                self.refuse(problems);
                None
            }
        }
    }

    /// Checks that no other flow has the webhook's path. A delivery goes to one flow, so that one
    /// response can say what became of it.
    fn check_webhook(
        &mut self,
        document: &Document,
        flow: &Flow,
        others: &BTreeMap<String, Arc<Flow>>,
    ) {
        let path = |flow: &Flow| {
            flow.extract
                .webhook
                .as_ref()
                .map(|webhook| webhook.path.clone())
        };
        let other = others
            .values()
            .find(|other| path(flow).is_some() && path(other) == path(flow));
        if let Some(other) = other {
            let message = format!("the flow '{}' has this path already", other.name);
            self.problems
                .push(document.problem("/extract/webhook/path", message));
        }
    }

    /// Checks the schemas that no flow refers to. The others were compiled with their flows.
    fn schemas(&mut self) {
        for path in files_in(&self.directory.join("schemas"), &["json"]) {
            let file = Path::new("schemas").join(path.file_name().unwrap_or_default());
            if let Err(problem) = RecordSchema::read(self.directory, &file) {
                self.problems.push(problem);
            }
        }
    }

    fn compiling<'b>(&'b mut self, document: &'b Document) -> FileCompiler<'b> {
        FileCompiler {
            directory: self.directory,
            document,
            problems: &mut self.problems,
            warnings: &mut self.warnings,
        }
    }

    /// The files of a folder by name, each with its document if its schema is satisfied.
    fn files<T: DeserializeOwned>(
        &mut self,
        folder: &str,
        schema: &FileSchema,
    ) -> Vec<(String, Option<(Document, T)>)> {
        let paths = files_in(&self.directory.join(folder), &["yaml", "yml"]);
        if paths.is_empty() {
            let problem = Problem::of_file(
                Path::new(folder),
                "a project has .yaml files here; there are none",
            );
            self.problems
                .push(problem.with_help("`pomost init DIR` writes a project to start from"));
        }
        let mut files: Vec<(String, Option<(Document, T)>)> = Vec::new();
        for path in paths {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let file = Path::new(folder).join(path.file_name().unwrap_or_default());
            if files.iter().any(|(other, ..)| *other == name) {
                self.problems.push(Problem::of_file(
                    &file,
                    format!("there is another file named '{name}'"),
                ));
                continue;
            }
            let content = self
                .file(&path, &file, schema)
                .map_err(|problems| self.refuse(problems))
                .ok();
            files.push((name, content));
        }
        files
    }

    fn refuse(&mut self, problems: Vec<Problem>) {
        problems
            .into_iter()
            .for_each(|problem| self.problems.push(problem));
    }

    fn file<T: DeserializeOwned>(
        &self,
        path: &Path,
        file: &Path,
        schema: &FileSchema,
    ) -> Result<(Document, T), Vec<Problem>> {
        let source = fs::read(path)
            .map_err(|error| vec![Problem::of_file(file, format!("cannot be read: {error}"))])?;
        let document = Document::parse(file, &source).map_err(|problem| vec![problem])?;
        let mut problems = schema.problems(&document);
        if !problems.is_empty() {
            // A file that violates its schema is not compiled. Its expressions are checked all the
            // same.
            problems.extend(schema.expressions(&document).into_iter().filter_map(
                |(pointer, text)| {
                    Expression::compile(text)
                        .err()
                        .map(|error| document.problem_with_expression(&pointer, 0, error))
                },
            ));
            return Err(problems);
        }
        match T::deserialize(&document.value) {
            Ok(value) => Ok((document, value)),
            Err(error) => Err(vec![document.problem("", error.to_string())]),
        }
    }
}

/// True where a file contains only comments.
fn is_only_comments(source: &str) -> bool {
    source
        .lines()
        .map(str::trim_start)
        .all(|line| line.is_empty() || line.starts_with('#'))
}

fn files_in(folder: &Path, kinds: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_wanted = |path: &PathBuf| {
        path.extension()
            .and_then(OsStr::to_str)
            .is_some_and(|extension| kinds.contains(&extension))
    };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(is_wanted)
        .collect();
    paths.sort();
    paths
}
