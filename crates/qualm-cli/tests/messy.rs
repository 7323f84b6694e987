//! Tables as people have them: missing values, categories, dates, and how numbers are written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails loudly")]
#![allow(clippy::float_cmp, reason = "counts and copies are exact")]

use std::fmt::Write;

use crate::common::{Folder, Ran, column, refused, table};

const COUNTRIES: [&str; 4] = ["it", "fr", "de", "at"];

/// Customers, as an export has them: every tenth age is missing, every fifteenth country. Row 150
/// (from 1) is strange.
pub(crate) fn customers(missing: &str) -> String {
    let mut text = "name,age,income,country,since\n".to_owned();
    for i in 0..200 {
        let x = (i * 7919 % 200) as f64 / 200.0;
        let age = if i % 10 == 3 {
            missing.to_owned()
        } else {
            format!("{:.1}", 30.0 + 20.0 * x)
        };
        let income = if i == 149 { 9000.0 } else { 2000.0 + 500.0 * x };
        let country = if i % 15 == 7 {
            missing
        } else {
            COUNTRIES[i % 4 * (i % 3) % 4]
        };
        let day = 1 + i % 28;
        writeln!(text, "c{i},{age},{income:.2},{country},2024-03-{day:02}").unwrap();
    }
    text
}

/// The country of most customers.
fn commonest() -> String {
    let text = customers("");
    let count = |country: &str| text.matches(&format!(",{country},")).count();
    let best = COUNTRIES.iter().max_by_key(|country| count(country));
    (*best.unwrap()).to_owned()
}

/// A fit of a detector without randomness.
pub(crate) fn fit(folder: &Folder, input: &str, model: &str, more: &[&str]) -> Ran {
    let args = [
        "fit",
        input,
        "-o",
        model,
        "--detector",
        "knn",
        "--set",
        "space=standardise",
    ];
    folder.run(&[&args[..], more].concat())
}

pub(crate) const TREATED: [&str; 7] = [
    "--id",
    "name",
    "--missing",
    "median",
    "--encode",
    "onehot",
    "--dates",
];

#[test]
fn missing_values_are_counted() {
    let folder = Folder::new();
    folder.write("t.csv", customers(""));
    let args = ["fit", "t.csv", "-o", "out.qualm", "--detector", "knn"];
    refused(
        &folder,
        &args,
        &[
            "t.csv, row 4, column 'age': missing value",
            "(and 19 more in 1 column)",
            "--missing",
        ],
    );
    let args = [&args[..], &["--encode", "onehot"]].concat();
    refused(
        &folder,
        &args,
        &["row 4, column 'age'", "(and 32 more in 2 columns)"],
    );
    // Words for nothing are no numbers, and are counted too.
    folder.write("na.csv", customers("n/a"));
    let args = ["fit", "na.csv", "-o", "out.qualm", "--detector", "knn"];
    refused(
        &folder,
        &args,
        &[
            "row 4, column 'age': found 'n/a'",
            "(and 19 more in 1 column)",
            "--na 'n/a'",
        ],
    );
}

#[test]
fn one_recipe_serves_fit_and_score() {
    let folder = Folder::new();
    folder.write("t.csv", customers(""));
    folder.write("na.csv", customers("n/a"));
    let ran = fit(&folder, "t.csv", "m.qualm", &TREATED).ok();
    for said in [
        "33 missing values filled",
        "'age' (20), 'country' (13)",
        "categories are features: 'country' (4)",
        "7 features (4 columns)",
    ] {
        assert!(
            ran.stderr.contains(said) || ran.stdout.contains(said),
            "{said}: {ran:?}"
        );
    }
    let info = folder.run(&["info", "m.qualm"]).ok().stdout;
    for said in [
        "country=fr",
        "missing              median",
        "onehot, unknown: fail; country (4)",
    ] {
        assert!(info.contains(said), "{said}: {info}");
    }
    let scores = folder.scores("m.qualm", "t.csv", &[]);
    let all = column(&scores, "score");
    assert_eq!(all.len(), 200);
    let most = all.iter().copied().fold(f64::MIN, f64::max);
    assert_eq!(all[149], most);

    // The same table with words for what is missing: the same scores.
    let na = [&TREATED[..], &["--na", "n/a,?"]].concat();
    fit(&folder, "na.csv", "na.qualm", &na).ok();
    assert_eq!(folder.scores("na.qualm", "na.csv", &[]), scores);
    assert_eq!(folder.scores("na.qualm", "t.csv", &[]), scores);

    let explained = folder.scores("m.qualm", "t.csv", &["--explain", "2"]);
    assert!(explained.contains("income"), "{explained}");
    // The table as a person would clean it: the median and the commonest country filled in.
    let mut ages: Vec<f64> = Vec::new();
    for line in customers("").lines().skip(1) {
        ages.extend(
            line.split(',')
                .nth(1)
                .and_then(|age| age.parse::<f64>().ok()),
        );
    }
    ages.sort_by(f64::total_cmp);
    let (age, country) = (ages[(ages.len() - 1) / 2], commonest());
    let cleaned = customers("").lines().fold(String::new(), |mut text, line| {
        let mut fields: Vec<String> = line.split(',').map(str::to_owned).collect();
        for (field, value) in [(1, &age.to_string()), (3, &country)] {
            if fields[field].is_empty() {
                fields[field].clone_from(value);
            }
        }
        writeln!(text, "{}", fields.join(",")).unwrap();
        text
    });
    folder.write("cleaned.csv", cleaned);
    assert_eq!(folder.scores("m.qualm", "cleaned.csv", &[]), scores);
    // What is in the file, and what is not in others.
    let version = |model: &str, n: u8| {
        let (bytes, said) = (folder.read(model), format!("format_version\\\":{n}"));
        bytes
            .windows(said.len())
            .any(|window| window == said.as_bytes())
    };
    assert!(version("m.qualm", 3));

    // A whole table is read as one without a recipe is.
    let numbers = "a,b\n".to_owned()
        + &(0..60).fold(String::new(), |text, i| {
            format!("{text}{},{}\n", i % 7, i % 11)
        });
    folder.write("whole.csv", numbers);
    fit(&folder, "whole.csv", "plain.qualm", &[]).ok();
    fit(
        &folder,
        "whole.csv",
        "filled.qualm",
        &["--missing", "median"],
    )
    .ok();
    assert_eq!(
        folder.scores("plain.qualm", "whole.csv", &[]),
        folder.scores("filled.qualm", "whole.csv", &[])
    );
}

