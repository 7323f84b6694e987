//! Wrong input: exit code 2, a message with file, row and column, and nothing touched.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use crate::common::files::{self, csv, rows, with_column};
use crate::common::{Folder, SMALL, refused};
use crate::sealed;

/// The input is refused by `fit`, by `score` to a file and by `score` to stdout.
#[track_caller]
fn bad_input(folder: &Folder, input: &str, words: &[&str]) {
    let fit = [&["fit", input, "-o", "out.qualm"], &SMALL[..]].concat();
    let words: Vec<&str> = std::iter::once(input)
        .chain(words.iter().copied())
        .collect();
    refused(folder, &fit, &words);
    bad_rows(folder, input, &words);
    refused(
        folder,
        &["eval", input, "--score", "a", "--label", "b"],
        &[input],
    );
}

/// The input is refused by `score`, wherever the scores were to go.
#[track_caller]
fn bad_rows(folder: &Folder, input: &str, words: &[&str]) {
    refused(folder, &["score", "m.qualm", input, "-o", "out.csv"], words);
    refused(folder, &["score", "m.qualm", input], words);
    refused(folder, &["score", "m.qualm", input, "--json"], words);
}

/// `t.csv` with another text at a row (from 1) and column.
fn with_field(folder: &Folder, row: usize, column: usize, text: &str) -> String {
    let lines = folder.text("t.csv");
    let lines = lines.lines().enumerate().map(|(i, line)| {
        let mut fields: Vec<&str> = line.split(',').collect();
        if i == row {
            fields[column] = text;
        }
        fields.join(",") + "\n"
    });
    lines.collect()
}

#[test]
fn files_that_are_no_tables() {
    let folder = Folder::with_model();
    folder.write("empty.csv", "");
    folder.write("blank.csv", "\n\n\n");
    folder.write("header.csv", "a,b,c,d\n");
    folder.write(
        "image.csv",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01",
    );
    folder.write("text.parquet", "a,b,c,d\n1,2,3,4\n");
    folder.write("text.npy", "a,b,c,d\n1,2,3,4\n");
    folder.write("text.npz", "a,b,c,d\n1,2,3,4\n");
    folder.write("text.arrow", "a,b,c,d\n1,2,3,4\n");
    folder.write("table.xlsx", "PK");
    folder.write("bare", "a,b,c,d\n1,2,3,4\n");
    folder.write("folder/readme.txt", "no parts here");
    folder.write("empty.npy", "");
    folder.write("empty.parquet", "");
    folder.write("latin.csv", b"a,b,c,d\n1,2,3,\xE9\n");
    bad_input(&folder, "missing.csv", &["no such file"]);
    bad_input(&folder, "missing/t.parquet", &["no such file"]);
    bad_input(&folder, "empty.csv", &["empty"]);
    bad_input(&folder, "empty.npy", &["empty"]);
    bad_input(&folder, "empty.parquet", &["empty"]);
    bad_input(&folder, "blank.csv", &["no rows"]);
    bad_input(&folder, "header.csv", &["no rows"]);
    bad_input(&folder, "image.csv", &["expected CSV", "PNG"]);
    bad_input(
        &folder,
        "text.parquet",
        &["expected a Parquet file", "text"],
    );
    bad_input(&folder, "text.npy", &["expected a NumPy array", "text"]);
    bad_input(&folder, "text.npz", &["expected a NumPy archive", "text"]);
    bad_input(&folder, "text.arrow", &["expected an Arrow file", "text"]);
    bad_input(&folder, "table.xlsx", &[".xlsx", ".parquet"]);
    bad_input(&folder, "bare", &["without extension", ".csv"]);
    bad_input(&folder, "folder", &["no *.parquet file"]);
    bad_input(&folder, "latin.csv", &["row 1", "UTF-8"]);
}

