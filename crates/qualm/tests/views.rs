//! Rows that are views of one item: bags draw one of them, and they do not vouch for each other.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::common::{baseline, bits, blob_matrix, keys, small};
use qualm::fit::{Signal, Step};
use qualm::{Checkpoint, Error, Matrix, Progress, Result, Spec, Views, Warning};
use serde_json::json;

const VIEWS: usize = 4;

/// 150 items of 4 views each, in rounds: every item's first view, every item's second, and so
/// on. The last item lies apart, and its views nearly on one another.
fn seen_four_times() -> (Matrix, Views) {
    let items = blob_matrix(4, 150, 5);
    let items = items.rows();
    let jitter = blob_matrix(5, 150 * VIEWS, 5);
    let mut jitter = jitter.rows().as_slice().to_vec().into_iter();
    let mut values = Vec::new();
    for _ in 0..VIEWS {
        for i in 0..150 {
            let is_apart = i == 149;
            let scale = if is_apart { 1e-3 } else { 0.2 };
            let shift = if is_apart { 9.0 } else { 0.0 };
            let row = items.get(if is_apart { 0 } else { i }).unwrap();
            values.extend(
                row.iter()
                    .map(|x| x + shift + scale * jitter.next().unwrap()),
            );
        }
    }
    let views = Views::of((0..VIEWS).flat_map(|_| 0..150));
    (Matrix::new(values, 5).unwrap(), views)
}

/// How many of the odd item's four views are among the four highest scores.
fn found(scores: &[f64]) -> usize {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    order[..VIEWS].iter().filter(|i| **i % 150 == 149).count()
}

fn dum(changes: serde_json::Value) -> Spec {
    let spec = Spec::preset("dum", "default").unwrap();
    spec.with(keys(changes)).unwrap()
}

#[test]
fn items_seen_once_are_rows() {
    let rows = blob_matrix(1, 300, 5);
    let views = Views::of(0..300);
    for spec in [
        dum(json!({})),
        dum(json!({"anchors": 40, "reference": "clean"})),
        small(json!({})),
        small(json!({"bags": "local", "cells": 3})),
    ] {
        let plain = spec.fit(rows.rows(), 3, &mut ()).unwrap();
        let sample = rows.rows().with_views(&views).unwrap();
        let seen = spec.fit(sample, 3, &mut ()).unwrap();
        let scores = [&plain, &seen].map(|fitted| bits(fitted.fitted_scores().unwrap()));
        assert_eq!(scores[0], scores[1]);
        assert_eq!(seen.provenance().n_items, Some(300));
        assert_eq!(plain.provenance().n_items, None);
    }
}

#[test]
fn views_of_one_item_do_not_vouch_for_each_other() {
    let (rows, views) = seen_four_times();
    let narrow = json!({"reference": "clean", "bandwidth": 0.05, "members": 1});
    let few = json!({"reference": "clean", "bandwidth": 0.05, "members": 1, "anchors": 300});
    for changes in [narrow, few] {
        let spec = dum(changes.clone());
        let fitted = |sample| spec.fit(sample, 0, &mut ()).unwrap();
        let with = fitted(rows.rows().with_views(&views).unwrap());
        let without = fitted(rows.rows().into());
        let with = found(with.fitted_scores().unwrap());
        let without = found(without.fitted_scores().unwrap());
        assert_eq!(with, VIEWS, "{changes}");
        assert!(without < VIEWS, "{changes}: {without}");
    }
}

#[test]
fn bags_hold_every_item_once_whatever_its_number_of_views() {
    // Four items are seen once and four a hundred times.
    let rows = blob_matrix(7, 404, 3);
    let views = Views::of((0..404).map(|row| if row < 4 { row } else { 4 + row % 4 }));
    let spec = small(json!({"bag_size": 2, "batch_size": 256}));
    let sample = rows.rows().with_views(&views).unwrap();
    let fitted = spec.fit(sample, 0, &mut ()).unwrap();
    // A batch is cut to the items there are.
    let cut = fitted.provenance().warnings.iter().any(|warning| {
        matches!(
            warning,
            Warning::SmallBatch {
                n_rows: 8,
                batch_rows: 8,
                ..
            }
        )
    });
    assert!(cut, "{:?}", fitted.provenance().warnings);
}

/// Stops at a step and keeps the checkpoint.
struct StopAt(u64, Option<Checkpoint>);

impl Progress for StopAt {
    fn step(&mut self, step: &Step) -> Signal {
        if step.step == self.0 {
            Signal::Stop
        } else {
            Signal::Continue
        }
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.1 = Some(checkpoint.clone());
        Ok(())
    }
}

#[test]
fn a_fit_goes_on_with_the_same_views_and_no_others() {
    let (rows, views) = seen_four_times();
    for spec in [
        small(json!({})),
        small(json!({"bags": "local", "cells": 2})),
    ] {
        let sample = rows.rows().with_views(&views).unwrap();
        let whole = spec.fit(sample, 1, &mut ()).unwrap();
        let mut stop = StopAt(7, None);
        spec.fit(sample, 1, &mut stop).unwrap_err();
        let kept = stop.1.unwrap();
        let resumed = spec.resume(sample, 1, kept.clone(), &mut ()).unwrap();
        let scores = [&whole, &resumed].map(|fitted| bits(fitted.fitted_scores().unwrap()));
        assert_eq!(scores[0], scores[1]);
        let refused = spec.resume(rows.rows(), 1, kept, &mut ());
        assert!(matches!(refused, Err(Error::CheckpointMismatch { .. })));
    }
}

#[test]
fn halves_keep_the_views_of_an_item_together() {
    let (rows, views) = seen_four_times();
    // Neighbours across halves would be views of the same items, were they not kept together.
    let spec = dum(json!({}));
    let sample = rows.rows().with_views(&views).unwrap();
    let agreement = spec.half_agreement(sample, 0, &mut ()).unwrap();
    assert!((-1.0..=1.0).contains(&agreement) && agreement.is_finite());
    let one = Views::of(rows.rows().iter().map(|_| 0));
    let refused = spec.half_agreement(rows.rows().with_views(&one).unwrap(), 0, &mut ());
    assert!(matches!(
        refused,
        Err(Error::TooFewRows { .. } | Error::Empty { .. })
    ));
}

#[test]
fn detectors_that_know_no_views_say_so() {
    let (rows, views) = seen_four_times();
    let sample = rows.rows().with_views(&views).unwrap();
    let fitted = baseline("knn", json!({})).fit(sample, 0, &mut ()).unwrap();
    let warned = fitted.provenance().warnings.iter().any(|warning| {
        matches!(warning, Warning::ViewsAsRows { detector, n_items: 150 } if detector == "knn")
    });
    assert!(warned);
}
