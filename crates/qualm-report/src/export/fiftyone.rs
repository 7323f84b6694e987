//! A dataset for FiftyOne, in one file.
//!
//! The format is that of `Dataset.to_json`, which `Dataset.from_json` reads: the fields of a sample with
//! their types, then the samples. A class is a `Classification`, which FiftyOne filters and colours by;
//! other columns keep their types.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use qualm_data::text_at;
use serde_json::{Map, Value, json};

use super::Export;
use super::columns::{Names, columns};
use crate::error::{Error, Result};
use crate::images::{Missing, NOT_GIVEN, RowImages};
use crate::rows::Shown;
use crate::twin;

/// Fields that every sample of FiftyOne has, and the id of ours.
const RESERVED: [&str; 9] = [
    "id",
    "item",
    "filepath",
    "tags",
    "metadata",
    "media_type",
    "created_at",
    "last_modified_at",
    "frames",
];
const FIELD: &str = "fiftyone.core.fields.";

/// What the values of a field are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Class,
    Yes,
    Whole,
    Number,
    Text,
}

impl Kind {
    fn of(values: &ArrayRef) -> Self {
        match values.data_type() {
            DataType::Boolean => Self::Yes,
            // UInt64 may hold more than FiftyOne's database does.
            kind if kind.is_integer() && *kind != DataType::UInt64 => Self::Whole,
            kind if kind.is_floating() => Self::Number,
            _ => Self::Text,
        }
    }

    fn field(self) -> String {
        match self {
            Self::Class => {
                format!("{FIELD}EmbeddedDocumentField(fiftyone.core.labels.Classification)")
            }
            Self::Yes => format!("{FIELD}BooleanField"),
            Self::Whole => format!("{FIELD}IntField"),
            Self::Number => format!("{FIELD}FloatField"),
            Self::Text => format!("{FIELD}StringField"),
        }
    }

    /// The value of a row; null where it is missing. JSON has no number for NaN and infinity.
    fn value(self, values: &ArrayRef, row: usize) -> Value {
        let text = text_at(values, row);
        if text.is_empty() {
            return Value::Null;
        }
        match self {
            Self::Class => json!({"_cls": "Classification", "label": text, "tags": []}),
            Self::Yes => json!(text == "true"),
            Self::Whole => json!(text.parse::<i64>().ok()),
            Self::Number => json!(text.parse::<f64>().ok()),
            Self::Text => json!(text),
        }
    }
}

/// The dataset. Rows without a file of their own are left out, which a note says.
pub(super) fn json(
    export: &Export,
    shown: &Shown,
    images: Option<&RowImages>,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<Vec<u8>> {
    let files = files(shown, images, path, notes)?;
    let mut names = Names::new(path, &RESERVED, allowed);
    let class = shown.layout.class.as_ref();
    let class = class.and_then(|class| shown.typed.iter().find(|(name, _)| name == class));
    let fields: Vec<(String, Kind, ArrayRef)> = columns(export, shown, &mut names, notes)
        .into_iter()
        .map(|(name, values)| {
            let is_class = class.is_some_and(|(_, class)| Arc::ptr_eq(class, &values));
            let kind = if is_class {
                Kind::Class
            } else {
                Kind::of(&values)
            };
            (name, kind, values)
        })
        .collect();
    let text = Kind::Text.field();
    let mut schema = Map::new();
    let list = format!("{FIELD}ListField({text})");
    let metadata = format!("{FIELD}EmbeddedDocumentField(fiftyone.core.metadata.ImageMetadata)");
    for (name, field) in [
        ("filepath", text.clone()),
        ("tags", list),
        ("metadata", metadata),
        ("item", text),
    ] {
        schema.insert(name.to_owned(), json!(field));
    }
    for (name, kind, _) in &fields {
        schema.insert(name.clone(), json!(kind.field()));
    }
    // What tells it as ours stands first, so that it is found again.
    let mut bytes = format!(
        "{{{}\"fiftyone\",\"name\":\"qualm\",\"media_type\":\"image\",\"sample_fields\":{},\"info\":{{}},\"samples\":[",
        twin::OURS,
        serde_json::to_string(&schema)?
    )
    .into_bytes();
    for (i, (&row, file)) in files.iter().enumerate() {
        bytes.extend_from_slice(if i == 0 { b"\n" } else { b",\n" });
        let outlier = shown.scores.get(row).is_some_and(|s| *s > export.threshold);
        let tags: &[&str] = if outlier { &["outlier"] } else { &[] };
        let mut sample = Map::new();
        sample.insert("filepath".to_owned(), json!(file));
        sample.insert("tags".to_owned(), json!(tags));
        sample.insert("metadata".to_owned(), Value::Null);
        sample.insert("item".to_owned(), json!(shown.ids.get(row)));
        for (name, kind, values) in &fields {
            sample.insert(name.clone(), kind.value(values, row));
        }
        serde_json::to_writer(&mut bytes, &sample)?;
    }
    bytes.extend_from_slice(b"\n]}\n");
    Ok(bytes)
}

/// The file of each row that has one, by the row from 0: absolute, since FiftyOne may be started
/// anywhere.
fn files(
    shown: &Shown,
    images: Option<&RowImages>,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<usize, String>> {
    let images = images.ok_or(Error::NoFiles)?;
    let (source, by) = images.open(shown)?;
    let Some(known) = source.files() else {
        let path = match images {
            RowImages::In(path, _) => path.clone(),
            RowImages::Each(_) => PathBuf::new(),
        };
        return Err(Error::NoImageFiles { path });
    };
    let known: BTreeMap<&str, &Path> = known.collect();
    let rows_of = RowImages::rows_of(by, shown);
    let mut found = BTreeMap::new();
    let mut missing = Missing::default();
    for (id, rows) in &rows_of {
        match known.get(id.as_str()).map(|file| absolute(file)) {
            Some(Ok(file)) => found.extend(rows.iter().map(|row| (row - 1, file.clone()))),
            Some(Err(reason)) => missing.add(rows.len(), id, &reason),
            None => missing.add(rows.len(), id, NOT_GIVEN),
        }
    }
    if found.is_empty() {
        let first = known.keys().next().map(|id| (*id).to_owned());
        return Err(images.others(rows_of.keys(), first));
    }
    notes.extend(missing.words(path, ["is left out", "are left out"]));
    Ok(found)
}

/// Where a file is, or why it is of no use.
fn absolute(file: &Path) -> Result<String, String> {
    let path = std::path::absolute(file).map_err(|error| error.to_string())?;
    if !path.is_file() {
        return Err("there is no such file".to_owned());
    }
    let path = path.into_os_string().into_string();
    path.map_err(|_| "its path is no UTF-8".to_owned())
}

/// A name as FiftyOne's database takes it: without dots, and not begun with an underscore or a dollar.
fn allowed(name: &str) -> String {
    let name = name.replace('.', "_");
    let allowed = name.trim_start_matches(['_', '$']);
    if allowed.is_empty() {
        "column".to_owned()
    } else {
        allowed.to_owned()
    }
}
