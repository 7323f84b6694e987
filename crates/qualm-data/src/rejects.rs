//! Rows of an input that are left out because something is wrong with them.

use std::sync::{Arc, Mutex, PoisonError};

use qualm::Location;

/// A row that is left out, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    /// Where it is: file, row and column.
    pub at: Location,
    /// What is wrong with it, without its place.
    pub reason: String,
}

impl Reject {
    /// That of an error about a row.
    pub(crate) fn new(at: Location, message: &str) -> Self {
        let reason = message.strip_prefix(&at.to_string());
        let reason = reason.map_or(message, |reason| reason.trim_start_matches([':', ' ']));
        Self {
            at,
            reason: reason.to_owned(),
        }
    }
}

/// The rows of an input that were left out so far. It goes on being filled as the input is read, also
/// from another place.
#[derive(Debug, Clone, Default)]
pub struct Rejects(Arc<Mutex<Vec<Reject>>>);

impl Rejects {
    /// Takes out what there is.
    #[must_use]
    pub fn take(&self) -> Vec<Reject> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn add(&self, rejects: impl IntoIterator<Item = Reject>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(rejects);
    }
}
