//! Galleries: what a page shows, that it is one file, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use serde_json::Value;

use crate::common::files::{csv, npy, rows, with_column};
use crate::common::images::{bmp, folder_of_images};
use crate::common::{Folder, Ran, refused};

const ENCODER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../qualm-vision/tests/golden/weights/resnet8.pth"
);

fn embed(folder: &Folder, output: &str, more: &[&str]) -> Ran {
    let mut args = vec!["embed", "images", "--encoder", ENCODER];
    args.extend(["--preprocessing", "akamaster", "-o", output]);
    args.extend(more);
    folder.run(&args).ok()
}

/// Forty images of two classes, embedded, with a model of the embeddings.
fn embedded() -> Folder {
    let folder = folder_of_images(20);
    embed(&folder, "e.parquet", &[]);
    folder.fit("e.parquet", "m.qualm", &[]).ok();
    folder
}

fn gallery<'a>(input: &'a str, output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["gallery", "m.qualm", input, "-o", output];
    args.extend(more);
    args
}

/// The page loads nothing, and nothing in it can be run but its own script.
#[track_caller]
fn check_page(page: &str) {
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
    for word in [
        "http://",
        "https://",
        "url(",
        " style=\"",
        "onclick",
        "onload",
        "@import",
    ] {
        assert!(!page.contains(word), "{word} in the page");
    }
    assert_eq!(page.matches("<script>").count(), 1);
}

fn ids(cards: &Value) -> Vec<&str> {
    let cards = cards.as_array().unwrap().iter();
    cards.map(|card| card["id"].as_str().unwrap()).collect()
}

