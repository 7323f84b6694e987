//! `qualm ood`: arrays in, a detector, scores out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use crate::common::{Folder, column, files, refused, table};

/// A folder with items that a detector is fitted to, others like them, and items far off.
fn folder() -> Folder {
    let folder = Folder::new();
    files::activations(&folder.path("train.npz"), 150, 1, 0.0);
    files::activations(&folder.path("test.npz"), 60, 2, 0.0);
    files::activations(&folder.path("far.npz"), 60, 3, 20.0);
    folder
}

fn fit<'a>(detector: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec![
        "ood",
        "fit",
        "train.npz",
        "-o",
        "d.qualm",
        "--detector",
        detector,
    ];
    args.extend(more);
    args
}

#[test]
fn every_detector_fits_and_scores() {
    let folder = folder();
    let few = "--set=hidden=8 --set=min_steps=40 --set=max_steps=40 --set=epochs=1";
    let few: Vec<&str> = few.split(' ').collect();
    let list = folder.run(&["ood", "list", "--json"]).ok().json();
    for detector in list["detectors"].as_array().unwrap() {
        let name = detector["name"].as_str().unwrap();
        if detector["needs"]["network"] != "none" {
            // Of images: see `ood_images`.
            continue;
        }
        let more: &[&str] = match name {
            "dum" | "dum_circ" => &few,
            "residual_flow" => &["--set", "epochs=2"],
            // 50 neighbours are as many as a class has.
            "knn" => &["--set", "k=10"],
            _ => &[],
        };
        let report = folder
            .run(&[&fit(name, more)[..], &["--json"]].concat())
            .ok()
            .json();
        assert_eq!(
            (&report["n"], &report["detector"]),
            (&150.into(), &detector["name"])
        );
        let score = [
            "ood", "score", "d.qualm", "far.npz", "-o", "s.csv", "--id", "id", "--json",
        ];
        let scored = folder.run(&score).ok().json();
        assert_eq!(
            (&scored["n"], &scored["threshold"]),
            (&60.into(), &report["threshold"])
        );
        let scores = folder.text("s.csv");
        assert_eq!(table(&scores).0, ["id", "score", "p_value", "outlier"]);
        let outliers: f64 = column(&scores, "outlier").iter().sum();
        assert_eq!(scored["n_outliers"].as_f64(), Some(outliers), "{name}");
        let info = folder.run(&["info", "d.qualm"]).ok().stdout;
        assert!(
            info.contains(&format!("detector             {name} (")),
            "{info}"
        );
        assert!(
            info.contains("reference scores     150 rows: min "),
            "{info}"
        );
        let info = folder.run(&["info", "d.qualm", "--json"]).ok().json();
        assert_eq!(info["inputs"], report["inputs"]);
        let sees_features = ["mahalanobis", "rmds", "knn", "vim"].contains(&name);
        assert!(outliers > 50.0 || !sees_features, "{name}: {outliers}");
    }
}

#[test]
fn a_fit_says_what_it_took_and_a_threshold_can_be_changed() {
    let folder = folder();
    let args = fit(
        "mahalanobis",
        &[
            "--features",
            "stage1,features",
            "--calibrate",
            "test.npz",
            "--id",
            "id",
        ],
    );
    let ran = folder.run(&args).ok();
    for words in [
        "fitted    mahalanobis on 150 rows of stage1 (4), features (6) in",
        "of the 60 calibration rows",
        "next      qualm ood score d.qualm NEW_ITEMS",
    ] {
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
    }
    let score = |more: &[&str]| {
        let args = [&["ood", "score", "d.qualm", "test.npz", "-q"], more].concat();
        folder.run(&args).ok().stdout
    };
    let scores = score(&[]);
    // The ids of the fit are carried through where they are there.
    assert_eq!(table(&scores).0, ["id", "score", "p_value", "outlier"]);
    let count = |scores: &str| column(scores, "outlier").iter().sum::<f64>();
    assert!(count(&score(&["--fpr", "0.5"])) > count(&scores) + 20.0);
    assert!(count(&score(&["--threshold", "1e9"])) < 1.0);
}

