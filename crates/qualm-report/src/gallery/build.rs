//! Which rows a gallery shows, and what it says of them.

use std::collections::{BTreeMap, BTreeSet};

use qualm::error::Names;
use qualm::reports::REPORT_VERSION;
use qualm::rng::{Purpose, sample, stream};
use qualm::{Contribution, Fitted};

use super::nearest::{Nearest, Neighbour};
use super::{Because, Card, Gallery, Near, Of, Section};
use crate::error::{Error, Result};
use crate::number;
use crate::rows::Shown;

/// Which classes and which items are drawn.
const CLASSES: Purpose = Purpose::of_crate(4, 0);
const ITEMS: Purpose = Purpose::of_crate(4, 1);
/// Classes and items that are drawn at random.
const DRAWN: usize = 5;
/// Up to so many classes are all shown.
const ALL_CLASSES: usize = 10;
/// Scores that explanations may cost where the detector cannot tell the shares of features, and
/// rows that are explained whatever it costs.
const OCCLUSIONS: u64 = 50_000;
const AT_LEAST: usize = 24;
/// Features that explain a score, and typical rows beside it.
const FEATURES: usize = 5;
const NEAR: usize = 3;

/// What is to be shown.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Rows at either end of a section.
    pub top: usize,
    /// A section for each class; for five at random where there are more than ten.
    pub by_class: bool,
    /// The classes to show instead.
    pub classes: Vec<String>,
    /// Sections of views: of five items drawn at random.
    pub views: bool,
    /// The items to show instead.
    pub items: Vec<String>,
    /// The seed of what is drawn.
    pub seed: u64,
}

/// Chooses the rows of a gallery and explains them. Its names (model, input, images) are left to
/// the caller.
///
/// # Errors
/// Classes, views and items that are asked for and not there; those of [`Fitted::explain`].
pub fn build(fitted: &Fitted, shown: &Shown, choice: &Choice) -> Result<Gallery> {
    let threshold = fitted.threshold()?;
    let mut notes = Vec::new();
    let mut chosen = vec![Chosen::of(Of::All, None, (0..shown.scores.len()).collect())];
    chosen.extend(classes(shown, choice, &mut notes)?);
    chosen.extend(items(shown, choice, &mut notes)?);
    for part in &mut chosen {
        part.choose(&shown.scores, choice.top);
    }
    let mut rows: Vec<usize> = Vec::new();
    let mut seen = BTreeSet::new();
    for &row in chosen.iter().flat_map(Chosen::rows) {
        if seen.insert(row) {
            rows.push(row);
        }
    }
    let n_explained = match fitted.occlusions(1)? {
        0 => rows.len(),
        each => ((OCCLUSIONS / each) as usize).max(AT_LEAST).min(rows.len()),
    };
    if n_explained < rows.len() {
        notes.push(format!(
            "The first {} of {} say why: each explanation takes {} more scores.",
            number::count(n_explained as u64),
            number::counted(rows.len() as u64, "row"),
            number::count(fitted.n_features() as u64)
        ));
    }
    let cards = Cards::new(fitted, shown, &rows, n_explained)?;
    let sections = chosen.into_iter().map(|part| {
        let cards = |rows: &[usize]| rows.iter().filter_map(|&row| cards.card(row)).collect();
        Section {
            of: part.of,
            n: part.rows.len(),
            most_certain: cards(&part.most_certain),
            least_certain: cards(&part.least_certain),
            name: part.name,
        }
    });
    Ok(Gallery {
        qualm_page: "gallery".to_owned(),
        report_version: REPORT_VERSION,
        title: None,
        model: String::new(),
        input: String::new(),
        images: None,
        detector: fitted.spec().detector().to_owned(),
        encoder: shown.layout.encoder().map(str::to_owned),
        n: shown.scores.len(),
        n_outliers: shown.scores.iter().filter(|s| **s > threshold).count(),
        threshold,
        n_reference: fitted.calibration().n(),
        seed: choice.seed,
        notes,
        missing: Vec::new(),
        sections: sections.collect(),
    })
}

/// The rows of a section.
struct Chosen {
    of: Of,
    name: Option<String>,
    rows: Vec<usize>,
    most_certain: Vec<usize>,
    least_certain: Vec<usize>,
}

