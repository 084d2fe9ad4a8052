//! Compiling `load.files`.

use std::path::{Component, Path, PathBuf};

use pomost_format::{BodyFormat, FormatSyntax};
use pomost_models::{
    files::FilesSection,
    format::{CsvSection, FormatSection, FormatSettings},
};

use super::FileCompiler;
use crate::files::FileDestination;

pub(crate) fn compile(
    compiler: &mut FileCompiler<'_>,
    section: &FilesSection,
) -> Option<FileDestination> {
    let directory = directory(compiler, &section.directory);
    let format = format(compiler, &section.format);
    Some(FileDestination {
        directory: directory?,
        format: format?,
    })
}

fn directory(compiler: &mut FileCompiler<'_>, directory: &str) -> Option<PathBuf> {
    let path = Path::new(directory);
    let is_inside = path
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if directory.is_empty() || directory.contains('\0') || !is_inside {
        compiler.refuse_with_help(
            "/load/files/directory",
            "expected a directory in the project, such as reports/sales",
            "for a directory elsewhere, use a symbolic link or a mount",
        );
        return None;
    }
    Some(compiler.directory.join(path))
}

/// The format of the files. Other programs read the files one by one, so the columns in each file
/// have names.
fn format(compiler: &mut FileCompiler<'_>, section: &FormatSection) -> Option<BodyFormat> {
    let pointer = "/load/files/format";
    let with_header = match &section.0 {
        FormatSettings::Jsonl(_) => section.clone(),
        FormatSettings::Csv(csv) if csv.header != Some(false) => {
            FormatSection(FormatSettings::Csv(CsvSection {
                header: Some(true),
                ..csv.clone()
            }))
        }
        FormatSettings::Csv(_) => {
            let message = "a file needs a header: the next one may have other columns";
            compiler.refuse_with_help(&format!("{pointer}/csv/header"), message, "leave this out");
            return None;
        }
        _ => {
            compiler.refuse(
                pointer,
                "expected csv or jsonl: files are tables, or a JSON text for each record on a line of its own",
            );
            return None;
        }
    };
    let format = compiler.format(pointer, Some(&with_header))??;
    check_charset(compiler, pointer, &format);
    Some(format)
}

fn check_charset(compiler: &mut FileCompiler<'_>, pointer: &str, format: &BodyFormat) {
    let is_written = format.charset.is_none_or(|charset| charset.is_written());
    if matches!(format.syntax, FormatSyntax::Csv(_)) && !is_written {
        let message =
            "this charset is only read; leave it out for utf-8, or write one such as windows-1250";
        compiler.refuse(&format!("{pointer}/csv/encoding"), message);
    }
}
