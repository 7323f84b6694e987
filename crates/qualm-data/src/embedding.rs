//! Rows that an encoder made: what their file says of them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use qualm::{EncoderIdentity, Fitted, Location};
use serde::{Deserialize, Serialize};

use crate::csv::TextOptions;
use crate::error::{Error, Result};
use crate::open::open_tables;

/// What a Parquet or Arrow file of embeddings says of its rows, in the metadata of its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Embedding {
    /// The encoder that made the rows.
    #[serde(flatten)]
    pub encoder: EncoderIdentity,
    /// The column that says which item a row is of.
    pub id: String,
    /// How many views there are of each item; `None` where a row is the item itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<u32>,
}

impl Embedding {
    /// Its entry in the metadata.
    pub const KEY: &str = "qualm.encoder";

    /// What a file says of its rows; `None` for a format without metadata or a file without the
    /// entry.
    ///
    /// # Errors
    /// Those of opening the file; [`Error::Metadata`] for an entry that cannot be read.
    pub fn of_file(path: &Path) -> Result<Option<Self>> {
        // Other formats hold none, and a stream can be read only once.
        let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        let extension = extension.as_ref().and_then(|e| e.to_str());
        let has_metadata = matches!(extension, Some("parquet" | "arrow" | "feather"));
        if !has_metadata && !path.is_dir() {
            return Ok(None);
        }
        let table = open_tables(&[path.to_owned()], &TextOptions::default())?.0;
        let entry = table.metadata().and_then(|entries| entries.get(Self::KEY));
        let at = Location::file(path);
        entry.map(|entry| Self::read(entry, at)).transpose()
    }

    /// What the metadata of a table in memory say of its rows; `None` without the entry.
    ///
    /// # Errors
    /// [`Error::Metadata`] for an entry that cannot be read.
    pub fn of_metadata(entries: &BTreeMap<String, String>) -> Result<Option<Self>> {
        let entry = entries.get(Self::KEY);
        let at = Location::default();
        entry.map(|entry| Self::read(entry, at)).transpose()
    }

    fn read(entry: &str, at: Location) -> Result<Self> {
        serde_json::from_str(entry).map_err(|source| Error::Metadata {
            at,
            key: Self::KEY,
            source,
        })
    }

    /// Refuses rows of another encoder than that of the rows that a model was fitted to, where both
    /// are known. `at` is where the rows are.
    ///
    /// # Errors
    /// [`Error::OtherEncoder`].
    pub fn check(&self, fitted: &Fitted, at: Location) -> Result<()> {
        let expected = fitted.provenance().encoder.as_ref();
        match expected.filter(|expected| expected.digest != self.encoder.digest) {
            Some(expected) => Err(Error::OtherEncoder {
                at,
                found: named(&self.encoder),
                expected: named(expected),
            }),
            None => Ok(()),
        }
    }

    /// The entry, for the metadata of a schema.
    ///
    /// # Errors
    /// [`qualm::Error::SerialiseMetadata`].
    pub fn metadata(&self) -> Result<HashMap<String, String>> {
        let json = serde_json::to_string(self);
        let json = json.map_err(|source| qualm::Error::SerialiseMetadata { source })?;
        Ok(HashMap::from([(Self::KEY.to_owned(), json)]))
    }
}

/// An encoder in a message: its name, and the beginning of its digest.
fn named(encoder: &EncoderIdentity) -> String {
    let digest: String = encoder.digest.chars().take(12).collect();
    format!("{} ({digest})", encoder.name)
}
