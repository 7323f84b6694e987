//! Fit, score, decide, evaluate: the main job through the binary.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test fails loudly, and promises bits"
)]

use crate::common::files::{csv, rows, with_column};
use crate::common::{Folder, SMALL, column, table};

#[test]
fn the_columns_are_ids_score_p_value_outlier() {
    let folder = Folder::new();
    let data = with_column(&csv(&rows(80, 3, 1)), "name", |i| format!("row {i}"));
    folder.write("t.csv", &data);
    folder.fit("t.csv", "m.qualm", &["--id", "name"]).ok();
    let scores = folder.scores("m.qualm", "t.csv", &[]);
    let (header, body) = table(&scores);
    assert_eq!(header, ["name", "score", "p_value", "outlier"]);
    assert_eq!(body.len(), 80);
    for (i, row) in body.iter().enumerate() {
        assert_eq!(row[0], format!("row {i}"), "the order of the input");
    }
    // Without the id column there is nothing to carry through.
    folder.write("bare.csv", csv(&rows(80, 3, 1)));
    let bare = folder.scores("m.qualm", "bare.csv", &[]);
    assert_eq!(table(&bare).0, ["score", "p_value", "outlier"]);
    assert_eq!(column(&bare, "score"), column(&scores, "score"));
}

#[test]
fn many_batches_come_out_in_the_order_of_the_input_on_any_number_of_threads() {
    let folder = Folder::with_model();
    let data = with_column(&csv(&rows(30_000, 4, 2)), "row", |i| i.to_string());
    folder.write("many.csv", data);
    let score = |threads| {
        let more = ["--id", "row", "--threads", threads];
        folder.scores("m.qualm", "many.csv", &more)
    };
    let text = score("1");
    let ids = column(&text, "row");
    assert_eq!(ids, (0..30_000).map(f64::from).collect::<Vec<_>>());
    for threads in ["2", "5"] {
        assert!(score(threads) == text, "{threads} threads");
    }
    // Nor does it matter how the rows are cut into batches.
    let labelled = with_column(&text, "truth", |i| (i % 2).to_string());
    folder.write("scores.csv", labelled);
    let data = with_column(&csv(&rows(30_000, 4, 2)), "truth", |i| (i % 2).to_string());
    folder.write("labelled.csv", data);
    let eval = |args: &[&str]| {
        let args = [&["eval", "--label", "truth", "--json"], args].concat();
        folder.run(&args).ok().json()
    };
    assert_eq!(eval(&["scores.csv"]), eval(&["m.qualm", "labelled.csv"]));
}

#[test]
fn p_values_and_decisions_follow_from_the_scores() {
    let folder = Folder::with_model();
    let text = folder.scores("m.qualm", "t.csv", &[]);
    // The fitted rows are the reference.
    let reference = column(&text, "score");
    folder.write("new.csv", csv(&rows(50, 4, 9)));
    let new = folder.scores("m.qualm", "new.csv", &[]);
    let info = folder.run(&["info", "m.qualm", "--json"]).ok().json();
    let threshold = info["threshold"].as_f64().unwrap();
    assert_eq!(info["provenance"]["n_rows"], 120);
    assert_eq!(info["reference_scores"]["n"], 120);
    for text in [&text, &new] {
        let scores = column(text, "score");
        let p_values = column(text, "p_value");
        let outliers = column(text, "outlier");
        for ((score, p), outlier) in scores.iter().zip(p_values).zip(outliers) {
            let above = reference.iter().filter(|r| *r >= score).count();
            assert_eq!(p, (1 + above) as f64 / 121.0);
            assert_eq!(outlier, f64::from(u8::from(*score > threshold)));
        }
    }
    // Five per cent of 120 rows.
    assert_eq!(column(&text, "outlier").iter().sum::<f64>(), 6.0);
}

#[test]
fn a_row_has_its_score_whatever_stands_around_it() {
    let folder = Folder::with_model();
    let all = column(&folder.scores("m.qualm", "t.csv", &[]), "score");
    let data = rows(120, 4, 1);
    for i in [0, 60, 119] {
        folder.write("one.csv", csv(&data[i..=i]));
        let one = column(&folder.scores("m.qualm", "one.csv", &[]), "score");
        assert_eq!(one, [all[i]]);
    }
}