#[test]
fn images_by_score_overall_and_by_class() {
    let folder = embedded();
    let args = gallery(
        "e.parquet",
        "g.html",
        &["--images", "images", "--by-class", "--top", "3"],
    );
    let ran = folder.run(&args).ok();
    assert!(
        ran.stdout.contains("18 items of 40 rows in g.html"),
        "{ran:?}"
    );
    let page = folder.text("g.html");
    check_page(&page);
    let document: Value = serde_json::from_str(&folder.text("g.json")).unwrap();
    let sections = document["sections"].as_array().unwrap();
    let of: Vec<&Value> = sections.iter().map(|s| &s["name"]).collect();
    assert_eq!(of, [&Value::Null, &"cats".into(), &"dogs".into()]);

    // The same rows as `score` finds.
    let scores = folder.scores("m.qualm", "e.parquet", &[]);
    let mut scored: Vec<(f64, &str)> = scores
        .lines()
        .skip(1)
        .map(|line| {
            let mut fields = line.split(',');
            let id = fields.next().unwrap();
            (fields.next().unwrap().parse().unwrap(), id)
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let expected: Vec<&str> = scored.iter().take(3).map(|s| s.1).collect();
    assert_eq!(ids(&sections[0]["least_certain"]), expected);
    let first = &sections[0]["least_certain"][0];
    assert_eq!(first["score"], scored[0].0);
    assert_eq!(first["percentile"], 97.5);
    assert_eq!(first["nearest"].as_array().unwrap().len(), 3);
    assert!(
        first["because"][0]["feature"]
            .as_str()
            .unwrap()
            .starts_with("embedding[")
    );
    let cats = ids(&sections[1]["most_certain"]);
    assert!(cats.iter().all(|id| id.starts_with("cats/")), "{cats:?}");

    // Each card and each neighbour has its image.
    let images = page.matches("data:image/webp;base64,").count();
    assert_eq!(
        (images, page.matches("alt=\"image: ").count()),
        (18 * 4, 18 * 4)
    );

    // Same input, same bytes; a page of ours may be replaced.
    folder.run(&args).ok();
    assert_eq!(folder.text("g.html"), page);

    // The images themselves, embedded on the way.
    std::fs::copy(ENCODER, folder.path("resnet8.pth")).unwrap();
    folder
        .run(&gallery("images", "direct.html", &["--top", "3"]))
        .ok();
    let direct: Value = serde_json::from_str(&folder.text("direct.json")).unwrap();
    assert_eq!(ids(&direct["sections"][0]["least_certain"]), expected);
    assert!(folder.text("direct.html").contains("data:image/webp"));

    // Numbers as Parquet, which `score` could read.
    folder
        .run(&gallery("e.parquet", "p.html", &["--numbers", "p.parquet"]))
        .ok();
    assert!(folder.read("p.parquet").starts_with(b"PAR1"));
}

#[test]
fn views_of_an_image_as_the_encoder_saw_them() {
    let folder = folder_of_images(4);
    embed(&folder, "v.parquet", &["--views", "6"]);
    folder.fit("v.parquet", "m.qualm", &[]).ok();
    let more = ["--images", "images", "--items", "dogs/1.bmp", "--top", "2"];
    folder.run(&gallery("v.parquet", "v.html", &more)).ok();
    let document: Value = serde_json::from_str(&folder.text("v.json")).unwrap();
    let section = &document["sections"][1];
    assert_eq!((&section["of"], &section["n"]), (&"item".into(), &6.into()));
    let least = section["least_certain"].as_array().unwrap();
    let most = section["most_certain"].as_array().unwrap();
    assert!(least[0]["score"].as_f64() >= most[0]["score"].as_f64());
    assert!(
        least
            .iter()
            .all(|card| card["view"].is_u64() && card["id"] == "dogs/1.bmp")
    );
    // No other view of the same image is a typical neighbour.
    let near = least[0]["nearest"].as_array().unwrap();
    assert!(near.iter().all(|n| n["id"] != "dogs/1.bmp"), "{near:?}");
    assert!(folder.text("v.html").contains("alt=\"image: view "));

    let ran = folder
        .run(&gallery(
            "v.parquet",
            "d.html",
            &["--images", "images", "--views"],
        ))
        .ok();
    assert!(
        ran.stderr
            .contains("Of 8 items with several views five are shown"),
        "{ran:?}"
    );
    // An image of another size would have had other views.
    let wide = {
        let mut bytes = bmp(3);
        bytes[18] = 4;
        bytes[22] = 16;
        bytes
    };
    folder.write("images/dogs/1.bmp", wide);
    let ran = folder.run(&gallery("v.parquet", "v.html", &more)).ok();
    assert!(ran.stderr.contains("4 x 16 pixels"), "{ran:?}");
    let words = ["no row is a view of 'cow'"];
    refused(
        &folder,
        &gallery("v.parquet", "w.html", &["--items", "cow"]),
        &words,
    );
}

#[test]
fn rows_without_images_show_their_columns_and_text() {
    let folder = Folder::new();
    let table = csv(&rows(60, 3, 4));
    let table = with_column(&table, "city", |i| format!("<b>city {i}</b>"));
    let long = |i| format!("A long text about row {i} that goes on for a while & more");
    folder.write("t.csv", with_column(&table, "body", long));
    folder
        .fit("t.csv", "m.qualm", &["--exclude", "city,body"])
        .ok();
    folder
        .run(&gallery("t.csv", "g.html", &["--top", "4"]))
        .ok();
    let page = folder.text("g.html");
    check_page(&page);
    assert!(
        page.contains("&#60;b&#62;city") || page.contains("&lt;b&gt;city"),
        "{page}"
    );
    assert!(!page.contains("<b>"));
    let document: Value = serde_json::from_str(&folder.text("g.json")).unwrap();
    let card = &document["sections"][0]["least_certain"][0];
    assert!(
        card["text"]
            .as_str()
            .unwrap()
            .starts_with("A long text about row")
    );
    assert_eq!(card["columns"][0][0], "city");
    assert_eq!(card["because"][0]["nearest"].as_array().unwrap().len(), 3);
    assert!(!page.contains("<img"));
}

#[test]
fn images_that_moved_are_listed_and_names_are_only_text() {
    let folder = folder_of_images(15);
    folder.write("images/cats/<script>alert(1)<&'.bmp", bmp(999));
    embed(&folder, "e.parquet", &[]);
    folder.fit("e.parquet", "m.qualm", &[]).ok();
    std::fs::remove_file(folder.path("images/cats/3.bmp")).unwrap();
    folder.write("images/dogs/5.bmp", b"BM no picture any more");
    let ran = folder
        .run(&gallery(
            "e.parquet",
            "g.html",
            &["--images", "images", "--top", "40"],
        ))
        .ok();
    assert!(
        ran.stderr
            .contains("2 images cannot be shown and have a placeholder"),
        "{ran:?}"
    );
    let page = folder.text("g.html");
    check_page(&page);
    assert!(page.contains("2 images cannot be shown") && page.contains("no image"));
    let document: Value = serde_json::from_str(&folder.text("g.json")).unwrap();
    let missing = document["missing"].as_array().unwrap();
    assert_eq!(missing[0]["id"], "cats/3.bmp");
    assert_eq!(missing[1]["id"], "dogs/5.bmp");
}

#[test]
fn what_cannot_be_shown_is_refused_by_name() {
    let folder = embedded();
    folder.write("other/x.bmp", bmp(1));
    folder.write("thesis.html", "<!doctype html><h1>Thesis</h1>");
    folder.write("notes.json", "{}");
    let go = |more: &[&str], words: &[&str]| {
        refused(&folder, &gallery("e.parquet", "new.html", more), words);
    };
    go(
        &["--images", "other"],
        &["'cats/", "'x.bmp'", "that were embedded"],
    );
    go(&["--images", "nowhere"], &["nowhere", "no such file"]);
    go(
        &["--images", "images", "--classes", "cow"],
        &["'cow'", "'cats', 'dogs'"],
    );
    go(
        &["--views"],
        &["each row is an item of its own", "qualm embed --views"],
    );
    go(&["--numbers", "n.csv"], &["n.csv", ".json or .parquet"]);
    go(&["--numbers", "notes.json"], &["notes.json", "--force"]);
    go(&["--class", "kind"], &["kind"]);
    let thesis = gallery("e.parquet", "thesis.html", &[]);
    refused(
        &folder,
        &thesis,
        &["thesis.html: exists and is no page of qualm", "--force"],
    );
    assert!(folder.text("thesis.html").contains("Thesis"));
    refused(
        &folder,
        &gallery("e.parquet", "g.txt", &[]),
        &["g.txt", ".html"],
    );
    refused(&folder, &gallery("-", "g.html", &[]), &["standard input"]);
    refused(
        &folder,
        &["gallery", "e.parquet", "m.qualm", "-o", "g.html"],
        &["the model comes first"],
    );
    let mut forced = thesis;
    forced.push("--force");
    folder.run(&forced).ok();
    assert!(!folder.text("thesis.html").contains("Thesis"));
    // Rows that do not say which images they are of.
    folder.write("t.csv", csv(&rows(40, 64, 2)));
    folder.fit("t.csv", "m.qualm", &[]).ok();
    let args = gallery("t.csv", "new.html", &["--images", "images"]);
    refused(&folder, &args, &["do not say which images", "--item"]);
}

#[test]
fn a_class_of_one_image_is_shown_and_said() {
    let folder = folder_of_images(15);
    folder.write("images/lone/0.bmp", bmp(77));
    embed(&folder, "e.parquet", &[]);
    folder.fit("e.parquet", "m.qualm", &[]).ok();
    let ran = folder
        .run(&gallery(
            "e.parquet",
            "g.html",
            &["--images", "images", "--by-class"],
        ))
        .ok();
    assert!(
        ran.stderr.contains("Class 'lone' has one row only"),
        "{ran:?}"
    );
    let document: Value = serde_json::from_str(&folder.text("g.json")).unwrap();
    let lone = &document["sections"][3];
    assert_eq!(ids(&lone["least_certain"]), ["lone/0.bmp"]);
    assert_eq!(lone["most_certain"].as_array().unwrap().len(), 0);
}

#[test]
fn a_model_of_vectors_takes_the_numbers_of_a_table_and_shows_its_texts() {
    let folder = Folder::new();
    let data = rows(60, 3, 4);
    folder.write("t.npy", npy(&data));
    folder.write(
        "t.csv",
        with_column(&csv(&data), "path", |i| format!("{i}.png")),
    );
    folder.fit("t.npy", "m.qualm", &[]).ok();
    let more = ["--title", "<June>", "--top", "2"];
    folder.run(&gallery("t.csv", "g.html", &more)).ok();
    let document: Value = serde_json::from_str(&folder.text("g.json")).unwrap();
    let card = &document["sections"][0]["least_certain"][0];
    let row = card["row"].as_u64().unwrap();
    assert_eq!(card["id"], format!("{}.png", row - 1));
    assert_eq!(card["columns"], Value::Null);
    // The page has a name of its own.
    assert_eq!(document["title"], "<June>");
    let page = folder.text("g.html");
    check_page(&page);
    assert!(!page.contains("<June>") && page.contains("June"), "{page}");
    assert!(!page.contains("Most and least certain"));
}
