//! The items of a gallery as a table, for readers of Parquet.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};

use super::{Card, Gallery, Of};
use crate::error::Result;
use crate::twin;

/// A row for each card, in the order of the page: its section, its place, and its numbers; lists
/// of features and of neighbours as JSON.
///
/// # Errors
/// [`crate::Error::Json`].
pub fn table(gallery: &Gallery) -> Result<RecordBatch> {
    let mut places: Vec<(&'static str, Option<&str>, &'static str, u64, &Card)> = Vec::new();
    for section in &gallery.sections {
        let of = match section.of {
            Of::All => "all",
            Of::Class => "class",
            Of::Item => "item",
        };
        for (end, cards) in [
            ("most certain", &section.most_certain),
            ("least certain", &section.least_certain),
        ] {
            let name = section.name.as_deref();
            let cards = cards.iter().zip(1..);
            places.extend(cards.map(|(card, place)| (of, name, end, place, card)));
        }
    }
    let cards = || places.iter().map(|(.., card)| *card);
    let json = |values: Vec<serde_json::Result<String>>| -> Result<ArrayRef> {
        let values: Vec<String> = values.into_iter().collect::<serde_json::Result<_>>()?;
        Ok(Arc::new(StringArray::from(values)))
    };
    let floats = |of: fn(&Card) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(cards().map(of)))
    };
    let texts = |of: fn(&Card) -> Option<&str>| -> ArrayRef {
        Arc::new(cards().map(of).collect::<StringArray>())
    };
    let words = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("section", words(places.iter().map(|p| p.0).collect())),
        (
            "name",
            Arc::new(places.iter().map(|p| p.1).collect::<StringArray>()),
        ),
        ("end", words(places.iter().map(|p| p.2).collect())),
        (
            "place",
            Arc::new(UInt64Array::from_iter_values(places.iter().map(|p| p.3))),
        ),
        (
            "row",
            Arc::new(UInt64Array::from_iter_values(cards().map(|c| c.row as u64))),
        ),
        ("id", words(cards().map(|c| c.id.as_str()).collect())),
        ("class", texts(|c| c.class.as_deref())),
        (
            "view",
            Arc::new(cards().map(|c| c.view).collect::<UInt64Array>()),
        ),
        ("score", floats(|c| c.score)),
        ("percentile", floats(|c| c.percentile)),
        ("p_value", floats(|c| c.p_value)),
        (
            "outlier",
            Arc::new(cards().map(|c| Some(c.outlier)).collect::<BooleanArray>()),
        ),
        (
            "because",
            json(cards().map(|c| serde_json::to_string(&c.because)).collect())?,
        ),
        (
            "nearest",
            json(cards().map(|c| serde_json::to_string(&c.nearest)).collect())?,
        ),
        (
            "columns",
            json(cards().map(|c| serde_json::to_string(&c.columns)).collect())?,
        ),
        ("text", texts(|c| c.text.as_deref())),
    ];
    let nullable = |name: &str| matches!(name, "name" | "class" | "view" | "text" | "outlier");
    twin::table(columns, nullable, &gallery.qualm_page)
}
