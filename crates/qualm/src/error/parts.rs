//! How messages say a missing extension, an optional name, an amount of memory.

use std::fmt;
use std::path::Path;

/// An extension, or the lack of one, as a message says it.
pub(super) struct Extension<'a>(pub(super) &'a Path);

impl fmt::Display for Extension<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.extension() {
            Some(extension) => write!(f, "the extension .{}", extension.display()),
            None => f.write_str("a name without extension"),
        }
    }
}

/// A name in quotes after a space, or nothing.
pub(super) struct Named<'a>(pub(super) Option<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, " '{name}'"),
            None => Ok(()),
        }
    }
}

/// An amount of memory.
pub(super) struct Gibibytes(pub(super) u64);

impl fmt::Display for Gibibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} GiB", self.0 as f64 / (1u64 << 30) as f64)
    }
}
