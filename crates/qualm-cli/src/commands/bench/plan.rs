//! What a suite is to run: its sets, detectors and presets, checked before any work.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use qualm::{AtomicFile, Spec};

use crate::args::{BenchSets, Suite};

/// Extensions of files that can hold rows and their labels.
const KNOWN: [&str; 6] = ["parquet", "csv", "tsv", "arrow", "feather", "npz"];

/// A labelled set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// A detector and its preset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contender {
    /// As it was asked for, and as results call it.
    pub(super) called: String,
    pub(super) detector: String,
    pub(super) preset: String,
}

impl Suite {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Table2 => "table2",
            Self::Extra => "extra",
            Self::Embeddings => "embeddings",
        }
    }

    /// The preset that it gives to a detector.
    fn preset(self, detector: &str) -> &'static str {
        match (self, detector) {
            (Self::Table2, name) if name != "dum" => "paper",
            _ => "default",
        }
    }
}

/// The detectors asked for, or all.
///
/// # Errors
/// On an unknown detector or preset, and on one named twice.
pub(super) fn contenders(suite: Suite, asked: &[String]) -> Result<Vec<Contender>> {
    let all: Vec<String> = Spec::DETECTORS.iter().map(|&d| d.to_owned()).collect();
    let asked = if asked.is_empty() { &all } else { asked };
    let mut contenders: Vec<Contender> = Vec::new();
    for called in asked {
        let (detector, preset) = match called.split_once(':') {
            Some((detector, preset)) => (detector, preset),
            None => (called.as_str(), suite.preset(called)),
        };
        Spec::preset(detector, preset).with_context(|| format!("--detectors {called}"))?;
        if contenders.iter().any(|other| other.called == *called) {
            bail!("--detectors names {called} twice");
        }
        contenders.push(Contender {
            called: called.clone(),
            detector: detector.to_owned(),
            preset: preset.to_owned(),
        });
    }
    Ok(contenders)
}

/// The sets of a folder, or of the suite's folder in it, in name order; those asked for, or
/// all.
///
/// # Errors
/// Without any set, on two of one name, and on a name that is not there.
pub(super) fn sets(args: &BenchSets) -> Result<Vec<Set>> {
    let data = &args.data;
    let mut found = data_files(data)?;
    let inner = data.join(args.suite.name());
    if found.is_empty() && inner.is_dir() {
        found = data_files(&inner)?;
    }
    if found.is_empty() {
        bail!(
            "{}: no labelled set (.{}) in this folder or in {}",
            data.display(),
            KNOWN.join(" ."),
            inner.display()
        );
    }
    let names: Vec<&str> = found.iter().map(|set| set.name.as_str()).collect();
    if let Some(name) = args
        .sets
        .iter()
        .find(|name| !names.contains(&name.as_str()))
    {
        bail!(
            "--sets {name}: no such set; there are: {}",
            names.join(", ")
        );
    }
    if !args.sets.is_empty() {
        found.retain(|set| args.sets.contains(&set.name));
    }
    let mut neighbours = found.iter().zip(found.iter().skip(1));
    if let Some((a, b)) = neighbours.find(|(a, b)| a.name == b.name) {
        bail!(
            "{} and {}: two sets of one name; keep one of them in the folder",
            a.path.display(),
            b.path.display()
        );
    }
    Ok(found)
}

/// The files of a folder that may hold a set, in name order.
fn data_files(folder: &Path) -> Result<Vec<Set>> {
    let name = || folder.display().to_string();
    if !folder.exists() {
        bail!("{}: no such folder; check the path of --data", name());
    }
    if !folder.is_dir() {
        bail!("{}: is a file; --data takes the folder it is in", name());
    }
    let mut sets = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(name)? {
        let path = entry.with_context(name)?.path();
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let known = extension.is_some_and(|e| KNOWN.contains(&e.as_str()));
        let stem = path.file_stem().map(|stem| stem.to_string_lossy());
        let Some(stem) = stem.filter(|stem| known && !stem.starts_with('.')) else {
            continue;
        };
        if path.is_file() {
            sets.push(Set {
                name: stem.into_owned(),
                path,
            });
        }
    }
    sets.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    Ok(sets)
}

/// Where results and table go.
#[derive(Debug)]
pub(super) struct Outputs {
    pub(super) results: PathBuf,
    pub(super) table: PathBuf,
}

/// Where results and table go; both can be written.
///
/// # Errors
/// On another format, and as [`AtomicFile::create`].
pub(super) fn outputs(args: &BenchSets) -> Result<Outputs> {
    let results = match &args.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("bench-{}.jsonl", args.suite.name())),
    };
    let extension = results.extension().map(|e| e.to_string_lossy());
    if !extension.is_some_and(|e| e.eq_ignore_ascii_case("jsonl")) {
        bail!(
            "{}: results are kept as JSON lines; give --output a name that ends in .jsonl",
            results.display()
        );
    }
    let table = results.with_extension("md");
    for path in [&results, &table] {
        // Dropped at once: it only says whether the place can be written.
        AtomicFile::create(path)?;
    }
    Ok(Outputs { results, table })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    fn presets(suite: Suite, asked: &[&str]) -> Vec<(String, String, String)> {
        let asked: Vec<String> = asked.iter().map(|&a| a.to_owned()).collect();
        let contenders = contenders(suite, &asked).expect("known");
        let parts = contenders.into_iter();
        parts.map(|c| (c.called, c.detector, c.preset)).collect()
    }

    #[test]
    fn a_suite_gives_presets_unless_they_are_named() {
        let of = |suite, called: &str, detector: &str, preset: &str| {
            let expected = (called.to_owned(), detector.to_owned(), preset.to_owned());
            assert_eq!(presets(suite, &[called]), [expected]);
        };
        of(Suite::Table2, "sp", "sp", "paper");
        of(Suite::Table2, "dum", "dum", "default");
        of(Suite::Table2, "dum:paper", "dum", "paper");
        of(Suite::Extra, "sp", "sp", "default");
        of(Suite::Embeddings, "dum", "dum", "default");
        of(Suite::Embeddings, "sp", "sp", "default");
        for suite in Suite::value_variants() {
            let value = suite.to_possible_value().expect("not hidden");
            assert_eq!(suite.name(), value.get_name());
            assert_eq!(presets(*suite, &[]).len(), Spec::DETECTORS.len());
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        for (asked, word) in [
            ("magic", "unknown detector 'magic'"),
            ("sp:best", "no preset 'best'"),
            ("", "unknown detector ''"),
            ("sp:", "no preset ''"),
        ] {
            let error = contenders(Suite::Extra, &[asked.to_owned()]).expect_err("unknown");
            assert!(format!("{error:#}").contains(word), "{error:#}");
        }
        let twice = ["sp".to_owned(), "sp".to_owned()];
        assert!(contenders(Suite::Extra, &twice).is_err());
    }
}
