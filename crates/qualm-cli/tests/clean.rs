//! `--clean`: the fitted rows are known to be usual.

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
