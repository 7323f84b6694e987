//! Where onnxruntime is found.
//!
//! One library is loaded in a process, when the first ONNX file is opened. It is the first of:
//! the path given, `QUALM_ORT_DYLIB_PATH`, `ORT_DYLIB_PATH`, the package `onnxruntime` of the
//! running or nearest Python, and what the system's loader finds. A path that was given and does
//! not work is an error, and no reason to look further.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::encoder::error::EncoderError;

/// Environment variables that hold the library's path, the first one first.
const VARIABLES: [&str; 2] = ["QUALM_ORT_DYLIB_PATH", "ORT_DYLIB_PATH"];

/// Environments of Python that are switched on, with the name of their variable.
const ACTIVE: [&str; 2] = ["VIRTUAL_ENV", "CONDA_PREFIX"];

/// What the system's loader is asked for.
const SYSTEM: &[&str] = if cfg!(target_os = "windows") {
    &["onnxruntime.dll"]
} else if cfg!(target_os = "macos") {
    &["libonnxruntime.dylib"]
} else {
    &["libonnxruntime.so", "libonnxruntime.so.1"]
};

/// Prints the folder of the package without importing it.
const FIND: &str = "import importlib.util as u, os; s = u.find_spec('onnxruntime'); \
print(os.path.dirname(s.origin) if s and s.origin else '')";

/// The library that runs in this process.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// A loaded onnxruntime.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    pub(crate) path: PathBuf,
    pub(crate) environment: Environment,
}

impl Runtime {
    /// Its name and version, as far as its file says it: onnxruntime 1.32.0.
    pub(crate) fn name(&self) -> String {
        // `libonnxruntime.so.1.32.0`, `libonnxruntime.1.32.0.dylib`
        let file = file_name(&real(&self.path));
        let version = file.trim_start_matches(|c: char| !c.is_ascii_digit());
        let version = version.trim_end_matches(|c: char| !c.is_ascii_digit());
        format!("onnxruntime {version}").trim_end().to_owned()
    }
}

/// The library of this process, loaded if it is not yet.
///
/// # Errors
/// [`EncoderError::NoRuntime`], [`EncoderError::BadRuntime`], [`EncoderError::OtherRuntime`] when
/// another is asked for than the one that is loaded.
pub(crate) fn load(given: Option<&Path>) -> Result<Runtime, EncoderError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = &*loaded {
        let same = |path: &Path| real(path) == real(&runtime.path);
        return match given.filter(|path| !same(path)) {
            Some(asked) => Err(EncoderError::OtherRuntime {
                loaded: runtime.path.clone(),
                asked: asked.to_owned(),
            }),
            None => Ok(runtime.clone()),
        };
    }
    let runtime = first(given)?;
    *loaded = Some(runtime.clone());
    Ok(runtime)
}

fn first(given: Option<&Path>) -> Result<Runtime, EncoderError> {
    let mut tried = vec!["no path was given".to_owned()];
    if let Some(path) = given {
        return open(&named(path, "the path given")?, "the path given");
    }
    for variable in VARIABLES {
        match std::env::var_os(variable).filter(|value| !value.is_empty()) {
            Some(path) => return open(&named(Path::new(&path), variable)?, variable),
            None => tried.push(format!("{variable} is not set")),
        }
    }
    let (found, words) = in_python();
    if let Some(path) = found {
        return open(&path, "of the Python package");
    }
    tried.push(words);
    for name in SYSTEM {
        if let Ok(runtime) = open(Path::new(name), "of the system") {
            return Ok(runtime);
        }
    }
    tried.push(format!("the system has no {}", SYSTEM.join(" or ")));
    Err(EncoderError::NoRuntime { tried })
}

/// A path that somebody gave: a file, or a folder with the library.
fn named(path: &Path, origin: &'static str) -> Result<PathBuf, EncoderError> {
    let missing = |message: &str| EncoderError::BadRuntime {
        path: path.to_owned(),
        origin,
        message: message.to_owned(),
    };
    if path.is_dir() {
        let inside = library_in(path).or_else(|| library_in(&path.join("capi")));
        return inside.ok_or_else(|| missing("the folder holds no onnxruntime library"));
    }
    path.canonicalize()
        .map_err(|_| missing("there is no such file"))
}