#[test]
fn columns_are_matched_by_name_and_others_ignored() {
    let folder = Folder::with_model();
    let expected = folder.scores("m.qualm", "t.csv", &[]);
    let text = folder.text("t.csv");
    let shuffled = text.lines().enumerate().map(|(i, line)| {
        let f: Vec<&str> = line.split(',').collect();
        let extra = if i == 0 { "more" } else { "text" };
        [f[2], extra, f[0], f[3], f[1]].join(",") + "\n"
    });
    let shuffled: String = shuffled.collect();
    folder.write("shuffled.csv", shuffled);
    assert_eq!(folder.scores("m.qualm", "shuffled.csv", &[]), expected);
}

#[test]
fn labels_are_kept_out_of_the_fit_and_reach_eval() {
    let folder = Folder::new();
    let mut data = rows(150, 4, 1);
    for row in data.iter_mut().take(10) {
        for value in row {
            *value += 6.0;
        }
    }
    let plain = csv(&data);
    folder.write("plain.csv", &plain);
    let label = |i: usize| u8::from(i < 10).to_string();
    folder.write("t.csv", with_column(&plain, "y", label));
    folder.fit("t.csv", "m.qualm", &["--label", "y"]).ok();
    folder.fit("plain.csv", "plain.qualm", &[]).ok();
    let scores = folder.scores("m.qualm", "t.csv", &["--label", "y"]);
    assert_eq!(table(&scores).0, ["y", "score", "p_value", "outlier"]);
    let plain = folder.scores("plain.qualm", "plain.csv", &[]);
    assert_eq!(column(&scores, "score"), column(&plain, "score"));

    folder.write("s.csv", &scores);
    let args = ["eval", "s.csv", "--label", "y", "--json"];
    let by_file = folder.run(&args).ok();
    let args = ["eval", "m.qualm", "t.csv", "--label", "y", "--json"];
    let by_model = folder.run(&args).ok();
    assert_eq!(by_file.stdout, by_model.stdout);
    let metrics = by_file.json();
    assert_eq!(
        (&metrics["n"], &metrics["n_outliers"]),
        (&150.into(), &10.into())
    );
    // By counting pairs.
    let s = column(&scores, "score");
    let pairs = s[..10]
        .iter()
        .flat_map(|a| s[10..].iter().map(move |b| (a, b)));
    let wins: f64 = pairs
        .map(|(a, b)| f64::from(u8::from(a > b)) + 0.5 * f64::from(u8::from(a == b)))
        .sum();
    let auroc = metrics["auroc"].as_f64().unwrap();
    assert!((auroc - wins / 1400.0).abs() < 1e-12);
    assert_eq!(
        metrics["auroc_unoriented"].as_f64().unwrap(),
        auroc.max(1.0 - auroc)
    );
    let text = folder.run(&["eval", "s.csv", "--label", "y"]).ok().stdout;
    assert!(
        text.contains("AUROC") && text.contains("10 outliers"),
        "{text}"
    );
}

#[test]
fn the_threshold_changes_without_a_refit() {
    let folder = Folder::with_model();
    let model = folder.read("m.qualm");
    let flagged = |more: &[&str]| {
        let text = folder.scores("m.qualm", "t.csv", more);
        column(&text, "outlier").iter().sum::<f64>()
    };
    assert_eq!(flagged(&[]), 6.0);
    assert_eq!(flagged(&["--fpr", "0.1"]), 12.0);
    assert_eq!(flagged(&["--fpr", "0.01"]), 1.0);
    assert_eq!(flagged(&["--contamination", "0.25"]), 30.0);
    assert_eq!(flagged(&["--threshold", "-1e9"]), 120.0);
    let scores = column(&folder.scores("m.qualm", "t.csv", &[]), "score");
    let highest = scores.iter().copied().fold(f64::MIN, f64::max);
    // Above, not at.
    assert_eq!(flagged(&["--threshold", &highest.to_string()]), 0.0);
    assert_eq!(folder.read("m.qualm"), model);
    // And set at fit time.
    folder
        .fit("t.csv", "m2.qualm", &["--contamination", "0.25"])
        .ok();
    let text = folder.scores("m2.qualm", "t.csv", &[]);
    assert_eq!(column(&text, "outlier").iter().sum::<f64>(), 30.0);
}