#[test]
fn rows_with_missing_values_are_dropped_and_numbered() {
    let folder = Folder::new();
    folder.write("t.csv", customers("?"));
    let drop = [
        "--missing",
        "drop",
        "--na",
        "?",
        "--exclude",
        "name,country,since",
    ];
    let ran = fit(
        &folder,
        "t.csv",
        "m.qualm",
        &[&drop[..], &["--scores", "own.csv"]].concat(),
    )
    .ok();
    assert!(ran.stderr.contains("warning: 20 rows left out"), "{ran:?}");
    assert!(ran.stdout.contains("180 rows"), "{ran:?}");
    let ran = folder.run(&["score", "m.qualm", "t.csv", "--json"]).ok();
    assert_eq!(ran.json()["n_left_out"], 20);
    let ran = folder.run(&["score", "m.qualm", "t.csv"]).ok();
    assert!(
        ran.stderr
            .contains("20 rows left out because a value is missing: 'age' (20)")
    );
    let (header, rows) = table(&ran.stdout);
    assert_eq!(header, ["row", "score", "p_value", "outlier"]);
    let numbers: Vec<usize> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    let expected: Vec<usize> = (1..=200).filter(|row| (row - 1) % 10 != 3).collect();
    assert_eq!(numbers, expected);
    assert_eq!(column(&folder.text("own.csv"), "row").len(), 180);

    folder.write("none.csv", "age,income\n?,\n,3\n");
    refused(
        &folder,
        &[
            "fit",
            "none.csv",
            "-o",
            "out.qualm",
            "--missing",
            "drop",
            "--na",
            "?",
        ],
        &["none.csv", "every one of the 2 rows"],
    );
    refused(
        &folder,
        &[
            "fit",
            "none.csv",
            "-o",
            "out.qualm",
            "--missing",
            "median",
            "--na",
            "?",
        ],
        &["none.csv, column 'age': no row has a value"],
    );
}

