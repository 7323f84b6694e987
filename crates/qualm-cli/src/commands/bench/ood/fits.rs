//! Fitting the detectors of a group.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use qualm::fit::{Signal, Step, Work};
use qualm::ood::{Activations, OodDetector, OodFitted, Perturbation};
use qualm::{Progress, memory};
use qualm_vision::ood::{Arrays, Labels};
use qualm_vision::read::Item;

use super::asked::Wanted;
use super::networks::{Group, Source};
use super::sets::Set;
use crate::interrupt;
use crate::output::{self, Output};

/// Between two lines where no bar can be drawn.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// A detector that can score.
#[derive(Debug)]
pub(super) enum Fit {
    Fitted(Box<OodFitted>),
    /// It learns nothing.
    Unfitted(Box<dyn OodDetector>),
}

impl Fit {
    pub(super) fn perturbation(&self) -> Option<&dyn Perturbation> {
        match self {
            Self::Fitted(fitted) => fitted.perturbation(),
            Self::Unfitted(detector) => detector.perturbation(),
        }
    }

    pub(super) fn score(&self, sample: &Activations<'_>) -> Result<Vec<f64>> {
        match self {
            Self::Fitted(fitted) => Ok(fitted.score(sample)?),
            Self::Unfitted(detector) => {
                let mut scores = vec![0.0; sample.n_rows()];
                detector.score_into(sample, &mut scores)?;
                Ok(scores)
            }
        }
    }

    /// Images that it was fitted to.
    pub(super) fn n(&self) -> Option<u64> {
        match self {
            Self::Fitted(fitted) => Some(fitted.provenance().n_rows as u64),
            Self::Unfitted(_) => None,
        }
    }
}

/// Fits detectors, and says so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fitter<'a> {
    pub(super) wanted: &'a [Wanted],
    pub(super) train: &'a Set,
    pub(super) seed: u64,
    pub(super) bar: &'a ProgressBar,
    pub(super) output: Output,
}

impl<'a> Fitter<'a> {
    /// How often the images are read to fit a group.
    pub(super) fn passes(self, group: &Group) -> usize {
        let learns = |wanted: &&Wanted| wanted.spec.hyper_parameters().unfitted().is_none();
        let learning: Vec<&Wanted> = self.members(group).filter(learns).collect();
        if learning.iter().any(|wanted| wanted.is_alone()) {
            2
        } else {
            usize::from(!learning.is_empty())
        }
    }

    fn members<'g>(self, group: &'g Group) -> impl Iterator<Item = &'a Wanted> + use<'a, 'g> {
        let members = group.members.iter();
        members.filter_map(move |place| self.wanted.get(*place))
    }

    /// The detectors of a group, in the order of its members.
    pub(super) fn fit(self, group: &Group) -> Result<Vec<Fit>> {
        let source = &group.source;
        let seen = match self.passes(group) {
            0 => None,
            _ => Some(Seen::of(self, group, None)?),
        };
        let mut fits = Vec::new();
        for (member, wanted) in self.members(group).enumerate() {
            if let Some(detector) = wanted.spec.hyper_parameters().unfitted() {
                fits.push(Fit::Unfitted(detector));
                continue;
            }
            let Some(seen) = &seen else {
                continue;
            };
            let started = Instant::now();
            let sample = seen.activations(source, member)?;
            let mut telling = Telling::new(&wanted.called, self.bar, self.output);
            let fitted = wanted.spec.fit(&sample, self.seed, &mut telling);
            let explained = fitted.map_err(|error| match &seen.labels {
                Some(labels) => labels.explain(error),
                None => error.into(),
            });
            let fitted = explained.with_context(|| self.failed(wanted))?;
            for warning in &fitted.provenance().warnings {
                let warning = format!("{}: {warning}", wanted.called);
                self.bar.suspend(|| self.output.warn(warning));
            }
            self.said(wanted, &fitted, started.elapsed());
            fits.push(Fit::Fitted(Box::new(fitted)));
        }
        // Only a detector that shares nothing is perturbed.
        if let [Fit::Fitted(fitted)] = fits.as_mut_slice()
            && fitted.perturbation().is_some()
        {
            drop(seen);
            let moved = Seen::of(self, group, fitted.perturbation())?;
            let moved = fitted.refit_to_perturbed(&moved.activations(source, 0)?);
            moved.with_context(|| self.train.path().display().to_string())?;
        }
        Ok(fits)
    }

    fn failed(self, wanted: &Wanted) -> String {
        let train = self.train.path().display();
        format!("{train}: {} cannot be fitted", wanted.called)
    }

    fn said(self, wanted: &Wanted, fitted: &OodFitted, time: Duration) {
        let said = format!(
            "fitted {} to {} in {}",
            wanted.called,
            output::counted(fitted.provenance().n_rows as u64, "image"),
            output::seconds(time)
        );
        self.bar.suspend(|| self.output.note(said));
    }
}

