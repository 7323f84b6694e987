//! The page of a gallery.

use askama::Template;

use super::pictures::Picture;
use super::{Card, Gallery, Of, Pictures, Section};
use crate::error::Result;
use crate::number;
use crate::page::Shell;
use crate::plot::Figure;

/// Characters of a text that are shown at once.
const TEXT: usize = 600;
/// Missing images that the page lists.
const LISTED: usize = 50;

#[derive(Template)]
#[template(path = "gallery.html")]
struct Page<'a> {
    shell: Shell,
    gallery: &'a Gallery,
    tiles: Vec<(&'static str, String)>,
    chart: Option<&'a Figure>,
    sections: Vec<Part<'a>>,
    missing: &'a [super::Missing],
    n_missing: String,
    n_more: usize,
    n_reference: String,
}

/// A section, with what is said of it in words.
struct Part<'a> {
    title: String,
    about: String,
    shelves: Vec<Shelf<'a>>,
}

/// Cards beside each other.
struct Shelf<'a> {
    title: &'static str,
    cards: Vec<View<'a>>,
}

/// A card, with its numbers in words.
struct View<'a> {
    card: &'a Card,
    title: String,
    score: String,
    percentile: String,
    p_value: String,
    picture: Option<&'a Picture>,
    /// Whether an image belongs here at all.
    pictured: bool,
    alt: String,
    text: Option<(String, bool)>,
    because: Vec<(String, String, String, Vec<String>)>,
    nearest: Vec<NearView<'a>>,
}

struct NearView<'a> {
    near: &'a super::Near,
    title: String,
    score: String,
    distance: String,
    picture: Option<&'a Picture>,
    alt: String,
    text: Option<String>,
}

/// The page: one HTML file, with its images inside.
///
/// # Errors
/// [`crate::Error::Template`].
pub fn html(
    gallery: &Gallery,
    pictures: Option<&Pictures>,
    chart: Option<&Figure>,
) -> Result<String> {
    let title = gallery.title.as_deref().unwrap_or("Most and least certain");
    let about = format!("{} by {}", gallery.input, gallery.model);
    let n = gallery.missing.len();
    let sections = gallery.sections.iter().map(|s| part(s, pictures));
    let page = Page {
        shell: Shell::new(title.to_owned(), about),
        tiles: tiles(gallery),
        chart,
        sections: sections.collect(),
        missing: gallery.missing.get(..n.min(LISTED)).unwrap_or_default(),
        n_missing: number::counted(n as u64, "image"),
        n_more: n.saturating_sub(LISTED),
        n_reference: number::count(gallery.n_reference as u64),
        gallery,
    };
    Ok(page.render()?)
}

fn tiles(gallery: &Gallery) -> Vec<(&'static str, String)> {
    let share = gallery.n_outliers as f64 / gallery.n.max(1) as f64;
    let mut tiles = vec![
        ("rows", number::count(gallery.n as u64)),
        (
            "above the threshold",
            format!(
                "{} ({})",
                number::count(gallery.n_outliers as u64),
                number::percent(share)
            ),
        ),
        ("threshold", number::short(gallery.threshold)),
        ("detector", gallery.detector.clone()),
    ];
    tiles.extend(gallery.encoder.clone().map(|encoder| ("encoder", encoder)));
    tiles
}

fn part<'a>(section: &'a Section, pictures: Option<&'a Pictures>) -> Part<'a> {
    let name = section.name.as_deref().unwrap_or_default();
    let n = section.n as u64;
    let (title, about) = match section.of {
        Of::All => ("All rows".to_owned(), number::counted(n, "row")),
        Of::Class => (format!("Class {name}"), number::counted(n, "row")),
        Of::Item => (format!("Views of {name}"), number::counted(n, "view")),
    };
    let shelf = |title, cards: &'a [Card]| Shelf {
        title,
        cards: cards.iter().map(|card| view(card, pictures)).collect(),
    };
    let shelves = [
        shelf("Least certain", &section.least_certain),
        shelf("Most certain", &section.most_certain),
    ];
    Part {
        title,
        about,
        shelves: shelves
            .into_iter()
            .filter(|s| !s.cards.is_empty())
            .collect(),
    }
}

fn view<'a>(card: &'a Card, pictures: Option<&'a Pictures>) -> View<'a> {
    let because = card.because.iter().map(|b| {
        let near = b.nearest.iter().map(|v| number::short(*v)).collect();
        (
            b.feature.clone(),
            number::percent(b.share),
            number::short(b.value),
            near,
        )
    });
    let nearest = card.nearest.iter().map(|near| NearView {
        title: title(&near.id, near.view),
        score: number::short(near.score),
        distance: number::short(near.distance),
        picture: pictures.and_then(|p| p.small(near.row)),
        alt: alt(&near.id, near.class.as_deref(), near.view),
        text: near.text.as_deref().map(|text| shortened(text).0),
        near,
    });
    View {
        title: title(&card.id, card.view),
        score: number::short(card.score),
        percentile: number::percentile(card.percentile),
        p_value: number::short(card.p_value),
        picture: pictures.and_then(|p| p.large(card.row)),
        pictured: pictures.is_some(),
        alt: alt(&card.id, card.class.as_deref(), card.view),
        text: card.text.as_deref().map(shortened),
        because: because.collect(),
        nearest: nearest.collect(),
        card,
    }
}

fn title(id: &str, view: Option<u64>) -> String {
    match view {
        Some(view) => format!("view {view} of {id}"),
        None => id.to_owned(),
    }
}

fn alt(id: &str, class: Option<&str>, view: Option<u64>) -> String {
    let class = class.map(|class| format!(", class {class}"));
    format!("image: {}{}", title(id, view), class.unwrap_or_default())
}

/// The beginning of a text, and whether there is more.
fn shortened(text: &str) -> (String, bool) {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => (text.get(..end).unwrap_or_default().to_owned(), true),
        None => (text.to_owned(), false),
    }
}
