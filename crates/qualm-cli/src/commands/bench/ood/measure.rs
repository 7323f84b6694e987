//! Measuring: each network over each set.

use anyhow::Result;
use indicatif::ProgressBar;
use qualm::reports::{OodBenchCell, OodBenchRow};
use qualm::stats::Separation;
use qualm_vision::ood::{Arrays, Labels};
use qualm_vision::read::Item;

use super::asked::Wanted;
use super::fits::{Fit, Fitter};
use super::networks::{Group, Net, Source};
use super::sets::{Set, Sets};
use super::state::{self, State};
use crate::output::Output;

/// Measuring under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured<'a> {
    pub(super) wanted: &'a [Wanted],
    pub(super) sets: &'a Sets,
    pub(super) seed: u64,
    pub(super) output: Output,
    pub(super) bar: &'a ProgressBar,
}

/// What a group of detectors says of a set.
#[derive(Debug, Default)]
struct Scored {
    /// A list for each member of the group.
    scores: Vec<Vec<f64>>,
    /// The class of the largest logit, where logits are shared.
    classes: Vec<i64>,
    ids: Vec<String>,
    labels: Vec<Option<String>>,
}

impl Measured<'_> {
    /// Measures what the state does not hold yet.
    pub(super) fn all(self, networks: &[Net], state: &mut State) -> Result<()> {
        let groups = networks.iter().flat_map(|net| &net.groups);
        let images = groups.map(|group| self.images(group));
        self.bar.set_length(images.sum::<usize>() as u64);
        for net in networks {
            for group in &net.groups {
                if self.missing(net, group, state).is_empty() {
                    self.bar.inc(self.images(group) as u64);
                } else {
                    self.group(net, group, state)?;
                }
            }
        }
        Ok(())
    }

    fn fitter(&self) -> Fitter<'_> {
        Fitter {
            wanted: self.wanted,
            train: &self.sets.train,
            seed: self.seed,
            bar: self.bar,
            output: self.output,
        }
    }

    /// Images that a group sees.
    fn images(&self, group: &Group) -> usize {
        let fitted = self.fitter().passes(group) * self.sets.train.n();
        let outside: usize = self.sets.outside.iter().map(Set::n).sum();
        fitted + self.sets.inside.n() + outside
    }

    /// The sets out of distribution that a group has not been measured on.
    fn missing(&self, net: &Net, group: &Group, state: &State) -> Vec<&Set> {
        let key = (net.kind, net.name.as_str());
        let is_missing = |set: &&Set| {
            let mut members = self.members(group);
            members.any(|wanted| !state::has(state, key, &wanted.called, &set.name))
        };
        self.sets.outside.iter().filter(is_missing).collect()
    }

    fn members(&self, group: &Group) -> impl Iterator<Item = &Wanted> {
        let members = group.members.iter();
        members.filter_map(move |place| self.wanted.get(*place))
    }

    fn group(self, net: &Net, group: &Group, state: &mut State) -> Result<()> {
        self.bar.set_message(net.name.clone());
        let fits = self.fitter().fit(group)?;
        self.bar.set_message(net.name.clone());
        let inside = self.scored(group, &fits, &self.sets.inside)?;
        let key = (net.kind, net.name.as_str());
        let accuracy = inside.accuracy(&group.source);
        let accuracy = accuracy.or_else(|| state::accuracy(state, key));
        let missing = self.missing(net, group, state);
        for set in &self.sets.outside {
            if !missing.iter().any(|other| other.name == set.name) {
                self.bar.inc(set.n() as u64);
                continue;
            }
            let outside = self.scored(group, &fits, set)?;
            let mut rows = Vec::new();
            let each = self.members(group).zip(&fits);
            for ((wanted, fit), (inside, outside)) in
                each.zip(inside.scores.iter().zip(&outside.scores))
            {
                let cell = OodBenchCell {
                    network: net.name.clone(),
                    kind: net.kind,
                    detector: wanted.called.clone(),
                    out: set.name.clone(),
                    group: set.group,
                    accuracy,
                    n_fitted: fit.n(),
                    n_in: inside.len() as u64,
                    n_out: outside.len() as u64,
                };
                let found = Separation::of(inside, outside, self.seed)?;
                rows.push(OodBenchRow::new(cell, &found));
            }
            self.told(&rows);
            state.put(rows)?;
        }
        Ok(())
    }

    /// What a group says of a set.
    fn scored(&self, group: &Group, fits: &[Fit], set: &Set) -> Result<Scored> {
        let mut all = Scored {
            scores: vec![Vec::new(); fits.len()],
            ..Scored::default()
        };
        let perturbation = match fits {
            [fit] => fit.perturbation(),
            _ => None,
        };
        let work = |items: Vec<Item>| {
            let named = items
                .iter()
                .map(|item| (item.id.clone(), item.label.clone()));
            let (ids, labels) = named.unzip();
            let arrays = group.source.arrays(items, perturbation)?;
            let scores = fits.iter().enumerate().map(|(member, fit)| {
                let sample = group.source.activations(member, &arrays)?;
                fit.score(&sample)
            });
            Ok(Scored {
                scores: scores.collect::<Result<_>>()?,
                classes: classes(&group.source, &arrays),
                ids,
                labels,
            })
        };
        set.each(self.bar, work, |some| {
            for (to, from) in all.scores.iter_mut().zip(some.scores) {
                to.extend(from);
            }
            all.classes.extend(some.classes);
            all.ids.extend(some.ids);
            all.labels.extend(some.labels);
            Ok(())
        })?;
        Ok(all)
    }

    /// Says what came of a set, where no bar can be drawn.
    fn told(&self, rows: &[OodBenchRow]) {
        let Some(first) = rows.first().filter(|_| !self.output.bars()) else {
            return;
        };
        let each = rows.iter();
        let each = each.map(|row| format!("{} {:.1}", row.cell.detector, 100.0 * row.auroc));
        self.output.note(format!(
            "bench: {}, {}: AUROC {}",
            first.cell.network,
            first.cell.out,
            each.collect::<Vec<_>>().join(", ")
        ));
    }
}

/// The class of the largest logit, for logits of images as they are.
fn classes(source: &Source, arrays: &Arrays) -> Vec<i64> {
    let Source::Panel(panel) = source else {
        return Vec::new();
    };
    let width = panel.classifier().n_classes().unwrap_or_default().max(1);
    let largest = |row: &[f32]| {
        let all = (0..).zip(row);
        all.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(j, _)| j)
    };
    arrays.logits.chunks_exact(width).map(largest).collect()
}

impl Scored {
    /// The share of images whose class is the classifier's; `None` where it is not known.
    fn accuracy(&self, source: &Source) -> Option<f64> {
        if self.classes.is_empty() {
            return None;
        }
        let labels = Labels::new(&self.labels, &self.ids, source.classifier()?).ok()?;
        let pairs = self.classes.iter().zip(&labels.numbers);
        let right = pairs.filter(|(found, expected)| found == expected).count();
        Some(right as f64 / self.classes.len() as f64)
    }
}