#[test]
fn files_cut_short() {
    let folder = Folder::with_model();
    let data = rows(200, 4, 1);
    folder.write("t.npy", files::npy(&data));
    files::npz(&folder.path("t.npz"), &data);
    files::parquet(&folder.path("t.parquet"), &files::batch(&data));
    files::arrow(&folder.path("t.arrow"), &files::batch(&data));
    for (input, words) in [
        ("t.npy", &["truncated", "bytes"][..]),
        ("t.npz", &[]),
        ("t.parquet", &["truncated"]),
        ("t.arrow", &["truncated"]),
    ] {
        let bytes = folder.read(input);
        for part in [bytes.len() / 2, bytes.len() - 1, 7] {
            let cut = format!("cut{part}-{input}");
            folder.write(&cut, &bytes[..part]);
            let words = if part == bytes.len() / 2 { words } else { &[] };
            bad_input(&folder, &cut, words);
        }
    }
}

#[test]
fn text_missing_and_infinite_values_are_named_by_row_and_column() {
    let folder = Folder::with_model();
    for row in [1, 17, 120] {
        let at = format!("row {row}, column 'b'");
        for (name, text, words) in [
            ("text", "oops", &["'oops'", "expected a number"][..]),
            ("nan", "NaN", &["NaN", "finite"]),
            ("inf", "-inf", &["-inf", "finite"]),
            ("huge", "1e300", &["float32", "rescale"]),
            ("missing", "", &["missing value", "impute"]),
        ] {
            let input = format!("{name}{row}.csv");
            folder.write(&input, with_field(&folder, row, 1, text));
            bad_input(&folder, &input, &[&[at.as_str()], words].concat());
        }
    }
    // Where the column is not the first one that is wrong in row order.
    let both = with_field(&folder, 9, 0, "x");
    folder.write("t.csv", both);
    let both = with_field(&folder, 5, 3, "y");
    folder.write("both.csv", both);
    bad_input(&folder, "both.csv", &["row 5, column 'd'"]);
}

#[test]
fn bad_values_in_binary_files() {
    let folder = Folder::with_model();
    let mut data = rows(120, 4, 1);
    data[16][2] = f64::NAN;
    files::parquet(&folder.path("nan.parquet"), &files::batch(&data));
    bad_input(&folder, "nan.parquet", &["row 17, column 'c'", "NaN"]);
    files::arrow(&folder.path("nan.arrow"), &files::batch(&data));
    bad_input(&folder, "nan.arrow", &["row 17, column 'c'", "NaN"]);
    // In a folder, file and row are those of the part.
    files::parquet(&folder.path("parts/0.parquet"), &files::batch(&data[..10]));
    files::parquet(&folder.path("parts/1.parquet"), &files::batch(&data[10..]));
    bad_input(&folder, "parts", &["1.parquet, row 7, column 'c'"]);
    folder.write("nan.npy", files::npy(&data));
    bad_input(&folder, "nan.npy", &["row 17, column 'x[2]'", "NaN"]);
    data[16][2] = f64::NEG_INFINITY;
    files::parquet(&folder.path("v.parquet"), &files::vectors(&data, "e"));
    bad_input(&folder, "v.parquet", &["row 17, column 'e[2]'", "-inf"]);
}

#[test]
fn an_error_in_a_late_batch_leaves_no_half_result() {
    let folder = Folder::with_model();
    let mut data = rows(20_000, 4, 1);
    data[19_999][3] = f64::INFINITY;
    folder.write("late.csv", csv(&data));
    let words = ["late.csv, row 20000, column 'd'"];
    refused(
        &folder,
        &["score", "m.qualm", "late.csv", "-o", "out.csv"],
        &words,
    );
    refused(&folder, &["score", "m.qualm", "late.csv", "--json"], &words);
    refused(&folder, &["score", "m.qualm", "late.csv"], &words);
}