impl Chosen {
    fn of(of: Of, name: Option<String>, rows: Vec<usize>) -> Self {
        Self {
            of,
            name,
            rows,
            most_certain: Vec::new(),
            least_certain: Vec::new(),
        }
    }

    /// Both ends; of few rows no row is at both.
    fn choose(&mut self, scores: &[f64], top: usize) {
        let score = |row: &usize| scores.get(*row).copied().unwrap_or_default();
        let mut order = self.rows.clone();
        // Stable: of equal scores the first row comes first.
        order.sort_by(|a, b| score(a).total_cmp(&score(b)));
        let n_least = top.min(order.len().div_ceil(2));
        let n_most = top.min(order.len() - n_least);
        self.most_certain = order.iter().take(n_most).copied().collect();
        let mut last = order.split_off(order.len() - n_least);
        last.sort_by(|a, b| score(b).total_cmp(&score(a)));
        self.least_certain = last;
    }

    fn rows(&self) -> impl Iterator<Item = &usize> {
        self.least_certain.iter().chain(&self.most_certain)
    }
}

/// The rows of each class to show.
fn classes(shown: &Shown, choice: &Choice, notes: &mut Vec<String>) -> Result<Vec<Chosen>> {
    if !choice.by_class && choice.classes.is_empty() {
        return Ok(Vec::new());
    }
    let mut all: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for row in 0..shown.scores.len() {
        if let Some(class) = shown.class(row) {
            all.entry(class).or_default().push(row);
        }
    }
    if all.is_empty() {
        return Err(Error::NoClasses);
    }
    let known = || Names(all.keys().map(|name| (*name).to_owned()).collect());
    let mut names: Vec<&str> = all.keys().copied().collect();
    if !choice.classes.is_empty() {
        names = choice.classes.iter().map(String::as_str).collect();
        if let Some(found) = names.iter().find(|name| !all.contains_key(*name)) {
            return Err(Error::NoSuchClass {
                found: (*found).to_owned(),
                known: known(),
            });
        }
    } else if names.len() > ALL_CLASSES {
        notes.push(format!(
            "Of {} classes five are shown, drawn at random with seed {}.",
            number::count(names.len() as u64),
            choice.seed
        ));
        let mut rng = stream(choice.seed, CLASSES, [0, 0]);
        let drawn = sample(&mut rng, names.len(), DRAWN);
        names = drawn
            .iter()
            .filter_map(|&i| names.get(i).copied())
            .collect();
    }
    let mut chosen = Vec::new();
    for name in names {
        let rows = all.get(name).cloned().unwrap_or_default();
        if rows.len() == 1 {
            notes.push(format!(
                "Class '{name}' has one row only: there is no most certain one to compare it with."
            ));
        }
        chosen.push(Chosen::of(Of::Class, Some(name.to_owned()), rows));
    }
    Ok(chosen)
}

/// The views of each item to show.
fn items(shown: &Shown, choice: &Choice, notes: &mut Vec<String>) -> Result<Vec<Chosen>> {
    if !choice.views && choice.items.is_empty() {
        return Ok(Vec::new());
    }
    let column = shown.layout.item.as_ref();
    let column = column.and_then(|name| shown.columns.get(name));
    let mut all: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    let mut order = Vec::new();
    for (row, item) in column.into_iter().flatten().enumerate() {
        let rows = all.entry(item).or_default();
        if rows.is_empty() {
            order.push(item.as_str());
        }
        rows.push(row);
    }
    let several = |name: &&str| all.get(name).is_some_and(|rows| rows.len() > 1);
    order.retain(several);
    let Some(example) = order.first().copied() else {
        return Err(Error::NoViews);
    };
    let mut names = order.clone();
    if !choice.items.is_empty() {
        names = choice.items.iter().map(String::as_str).collect();
        if let Some(found) = names.iter().find(|name| !several(name)) {
            return Err(Error::NoSuchItem {
                found: (*found).to_owned(),
                example: example.to_owned(),
            });
        }
    } else if names.len() > DRAWN {
        notes.push(format!(
            "Of {} with several views five are shown, drawn at random with seed {}.",
            number::counted(names.len() as u64, "item"),
            choice.seed
        ));
        let mut rng = stream(choice.seed, ITEMS, [0, 0]);
        let drawn = sample(&mut rng, names.len(), DRAWN);
        names = drawn
            .iter()
            .filter_map(|&i| names.get(i).copied())
            .collect();
    }
    let rows = |name: &str| all.get(name).cloned().unwrap_or_default();
    let chosen = names
        .iter()
        .map(|name| Chosen::of(Of::Item, Some((*name).to_owned()), rows(name)));
    Ok(chosen.collect())
}

