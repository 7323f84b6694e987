//! What a fit does once its networks stand: it learns how far the fitted rows reach, and puts the
//! members on one scale.

use std::collections::BTreeMap;

use super::model::{Dum, Member, Network, extrapolates};
use super::reach::{Growth, Reach};
use super::statistic::Statistic;
use crate::detector::score_fitted;
use crate::diagnostics::Agreement;
use crate::error::Result;
use crate::fit::Meter;
use crate::rng::{self, Purpose, stream};
use crate::rows::Rows;

/// Fitted rows that the growth beyond the reach is set by, at most.
const REACH_SAMPLE: usize = 5000;

/// The scale on which several members' scores are averaged: their mean location and spread.
pub(super) struct Scale {
    n_members: usize,
    location: f64,
    spread: f64,
}

impl Scale {
    pub(super) fn of(members: &[Member]) -> Self {
        let n_members = members.len() as f64;
        Self {
            n_members: members.len(),
            location: members.iter().map(|m| m.location).sum::<f64>() / n_members,
            spread: members.iter().map(|m| m.spread).sum::<f64>() / n_members,
        }
    }

    /// What a member's score adds to the mean: in units of the member's own spread, put back on
    /// the mean scale. A single member's score stays as it is.
    pub(super) fn share(&self, member: &Member, score: f64) -> f64 {
        if self.n_members == 1 {
            return score;
        }
        let standard = self.spread * (score - member.location) / member.spread;
        (self.location + standard) / self.n_members as f64
    }
}

impl Dum {
    /// Learns how far the fitted rows reach, and what rows beyond add to each member's variance.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`], [`crate::Error::Interrupted`].
    pub(super) fn extrapolate(
        &mut self,
        rows: Rows<'_>,
        seed: u64,
        meter: &mut Meter<'_>,
    ) -> Result<()> {
        if !extrapolates(&self.spec) {
            return Ok(());
        }
        let mut reach = Reach::fit(
            rows,
            self.spec.reference,
            self.spec.is_kernel(),
            seed,
            meter,
        )?;
        let mut rng = stream(seed, Purpose::SAMPLE, [0, 2]);
        let picked = rng::sample(&mut rng, rows.n_rows(), REACH_SAMPLE);
        let values = picked.iter().filter_map(|&i| rows.get(i)).flatten();
        let sample: Vec<f32> = values.copied().collect();
        let sample = Rows::checked(&sample, rows.n_cols());
        let distances = reach.set(sample)?;
        for i in 0..self.members.len() {
            let mut scores = score_fitted(sample, meter, |rows, out| {
                self.score_members(rows, out, |members| &members[i..=i])
            })?;
            if let Some(member) = self.members.get_mut(i) {
                let own = member.own_scores(self.spec.statistic);
                for (row, score) in picked.iter().zip(&mut scores) {
                    *score = own.get(row).copied().unwrap_or(*score);
                }
                let width = member.space.n_out();
                let growth = Growth::new(&distances, &scores, self.spec.statistic, width);
                member.growth = Some(growth);
            }
        }
        self.reach = Some(reach);
        Ok(())
    }

    /// Learns each member's mean and deviation over the fitted rows, so that all members
    /// have an equal say. Returns the scores of the rows, where the members' own were few enough
    /// to keep, and how far members agree; a single member keeps its plain log-uncertainty.
    pub(super) fn align(
        &mut self,
        rows: Rows<'_>,
        seed: u64,
        meter: &mut Meter<'_>,
    ) -> Result<(Option<Vec<f64>>, Option<f64>)> {
        let n_members = self.members.len();
        let n = rows.n_rows();
        let is_kernel = self.spec.is_kernel();
        if n_members == 1 && !is_kernel && self.reach.is_none() {
            return Ok((None, None));
        }
        // Rows beyond the reach have their scores from the distance, which no row lends itself.
        let reach = self.reach.as_ref().filter(|_| is_kernel);
        let beyond = reach.map(|reach| reach.how_far(rows)).transpose()?;
        let beyond = beyond.unwrap_or_default();
        let keep = self.spec.keeps_member_scores(n);
        let mut kept = Vec::new();
        let mut agreement = Agreement::over(n, seed);
        for i in 0..n_members {
            let mut scores = score_fitted(rows, meter, |rows, out| {
                self.score_members(rows, out, |members| &members[i..=i])
            })?;
            if let Some(member) = self.members.get_mut(i) {
                for (row, own) in member.own_scores(self.spec.statistic) {
                    let within = beyond.get(row).is_none_or(|out| *out <= 0.0);
                    if let Some(score) = scores.get_mut(row).filter(|_| within) {
                        *score = own;
                    }
                }
                member.forget_own();
            }
            agreement.add(&scores);
            let mean = scores.iter().sum::<f64>() / n as f64;
            let square = scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n as f64;
            if let Some(member) = self.members.get_mut(i) {
                member.location = mean;
                member.spread = if square > 0.0 { square.sqrt() } else { 1.0 };
            }
            if keep {
                kept.push(scores);
            }
        }
        if let Some(reach) = &mut self.reach {
            reach.done_with_fitted();
        }
        let scale = Scale::of(&self.members);
        let combined = keep.then(|| {
            let mut out = vec![0.0; n];
            for (member, scores) in self.members.iter().zip(&kept) {
                for (out, score) in out.iter_mut().zip(scores) {
                    *out += scale.share(member, *score);
                }
            }
            out
        });
        Ok((combined, agreement.mean().filter(|_| n_members > 1)))
    }
}

impl Member {
    /// The scores that anchors have without themselves, by their row.
    fn own_scores(&self, statistic: Statistic) -> BTreeMap<usize, f64> {
        let Network::Kernel { own, .. } = &self.network else {
            return BTreeMap::new();
        };
        let width = self.space.n_out();
        let score = |(row, s): &(usize, f64)| (*row, statistic.of(&[*s as f32], width));
        own.iter().map(score).collect()
    }

    /// Once they are with the scores of the fitted rows they are of no use.
    fn forget_own(&mut self) {
        if let Network::Kernel { own, .. } = &mut self.network {
            *own = Vec::new();
        }
    }
}
