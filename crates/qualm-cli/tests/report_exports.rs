//! Reports for other programs, and maps by UMAP.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs::File;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::common::files::{csv, rows, with_column};
use crate::common::images::{bmp, folder_of_images};
use crate::common::{Folder, refused};

const ENCODER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../qualm-vision/tests/golden/weights/resnet8.pth"
);

/// Forty images of two classes, embedded, with a model of the embeddings.
fn images() -> Folder {
    let folder = folder_of_images(20);
    let args = ["embed", "images", "--encoder", ENCODER];
    let more = ["--preprocessing", "akamaster", "-o", "e.parquet"];
    folder.run(&[args, more].concat()).ok();
    folder.fit("e.parquet", "m.qualm", &[]).ok();
    folder
}

fn parquet(folder: &Folder, name: &str) -> RecordBatch {
    let file = File::open(folder.path(name)).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let all = reader.with_batch_size(100_000).build().unwrap();
    all.last().unwrap().unwrap()
}

#[test]
fn images_with_scores_and_places_for_both_programs() {
    let folder = images();
    let scores = folder.scores("m.qualm", "e.parquet", &["--id", "path"]);
    let args = [
        "report",
        "m.qualm",
        "e.parquet",
        "--images",
        "images",
        "--atlas",
        "a.parquet",
        "--fiftyone",
        "f.json",
        "-o",
        "r.html",
    ];
    let ran = folder.run(&args).ok();
    assert!(
        ran.stderr.contains("a.parquet: the vectors 'embedding'"),
        "{ran:?}"
    );
    let atlas = parquet(&folder, "a.parquet");
    assert_eq!(atlas.num_rows(), 40);
    let schema = atlas.schema();
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(
        names,
        [
            "id",
            "label",
            "projection_x",
            "projection_y",
            "uncertainty",
            "p_value",
            "outlier",
            "image"
        ]
    );
    let column = |name: &str| atlas.column_by_name(name).unwrap();
    let uncertainty = column("uncertainty").as_primitive::<Float64Type>();
    let picture = column("image").as_struct();
    let bytes = picture.column_by_name("bytes").unwrap().as_binary::<i32>();
    let (head, lines) = crate::common::table(&scores);
    let at = head.iter().position(|name| name == "score").unwrap();
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(column("id").as_string::<i32>().value(i), line[0]);
        assert_eq!(
            uncertainty.value(i).to_bits(),
            line[at].parse::<f64>().unwrap().to_bits()
        );
        assert!(bytes.value(i).starts_with(b"RIFF"));
    }

    let samples: Value = serde_json::from_str(&folder.text("f.json")).unwrap();
    let fields = &samples["sample_fields"];
    assert_eq!(
        fields["label"],
        "fiftyone.core.fields.EmbeddedDocumentField(fiftyone.core.labels.Classification)"
    );
    let samples = samples["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 40);
    let x = column("projection_x").as_primitive::<Float32Type>();
    for (i, sample) in samples.iter().enumerate() {
        let file = sample["filepath"].as_str().unwrap();
        assert!(std::path::Path::new(file).is_absolute());
        assert!(std::path::Path::new(file).is_file(), "{file}");
        assert!(file.ends_with(lines[i][0].as_str()), "{file}");
        assert_eq!(sample["uncertainty"], uncertainty.value(i));
        let placed = sample["projection_x"].as_f64().unwrap() as f32;
        assert_eq!(placed.to_bits(), x.value(i).to_bits());
        assert_eq!(sample["label"]["_cls"], "Classification");
        let outlier = sample["outlier"].as_bool().unwrap();
        assert_eq!(
            sample["tags"].as_array().unwrap().len(),
            usize::from(outlier)
        );
        for field in sample.as_object().unwrap().keys() {
            assert!(fields[field].is_string(), "{field} has no type");
        }
    }
    // Both are known as ours and written again; a stranger's file is not.
    folder.run(&args).ok();
    folder.write("f.json", "{\"mine\": 1}");
    refused(&folder, &args, &["f.json", "--force overwrites it"]);

    // An image that went away: named, and left out of the dataset only.
    let gone = folder.path(&format!("images/{}", lines[3][0]));
    std::fs::remove_file(gone).unwrap();
    let mut again = args.to_vec();
    again.push("--force");
    let ran = folder.run(&again).ok();
    for words in [
        "a.parquet: 1 row has no picture",
        "f.json: 1 row is left out",
        lines[3][0].as_str(),
    ] {
        assert!(ran.stderr.contains(words), "{ran:?}");
    }
    let samples: Value = serde_json::from_str(&folder.text("f.json")).unwrap();
    assert_eq!(samples["samples"].as_array().unwrap().len(), 39);
    assert_eq!(parquet(&folder, "a.parquet").num_rows(), 40);
}

