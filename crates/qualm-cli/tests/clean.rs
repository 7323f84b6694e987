//! What is said and asked before a fit about its rows: `--clean`, for rows that are known to be
//! usual, the warning of columns whose scales decide the scores, and advice on unusual rows.

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

/// Which of the two the fit took the rows for stands on stderr before it and in `info` after it.
#[test]
fn what_the_rows_are_taken_for_is_said() {
    let folder = Folder::new();
    folder.write("t.csv", files::csv(&files::rows(60, 3, 1)));
    for (flags, noted, told, bandwidth) in [
        (
            &[][..],
            "note: preset default: the fitted rows may hold outliers; --clean, if they are known",
            "mixed (the fitted rows may hold outliers)",
            "bandwidth 0.5, exponent 1.0",
        ),
        (
            &["--clean"],
            "note: preset default: the fitted rows are taken for usual, none for an outlier",
            "clean (the fitted rows are taken for usual)",
            "bandwidth 0.1, exponent 2.0",
        ),
    ] {
        let ran = folder.run(&[&["fit", "t.csv", "-o", "m.qualm"], flags].concat());
        let stderr = ran.ok().stderr;
        assert!(stderr.contains(noted), "{stderr}");
        let info = folder.run(&["info", "m.qualm"]).ok().stdout;
        let network = format!(
            "network              kernel, 2 members, scaling standardise, metric balanced, {bandwidth}"
        );
        for line in [format!("reference            {told}"), network] {
            assert!(info.lines().any(|l| l == line), "{line}: {info}");
        }
    }
    // A detector without a network has no such line; one whose scores do not depend on the
    // reference is not told of --clean.
    let args = ["fit", "t.csv", "-o", "k.qualm", "--detector", "knn"];
    assert!(!folder.run(&args).ok().stderr.contains("--clean"));
    let info = folder.run(&["info", "k.qualm"]).ok().stdout;
    assert!(info.contains("reference            mixed"), "{info}");
    assert!(!info.contains("network  "), "{info}");
}

#[test]
fn rows_unlike_those_of_the_default_are_met_with_advice() {
    let folder = Folder::new();
    folder.write("few.csv", files::csv(&files::rows(40, 3, 1)));
    folder.write("enough.csv", files::csv(&files::rows(60, 3, 1)));
    let fit = |input: &str, more: &[&str]| {
        let args = [&["fit", input, "-o", "m.qualm"], more].concat();
        folder.run(&args).ok().stderr
    };
    let said = "note: only 40 rows, so no p-value is below 0.02";
    for more in [&[][..], &["--preset", "auto"], &["--set", "metric=normal"]] {
        let stderr = fit("few.csv", more);
        assert!(stderr.contains(said), "{stderr}");
        assert!(!fit("enough.csv", more).contains("note: only"));
    }
    // Other presets and detectors were asked for by name.
    for more in [["--preset", "embedding"], ["--detector", "iforest"]] {
        assert!(!fit("few.csv", &more).contains("note: only"), "{more:?}");
    }
    assert_eq!(fit("few.csv", &["--quiet"]), "");
    // Fitted rows say little about new ones.
    let known = "ae knows 60 rows of 3 columns well";
    let ae = ["--detector", "ae"];
    assert!(fit("enough.csv", &ae).contains(known));
    let calibrated = [&ae[..], &["--calibrate", "few.csv"]].concat();
    assert!(!fit("enough.csv", &calibrated).contains(known));
}