#[test]
fn other_rows_can_calibrate() {
    let folder = Folder::with_model();
    folder.write("held_out.csv", csv(&rows(37, 4, 5)));
    folder
        .fit("t.csv", "c.qualm", &["--calibrate", "held_out.csv"])
        .ok();
    let reference = column(&folder.scores("c.qualm", "held_out.csv", &[]), "score");
    let text = folder.scores("c.qualm", "t.csv", &[]);
    let plain = folder.scores("m.qualm", "t.csv", &[]);
    assert_eq!(column(&text, "score"), column(&plain, "score"));
    for (score, p) in column(&text, "score").iter().zip(column(&text, "p_value")) {
        let above = reference.iter().filter(|r| *r >= score).count();
        assert_eq!(p, (1 + above) as f64 / 38.0);
    }
    let info = folder.run(&["info", "c.qualm", "--json"]).ok().json();
    assert_eq!(info["reference_scores"]["n"], 37);
    assert_eq!(info["provenance"]["reference"], "separate_rows");
}

#[test]
fn scores_are_explained_by_column() {
    let folder = Folder::with_model();
    folder.fit("t.csv", "s.qualm", &["--preset", "sphere"]).ok();
    for model in ["m.qualm", "s.qualm"] {
        let text = folder.scores(model, "t.csv", &["--explain", "4"]);
        let (header, body) = table(&text);
        assert_eq!(header[..3], ["score", "p_value", "outlier"]);
        assert_eq!(header[3..5], ["explain_1", "explain_1_share"]);
        assert_eq!(header.len(), 11);
        for row in body {
            let mut names: Vec<&str> = row[3..].iter().step_by(2).map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["a", "b", "c", "d"], "each column once");
            let shares = row[4..].iter().step_by(2);
            let shares: Vec<f64> = shares.map(|s| s.parse().unwrap()).collect();
            assert!(shares.is_sorted_by(|a, b| a >= b), "{shares:?}");
            let sum: f64 = shares.iter().sum();
            assert!((sum - 1.0).abs() < 1e-9 || sum == 0.0, "{shares:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_any_thread_count() {
    let folder = Folder::new();
    folder.write("t.csv", csv(&rows(300, 6, 3)));
    let fit = |model: &str, seed: &str, threads: &str| {
        let mut args = vec![
            "fit",
            "t.csv",
            "-o",
            model,
            "--seed",
            seed,
            "--threads",
            threads,
        ];
        args.extend(SMALL);
        let mut command = folder.command(&args);
        let output = command.env("SOURCE_DATE_EPOCH", "1700000000").output();
        crate::common::Ran::from(output.unwrap()).ok();
        folder.read(model)
    };
    let one = fit("1.qualm", "0", "1");
    assert!(one == fit("2.qualm", "0", "2"), "threads change the model");
    assert!(
        one == fit("3.qualm", "0", "1"),
        "a second run changes the model"
    );
    assert!(one != fit("4.qualm", "1", "1"), "the seed changes nothing");
    let scores = folder.scores("1.qualm", "t.csv", &["--threads", "1"]);
    assert_eq!(
        scores,
        folder.scores("1.qualm", "t.csv", &["--threads", "2"])
    );
    assert_eq!(scores, folder.scores("2.qualm", "t.csv", &[]));
    assert_ne!(scores, folder.scores("4.qualm", "t.csv", &[]));
}

#[test]
fn the_default_asks_the_columns_and_says_what_they_said() {
    let folder = Folder::new();
    let names: Vec<String> = (0..20).map(|j| format!("c{j}")).collect();
    for (file, widest, chosen) in [
        ("alike.csv", 1, ["unit", "robust", "1"]),
        ("wide.csv", 1000, ["standardise", "balanced", "2"]),
    ] {
        let row = |i: u32| -> String {
            let value = |j: u32| (i * 7919 + j * 104_729) % 101 * if j == 3 { widest } else { 1 };
            let values: Vec<String> = (0..20).map(|j| value(j).to_string()).collect();
            values.join(",")
        };
        let rows: Vec<String> = (0..60).map(row).collect();
        let table = format!("{}\n{}\n", names.join(","), rows.join("\n"));
        folder.write(file, table);
        let fit = |model: &str, more: &[&str]| {
            let args = [&["fit", file, "-o", model, "--json"], more].concat();
            folder.run(&args).ok()
        };
        let default = fit("default.qualm", &[]);
        let spec = &default.json()["spec"];
        let [scaling, metric, members] = chosen;
        assert_eq!([&spec["scaling"], &spec["metric"]], [scaling, metric]);
        assert_eq!(spec["members"].to_string(), members);
        for said in [
            "note: decided for these rows: bandwidth=0.5, exponent=1.0, ",
            &format!("metric=\"{metric}\", network=\"kernel\", scaling=\"{scaling}\""),
        ] {
            assert!(default.stderr.contains(said), "{}", default.stderr);
        }
        // Told to be quiet, it says nothing.
        assert_eq!(fit("quiet.qualm", &["--quiet"]).stderr, "");
        // The model is the one of what was chosen, to the bit.
        let metric = format!("metric={metric}");
        let scaling = format!("scaling={scaling}");
        let members = format!("members={members}");
        let keys = ["--set", &metric, "--set", &scaling, "--set", &members];
        let named = if widest == 1 {
            &["--preset", "embedding"]
        } else {
            &["--preset", "auto"]
        };
        let scores = |model: &str| folder.run(&["score", model, file]).ok().stdout;
        for same in [&keys[..], named] {
            fit("same.qualm", same);
            assert_eq!(scores("default.qualm"), scores("same.qualm"), "{same:?}");
        }
    }
}

#[test]
fn a_key_of_training_makes_the_default_train() {
    let folder = Folder::with_model();
    let fit = |model: &str, more: &[&str]| {
        let args = [&["fit", "t.csv", "-o", model, "--json"], more].concat();
        folder.run(&args)
    };
    let steps = ["--set", "max_steps=60"];
    let trained = fit("steps.qualm", &steps).ok();
    assert_eq!(trained.json()["spec"]["network"], "mlp");
    let said = "metric=\"both\", network=\"mlp\"";
    assert!(trained.stderr.contains(said), "{}", trained.stderr);
    fit("mlp.qualm", &[&steps[..], &["--preset", "mlp"]].concat()).ok();
    let scores = |model: &str| folder.run(&["score", model, "t.csv"]).ok().stdout;
    assert_eq!(scores("steps.qualm"), scores("mlp.qualm"));
    let names = folder.names();
    let asked = ["--set", "hidden=32", "--set", "network=kernel"];
    let refused = fit("x.qualm", &asked);
    assert_eq!(refused.code, Some(2));
    for word in ["hidden = 32", "network = \"kernel\"", "network = \"mlp\""] {
        assert!(refused.stderr.contains(word), "{}", refused.stderr);
    }
    assert_eq!(folder.names(), names);
}

#[test]
fn presets_configuration_and_flags_in_their_order() {
    let folder = Folder::with_model();
    folder.write(
        "c.toml",
        "hidden = 8\nepochs = 1\nmin_steps = 20\npreset = \"sphere\"\n",
    );
    let spec = |more: &[&str]| {
        let mut args = vec!["fit", "t.csv", "-o", "x.qualm", "--json"];
        args.extend(more);
        folder.run(&args).ok().json()
    };
    let report = spec(&["--config", "c.toml"]);
    assert_eq!(report["preset"], "sphere");
    assert_eq!(report["spec"]["hidden"], 8);
    assert_eq!(report["spec"]["space"], "sphere");
    let report = spec(&[
        "--config",
        "c.toml",
        "--set",
        "hidden=12",
        "--preset",
        "paper",
    ]);
    assert_eq!(report["preset"], "paper");
    assert_eq!(report["spec"]["hidden"], 12);
    assert_eq!(report["spec"]["min_steps"], 20);
    assert_eq!(report["spec"]["space"], "minmax");
    assert_eq!(report["spec"]["bag_size"], "half");
    let small = [
        "--set",
        "hidden=32",
        "--set",
        "epochs=2",
        "--set",
        "bag_size=3",
    ];
    let report = spec(&[&["--preset", "paper"], &small[..]].concat());
    assert_eq!(report["spec"]["bag_size"], 3);
    let info = folder.run(&["info", "x.qualm", "--json"]).ok().json();
    assert_eq!(info["spec"], report["spec"]);
    folder.scores("x.qualm", "t.csv", &[]);
}

#[test]
fn the_demo_runs_and_keeps_what_it_promises() {
    let folder = Folder::new();
    let ran = folder.run(&["demo", "--keep", "kept"]).ok();
    for word in ["AUROC", "least certain", "most certain", "next"] {
        assert!(ran.stdout.contains(word), "{}", ran.stdout);
    }
    assert_eq!(folder.names(), ["kept"]);
    // The commands that it recommends work.
    let text = folder.scores("kept/wdbc.qualm", "kept/wdbc.csv", &["--explain", "3"]);
    assert_eq!(table(&text).1.len(), 569);
    let args = [
        "eval",
        "kept/wdbc.qualm",
        "kept/wdbc.csv",
        "--label",
        "label",
        "--json",
    ];
    let metrics = folder.run(&args).ok().json();
    assert!(metrics["auroc"].as_f64().unwrap() >= 0.95, "{metrics}");
}
