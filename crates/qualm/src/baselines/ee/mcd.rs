//! `FastMCD`: the search for the subset of h rows whose covariance has the least determinant.

use rand::seq::index;
use rayon::prelude::*;

use super::scatter::Scatter;
use crate::covariance::{Panels, Whitening, nearest};
use crate::error::Result;
use crate::fit::progress::Meter;
#[cfg(test)]
use crate::fit::watch::unwatched;
use crate::fit::watch::{Extent, Halt, Watch};
use crate::rng::{Purpose, stream};

/// Rows up to which starts use all of them.
const UNPARTED: usize = 500;

/// Random starts on all rows, and in all groups together.
const STARTS: usize = 30;
const GROUP_STARTS: usize = 500;

/// Starts in a group, at least, and the best that are kept.
const KEPT: usize = 10;

/// Groups, at most.
const GROUPS: usize = 100;

/// Groups whose rows are merged.
const MERGED: usize = 5;

/// Groups between two reports of progress.
const BLOCK: usize = 8;

/// C-steps of a candidate, and, at most, of the best.
const FEW: usize = 2;
const MANY: usize = 30;

/// A subset, as marks over some rows, with its location and covariance.
#[derive(Debug, Clone)]
struct Candidate {
    scatter: Scatter,
    marked: Vec<bool>,
    /// The metric of the step before, where the subset's own measures fewer directions.
    before: Option<Whitening>,
}

impl Candidate {
    /// Number of directions that are measured.
    fn directions(&self) -> usize {
        let own = self.scatter.rank();
        self.before.as_ref().map_or(own, Whitening::rank)
    }

    /// Its location, and the last metric that measures every direction, as in scikit-learn.
    fn raw(self) -> Scatter {
        let mut raw = self.scatter;
        raw.metric = self.before.unwrap_or(raw.metric);
        raw
    }
}

/// The search over one set of rows.
#[derive(Debug)]
pub(super) struct Search<'a> {
    rows: &'a Panels,
    /// Rows of the subset sought.
    support: usize,
    /// Directions in which all rows vary.
    rank: usize,
}

/// Rows of a group: enough for a covariance of so many columns (n > 5 d, as the paper advises),
/// and no fewer than in the paper.
fn group_rows(n_features: usize) -> usize {
    (5 * n_features).max(300)
}

/// The size of the subset in `some` of the rows.
fn part(support: usize, some: usize, all: usize) -> usize {
    let part = some as f64 * (support as f64 / all as f64);
    (part.ceil() as usize).clamp(1, some)
}

/// The best candidates, each once, the best first.
fn best(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_by(|a, b| {
        let directions = b.directions().cmp(&a.directions());
        let (a, b) = (a.scatter.objective(), b.scatter.objective());
        directions.then(a.0.cmp(&b.0)).then(a.1.total_cmp(&b.1))
    });
    candidates.dedup_by(|a, b| a.marked == b.marked);
    candidates.truncate(KEPT);
    candidates
}

impl<'a> Search<'a> {
    /// A search over rows whose covariance has this rank.
    pub(super) fn new(rows: &'a Panels, support: usize, rank: usize) -> Self {
        Self {
            rows,
            support,
            rank,
        }
    }

    /// The subset of least determinant that was found.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    ///
    /// # Seed
    /// Draws the groups and the starts.
    pub(super) fn run(&self, seed: u64, meter: &mut Meter<'_>) -> Result<Scatter> {
        if let Some(values) = self.rows.only_column() {
            let extent = Extent::At(0, 1);
            return meter.watch("starts", extent, |watch| self.shortest_half(values, watch));
        }
        let n = self.rows.n_rows();
        let group = group_rows(self.rows.n_features());
        if n > UNPARTED && n >= 2 * group {
            return self.by_groups(group, seed, meter);
        }
        meter.watch("starts", Extent::At(0, STARTS as u64), |watch| {
            let starts = self.starts(0, STARTS, seed, watch)?;
            let ends = starts.into_par_iter().map(|c| self.go_on(c, MANY, watch));
            self.first(ends.collect::<Result<_, Halt>>()?, watch)
        })
    }