/// `score` and `eval` name the row that has no score: in any batch, and in its own part.
#[test]
fn a_row_without_a_score() {
    let folder = Folder::with_model();
    let identity = ["--set", "space=identity"];
    folder.fit("t.csv", "m.qualm", &identity).ok();
    folder.write("m.qualm", sealed::overflowing(&folder.read("m.qualm")));
    // Zeros, but for a row (from 1), with labels.
    let table = |n: usize, far: usize| {
        let row = |i: usize| {
            let value = if i == far { 100.0 } else { 0.0 };
            vec![
                value,
                value,
                value,
                value,
                f64::from(u8::from(i.is_multiple_of(2))),
            ]
        };
        (1..=n).map(row).collect::<Vec<_>>()
    };
    let both = |input: &str, words: &[&str]| {
        let score = ["score", "m.qualm", input];
        refused(&folder, &score, words);
        refused(&folder, &[&score[..], &["-o", "out.csv"]].concat(), words);
        refused(&folder, &["eval", "m.qualm", input, "--label", "e"], words);
    };
    folder.write("near.csv", csv(&table(50, 7)));
    both("near.csv", &["near.csv, row 7: ", "too far"]);
    folder.write("far.csv", csv(&table(20_000, 8193)));
    both("far.csv", &["far.csv, row 8193: ", "too far"]);
    let parts = [("parts/a.parquet", 0), ("parts/b.parquet", 8500)];
    for (part, far) in parts {
        files::parquet(&folder.path(part), &files::batch(&table(9000, far)));
    }
    both("parts", &["parts/b.parquet, row 8500: ", "too far"]);
}

#[test]
fn ragged_rows() {
    let folder = Folder::with_model();
    let text = folder.text("t.csv");
    let lines: Vec<&str> = text.lines().collect();
    let short = lines[..7].join("\n") + "\n1,2,3\n";
    folder.write("short.csv", short);
    bad_input(&folder, "short.csv", &["row 7", "3 fields", "expected 4"]);
    folder.write("long.csv", lines[..120].join("\n") + "\n1,2,3,4,5\n");
    bad_input(&folder, "long.csv", &["row 120", "5 fields", "expected 4"]);
}

