//! Pieces of messages.

use std::fmt;
use std::path::Path;

use qualm::Location;
use qualm::error::Names;

use crate::column_notes::{Unused, UnusedColumns};
use crate::format::{BZIP2, GZIP, UTF_16, XZ, ZSTANDARD};

/// The longest piece of text that a message quotes.
const QUOTED: usize = 40;

/// The text as a message quotes it: not more than some characters.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What to do about content of another format than expected.
pub(super) fn remedy(found: &str) -> &'static str {
    match found {
        GZIP => "decompress it first (gunzip)",
        ZSTANDARD => "decompress it first (unzstd)",
        BZIP2 => "decompress it first (bunzip2)",
        XZ => "decompress it first (unxz)",
        UTF_16 => "convert it to UTF-8 first (iconv -f UTF-16 -t UTF-8)",
        _ => "give the file the extension of its format or write it again",
    }
}

/// What copies files from elsewhere.
pub(super) fn copies(scheme: &str) -> &'static str {
    match scheme {
        "s3" | "s3a" => "aws s3 cp",
        "gs" => "gcloud storage cp",
        "az" | "abfs" | "abfss" => "azcopy copy",
        "http" | "https" => "curl -O",
        "hdfs" => "hdfs dfs -get",
        _ => "the tool of that place",
    }
}

/// What to do first about a file whose name says that it is compressed.
pub(super) struct Decompress<'a>(pub(super) &'a Path);

impl fmt::Display for Decompress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extension = self
            .0
            .extension()
            .map(|e| e.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("bz2" | "xz" | "zip") => f.write_str("decompress it first; "),
            _ => Ok(()),
        }
    }
}

/// A shape as NumPy prints it.
pub(super) struct Shape<'a>(pub(super) &'a [u64]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [only] => write!(f, "({only},)"),
            all => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                write!(f, "({})", all.join(", "))
            }
        }
    }
}

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

/// The columns that are no features, and why not.
pub(super) struct NotNumeric<'a>(pub(super) &'a [Unused], pub(super) &'a Names);

impl fmt::Display for NotNumeric<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(unused, set_aside) = self;
        if !unused.is_empty() {
            write!(f, "; not numeric: {}", UnusedColumns(unused))?;
        }
        if !set_aside.0.is_empty() {
            write!(f, "; set aside: {set_aside}")?;
        }
        Ok(())
    }
}

/// The column that was likely meant by a name that none has: at most one letter in three is another one, is
/// missing, too many, or has changed places with the next.
pub(super) struct Meant<'a>(pub(super) &'a Location, pub(super) &'a Names);

impl fmt::Display for Meant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = self.0.column.as_deref().unwrap_or_default().to_lowercase();
        let near = self.1.0.iter().filter_map(|name| {
            let known = name.to_lowercase();
            let (asked_letters, known_letters) = (asked.chars().count(), known.chars().count());
            let most = asked_letters.max(known_letters) / 3;
            // Most names need not be compared letter by letter.
            let may_be = asked_letters.abs_diff(known_letters) <= most;
            let distance = may_be.then(|| strsim::osa_distance(&asked, &known))?;
            (distance <= most).then_some((distance, name))
        });
        match near.min_by_key(|(distance, _)| *distance) {
            Some((_, name)) => write!(f, "did you mean '{name}'? "),
            None => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_meant() {
        let names = ["name", "num", "city", "Income", "embedding", "a"];
        let known = Names(names.map(str::to_owned).to_vec());
        let meant = |asked: &str| Meant(&Location::default().column(asked), &known).to_string();
        for (asked, expected) in [
            ("nmu", "num"),
            ("citty", "city"),
            ("cit", "city"),
            ("income", "Income"),
            ("embeding", "embedding"),
            ("A", "a"),
        ] {
            assert_eq!(
                meant(asked),
                format!("did you mean '{expected}'? "),
                "{asked}"
            );
        }
        for asked in ["", "b", "ab", "Zürich", "emb"] {
            assert_eq!(meant(asked), "", "{asked}");
        }
    }

    #[test]
    fn quotes_are_shortened_on_a_character() {
        assert_eq!(quoted("é"), "é");
        assert_eq!(quoted(&"é".repeat(50)), format!("{}...", "é".repeat(40)));
    }
}