    /// The best of some candidates.
    fn first(&self, candidates: Vec<Candidate>, watch: &Watch<'_>) -> Result<Scatter, Halt> {
        match best(candidates).into_iter().next() {
            Some(first) => Ok(first.raw()),
            None => Scatter::from_rows(self.rows, &vec![true; self.rows.n_rows()], watch),
        }
    }

    /// The partitioned search: starts in groups, then on some groups merged, then on all.
    fn by_groups(&self, group: usize, seed: u64, meter: &mut Meter<'_>) -> Result<Scatter> {
        let n = self.rows.n_rows();
        let groups = (n / group).min(GROUPS);
        let size = (groups.max(MERGED) * group).min(n);
        let mut rng = stream(seed, Purpose::SUBSET, [0, 0]);
        let order = index::sample(&mut rng, n, size).into_vec();
        let starts = (GROUP_STARTS / groups).max(KEPT);
        let merged = (MERGED * group_rows(0).max(self.rows.n_features())).min(n);
        let merged = self.rows.pick(order.get(..merged).unwrap_or(&order));
        let on_merged = self.part(&merged);

        let parts: Vec<&[usize]> = order.chunks_exact(group).take(groups).collect();
        let mut candidates = Vec::new();
        for (block, parts) in parts.chunks(BLOCK).enumerate() {
            let done = block * BLOCK;
            let extent = Extent::At(done as u64, groups as u64);
            let found = meter.watch("groups of rows", extent, |watch| {
                let found = parts.par_iter().enumerate().map(|(i, rows)| {
                    let rows = self.rows.pick(rows);
                    let number = (done + i + 1) as u64;
                    let kept = self.part(&rows).starts(number, starts, seed, watch)?;
                    let moved = kept.into_iter().map(|c| {
                        let marked = on_merged.around(&c.scatter, watch)?;
                        on_merged.concentrate(marked, FEW, watch)
                    });
                    Ok(best(moved.collect::<Result<_, Halt>>()?))
                });
                found.collect::<Result<Vec<_>, Halt>>()
            })?;
            candidates.extend(found.into_iter().flatten());
            candidates = best(candidates);
        }
        let extent = Extent::At(groups as u64, groups as u64);
        let ends = meter.watch("groups of rows", extent, |watch| {
            let ends = candidates.into_par_iter();
            let ends = ends.map(|c| on_merged.go_on(c, MANY, watch));
            ends.collect::<Result<Vec<_>, Halt>>()
        })?;
        let ends = if merged.n_rows() == n {
            ends
        } else {
            best(ends)
        };
        let all = ends.len() as u64;
        let mut candidates = Vec::new();
        if merged.n_rows() < n {
            for (i, end) in ends.iter().enumerate() {
                let extent = Extent::At(i as u64, all);
                candidates.push(meter.watch("candidates on all rows", extent, |watch| {
                    self.concentrate(self.around(&end.scatter, watch)?, FEW, watch)
                })?);
            }
        }
        meter.watch("candidates on all rows", Extent::At(all, all), |watch| {
            if merged.n_rows() == n {
                return self.first(ends, watch);
            }
            let last = best(candidates).into_iter().take(1);
            let last = last.map(|c| self.go_on(c, MANY, watch));
            self.first(last.collect::<Result<_, Halt>>()?, watch)
        })
    }