/// What the detectors of a group see of the images that are fitted.
#[derive(Debug)]
struct Seen {
    arrays: Arrays,
    labels: Option<Labels>,
}

impl Seen {
    fn of(
        fitter: Fitter<'_>,
        group: &Group,
        perturbation: Option<&dyn Perturbation>,
    ) -> Result<Self> {
        let (source, train) = (&group.source, fitter.train);
        let bytes = 4 * (train.n() as u64).saturating_mul(source.values() as u64);
        memory::check(bytes, || vec!["fit fewer images".to_owned()])?;
        let mut all = Arrays::default();
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        train.each(
            fitter.bar,
            |items: Vec<Item>| {
                let named = items
                    .iter()
                    .map(|item| (item.id.clone(), item.label.clone()));
                let named: Vec<_> = named.collect();
                Ok((named, source.arrays(items, perturbation)?))
            },
            |(named, arrays)| {
                for (id, label) in named {
                    ids.push(id);
                    labels.push(label);
                }
                append(&mut all, arrays);
                Ok(())
            },
        )?;
        let needed = fitter
            .members(group)
            .any(|wanted| wanted.spec.needs().labels);
        let labels = match source.classifier().filter(|_| needed) {
            Some(classifier) => {
                let labels = Labels::new(&labels, &ids, classifier);
                Some(labels.with_context(|| train.path().display().to_string())?)
            }
            None => Labels::if_numbers(&labels).map(|numbers| Labels {
                numbers,
                names: Vec::new(),
            }),
        };
        Ok(Self {
            arrays: all,
            labels,
        })
    }

    fn activations(&self, source: &Source, member: usize) -> Result<Activations<'_>> {
        let sample = source.activations(member, &self.arrays)?;
        Ok(match &self.labels {
            Some(labels) => sample.with_labels(&labels.numbers),
            None => sample,
        })
    }
}

/// Adds the arrays of more images.
fn append(all: &mut Arrays, more: Arrays) {
    all.features.resize_with(more.features.len(), Vec::new);
    for (to, from) in all.features.iter_mut().zip(more.features) {
        to.extend(from);
    }
    all.logits.extend(more.logits);
}

/// Tells how far a fit is: in the bar's message, or in a line now and then.
struct Telling<'a> {
    name: &'a str,
    bar: &'a ProgressBar,
    output: Output,
    told: Instant,
}

impl<'a> Telling<'a> {
    fn new(name: &'a str, bar: &'a ProgressBar, output: Output) -> Self {
        bar.set_message(format!("fit {name}"));
        Self {
            name,
            bar,
            output,
            told: Instant::now(),
        }
    }

    fn tell(&mut self, done: u64, all: u64) -> Signal {
        if interrupt::asked() {
            return Signal::Stop;
        }
        let percent = 100 * done / all.max(1);
        self.bar
            .set_message(format!("fit {} {percent}%", self.name));
        if !self.output.bars() && self.told.elapsed() >= LINE_EVERY && done < all {
            self.told = Instant::now();
            let name = self.name;
            self.output
                .note(format!("bench: fit {name}, {percent}% done"));
        }
        Signal::Continue
    }
}

impl Progress for Telling<'_> {
    fn step(&mut self, step: &Step) -> Signal {
        let done = step.member as u64 * step.steps + step.step;
        self.tell(done, step.members as u64 * step.steps)
    }

    fn work(&mut self, work: &Work) -> Signal {
        self.tell(work.done, work.total)
    }
}