#[test]
fn unknown_categories_go_by_the_rule_of_the_model() {
    let folder = Folder::new();
    folder.write("t.csv", customers(""));
    let new = customers("").replace(",at,", ",xx,");
    folder.write("new.csv", &new);
    let first = new.lines().position(|line| line.contains(",xx,")).unwrap();
    fit(&folder, "t.csv", "m.qualm", &TREATED).ok();
    let place = format!("new.csv, row {first}, column 'country': found 'xx'");
    refused(
        &folder,
        &["score", "m.qualm", "new.csv", "-o", "out.csv"],
        &[&place, "'at', 'de', 'fr', 'it'", "--unknown other"],
    );
    fit(
        &folder,
        "t.csv",
        "other.qualm",
        &[&TREATED[..], &["--unknown", "other"]].concat(),
    )
    .ok();
    let ran = folder.run(&["score", "other.qualm", "new.csv"]).ok();
    let n = new.matches(",xx,").count();
    let said =
        format!("{n} rows of a category of 'country' that the model does not know, such as 'xx'");
    assert!(ran.stderr.contains(&said), "{said}: {}", ran.stderr);
    assert_eq!(column(&ran.stdout, "score").len(), 200);

    // Bounded: what is not kept shares a feature, known or not.
    let cut = [&TREATED[..], &["--max-categories", "2"]].concat();
    let ran = fit(&folder, "t.csv", "cut.qualm", &cut).ok();
    assert!(
        ran.stderr.contains("only the 2 commonest categories"),
        "{ran:?}"
    );
    folder.run(&["score", "cut.qualm", "new.csv"]).ok();
    let info = folder.run(&["info", "cut.qualm", "--json"]).ok().json();
    let column = &info["features"]["prepared"]["columns"][2];
    assert_eq!(column["name"], "country");
    assert_eq!(
        column["content"]["category"]["values"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );

    let shares = [
        "--id",
        "name",
        "--missing",
        "median",
        "--encode",
        "frequency",
    ];
    let ran = fit(&folder, "t.csv", "f.qualm", &shares).ok();
    assert!(ran.stdout.contains("3 features (3 columns)"), "{ran:?}");
    assert!(
        ran.stderr.contains("'since' (dates such as '2024-03-01')"),
        "{ran:?}"
    );
    folder.run(&["score", "f.qualm", "t.csv"]).ok();
}

#[test]
fn what_cannot_be_treated_is_refused() {
    let folder = Folder::new();
    folder.write("t.csv", customers(""));
    let args = |more: &[&'static str]| [&["fit", "t.csv", "-o", "out.qualm"][..], more].concat();
    for (more, said) in [
        (&["--max-categories", "3"][..], "--encode"),
        (&["--unknown", "other"], "--encode"),
        (
            &["--missing", "mean"],
            "[possible values: fail, drop, median]",
        ),
        (
            &["--encode", "onehot", "--max-categories", "0"],
            "1 or more",
        ),
        (&["--thousands", ".", "--decimal", "."], "two different"),
        (&["--thousands", "12"], "one character"),
    ] {
        refused(&folder, &args(more), &[said]);
    }
    folder.write("v.csv", "e,x\n\"[1,2]\",a\n\"[1,3]\",b\n\"[2,2]\",c\n");
    refused(
        &folder,
        &["fit", "v.csv", "-o", "out.qualm", "--encode", "onehot"],
        &["v.csv, column 'e': the vectors of this column are the input"],
    );
    // Names and the like are no categories.
    let ran = fit(
        &folder,
        "t.csv",
        "m.qualm",
        &["--missing", "median", "--encode", "onehot"],
    )
    .ok();
    assert!(
        ran.stderr
            .contains("'name' (200 different texts in 200 rows)"),
        "{ran:?}"
    );
    // Dates that are none.
    let dates = customers("").replace("2024-03-07", "soon");
    folder.write("late.csv", dates);
    fit(&folder, "t.csv", "d.qualm", &TREATED).ok();
    refused(
        &folder,
        &["score", "d.qualm", "late.csv", "-o", "out.csv"],
        &["late.csv, row 7, column 'since': found 'soon', expected a time"],
    );
}

#[test]
fn numbers_are_read_as_they_are_written() {
    let folder = Folder::new();
    let rows = |i: u32| (f64::from(i % 13) * 1234.5, f64::from(i % 7) / 4.0);
    let (mut plain, mut grouped, mut commas) = (String::new(), String::new(), String::new());
    for i in 0..80 {
        let (a, b) = rows(i);
        writeln!(plain, "{a},{b}").unwrap();
        let (thousands, rest) = ((a / 1000.0).floor(), a % 1000.0);
        let a_grouped = if thousands > 0.0 {
            format!("{thousands},{rest:05.1}")
        } else {
            format!("{rest:.1}")
        };
        writeln!(grouped, "\"{a_grouped}\",{b}").unwrap();
        let german = a_grouped
            .replace('.', ";")
            .replace(',', ".")
            .replace(';', ",");
        writeln!(commas, "{german};{}", b.to_string().replace('.', ",")).unwrap();
    }
    folder.write("plain.csv", format!("a,b\n{plain}"));
    folder.write("grouped.csv", format!("a,b\n{grouped}"));
    folder.write("commas.csv", format!("a;b\n{commas}"));
    fit(&folder, "plain.csv", "m.qualm", &[]).ok();
    let expected = folder.scores("m.qualm", "plain.csv", &[]);
    assert_eq!(
        folder.scores("m.qualm", "grouped.csv", &["--thousands", ","]),
        expected
    );
    let german = ["--delimiter", ";", "--decimal", ",", "--thousands", "."];
    assert_eq!(folder.scores("m.qualm", "commas.csv", &german), expected);
    refused(
        &folder,
        &["score", "m.qualm", "grouped.csv", "-o", "out.csv"],
        &[
            "grouped.csv, row 2, column 'a': found '1,234.5'",
            "--thousands",
        ],
    );
    refused(
        &folder,
        &["fit", "commas.csv", "-o", "out.qualm"],
        &["contains semicolons", "--delimiter"],
    );
}