    /// The search over some of the rows.
    fn part<'b>(&self, rows: &'b Panels) -> Search<'b> {
        let support = part(self.support, rows.n_rows(), self.rows.n_rows());
        Search::new(rows, support, self.rank)
    }

    /// The best of some random subsets after a few C-steps.
    fn starts(
        &self,
        group: u64,
        starts: usize,
        seed: u64,
        watch: &Watch<'_>,
    ) -> Result<Vec<Candidate>, Halt> {
        let n = self.rows.n_rows();
        let start = |i: usize| {
            let mut rng = stream(seed, Purpose::SUBSET, [group + 1, i as u64]);
            let mut marked = vec![false; n];
            for row in index::sample(&mut rng, n, self.support) {
                marked[row] = true;
            }
            self.concentrate(marked, FEW, watch)
        };
        let starts = (0..starts).into_par_iter().map(start);
        Ok(best(starts.collect::<Result<_, Halt>>()?))
    }

    /// Marks of the rows nearest to a location.
    fn around(&self, scatter: &Scatter, watch: &Watch<'_>) -> Result<Vec<bool>, Halt> {
        let mut distances = vec![0.0; self.rows.n_rows()];
        let Scatter {
            location, metric, ..
        } = scatter;
        self.rows
            .distances(location, metric, &mut distances, watch)?;
        Ok(nearest(&distances, self.support))
    }

    /// C-steps from a subset.
    fn concentrate(
        &self,
        marked: Vec<bool>,
        steps: usize,
        watch: &Watch<'_>,
    ) -> Result<Candidate, Halt> {
        let scatter = Scatter::from_rows(self.rows, &marked, watch)?;
        let start = Candidate {
            scatter,
            marked,
            before: None,
        };
        self.go_on(start, steps, watch)
    }

    /// At most so many C-steps, each to the rows nearest in the metric of the subset, whose
    /// determinant is never greater.
    ///
    /// A subset that varies in fewer directions than the rows do has determinant 0 already, and
    /// is not changed, as in scikit-learn.
    fn go_on(&self, mut at: Candidate, steps: usize, watch: &Watch<'_>) -> Result<Candidate, Halt> {
        for _ in 0..steps {
            if at.scatter.rank() < self.rank {
                break;
            }
            let marked = self.around(&at.scatter, watch)?;
            let scatter = Scatter::from_rows(self.rows, &marked, watch)?;
            if scatter.objective() >= at.scatter.objective() {
                break;
            }
            let singular = scatter.rank() < self.rank;
            at = Candidate {
                scatter,
                marked,
                before: singular.then_some(at.scatter.metric),
            };
        }
        Ok(at)
    }

    /// The exact search in a single column: the middle of the shortest half.
    fn shortest_half(&self, values: &[f64], watch: &Watch<'_>) -> Result<Scatter, Halt> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let halves = sorted.iter().zip(sorted.iter().skip(self.support));
        let shortest = halves.clone().map(|(a, b)| b - a).fold(f64::MAX, f64::min);
        let middles: Vec<f64> = halves
            .filter(|(a, b)| *b - *a <= shortest)
            .map(|(a, b)| (a + b) / 2.0)
            .collect();
        if middles.is_empty() {
            return Scatter::from_rows(self.rows, &vec![true; values.len()], watch);
        }
        let middle = middles.iter().sum::<f64>() / middles.len() as f64;
        let distances: Vec<f64> = values.iter().map(|x| (x - middle).abs()).collect();
        let marked = nearest(&distances, self.support);
        let mut scatter = Scatter::from_rows(self.rows, &marked, watch)?;
        scatter.location = vec![middle];
        Ok(scatter)
    }

    /// C-steps from a given subset until they converge, for comparison with other libraries.
    #[cfg(test)]
    pub(super) fn from(&self, marked: Vec<bool>) -> Scatter {
        unwatched(|watch| self.concentrate(marked, MANY, watch)).raw()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    #[test]
    fn the_shortest_half_by_hand() {
        // Spans over four values: 0..4 is 4, 1..5.5 is 4.5, the others are longer.
        let values = vec![0.0, 1.0, 3.0, 4.0, 5.5, 90.0];
        let rows = Matrix::new(values, 1).unwrap();
        let panels = Panels::new(rows.rows());
        let search = Search::new(&panels, 3, 1);
        let half = |watch: &Watch<'_>| search.shortest_half(panels.only_column().unwrap(), watch);
        let half = unwatched(half);
        assert_eq!(half.location, [2.0]);
        // Nearest to 2: 1, 3, and 0 before 4. Their variance: 14 / 9.
        let weight = half.metric.weights()[0];
        assert!((weight * weight - 9.0 / 14.0).abs() < 1e-12, "{weight}");
    }
}
