//! Panics: reported as bugs, never mistaken for a result.
//!
//! The Arrow crates panic on some damaged files. The library catches that and returns an
//! error, but the standard hook would already have printed its message. Our hook only stores
//! it, for panics that reach `main` and are bugs of qualm.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Runs the command; a panic in it becomes an error that asks for a report.
pub(crate) fn report<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    set_hook(Box::new(|panic| {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic.to_string());
    }));
    // No state of the command is used after a panic.
    if let Ok(result) = catch_unwind(AssertUnwindSafe(run)) {
        return result;
    }
    let what = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
    bail!(
        "a bug in qualm {}; please report it with the command you ran ({})",
        env!("CARGO_PKG_VERSION"),
        what.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_says_where() {
        let error = report(|| -> Result<()> {
            let none: Option<u8> = None;
            none.map(|_| ()).ok_or(()).expect("planted");
            Ok(())
        });
        let message = error.expect_err("a panic is no success").to_string();
        assert!(
            message.contains("planted") && message.contains("bug.rs"),
            "{message}"
        );
        assert!(report(|| Ok(())).is_ok());
    }
}