/// Loads a library and starts it.
fn open(path: &Path, origin: &'static str) -> Result<Runtime, EncoderError> {
    let bad = |message: String| EncoderError::BadRuntime {
        path: path.to_owned(),
        origin,
        message: message.lines().collect::<Vec<_>>().join(" "),
    };
    let builder = ort::init_from(path).map_err(|e| bad(e.to_string()))?;
    let builder = builder.with_name("qualm").with_telemetry(false);
    let environment = builder.build().map_err(|e| bad(e.to_string()))?;
    // Errors come back as values; warnings about a graph are of no use to its user.
    environment.set_log_level(LogLevel::Fatal);
    Ok(Runtime {
        path: path.to_owned(),
        environment,
    })
}

/// The library of the package `onnxruntime` of the nearest Python, or where it was looked for.
fn in_python() -> (Option<PathBuf>, String) {
    let mut places = Vec::new();
    for variable in ACTIVE {
        let Some(prefix) = std::env::var_os(variable).filter(|value| !value.is_empty()) else {
            continue;
        };
        let folders = site_packages(Path::new(&prefix));
        let mut libraries = folders.iter().map(|f| f.join("onnxruntime").join("capi"));
        if let Some(library) = libraries.find_map(|f| library_in(&f)) {
            return (Some(library), String::new());
        }
        places.push(format!("{variable} ({})", Path::new(&prefix).display()));
    }
    for python in ["python3", "python"] {
        let Some(package) = ask(OsStr::new(python)) else {
            places.push(format!("no {python} to ask"));
            continue;
        };
        if let Some(library) = library_in(&package.join("capi")) {
            return (Some(library), String::new());
        }
        places.push(python.to_owned());
    }
    let words = format!("no Python package onnxruntime in {}", places.join(", "));
    (None, words)
}

/// The folder of the package that a Python would import; empty if it has none, nothing if there
/// is no such Python.
fn ask(python: &OsStr) -> Option<PathBuf> {
    let mut command = Command::new(python);
    command.args(["-c", FIND]).stdin(Stdio::null());
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}

/// The folders of packages below the prefix of a Python.
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    // Windows has no version in it.
    let mut folders = vec![prefix.join("Lib").join("site-packages")];
    let versions = std::fs::read_dir(prefix.join("lib")).into_iter().flatten();
    let mut versions: Vec<PathBuf> = versions.flatten().map(|e| e.path()).collect();
    versions.retain(|v| file_name(v).starts_with("python3"));
    versions.sort();
    folders.extend(versions.iter().map(|v| v.join("site-packages")));
    folders
}

/// The library in a folder; of several the last in alphabetical order.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let is_library = |path: &PathBuf| {
        let name = file_name(path);
        let mac = path.extension().is_some_and(|e| e == "dylib");
        let mac = mac && name.starts_with("libonnxruntime.");
        mac || name == "onnxruntime.dll" || name.starts_with("libonnxruntime.so")
    };
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    entries.map(|e| e.path()).filter(is_library).max()
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The file behind links.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_of_all_systems_are_known_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
        put("libonnxruntime_providers_shared.so");
        assert_eq!(library_in(folder.path()), None);
        for name in [
            "libonnxruntime.1.31.1.dylib",
            "libonnxruntime.so.1.31.1",
            "onnxruntime.dll",
        ] {
            put(name);
            assert_eq!(library_in(folder.path()), Some(folder.path().join(name)));
        }
        assert_eq!(library_in(&folder.path().join("absent")), None);
    }

    #[test]
    fn packages_lie_below_the_prefix() {
        let prefix = tempfile::tempdir().unwrap();
        let version = prefix.path().join("lib/python3.12");
        std::fs::create_dir_all(&version).unwrap();
        let found = site_packages(prefix.path());
        assert!(found.contains(&version.join("site-packages")));
    }

    #[test]
    fn a_path_that_was_given_is_named_when_it_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent.so");
        let text = named(&absent, "the path given").unwrap_err().to_string();
        assert!(
            text.contains("absent.so") && text.contains("no such file"),
            "{text}"
        );
        let text = named(folder.path(), "ORT_DYLIB_PATH")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("ORT_DYLIB_PATH") && text.contains("pip install"),
            "{text}"
        );
        let not_one = folder.path().join("libonnxruntime.so.1");
        std::fs::write(&not_one, "text").unwrap();
        let text = open(&not_one, "the path given").unwrap_err().to_string();
        assert!(text.contains("libonnxruntime.so.1"), "{text}");
    }
}
