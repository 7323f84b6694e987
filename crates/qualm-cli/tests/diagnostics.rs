//! What `info` says of a fit without labels, and `fit --check-halves`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    reason = "a test fails loudly, and promises bits"
)]

use crate::common::files::{csv, rows};
use crate::common::{Folder, refused};
use serde_json::Value;

fn info(folder: &Folder, model: &str) -> Value {
    folder.run(&["info", model, "--json"]).ok().json()
}

/// The lines of a model's text that tell of diagnostics.
fn lines(folder: &Folder, model: &str) -> Vec<String> {
    let text = folder.run(&["info", model]).ok().stdout;
    let names = [
        "effective rows",
        "member agreement",
        "half agreement",
        "score entropy",
        "distinct scores",
    ];
    let told = |line: &&str| names.iter().any(|name| line.starts_with(name));
    text.lines().filter(told).map(str::to_owned).collect()
}

#[test]
fn a_fit_tells_what_it_can_and_no_more() {
    let folder = Folder::with_model();
    let told = info(&folder, "m.qualm");
    let d = &told["diagnostics"];
    assert_eq!(d["bag_size"], 2);
    assert!((1.0..=2.0).contains(&d["effective_rows"].as_f64().unwrap()));
    assert!((-1.0..=1.0).contains(&d["member_agreement"].as_f64().unwrap()));
    assert_eq!(d["half_agreement"], Value::Null);
    assert!((0.0..=1.0).contains(&d["score_entropy"].as_f64().unwrap()));
    assert_eq!(d["distinct_scores"], 1.0);
    // Once, not twice.
    assert!(told["provenance"]["diagnostics"].is_null(), "{told}");
    let lines = lines(&folder, "m.qualm");
    let effective = d["effective_rows"].as_f64().unwrap();
    assert_eq!(
        lines[0],
        format!(
            "effective rows       {effective:.2} of 2 rows decide a bag's mean (1 = collapsed)"
        )
    );
    assert!(lines[1].starts_with("member agreement"), "{}", lines[1]);
    let entropy = d["score_entropy"].as_f64().unwrap();
    assert_eq!(
        lines[2],
        format!("score entropy        {entropy:.3} (0 = all in one place, 1 = spread evenly)")
    );
    assert_eq!(lines[3], "distinct scores      100.0% of the fitted rows");
    assert_eq!(lines.len(), 4);
}

#[test]
fn members_and_halves_agree_more_or_less_and_always_alike() {
    let folder = Folder::with_model();
    let more = ["--set", "members=2", "--check-halves", "--json"];
    let first = folder.fit("t.csv", "a.qualm", &more).ok().json();
    let again = [&more[..], &["--threads", "1"]].concat();
    let second = folder.fit("t.csv", "b.qualm", &again).ok().json();
    let told = [info(&folder, "a.qualm"), info(&folder, "b.qualm")];
    assert_eq!(told[0]["diagnostics"], told[1]["diagnostics"]);
    let agreement = told[0]["diagnostics"]["half_agreement"].as_f64().unwrap();
    assert!((-1.0..1.0).contains(&agreement), "{agreement}");
    for report in [first, second] {
        assert_eq!(report["half_agreement"], agreement);
    }
    let members = told[0]["diagnostics"]["member_agreement"].as_f64().unwrap();
    let lines = lines(&folder, "a.qualm");
    assert_eq!(
        lines[1],
        format!(
            "member agreement     {members:.3} between the ranks by two members \
             (1 = stable, right or not)"
        )
    );
    assert_eq!(
        lines[2],
        format!(
            "half agreement       {agreement:.3} between the ranks by two halves of the rows \
             (1 = stable, right or not)"
        )
    );
    // Asking changes nothing about the model itself.
    folder.fit("t.csv", "c.qualm", &more[..2]).ok();
    assert_eq!(
        folder.scores("a.qualm", "t.csv", &[]),
        folder.scores("c.qualm", "t.csv", &[])
    );
}

#[test]
fn only_a_fit_that_was_asked_tells_of_halves() {
    let folder = Folder::with_model();
    let plain = folder.fit("t.csv", "p.qualm", &[]).ok().stdout;
    assert!(!plain.contains("halves"), "{plain}");
    let plain = folder.fit("t.csv", "p.qualm", &["--json"]).ok().json();
    assert!(plain.get("half_agreement").is_none(), "{plain}");
    let args = ["fit", "t.csv", "-o", "k.qualm", "--detector", "knn"];
    let asked = folder.run(&[&args[..], &["--check-halves"]].concat()).ok();
    let told = info(&folder, "k.qualm");
    let agreement = told["diagnostics"]["half_agreement"].as_f64().unwrap();
    let line = format!("halves    rank correlation {agreement:.3}\n");
    assert!(asked.stdout.contains(&line), "{asked:?}");
    assert_eq!(told["diagnostics"]["bag_size"], Value::Null);
}

#[test]
fn half_of_too_few_rows_is_refused_before_the_fit() {
    let folder = Folder::new();
    folder.write("t.csv", csv(&rows(10, 3, 1)));
    let args = ["fit", "t.csv", "-o", "out.qualm", "--detector", "knn"];
    folder.run(&args).ok();
    let args = [&args[..], &["--check-halves"]].concat();
    refused(&folder, &args, &["--check-halves: t.csv", "5 rows"]);
}
