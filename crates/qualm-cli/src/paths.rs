//! Files that a command writes, beside those that it reads.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The folder of a path; the working directory for a bare name.
fn folder(path: &Path) -> &Path {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// Refuses what is no model, where the command line itself shows it: arguments in the wrong
/// order, and standard input.
pub(crate) fn check_model(command: &str, model: &Path, input: Option<&Path>) -> Result<()> {
    let is_model = |path: &Path| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("qualm"))
    };
    if let Some(input) = input.filter(|input| is_model(input) && !is_model(model)) {
        bail!(
            "{}: is no model, and {} is given as the rows; the model comes first: \
             qualm {command} MODEL.qualm INPUT",
            model.display(),
            input.display()
        );
    }
    if model.as_os_str() == "-" {
        bail!("a model is read from a file, not from standard input; give the path of one");
    }
    Ok(())
}

/// A path that is the same for all names of a file in a folder that is there.
pub(crate) fn place(path: &Path) -> PathBuf {
    if let Ok(whole) = path.canonicalize() {
        return whole;
    }
    match (folder(path).canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Refuses to write over one of the files that are read, or beside the parts of a folder
/// that is read, where the output would be one more part the next time. `flag` names the
/// output.
pub(crate) fn refuse_same(flag: &str, output: &Path, inputs: &[&Path]) -> Result<()> {
    let target = output.canonicalize().ok();
    let extension = output.extension();
    let is_part = extension.is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    for input in inputs.iter().filter_map(|input| input.canonicalize().ok()) {
        if target.as_ref() == Some(&input) {
            bail!(
                "{}: is read and cannot be written by the same command; choose another {flag}",
                output.display()
            );
        }
        let beside = || folder(output).canonicalize().is_ok_and(|f| f == input);
        if is_part && input.is_dir() && beside() {
            bail!(
                "{}: lies in the folder that is read and would be one of its parts; \
                 choose another {flag}",
                output.display()
            );
        }
    }
    Ok(())
}
