//! The library's errors as the exceptions that Python users expect, with its messages.

use std::any::Any;
use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{
    PyFileNotFoundError, PyIsADirectoryError, PyMemoryError, PyOSError, PyPermissionError,
    PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use qualm::DeviceError;
use qualm_data::{Error, Role};
use serde::Serialize;

/// The exception of an error.
///
/// What the caller gave is a `ValueError`, or a `TypeError` where it has the wrong type; what
/// the operating system refused is an `OSError` of its kind.
pub(crate) fn raised(error: impl Into<Error>) -> PyErr {
    let error = error.into();
    let message = message(&error);
    let error = match error {
        Error::Core(error) => error,
        Error::NotFound { .. } => return PyFileNotFoundError::new_err(message),
        Error::Read { .. } => return PyOSError::new_err(message),
        _ => return PyValueError::new_err(message),
    };
    match error {
        // The parser tells a wrong type and an unknown word apart by its message alone.
        qualm::Error::InvalidValue { source, .. }
            if source.to_string().starts_with("invalid type") =>
        {
            PyTypeError::new_err(message)
        }
        qualm::Error::InvalidSpec { .. } => PyTypeError::new_err(message),
        qualm::Error::Memory { .. } => PyMemoryError::new_err(message),
        qualm::Error::NoOutputFolder { .. } => PyFileNotFoundError::new_err(message),
        qualm::Error::ReadModel { source, .. } => io(source.kind(), message),
        qualm::Error::OutputIsFolder { .. } => PyIsADirectoryError::new_err(message),
        qualm::Error::OutputDenied { .. } => PyPermissionError::new_err(message),
        qualm::Error::DiskFull { .. } | qualm::Error::Write { .. } => PyOSError::new_err(message),
        qualm::Error::Device(_) => PyRuntimeError::new_err(message),
        _ => PyValueError::new_err(message),
    }
}

pub(crate) fn io(kind: std::io::ErrorKind, message: String) -> PyErr {
    match kind {
        std::io::ErrorKind::NotFound => PyFileNotFoundError::new_err(message),
        std::io::ErrorKind::PermissionDenied => PyPermissionError::new_err(message),
        std::io::ErrorKind::IsADirectory => PyIsADirectoryError::new_err(message),
        _ => PyOSError::new_err(message),
    }
}

/// An error and its causes in one line, with advice that holds in Python.
pub(crate) fn message(top: &Error) -> String {
    let mut message = match top {
        Error::SeveralVectors { at, names } => {
            format!(
                "{at}: several list columns, {names}; select the one to use, as in fit(X, \
                 vector='name') or frame[['name']]"
            )
        }
        Error::Core(qualm::Error::Device(DeviceError::NotBuilt { device })) => {
            format!(
                "device = {device}: this build of the Python package has the processor only; \
                 give device='cpu'"
            )
        }
        _ => top.to_string(),
    };
    // It says already what the parser said, in words.
    let mut cause = match top {
        Error::Core(qualm::Error::InvalidValue { .. }) => None,
        _ => top.source(),
    };
    while let Some(error) = cause {
        let text = error.to_string();
        // Many messages say their cause already.
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    match asked_for(top) {
        Some(keywords) => format!("{message} (asked for with {keywords})"),
        None => message,
    }
}

/// The keywords that ask for the columns that an error is about, if any does.
fn asked_for(error: &Error) -> Option<String> {
    let vector = "a vector is chosen with vector=";
    let keywords = match error {
        Error::ColumnType {
            role: role @ Role::Feature,
            ..
        } => format!("{}; {vector}", keyword(*role)?),
        Error::NoSuchColumn { role, .. }
        | Error::NamedTwice { role, .. }
        | Error::ColumnType { role, .. } => keyword(*role)?.to_owned(),
        Error::Conflict { first, second, .. } => {
            let both: Vec<_> = [*first, *second].into_iter().filter_map(keyword).collect();
            both.join(" and ")
        }
        Error::VectorAndColumns { .. } => "columns= and vector=".to_owned(),
        _ => return None,
    };
    Some(keywords).filter(|keywords| !keywords.is_empty())
}

/// The keyword that asks for a column in a role.
fn keyword(role: Role) -> Option<&'static str> {
    Some(match role {
        Role::Feature => "columns=",
        Role::Excluded => "exclude=",
        Role::Label => "label=",
        Role::Id => "id=",
        Role::Kept => "keep=",
        Role::Vector => "vector=",
        _ => return None,
    })
}

/// Does work without the interpreter's lock; a panic becomes a `RuntimeError`.
///
/// `PyO3` would make a `PanicException` of it, which `except Exception` does not catch.
pub(crate) fn guarded<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    // What the work touched is not looked at again: the results are lost.
    let result = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    result.map_err(|panic| panicked(&*panic))
}

/// The exception of a panic.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> PyErr {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    PyRuntimeError::new_err(format!(
        "this is a bug in qualm, please report it: {text} (version {})",
        env!("CARGO_PKG_VERSION")
    ))
}

/// A value as JSON, which Python reads with its own parser.
pub(crate) fn to_json(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|e| PyRuntimeError::new_err(e.to_string()))
}
