//! Files of embeddings: their encoder, their ids and their views.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_wrap,
    reason = "a test fails loudly"
)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{FixedSizeListArray, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema};

use crate::common::{Folder, files};

const ITEMS: usize = 80;
const WIDTH: usize = 4;

/// A file as `qualm embed` writes it: `views` rows an image, by an encoder of some digest.
fn embeddings(path: &Path, views: usize, digest: &str) {
    let n = ITEMS * views;
    let names = (0..n).map(|i| format!("img{:03}.png", i / views));
    let values = files::rows(n, WIDTH, 5).concat();
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let vectors = Arc::new(Float32Array::from_iter_values(
        values.into_iter().map(|v| v as f32),
    ));
    let vectors = FixedSizeListArray::new(Arc::clone(&item), WIDTH as i32, vectors, None);
    let entry = serde_json::json!({
        "name": "e.onnx", "digest": digest, "width": WIDTH, "id": "path",
        "views": (views > 1).then_some(views),
    });
    let schema = Schema::new_with_metadata(
        vec![
            Field::new("path", DataType::Utf8, false),
            Field::new("crop_left", DataType::UInt32, false),
            Field::new("vector", DataType::FixedSizeList(item, WIDTH as i32), false),
        ],
        HashMap::from([("qualm.encoder".to_owned(), entry.to_string())]),
    );
    let batch = RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(StringArray::from_iter_values(names)),
            Arc::new(UInt32Array::from_iter_values((0..n).map(|i| i as u32))),
            Arc::new(vectors),
        ],
    );
    files::parquet(path, &batch.unwrap());
}

#[test]
fn a_file_of_embeddings_needs_no_options() {
    let folder = Folder::new();
    embeddings(&folder.path("e.parquet"), 1, "aa");
    folder.run(&["fit", "e.parquet", "-o", "m.qualm"]).ok();
    let info = folder.run(&["info", "m.qualm", "--json"]).ok().json();
    let provenance = &info["provenance"];
    let encoder = serde_json::json!({"name": "e.onnx", "digest": "aa", "width": WIDTH});
    assert_eq!(provenance["encoder"], encoder);
    assert_eq!(provenance["n_items"], serde_json::Value::Null);
    assert_eq!(info["roles"]["ids"], serde_json::json!(["path"]));
    let words = folder.run(&["info", "m.qualm"]).ok().stdout;
    assert!(words.contains("e.onnx of width 4 (sha256 aa)"), "{words}");
    let scores = folder.run(&["score", "m.qualm", "e.parquet"]).ok().stdout;
    assert!(scores.starts_with("path,score,p_value,outlier\nimg000.png,"));
}

#[test]
fn several_rows_of_an_image_are_its_views() {
    let folder = Folder::new();
    embeddings(&folder.path("e.parquet"), 3, "aa");
    let fitted = folder.run(&["fit", "e.parquet", "-o", "m.qualm"]).ok();
    let note = "240 rows are views of 80 items, by column 'path'";
    assert!(fitted.stderr.contains(note), "{}", fitted.stderr);
    let info = folder.run(&["info", "m.qualm", "--json"]).ok().json();
    assert_eq!(info["provenance"]["n_items"], ITEMS);
    assert_eq!(info["provenance"]["n_rows"], 3 * ITEMS);

    // The same rows without a word on their views, and with one in the command.
    let plain = ["fit", "e.parquet", "--exclude", "path", "-o", "p.qualm"];
    folder.run(&plain).ok();
    let info = folder.run(&["info", "p.qualm", "--json"]).ok().json();
    assert_eq!(info["provenance"]["n_items"], serde_json::Value::Null);
    let knn = ["fit", "e.parquet", "--detector", "knn", "-o", "k.qualm"];
    let warned = folder.run(&knn).ok().stderr;
    assert!(warned.contains("views of 80 items: knn takes"), "{warned}");
}

#[test]
fn any_column_can_say_which_item_a_row_is_of() {
    let folder = Folder::new();
    let rows = files::rows(120, 3, 2);
    let lines = rows.iter().enumerate().map(|(i, row)| {
        let row: Vec<String> = row.iter().map(f64::to_string).collect();
        format!("s{},{}\n", i / 2, row.join(","))
    });
    let text = format!("scan,x,y,z\n{}", lines.collect::<String>());
    folder.write("t.csv", &text);
    let fit = ["fit", "t.csv", "--item", "scan", "-o", "m.qualm"];
    let fitted = folder.run(&fit).ok();
    let note = "120 rows are views of 60 items, by column 'scan'";
    assert!(fitted.stderr.contains(note), "{}", fitted.stderr);

    folder.write("gap.csv", text.replacen("s7,", ",", 1));
    let refused = folder.run(&["fit", "gap.csv", "--item", "scan", "-o", "g.qualm"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("row 15, column 'scan'"),
        "{}",
        refused.stderr
    );
    assert!(!folder.path("g.qualm").exists());
}

#[test]
fn rows_of_another_encoder_are_refused() {
    let folder = Folder::new();
    embeddings(&folder.path("e.parquet"), 1, "aa");
    embeddings(&folder.path("other.parquet"), 1, "bb");
    folder.run(&["fit", "e.parquet", "-o", "m.qualm"]).ok();
    let refused = folder.run(&["score", "m.qualm", "other.parquet", "-o", "s.csv"]);
    assert_eq!(refused.code, Some(2));
    for word in ["other.parquet", "e.onnx (bb)", "e.onnx (aa)"] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    assert!(!folder.path("s.csv").exists());
}