/// A model of 200 rows of a table, and 300 others with columns of several kinds.
fn table() -> Folder {
    let folder = Folder::new();
    folder.write("t.csv", csv(&rows(200, 4, 1)));
    folder.fit("t.csv", "m.qualm", &[]).ok();
    let new = csv(&rows(300, 4, 2));
    let new = with_column(&new, "y", |i| u8::from(i % 10 == 0).to_string());
    let new = with_column(&new, "outlier", |i| format!("word {i}"));
    folder.write("new.csv", with_column(&new, "price", |i| format!("{i}.5")));
    folder
}

#[test]
fn a_table_has_its_columns_with_their_types() {
    let folder = table();
    let args = [
        "report", "m.qualm", "new.csv", "--label", "y", "-o", "r.html",
    ];
    let ran = folder
        .run(&[&args[..], &["--atlas", "a.parquet"]].concat())
        .ok();
    let renamed = "a.parquet: column 'outlier' of the rows is called 'outlier_input'";
    assert!(ran.stderr.contains(renamed), "{ran:?}");
    let atlas = parquet(&folder, "a.parquet");
    let types: Vec<String> = (atlas.schema().fields().iter())
        .map(|f| format!("{} {}", f.name(), f.data_type()))
        .collect();
    assert_eq!(
        types,
        [
            "id Utf8",
            "a Float32",
            "b Float32",
            "c Float32",
            "d Float32",
            "price Float64",
            "outlier_input Utf8",
            "y Boolean",
            "projection_x Float32",
            "projection_y Float32",
            "uncertainty Float64",
            "p_value Float64",
            "outlier Boolean"
        ]
    );
    let price = atlas.column_by_name("price").unwrap();
    let price = price.as_primitive::<Float64Type>().value(7);
    assert_eq!(price.to_bits(), 7.5f64.to_bits());

    // What cannot be made is refused before it is begun.
    folder
        .run(&["score", "m.qualm", "new.csv", "-o", "s.csv"])
        .ok();
    folder.write("images/0.bmp", bmp(0));
    let go = |input: &str, more: &[&str], words: &[&str]| {
        let args = ["report", "m.qualm", input, "-o", "new.html"];
        refused(&folder, &[&args[..], more].concat(), words);
        assert!(!folder.path("new.html").exists());
    };
    go("new.csv", &["--atlas", "a.csv"], &["a.csv", ".parquet"]);
    go("new.csv", &["--fiftyone", "f.json"], &["--images"]);
    go("new.csv", &["--images", "."], &["--atlas"]);
    go("new.csv", &["--map", "tsne"], &["tsne", "umap"]);
    go("s.csv", &["--atlas", "b.parquet"], &["places on a map"]);
    go(
        "new.csv",
        &["--numbers", "n.parquet", "--atlas", "n.parquet"],
        &["n.parquet", "same command"],
    );
    go(
        "new.csv",
        &["--images", "images", "--atlas", "b.parquet"],
        &["which images"],
    );
}

#[test]
fn a_map_by_umap_is_the_same_at_any_thread_count() {
    let folder = table();
    let run = |output: &str, more: &[&str]| {
        let args = ["report", "m.qualm", "new.csv", "--map", "umap", "-o"];
        let args = [&args[..], &[output], more].concat();
        folder.run(&args).ok();
        folder.text(output)
    };
    let page = run("one.html", &["--threads", "1"]);
    assert!(page.contains("laid out by UMAP with 15 neighbours"));
    assert_eq!(run("all.html", &[]), page);
    assert_ne!(run("other.html", &["--seed", "1"]), page);
    let document: Value = serde_json::from_str(&folder.text("one.json")).unwrap();
    let parts = document["parts"].as_array().unwrap();
    let map = parts.iter().find(|part| part["title"] == "Map").unwrap();
    assert_eq!(map["map"]["method"], "umap");
    assert_eq!(map["map"]["laid_out"], 300);
    assert_eq!(map["map"]["explained"], Value::Null);
}