#[test]
fn parquet_and_npz_give_the_same_detector() {
    let folder = folder();
    let features = {
        let mut rows = files::rows(150, 6, 1);
        for (i, row) in rows.iter_mut().enumerate() {
            row[i % 3] += 5.0;
        }
        files::vectors(&rows, "features")
    };
    files::parquet(&folder.path("train.parquet"), &features);
    let scores = |input: &str| {
        let args = [
            "ood",
            "fit",
            input,
            "-o",
            "k.qualm",
            "--detector",
            "knn",
            "-q",
        ];
        folder.run(&args).ok();
        folder
            .run(&["ood", "score", "k.qualm", "test.npz", "-q"])
            .ok()
            .stdout
    };
    assert_eq!(scores("train.parquet"), scores("train.npz"));
}

#[test]
fn wrong_input_is_refused_by_name() {
    let folder = folder();
    let out = |detector: &'static str, more: &[&'static str]| {
        let mut args = vec![
            "ood",
            "fit",
            "train.npz",
            "-o",
            "out.qualm",
            "--detector",
            detector,
        ];
        args.extend(more);
        args
    };
    for (args, words) in [
        (
            out("knn", &["--features", "pool"]),
            &[
                "train.npz, column 'pool'",
                "as features",
                "--features",
                "'features'",
            ][..],
        ),
        (
            out("knn", &["--features", "id"]),
            &["column 'id'", "one vector a row"],
        ),
        (
            out("knn", &["--features", "stage1,features"]),
            &[
                "train.npz",
                "'knn' takes the features of one layer, found those of 2",
            ],
        ),
        (
            out("energy", &["--features", "stage1"]),
            &["--features: detector 'energy' needs logits"],
        ),
        (
            out("energy", &["--logits", "nothing"]),
            &["column 'nothing'", "--logits"],
        ),
        (
            out("rmds", &["--label", "class"]),
            &["column 'class'", "as the classes", "--label"],
        ),
        (
            out("rmds", &["--label", "id"]),
            &["class 0: 1 row is too few"],
        ),
        (
            out("vim", &["--features", "stage1"]),
            &[
                "train.npz",
                "no linear function of the features",
                "origin = mean",
            ],
        ),
        (out("vim", &["--set", "n_component=3"]), &["n_component"]),
        (
            out("knn", &["--set", "k=0"]),
            &["n_neighbors = 0", "at least 1"],
        ),
        (
            out("mahalanobis", &["--set", "combine=logistic"]),
            &["known to be out of distribution", "-1"],
        ),
    ] {
        refused(&folder, &args, words);
    }
    folder.run(&fit("vim", &[])).ok();
    let ood = |args: &[&'static str]| [&["ood", "score"], args, &["-o", "out.csv"]].concat();
    files::npz(&folder.path("plain.npz"), &files::rows(5, 6, 1));
    folder.write("t.csv", files::csv(&files::rows(50, 6, 1)));
    folder
        .run(&["fit", "t.csv", "-o", "m.qualm", "--detector", "knn"])
        .ok();
    for (args, words) in [
        (
            ood(&["d.qualm", "plain.npz"]),
            &["plain.npz, column 'features'", "'embeddings'"][..],
        ),
        (
            ood(&["m.qualm", "test.npz"]),
            &["'qualm-model'", "qualm score scores with it"],
        ),
        (
            vec!["score", "d.qualm", "t.csv", "-o", "out.csv"],
            &["'qualm-ood'", "qualm ood score scores with it"],
        ),
        (
            ood(&["d.qualm", "test.npz", "--label", "logits"]),
            &["column 'logits'"],
        ),
        (ood(&["d.qualm", "gone.npz"]), &["gone.npz", "no such file"]),
    ] {
        refused(&folder, &args, words);
    }
}

#[test]
fn the_list_says_what_each_detector_needs() {
    let ran = Folder::new().run(&["ood", "list"]).ok();
    for words in [
        "vim            residual of the features as one more logit\n               needs features, logits\n",
        "needs features of one or several layers, labels",
        "keys  n_neighbors=50 normalise=true",
    ] {
        assert!(ran.stdout.contains(words), "{}", ran.stdout);
    }
}
