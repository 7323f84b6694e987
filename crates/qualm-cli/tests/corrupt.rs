//! Damaged images: tables, folders, contact sheets, interruptions, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt8Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::common::images::{folder_of_images, npy};
use crate::common::{Folder, refused};

/// All rows of a table.
fn rows(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.len(), 1);
    batches.into_iter().next().unwrap()
}

#[test]
fn a_table_of_damaged_images_is_a_table_of_images() {
    let folder = folder_of_images(3);
    let args = [
        "corrupt",
        "images",
        "--kind",
        "fog,noise",
        "--severity",
        "2,4",
    ];
    let report = folder.run(&[&args[..], &["-o", "damaged.parquet", "--json"]].concat());
    let report = report.ok().json();
    assert_eq!(
        (&report["n_images"], &report["n_damaged"]),
        (&6.into(), &48.into())
    );
    assert_eq!(report["corruptions"].as_array().unwrap().len(), 4);
    let rows = rows(&folder.path("damaged.parquet"));
    let names: Vec<&str> = rows
        .schema_ref()
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .collect();
    assert_eq!(names, ["path", "label", "corruption", "severity", "image"]);
    let text = |i: usize| rows.column(i).as_string::<i32>();
    assert_eq!((text(0).value(0), text(1).value(0)), ("cats/0.bmp", "cats"));
    assert_eq!(
        (text(2).value(0), text(2).value(7)),
        ("gaussian_noise", "fog")
    );
    assert_eq!(
        rows.column(3).as_primitive::<UInt8Type>().values()[..2],
        [2, 4]
    );
    let images = rows.column(4).as_struct();
    let paths = images.column(1).as_string::<i32>();
    assert_eq!(paths.value(0), "gaussian_noise/2/cats/0.bmp.png");
    let bytes = images.column(0).as_binary::<i32>();
    assert!((0..rows.num_rows()).all(|i| bytes.value(i).starts_with(b"\x89PNG")));
    // It can be damaged again: every command on images reads it.
    let again = [
        "corrupt",
        "damaged.parquet",
        "--kind",
        "contrast",
        "--severity",
        "1",
    ];
    let report = folder.run(&[&again[..], &["-o", "again.parquet", "--json"]].concat());
    assert_eq!(report.ok().json()["n_images"], 48);
}

#[test]
fn the_same_bits_at_any_number_of_threads_and_in_a_folder() {
    let folder = folder_of_images(2);
    let args = [
        "corrupt",
        "images",
        "--kind",
        "all",
        "--severity",
        "5",
        "--seed",
        "3",
    ];
    for (output, threads) in [("a.parquet", "1"), ("b.parquet", "3")] {
        folder
            .run(&[&args[..], &["-o", output, "--threads", threads]].concat())
            .ok();
    }
    let (a, b) = (
        rows(&folder.path("a.parquet")),
        rows(&folder.path("b.parquet")),
    );
    assert_eq!(a, b);
    folder.run(&[&args[..], &["-o", "damaged"]].concat()).ok();
    let images = a.column(4).as_struct();
    let (bytes, paths) = (
        images.column(0).as_binary::<i32>(),
        images.column(1).as_string::<i32>(),
    );
    for i in 0..a.num_rows() {
        let path = folder.path("damaged").join(paths.value(i));
        assert_eq!(std::fs::read(path).unwrap(), bytes.value(i));
    }
    assert!(!folder.path("damaged/.qualm-run.json").exists());
}

/// Runs with a broken last image, which stops it, then with a whole one.
fn interrupted(output: &str) -> (Folder, Vec<&str>) {
    let folder = folder_of_images(2);
    let last = std::fs::read(folder.path("images/dogs/1.bmp")).unwrap();
    folder.write("images/dogs/1.bmp", b"BM no image");
    let mut args = vec![
        "corrupt",
        "images",
        "--kind",
        "fog,snow",
        "--severity",
        "1-3",
    ];
    args.extend(["--batch", "1", "-o", output]);
    let ran = folder.run(&args);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("--resume"), "{ran:?}");
    folder.write("images/dogs/1.bmp", last);
    (folder, args)
}

#[test]
fn a_folder_goes_on_where_it_was_interrupted() {
    let (folder, mut args) = interrupted("damaged");
    let before = folder.path("damaged/snow/2/cats/0.bmp.png");
    let written = std::fs::metadata(&before).unwrap().modified().unwrap();
    let refused = folder.run(&args);
    assert!(
        refused.stderr.contains("go on with --resume"),
        "{refused:?}"
    );
    args.push("--resume");
    let other = folder.run(&[&args[..], &["--seed", "9"]].concat());
    assert!(
        other.stderr.contains("another seed (0, now 9)"),
        "{other:?}"
    );
    let report = folder.run(&[&args[..], &["--json"]].concat()).ok().json();
    assert_eq!(
        (&report["n_resumed"], &report["n_damaged"]),
        (&3.into(), &24.into())
    );
    assert_eq!(
        std::fs::metadata(&before).unwrap().modified().unwrap(),
        written
    );
    // Whole, it is the folder of a run that nothing stopped.
    let fresh = folder.run(&[&args[..8], &["-o", "fresh"]].concat());
    fresh.ok();
    for name in ["fog/1/dogs/1.bmp.png", "snow/3/cats/1.bmp.png"] {
        let bytes = |root: &str| std::fs::read(folder.path(root).join(name)).unwrap();
        assert_eq!(bytes("damaged"), bytes("fresh"));
    }
    let again = folder.run(&args);
    assert!(
        again.stderr.contains("holds no interrupted run"),
        "{again:?}"
    );
    args.pop();
    assert!(folder.run(&args).stderr.contains("is not empty"));
}

