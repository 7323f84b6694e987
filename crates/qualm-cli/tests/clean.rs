//! What is said and asked before a fit about its rows: `--clean`, for rows that are known to be
//! usual, and the warning of columns whose scales decide the scores.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]

use crate::common::{Folder, Ran, SMALL, files, refused};

/// `--clean` of every detector, by the flag, the key and the configuration file.
#[test]
fn clean_is_a_key_of_every_detector_and_the_model_says_it() {
    let folder = Folder::new();
    folder.write("t.csv", files::csv(&files::rows(60, 3, 1)));
    folder.write("clean.toml", "reference = \"clean\"\n");
    folder.write("mixed.toml", "reference = \"mixed\"\n");
    for detector in qualm::Spec::DETECTORS {
        let fit = |more: &[&str]| {
            let mut args = vec!["fit", "t.csv", "-o", "m.qualm", "--detector", detector];
            if *detector == "dum" {
                args.extend(SMALL);
            }
            args.extend(more);
            folder
                .command(&args)
                .env("SOURCE_DATE_EPOCH", "0")
                .output()
                .map(Ran::from)
                .unwrap()
                .ok();
            let info = folder.run(&["info", "m.qualm", "--json"]).ok().json();
            (folder.read("m.qualm"), info["spec"]["reference"].clone())
        };
        let (mixed, said) = fit(&[]);
        assert_eq!(said, "mixed", "{detector}");
        for same in [
            &["--set", "reference=mixed"][..],
            &["--config", "mixed.toml"],
        ] {
            assert!(fit(same).0 == mixed, "{detector} {same:?}");
        }
        let (clean, said) = fit(&["--clean"]);
        assert_eq!(said, "clean", "{detector}");
        assert!(clean != mixed, "{detector}");
        for same in [
            &["--set", "reference=clean"][..],
            &["--config", "clean.toml"],
            &["--clean", "--set", "reference=clean"],
            // A flag wins over the file, as --detector and --preset do.
            &["--clean", "--config", "mixed.toml"],
        ] {
            assert!(fit(same).0 == clean, "{detector} {same:?}");
        }
        let info = folder.run(&["info", "m.qualm"]).ok().stdout;
        let said = info
            .lines()
            .any(|line| line.split_whitespace().eq(["reference", "\"clean\""]));
        assert!(said, "{info}");
    }
}

#[test]
fn clean_and_mixed_at_once_are_refused() {
    let folder = Folder::new();
    folder.write("t.csv", files::csv(&files::rows(60, 3, 1)));
    for value in ["mixed", "\"mixed\"", "dirty"] {
        let set = format!("reference={value}");
        let args = ["fit", "t.csv", "-o", "out.qualm", "--clean", "--set", &set];
        refused(&folder, &args, &["--clean", "reference=", "one of them"]);
    }
    let unknown = [
        "fit",
        "t.csv",
        "-o",
        "out.qualm",
        "--set",
        "reference=dirty",
    ];
    refused(&folder, &unknown, &["reference", "dirty", "mixed", "clean"]);
}

#[test]
fn columns_of_unlike_scale_are_named_at_the_fit_and_in_info() {
    let folder = Folder::new();
    let rows = (0..60).map(|i| (f64::from(i * 37 % 61), f64::from(i * 23 % 61)));
    let rows = rows.map(|(a, b)| format!("{a},{},{b}\n", 1e6 * (a + b)));
    folder.write(
        "t.csv",
        format!("metres,dollars,volts\n{}", rows.collect::<String>()),
    );
    let words = [
        "column 'dollars' varies ",
        "space = standardise or space = robust",
    ];
    let fit = |more: &[&str]| {
        let args = ["fit", "t.csv", "-o", "m.qualm", "--json", "--detector"];
        let ran = folder.run(&[&args, more].concat()).ok();
        let info = folder.run(&["info", "m.qualm"]).ok().stdout;
        let said = words.map(|word| ran.stderr.contains(word));
        assert_eq!(
            said,
            words.map(|word| info.contains(word)),
            "{more:?}: {info}"
        );
        let listed = ran.json()["warnings"].to_string();
        assert_eq!(listed.contains("\"scales\""), said[0], "{more:?}: {listed}");
        assert_eq!(said[0], said[1], "{more:?}");
        said[0]
    };
    for detector in ["lof", "ocsvm", "sp", "knn", "abod", "lesinn", "repen"] {
        assert!(fit(&[detector]), "{detector}");
        assert!(!fit(&[detector, "--set", "space=robust"]), "{detector}");
    }
    assert!(fit(&["ae", "--set", "space=identity"]));
    for detector in ["ae", "iforest", "ee"] {
        assert!(!fit(&[detector]), "{detector}");
    }
    // Not with --quiet, as the other warnings of a fit.
    let quiet = [
        "fit",
        "t.csv",
        "-o",
        "m.qualm",
        "--detector",
        "knn",
        "--quiet",
    ];
    assert_eq!(folder.run(&quiet).ok().stderr, "");
}
