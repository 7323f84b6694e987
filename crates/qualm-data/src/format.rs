//! Which format a path names, and what a file's first bytes say it is.

use std::path::Path;

use qualm::Location;

use crate::compressed::Compression;
use crate::error::{Error, Result};

/// The extensions that [`Format::of`] knows, as messages list them.
const KNOWN: &str = ".csv, .tsv, .jsonl (these also as .gz or .zst), .parquet, .arrow, .feather, .npy, \
                     .npz, a folder of such parts, and - for CSV, JSON lines, Parquet or Arrow on \
                     standard input";

/// The bytes that [`looks_like`] wants to see at most.
pub(crate) const SNIFF: usize = 512;

/// An input format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Tsv,
    Json,
    Parquet,
    Ipc,
    Npy,
    Npz,
}

impl Format {
    /// The format that a file's extension names, in any case; of compressed text the one before `.gz`.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        if let Some((_, inner)) = Compression::of(path) {
            return match Self::of(&inner) {
                Ok(format @ (Self::Csv | Self::Tsv | Self::Json)) => Ok(format),
                _ => Err(Error::UnknownFormat {
                    path: path.to_owned(),
                    known: KNOWN,
                }),
            };
        }
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("tsv") => Ok(Self::Tsv),
            Some("jsonl" | "ndjson") => Ok(Self::Json),
            Some("parquet" | "pq") => Ok(Self::Parquet),
            Some("arrow" | "arrows" | "feather") => Ok(Self::Ipc),
            Some("npy") => Ok(Self::Npy),
            Some("npz") => Ok(Self::Npz),
            _ => Err(Error::UnknownFormat {
                path: path.to_owned(),
                known: KNOWN,
            }),
        }
    }

    /// The format in words.
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV text",
            Self::Tsv => "tab-separated text",
            Self::Json => "JSON lines",
            Self::Parquet => "a Parquet file",
            Self::Ipc => "an Arrow file",
            Self::Npy => "a NumPy array",
            Self::Npz => "a NumPy archive",
        }
    }

    /// Refuses content whose first bytes belong to another format.
    ///
    /// # Errors
    /// [`Error::EmptyFile`] without a byte, [`Error::WrongFormat`] otherwise.
    pub(crate) fn check(self, head: &[u8], at: &Location) -> Result<()> {
        if head.is_empty() {
            return Err(Error::EmptyFile { at: at.clone() });
        }
        let found = looks_like(head);
        let fits = match self {
            Self::Csv | Self::Tsv | Self::Json => found == TEXT,
            Self::Parquet => found == PARQUET,
            // The stream format has no magic: it opens with a marker and a length,
            // which the reader itself checks.
            Self::Ipc => found == ARROW || head.starts_with(&[0xFF; 4]),
            Self::Npy => found == NPY,
            Self::Npz => found == ZIP,
        };
        if fits {
            Ok(())
        } else {
            Err(Error::WrongFormat {
                at: at.clone(),
                expected: self.name(),
                found,
            })
        }
    }
}

const TEXT: &str = "text";
const PARQUET: &str = "a Parquet file";
const ARROW: &str = "an Arrow file";
const NPY: &str = "a NumPy array";
const ZIP: &str = "a ZIP archive";
pub(crate) const GZIP: &str = "gzip-compressed data";
pub(crate) const ZSTANDARD: &str = "Zstandard-compressed data";
pub(crate) const BZIP2: &str = "bzip2-compressed data";
pub(crate) const XZ: &str = "xz-compressed data";
pub(crate) const UTF_16: &str = "UTF-16 text";

/// First bytes of formats that files are mistaken for.
const MAGIC: [(&[u8], &str); 19] = [
    (b"PAR1", PARQUET),
    (b"PARE", "an encrypted Parquet file"),
    (b"ARROW1", ARROW),
    (b"FEA1", "a Feather file of the retired version 1"),
    (b"\x93NUMPY", NPY),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xFF\xD8\xFF", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"\x1F\x8B", GZIP),
    (b"\x28\xB5\x2F\xFD", ZSTANDARD),
    (b"BZh", BZIP2),
    (b"\xFD7zXZ", XZ),
    (b"\x89HDF", "an HDF5 file"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"\xFF\xFE", UTF_16),
    (b"\xFE\xFF", UTF_16),
];

/// What the first bytes of a file look like, in words.
pub(crate) fn looks_like(head: &[u8]) -> &'static str {
    for (magic, name) in MAGIC {
        if head.starts_with(magic) {
            return name;
        }
    }
    let head = head.get(..SNIFF).unwrap_or(head);
    if head.contains(&0) {
        "binary data of no known format"
    } else {
        TEXT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_known_in_any_case() {
        assert_eq!(Format::of(Path::new("a/B.CSV")).unwrap(), Format::Csv);
        assert_eq!(Format::of(Path::new("x.Feather")).unwrap(), Format::Ipc);
        let error = Format::of(Path::new("x.xlsx")).unwrap_err().to_string();
        assert!(
            error.contains(".xlsx") && error.contains(".parquet"),
            "{error}"
        );
        let error = Format::of(Path::new("x")).unwrap_err().to_string();
        assert!(error.contains("without extension"), "{error}");
    }

    #[test]
    fn content_is_told_by_its_first_bytes() {
        let at = Location::file("x.csv");
        let png = Format::Csv.check(b"\x89PNG\r\n\x1a\n", &at).unwrap_err();
        assert_eq!(
            png.to_string(),
            "x.csv: expected CSV text, found a PNG image; give the file the extension of its \
             format or write it again"
        );
        assert!(matches!(
            Format::Npy.check(b"", &at),
            Err(Error::EmptyFile { .. })
        ));
        assert!(Format::Csv.check(b"a,b\0", &at).is_err());
        assert!(
            Format::Ipc
                .check(&[0xFF, 0xFF, 0xFF, 0xFF, 8, 0], &at)
                .is_ok()
        );
        assert!(Format::Parquet.check(b"a,b\n1,2\n", &at).is_err());
        assert!(Format::Csv.check("\u{feff}a,b".as_bytes(), &at).is_ok());
    }
}