/// What is said of each row that is shown.
struct Cards<'a> {
    fitted: &'a Fitted,
    shown: &'a Shown,
    threshold: f64,
    parts: BTreeMap<usize, (Vec<Contribution>, Vec<Neighbour>)>,
}

impl<'a> Cards<'a> {
    /// The first `n_explained` of the rows are explained.
    fn new(
        fitted: &'a Fitted,
        shown: &'a Shown,
        rows: &[usize],
        n_explained: usize,
    ) -> Result<Self> {
        let picked = rows.get(..n_explained).unwrap_or(rows);
        let picked = shown.rows.rows().pick(picked)?;
        let k = FEATURES.min(fitted.n_features());
        let mut explained = fitted.explain(picked.rows(), k)?;
        explained.resize(rows.len(), Vec::new());
        let nearest = Nearest::new(fitted, &shown.rows, &shown.scores);
        // Another view of the same item is no other typical row.
        let item = |row: usize| shown.view(row).and_then(|_| shown.ids.get(row));
        let same = |i, j| item(i).is_some_and(|own| item(j) == Some(own));
        let found = nearest.find(rows, NEAR, same);
        let parts = rows.iter().copied().zip(explained.into_iter().zip(found));
        Ok(Self {
            fitted,
            shown,
            threshold: fitted.threshold()?,
            parts: parts.collect(),
        })
    }

    fn card(&self, row: usize) -> Option<Card> {
        let (explained, nearest) = self.parts.get(&row)?;
        let shown = self.shown;
        let score = *shown.scores.get(row)?;
        let value = |row: usize, feature: usize| {
            let values = shown.rows.rows().get(row).unwrap_or_default();
            f64::from(values.get(feature).copied().unwrap_or_default())
        };
        let because = explained.iter().filter(|part| part.share > 0.0);
        let because = because.map(|part| Because {
            feature: self.fitted.features().name(part.feature),
            share: part.share,
            value: value(row, part.feature),
            nearest: nearest.iter().map(|n| value(n.row, part.feature)).collect(),
        });
        let text = |row| {
            let column = shown.layout.text.as_ref()?;
            shown.text(column, row).map(str::to_owned)
        };
        let near = nearest.iter().map(|n| Near {
            row: n.row + 1,
            id: shown.ids.get(n.row).cloned().unwrap_or_default(),
            class: shown.class(n.row).cloned(),
            view: shown.view(n.row),
            score: shown.scores.get(n.row).copied().unwrap_or_default(),
            distance: n.distance,
            columns: shown.beside(n.row),
            text: text(n.row),
        });
        let reference = self.fitted.calibration().scores();
        let below = reference.partition_point(|s| *s < score);
        Some(Card {
            row: row + 1,
            id: shown.ids.get(row)?.clone(),
            class: shown.class(row).cloned(),
            view: shown.view(row),
            score,
            percentile: 100.0 * below as f64 / reference.len() as f64,
            p_value: self.fitted.p_value(score),
            outlier: score > self.threshold,
            because: because.collect(),
            nearest: near.collect(),
            columns: shown.beside(row),
            text: text(row),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_in_order_and_no_row_at_both() {
        let scores = [0.3, 0.1, 0.9, 0.1, 0.5];
        let mut part = Chosen::of(Of::All, None, (0..5).collect());
        part.choose(&scores, 2);
        assert_eq!(
            (part.most_certain, part.least_certain),
            (vec![1, 3], vec![2, 4])
        );
        let mut part = Chosen::of(Of::All, None, vec![0, 1, 2]);
        part.choose(&scores, 12);
        assert_eq!(
            (part.most_certain, part.least_certain),
            (vec![1], vec![2, 0])
        );
        let mut one = Chosen::of(Of::All, None, vec![4]);
        one.choose(&scores, 12);
        assert_eq!((one.most_certain, one.least_certain), (vec![], vec![4]));
    }
}