#[test]
fn columns_that_are_not_there() {
    let folder = Folder::with_model();
    let fit = |more: &[&str]| {
        let fit = ["fit", "t.csv", "-o", "out.qualm"];
        [&fit, &SMALL[..], more]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    for flag in ["--label", "--id", "--columns", "--exclude", "--vector"] {
        let args = fit(&[flag, "nowhere"]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        refused(
            &folder,
            &args,
            &["t.csv", "'nowhere'", flag, "'a', 'b', 'c', 'd'"],
        );
    }
    let args = fit(&["--columns", "a", "--label", "a"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    refused(&folder, &args, &["'a'", "--columns", "--label"]);
    let args = fit(&["--label", "a", "--id", "a,a"]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    refused(&folder, &args, &["'a'", "--id"]);
    for flag in ["--label", "--id", "--vector"] {
        let args = [
            "score", "m.qualm", "t.csv", "-o", "out.csv", flag, "nowhere",
        ];
        refused(&folder, &args, &["t.csv", "'nowhere'", flag]);
    }
    folder.write("fewer.csv", csv(&rows(50, 3, 1)));
    refused(
        &folder,
        &["score", "m.qualm", "fewer.csv"],
        &["fewer.csv", "'d'", "missing"],
    );
    folder.write("words.csv", "name,place\nada,london\nalan,bletchley\n");
    let args = ["fit", "words.csv", "-o", "out.qualm"];
    refused(
        &folder,
        &args,
        &[
            "words.csv",
            "no numeric column",
            "'name' (text such as 'ada' in row 1), 'place'",
        ],
    );
    folder.write("twice.csv", "a,b,a,d\n1,2,3,4\n");
    bad_input(&folder, "twice.csv", &["column 'a'", "more than once"]);
    folder.write("t.npy", files::npy(&rows(50, 3, 1)));
    let args = ["fit", "t.npy", "-o", "out.qualm", "--label", "y"];
    refused(&folder, &args, &["t.npy", "'y'", "--label"]);
}

#[test]
fn a_model_of_thirty_columns_meets_twenty_nine() {
    let folder = Folder::new();
    folder.write("thirty.csv", csv(&rows(60, 30, 1)));
    folder.write("fewer.csv", csv(&rows(60, 29, 1)));
    folder.write("thirty.npy", files::npy(&rows(60, 30, 1)));
    folder.write("fewer.npy", files::npy(&rows(60, 29, 1)));
    folder.fit("thirty.csv", "m.qualm", &[]).ok();
    bad_rows(&folder, "fewer.csv", &["fewer.csv", "missing: 'x29'"]);
    bad_rows(&folder, "fewer.npy", &["fewer.npy", "29", "30"]);
    folder.fit("thirty.npy", "m.qualm", &[]).ok();
    bad_rows(
        &folder,
        "fewer.npy",
        &["fewer.npy", "got 29", "expected 30"],
    );
    bad_rows(&folder, "fewer.csv", &["fewer.csv", "29", "30"]);
    let fit = [
        "fit",
        "thirty.csv",
        "--calibrate",
        "fewer.csv",
        "-o",
        "out.qualm",
    ];
    refused(&folder, &[&fit[..], &SMALL].concat(), &["fewer.csv", "x29"]);
}

#[test]
fn rows_that_cannot_be_learnt_from() {
    let folder = Folder::new();
    folder.write("constant.csv", "a,b\n".to_owned() + &"1,2\n".repeat(100));
    folder.write("few.csv", csv(&rows(3, 4, 1)));
    let fit = |input| [&["fit", input, "-o", "out.qualm"], &SMALL[..]].concat();
    refused(&folder, &fit("constant.csv"), &["constant.csv", "equal"]);
    refused(
        &folder,
        &fit("few.csv"),
        &["few.csv", "3 rows are too few", "at least"],
    );
}

#[test]
fn models_that_are_none() {
    let folder = Folder::with_model();
    let model = folder.read("m.qualm");
    folder.write("empty.qualm", "");
    folder.write("cut.qualm", &model[..model.len() / 2]);
    folder.write("less.qualm", &model[..model.len() - 1]);
    folder.write("more.qualm", [&model[..], b"x"].concat());
    folder.write(
        "huge.qualm",
        [&u64::MAX.to_le_bytes()[..], &model[8..]].concat(),
    );
    let mut newer = model.clone();
    let version = br#"format_version\":1"#;
    let at = newer
        .windows(version.len())
        .position(|w| w == version)
        .unwrap();
    newer[at + version.len() - 1] = b'9';
    folder.write("newer.qualm", newer);
    folder.write("constant.qualm", vec![7; 4096]);
    for (model, words) in [
        ("missing.qualm", &["missing.qualm"][..]),
        ("empty.qualm", &[]),
        ("cut.qualm", &["fit the model again"]),
        ("less.qualm", &[]),
        ("more.qualm", &[]),
        ("huge.qualm", &[]),
        ("constant.qualm", &[]),
        ("newer.qualm", &["version 9", "upgrade qualm"]),
        ("t.csv", &["not a complete .qualm file"]),
        (".", &[]),
    ] {
        let words = [&[model], words].concat();
        refused(&folder, &["score", model, "t.csv", "-o", "out.csv"], &words);
        refused(&folder, &["info", model], &words);
        refused(&folder, &["eval", model, "t.csv", "--label", "a"], &words);
    }
}

#[test]
fn labels_that_are_none() {
    let folder = Folder::with_model();
    let text = folder.text("t.csv");
    let label = |name: &str, value: &dyn Fn(usize) -> String| {
        folder.write(name, with_column(&text, "y", value));
    };
    label("one.csv", &|_| "0".into());
    label("three.csv", &|i| (i % 3).to_string());
    label("word.csv", &|i| if i == 16 { "cat" } else { "1" }.into());
    label("none.csv", &|i| if i == 16 { "" } else { "1" }.into());
    for (input, words) in [
        ("one.csv", &["inlier", "outlier"][..]),
        ("three.csv", &["row 3, column 'y'", "'2'", "0 or 1"]),
        ("word.csv", &["row 17, column 'y'", "'cat'", "0 or 1"]),
        ("none.csv", &["row 17, column 'y'", "0 or 1"]),
    ] {
        let words = [&[input], words].concat();
        refused(&folder, &["eval", "m.qualm", input, "--label", "y"], &words);
    }
    let args = ["eval", "t.csv", "--label", "a"];
    refused(&folder, &args, &["t.csv", "'score'", "--score"]);
    let args = ["eval", "one.csv", "--label", "nowhere", "--score", "a"];
    refused(&folder, &args, &["one.csv", "'nowhere'", "--label"]);
    let args = ["eval", "missing.csv", "--label", "y"];
    refused(&folder, &args, &["missing.csv", "no such file"]);
    folder.write("s.csv", "score,y\n1,0\nNaN,1\n");
    refused(
        &folder,
        &["eval", "s.csv", "--label", "y"],
        &["s.csv, row 2, column 'score'"],
    );
    // A label of any kind can be kept out of a fit.
    folder.fit("word.csv", "x.qualm", &["--label", "y"]).ok();
}

#[test]
fn devices_that_are_not_there() {
    let folder = Folder::with_model();
    folder.write("c.toml", "device = \"tpu\"\n");
    let known = ["tpu", "cpu", "cuda", "wgpu"];
    for args in [
        &["fit", "t.csv", "-o", "out.qualm", "--device", "tpu"][..],
        &["fit", "t.csv", "-o", "out.qualm", "--set", "device=tpu"],
        &["fit", "t.csv", "-o", "out.qualm", "--config", "c.toml"],
        &["score", "m.qualm", "t.csv", "--device", "tpu"],
        &[
            "score", "m.qualm", "t.csv", "--device", "tpu", "-o", "out.csv",
        ],
        &[
            "eval", "m.qualm", "t.csv", "--label", "a", "--device", "tpu",
        ],
    ] {
        refused(&folder, args, &known);
    }
    let absent = [
        ("cuda", cfg!(feature = "cuda")),
        ("wgpu", cfg!(feature = "wgpu")),
    ];
    for (device, _) in absent.into_iter().filter(|(_, built)| !built) {
        let set = format!("device={device}");
        let words = [
            &format!("device = {device}"),
            "built without it",
            &format!("--features {device}"),
        ];
        // The input is not even opened.
        for args in [
            &["fit", "missing.csv", "-o", "out.qualm", "--device", device][..],
            &["fit", "missing.csv", "-o", "out.qualm", "--set", &set],
            &["score", "m.qualm", "missing.csv", "--device", device],
            &[
                "score",
                "m.qualm",
                "missing.csv",
                "-o",
                "out.csv",
                "--device",
                device,
            ],
            &[
                "eval",
                "m.qualm",
                "missing.csv",
                "--label",
                "a",
                "--device",
                device,
            ],
        ] {
            refused(&folder, args, &words);
        }
    }
}

#[test]
fn a_device_flag_wins_over_the_file() {
    let folder = Folder::with_model();
    folder.write("c.toml", "device = \"cuda\"\n");
    let cpu = ["--config", "c.toml", "--device", "cpu"];
    folder.fit("t.csv", "x.qualm", &cpu).ok();
    let scored = folder.scores("x.qualm", "t.csv", &["--device", "cpu"]);
    assert_eq!(scored, folder.scores("m.qualm", "t.csv", &[]));
}

#[test]
fn a_network_that_no_memory_holds_is_refused_before_work() {
    let folder = Folder::with_model();
    let fit = ["fit", "t.csv", "-o", "out.qualm"];
    let huge = ["--set", "hidden=65536", "--set", "layers=60"];
    refused(
        &folder,
        &[&fit[..], &huge[..]].concat(),
        &["fitting needs", "GiB", "hidden"],
    );
}