#[test]
fn a_table_goes_on_where_it_was_interrupted() {
    let (folder, mut args) = interrupted("damaged.parquet");
    args.push("--resume");
    let report = folder.run(&[&args[..], &["--json"]].concat()).ok().json();
    assert_eq!(
        (&report["n_resumed"], &report["n_damaged"]),
        (&3.into(), &24.into())
    );
    folder
        .run(&[&args[..8], &["-o", "fresh.parquet"]].concat())
        .ok();
    assert_eq!(
        rows(&folder.path("damaged.parquet")),
        rows(&folder.path("fresh.parquet"))
    );
}

#[test]
fn sheets_for_people() {
    let folder = Folder::new();
    folder.write("images.npy", npy(5, 12));
    for sheet in ["look.html", "look.png"] {
        let output = format!("{sheet}.parquet");
        let args = [
            "corrupt",
            "images.npy",
            "--kind",
            "weather",
            "--severity",
            "1,5",
            "-o",
            &output,
        ];
        let report = folder.run(
            &[
                &args[..],
                &["--sheet", sheet, "--sheet-images", "2", "--json"],
            ]
            .concat(),
        );
        assert_eq!(report.ok().json()["sheet"], sheet);
    }
    let page = std::fs::read_to_string(folder.path("look.html")).unwrap();
    assert_eq!(page.matches("<img").count(), 2 * (1 + 4 * 2));
    assert!(
        std::fs::read(folder.path("look.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}

#[test]
fn formats_and_parameters() {
    let folder = Folder::new();
    folder.write("images.npy", npy(2, 16));
    let of = |output: &str, more: &[&str]| {
        let args = [
            "corrupt",
            "images.npy",
            "--kind",
            "jpeg_compression",
            "--severity",
            "5",
            "-o",
            output,
        ];
        folder.run(&[&args[..], more].concat()).ok();
        let rows = rows(&folder.path(output));
        rows.column(3)
            .as_struct()
            .column(0)
            .as_binary::<i32>()
            .value(0)
            .to_vec()
    };
    assert!(of("a.parquet", &["--format", "jpeg:80"]).starts_with(b"\xff\xd8"));
    assert!(of("b.parquet", &["--format", "webp"]).starts_with(b"RIFF"));
    let auto = of("c.parquet", &[]);
    assert_eq!(auto, of("d.parquet", &["--params", "cifar"]));
    assert_ne!(auto, of("e.parquet", &["--params", "imagenet"]));
}

/// A GIF of two frames.
const TWO_FRAMES: &[u8] = b"GIF87a\x02\x00\x02\x00\x81\x00\x00\x00\x00\x00\xff\xff\xff\x00\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x02\x00\x02\x00\x00\x08\x06\x00\x01\x08\x04\x10\x10\x00!\xf9\x04\x01\x00\x00\x01\x00,\x00\x00\x00\x00\x02\x00\x02\x00\x81\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08\x06\x00\x01\x08\x04\x10\x10\x00;";

#[test]
fn what_is_refused() {
    let folder = folder_of_images(2);
    folder.write("tiny.npy", npy(1, 1));
    folder.write("there.parquet", b"x");
    folder.write("moving/two.gif", TWO_FRAMES);
    std::fs::create_dir(folder.path("empty")).unwrap();
    let cases: [(&[&str], &[&str]); 13] = [
        (
            &["images", "--kind", "fog", "--severity", "6", "-o", "o"],
            &["severity 6", "1 to 5"],
        ),
        (
            &["images", "--kind", "fogg", "-o", "o"],
            &["fogg", "did you mean 'fog'"],
        ),
        (
            &["images", "--kind", "fog", "--params", "x", "-o", "o"],
            &["'x'", "imagenet"],
        ),
        (
            &["images", "--kind", "fog", "--format", "gif", "-o", "o"],
            &["gif", "jpeg:QUALITY"],
        ),
        (
            &["tiny.npy", "--kind", "fog", "-o", "o.parquet"],
            &["image 0", "1 x 1", "8 x 8"],
        ),
        (
            &["moving", "--kind", "fog", "-o", "o.parquet"],
            &["two.gif", "several frames", "8 bits"],
        ),
        (
            &["empty", "--kind", "fog", "-o", "o.parquet"],
            &["no image found"],
        ),
        (
            &["none", "--kind", "fog", "-o", "o.parquet"],
            &["none", "no such file"],
        ),
        (
            &["images", "--kind", "fog", "-o", "there.parquet"],
            &["there already"],
        ),
        (
            &["images", "--kind", "fog", "-o", "o.csv"],
            &[".csv", ".parquet"],
        ),
        (&["images", "--kind", "fog", "-o", "images"], &["images"]),
        (
            &["images", "--kind", "fog", "-o", "o", "--sheet", "s.gif"],
            &["s.gif", ".html"],
        ),
        (
            &[
                "images",
                "--kind",
                "frost",
                "-o",
                "o",
                "--frost-dir",
                "empty",
            ],
            &["no image found"],
        ),
    ];
    for (args, words) in cases {
        refused(&folder, &[&["corrupt"], args].concat(), words);
    }
}
