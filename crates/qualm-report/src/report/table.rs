//! The rows of a report as a table: for Embedding Atlas and other readers of Parquet.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray, UInt64Array,
};
use qualm::Fitted;

use super::Report;
use crate::error::Result;
use crate::rows::Shown;
use crate::twin;

/// A row for each point of the map, or for each row without one: its number from 1, id, columns,
/// score, p-value, decision, and `x` and `y` on the map.
///
/// # Errors
/// Those of [`Fitted::threshold`]; columns of one name.
pub fn table(report: &Report, fitted: &Fitted, shown: Option<&Shown>) -> Result<RecordBatch> {
    let threshold = fitted.threshold()?;
    let map = report.map();
    let all = shown.map_or(0, |shown| shown.scores.len());
    let rows: Vec<usize> = map.map_or_else(|| (0..all).collect(), |map| map.rows.clone());
    let scores: Vec<f64> = (rows
        .iter()
        .filter_map(|&row| shown?.scores.get(row).copied()))
    .collect();
    let mut columns: Vec<(String, ArrayRef)> = vec![(
        "row".to_owned(),
        Arc::new(UInt64Array::from_iter_values(
            rows.iter().map(|row| *row as u64 + 1),
        )),
    )];
    if let Some(shown) = shown {
        let ids = rows
            .iter()
            .map(|&row| shown.ids.get(row).map(String::as_str));
        columns.push(("id".to_owned(), Arc::new(ids.collect::<StringArray>())));
        let taken = [
            "row", "id", "score", "p_value", "outlier", "label", "x", "y",
        ];
        for name in shown
            .own
            .iter()
            .filter(|name| !taken.contains(&name.as_str()))
        {
            let values = rows.iter().map(|&row| shown.text(name, row));
            columns.push((name.clone(), Arc::new(values.collect::<StringArray>())));
        }
        if let Some(labels) = &shown.labels {
            let labels = rows.iter().map(|&row| labels.get(row).copied());
            columns.push((
                "label".to_owned(),
                Arc::new(labels.collect::<BooleanArray>()),
            ));
        }
    }
    let outlier = scores.iter().map(|s| Some(*s > threshold));
    let p_values = fitted.calibration().p_values(&scores);
    columns.push(("p_value".to_owned(), Arc::new(Float64Array::from(p_values))));
    columns.push((
        "outlier".to_owned(),
        Arc::new(outlier.collect::<BooleanArray>()),
    ));
    columns.push(("score".to_owned(), Arc::new(Float64Array::from(scores))));
    if let Some(map) = map {
        for (axis, name) in ["x", "y"].into_iter().enumerate() {
            let values = map.points().map(|point| point[axis]);
            columns.push((
                name.to_owned(),
                Arc::new(Float32Array::from_iter_values(values)),
            ));
        }
    }
    twin::table(columns, |_| true, &report.qualm_page)
}
