//! The strangest of the fitted rows, as text for people and as JSON.

use anyhow::Result;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use qualm::{Features, Fitted};
use qualm_data::{Batch, OutputFormat, ScoreWriter, Strangest};
use serde_json::Value;

/// Features that explain each of the strangest rows.
const REASONS: usize = 3;
/// The longest text of a cell.
const CELL: usize = 24;

/// How many features explain each row: none of those of a vector, which mean nothing to anybody.
pub(super) fn reasons(features: &Features) -> usize {
    features.names().map_or(0, |names| names.len().min(REASONS))
}

/// The `n` strangest of the rows that a model was fitted to.
pub(super) fn fitted_rows(
    n: usize,
    schema: &SchemaRef,
    fitted: &Fitted,
    batch: &Batch,
) -> Result<Option<RecordBatch>> {
    let mut strangest = Strangest::new(n);
    strangest.add(batch, fitted.fitted_scores().unwrap_or_default())?;
    Ok(strangest.table(schema, fitted, reasons(fitted.features()))?)
}

/// The rows as objects.
pub(super) fn objects(rows: &RecordBatch) -> Result<Vec<Value>> {
    let text = written(rows, OutputFormat::JsonLines)?;
    let lines = text.lines().map(serde_json::from_str);
    Ok(lines.collect::<Result<_, _>>()?)
}

/// The rows in columns.
pub(super) fn text(rows: &RecordBatch) -> Result<String> {
    let text = written(rows, OutputFormat::Tsv)?;
    let names: Vec<&str> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split('\t')
        .collect();
    let lines = text.lines().enumerate().map(|(i, line)| {
        let cells = line.split('\t').zip(&names);
        cells
            .map(|(cell, name)| {
                if i == 0 {
                    cell.to_owned()
                } else {
                    short(cell, name)
                }
            })
            .collect::<Vec<String>>()
    });
    let lines: Vec<Vec<String>> = lines.collect();
    let width = |j: usize| {
        let cells = lines.iter().filter_map(|line| line.get(j));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths) {
            out.push_str("  ");
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', width - cell.chars().count()));
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    Ok(out)
}

/// A cell as people want to see it: what we computed with four digits, text not too long.
fn short(cell: &str, name: &str) -> String {
    let computed = matches!(name, "score" | "p_value") || name.starts_with("explain_");
    if let Some(number) = cell.parse::<f64>().ok().filter(|_| computed) {
        return format!("{number:.4}");
    }
    match cell.char_indices().nth(CELL) {
        Some((end, _)) => format!("{}...", cell.get(..end).unwrap_or_default()),
        None => cell.to_owned(),
    }
}

fn written(rows: &RecordBatch, format: OutputFormat) -> Result<String> {
    let mut writer =
        ScoreWriter::to_writer(format, "the strangest rows", Vec::new(), rows.schema())?;
    writer.write(rows)?;
    Ok(String::from_utf8(writer.into_inner()?)?)
}
