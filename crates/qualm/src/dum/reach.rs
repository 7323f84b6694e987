//! How far the fitted rows reach, and the variance of rows beyond.
//!
//! A multilayer perceptron has seen nothing off the data, and what it says there is an accident of
//! its weights: the paper's abstract objective (equation 2) contrasts with distributions elsewhere
//! and then bounds them away. Here a row x at Mahalanobis distance D (robust and shrunken, see
//! `space/mahalanobis.rs`) has the covariance
//!
//! ```text
//! Sigma(x) = diag(exp s(x'))  +  v ((D / D_r)^g - 1)_+  I
//! ```
//!
//! with `D_r` the distance that most of the fitted rows keep (`Fitting::share_within`), and x' the row itself where
//! `D <= D_r`, else the point where the line from the centre to it crosses `D_r`. Inside the reach that
//! is the network's word; outside, the direction decides what the network says, and the distance
//! adds to it without end. So along any ray from the centre the variance only grows from `D_r` on.
//!
//! Where the columns seem to have one unit, D is the largest of several distances from one centre,
//! the medians, in units of what [`MOST`] of the rows keep of each: besides that of standardised
//! columns, which sees what is odd in a column of little variance, that of the columns as they are
//! (of perceptrons only), and where rows are few for so many columns, so that a covariance hides
//! them, those of the farthest column and along the way to zero (`extremes.rs`).
//!
//! v and g put the added variance on the network's scale: v is the variance that [`MOST`] of the
//! fitted rows keep, and g is the slope, on logarithmic axes, of the line through the medians of
//! distance and variance and these two; at least 2, the growth of a squared distance.

use super::extremes::Extremes;
use super::statistic::Statistic;
use crate::container::{Reader, Writer};
use crate::error::Result;
use crate::fit::Meter;
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::{Scaling, Space, SpaceOptions, Whitened, one_unit};

/// The share of the fitted rows that sets scales: the units of distances, and the variance beyond.
const MOST: f64 = 0.98;

/// Rows for each column that are enough for a covariance: it is shrunk by 3 % of the mean variance.
const FEW: f64 = 10.0;

/// Growth of the variance with the distance at the least, as an exponent.
const LEAST_SLOPE: f64 = 2.0;

/// Distinguishes the rows that the covariance is drawn from from those of the members.
const DRAW: u64 = 1 << 32;

/// Where the fitted rows lie.
#[derive(Debug)]
pub(super) struct Reach {
    spaces: Vec<Space>,
    extremes: Option<Extremes>,
    /// The length that is 1 of each distance: in the spaces, then those of the extremes.
    units: Vec<f64>,
    /// The distance `D_r`.
    distance: f64,
    /// While fitted rows are asked about.
    fitting: Option<Fitting>,
}

/// What counts for fitted rows only.
#[derive(Debug)]
struct Fitting {
    /// Rows of the covariance, where the ones asked about are among them.
    sampled: Option<f64>,
    /// The share of the rows within the reach.
    share_within: f64,
}

/// Rows of a block, and where they lie.
pub(super) struct Placed<'r> {
    rows: Rows<'r>,
    /// The rows with those beyond the reach moved to its edge, where there are any.
    moved: Option<Vec<f32>>,
    /// How far out each is, `ln(D / D_r)`, `(n,)`; empty without a reach.
    pub(super) out: Vec<f64>,
}

/// The added variance on the scale of one member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Growth {
    /// Log-variance v.
    level: f64,
    /// Exponent g.
    slope: f64,
}

impl<'r> Placed<'r> {
    /// Rows of a model without a reach.
    pub(super) fn anywhere(rows: Rows<'r>) -> Self {
        Self {
            rows,
            moved: None,
            out: Vec::new(),
        }
    }

    /// What the networks are asked about.
    pub(super) fn within(&self) -> Rows<'_> {
        let moved = self.moved.as_ref();
        moved.map_or(self.rows, |moved| Rows::checked(moved, self.rows.n_cols()))
    }
}

impl Reach {
    /// Of the fitted rows of a kernel network or a perceptron.
    ///
    /// # Errors
    /// [`crate::Error::NoVariance`], [`crate::Error::Stopped`].
    ///
    /// # Seed
    /// Draws the rows of the covariance, where there are more than enough.
    pub(super) fn fit(
        rows: Rows<'_>,
        reference: Reference,
        is_kernel: bool,
        seed: u64,
        meter: &mut Meter<'_>,
    ) -> Result<Self> {
        let one_unit = one_unit(rows);
        let mut options = vec![SpaceOptions::Scaled(Scaling::Robust, reference)];
        if one_unit && !is_kernel {
            options.push(SpaceOptions::Whitened(reference));
        }
        let spaces = options.into_iter();
        let spaces: Vec<_> = spaces
            .map(|options| Space::fit(options, rows, seed, DRAW, meter))
            .collect::<Result<_>>()?;
        let centre = spaces.first().and_then(Space::centre);
        let few = (rows.n_rows() as f64) < FEW * rows.n_cols() as f64;
        let centre = centre.filter(|_| one_unit && few);
        let extremes = centre.map(|centre| Extremes::fit(rows, centre));
        // With few rows a perceptron hardly sees one wrong column of hundreds that are alike; a
        // kernel network sees most of what is far for what it is.
        let gives_way_early = extremes.is_some() && !is_kernel;
        // Where outliers may be among the rows the covariance leaves the outer ones out.
        let sampled = (reference == Reference::Clean)
            .then(|| Whitened::n_sampled(rows.n_rows(), rows.n_cols()) as f64);
        Ok(Self {
            spaces,
            extremes,
            units: Vec::new(),
            distance: f64::INFINITY,
            fitting: Some(Fitting {
                sampled,
                share_within: if gives_way_early { 0.95 } else { MOST },
            }),
        })
    }

    /// Sets the reach by some of the fitted rows; returns their distances.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(super) fn set(&mut self, rows: Rows<'_>) -> Result<Vec<f64>> {
        let lengths = self.lengths(rows)?;
        let unit = |lengths: &Vec<f64>| {
            let unit = quantile(lengths, MOST);
            if unit > 0.0 { unit } else { 1.0 }
        };
        self.units = lengths.iter().map(unit).collect();
        let distances = self.largest(&lengths);
        let share_within = self.fitting.as_ref().map_or(MOST, |f| f.share_within);
        let reach = quantile(&distances, share_within);
        self.distance = if reach > 0.0 {
            reach
        } else {
            // Most rows are equal: those that differ say what is far.
            distances.iter().copied().fold(0.0, f64::max)
        };
        Ok(distances)
    }

    /// From now on rows are new.
    pub(super) fn done_with_fitted(&mut self) {
        self.fitting = None;
        if let Some(extremes) = &mut self.extremes {
            extremes.done_with_fitted();
        }
    }

    /// Each distance of each row from the centre, in no unit yet: `(n,)` of each.
    fn lengths(&self, rows: Rows<'_>) -> Result<Vec<Vec<f64>>> {
        let spaces = self.spaces.iter();
        let mut lengths: Vec<_> = spaces
            .map(|space| self.lengths_in(space, rows))
            .collect::<Result<_>>()?;
        if let Some(extremes) = &self.extremes {
            let (columns, along) = extremes.of(rows).into_iter().map(Into::into).unzip();
            lengths.extend([columns, along]);
        }
        Ok(lengths)
    }

    /// The largest distance of each row, `(n,)`.
    fn largest(&self, lengths: &[Vec<f64>]) -> Vec<f64> {
        let mut distances = vec![0.0f64; lengths.first().map_or(0, Vec::len)];
        for (lengths, unit) in lengths.iter().zip(&self.units) {
            for (distance, length) in distances.iter_mut().zip(lengths) {
                *distance = distance.max(length / unit);
            }
        }
        distances
    }

    /// Length of each row in a space, `(n,)`.
    fn lengths_in(&self, space: &Space, rows: Rows<'_>) -> Result<Vec<f64>> {
        let vectors = space.vectors(rows, &mut Meter::new(&mut ()))?;
        let sampled = self.fitting.as_ref().and_then(|fitting| fitting.sampled);
        let length = |v: &[f32]| {
            let square = v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
            // As a row that had no part in the covariance: see `Leverage`.
            let part = sampled.map_or(1.0, |n| n / (n - square).max(1e-6 * n));
            (square * part).sqrt()
        };
        Ok(vectors.chunks_exact(rows.n_cols()).map(length).collect())
    }

    /// How far out each row is: `ln(D / D_r)`, `(n,)`.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(super) fn how_far(&self, rows: Rows<'_>) -> Result<Vec<f64>> {
        let mut out = self.largest(&self.lengths(rows)?);
        for distance in &mut out {
            *distance = (*distance / self.distance).ln();
        }
        Ok(out)
    }

    /// Where rows lie.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`].
    pub(super) fn place<'r>(&self, rows: Rows<'r>) -> Result<Placed<'r>> {
        let out = self.how_far(rows)?;
        let beyond = out.iter().any(|out| *out > 0.0);
        let moved = self.spaces.first().filter(|_| beyond).map(|space| {
            let mut moved = rows.as_slice().to_vec();
            for (row, out) in moved.chunks_exact_mut(rows.n_cols()).zip(&out) {
                if *out > 0.0 {
                    space.towards_centre(row, (-out).exp());
                }
            }
            moved
        });
        Ok(Placed { rows, moved, out })
    }

    pub(super) fn save(&self, writer: &mut Writer) {
        for (i, space) in self.spaces.iter().enumerate() {
            space.save(&format!("reach.{i}"), writer);
        }
        if let Some(extremes) = &self.extremes {
            extremes.save("reach.extremes", writer);
        }
        let distances = [&[self.distance], self.units.as_slice()].concat();
        writer.f64("reach.distances", &distances);
    }

    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(super) fn restore(reference: Reference, n_in: usize, reader: &mut Reader) -> Result<Self> {
        // Its scale is in the file, so that scaled rows and rows as they are restore alike.
        let options = SpaceOptions::Whitened(reference);
        let has_two = reader.has("reach.1.shift");
        let space = |i| Space::restore(options, n_in, DRAW, &format!("reach.{i}"), reader);
        let spaces: Vec<_> = (0..=usize::from(has_two))
            .map(space)
            .collect::<Result<_>>()?;
        let prefix = "reach.extremes";
        let centre = spaces.first().and_then(Space::centre);
        let centre = centre.filter(|_| reader.has(&format!("{prefix}.squares")));
        let extremes = centre.map(|centre| Extremes::restore(prefix, centre, reader));
        let extremes = extremes.transpose()?;
        let n_units = spaces.len() + if extremes.is_some() { 2 } else { 0 };
        let name = "reach.distances";
        let distances = reader.f64_of(name, 1 + n_units)?;
        if distances.iter().any(|d| *d <= 0.0) {
            let found = format!("the distances {distances:?}");
            return Err(reader.corrupt(name, found, "distances above 0"));
        }
        Ok(Self {
            spaces,
            extremes,
            units: distances[1..].to_vec(),
            distance: distances[0],
            fitting: None,
        })
    }
}

impl Growth {
    /// From distances and scores of the same fitted rows; `width` is that of the vectors.
    pub(super) fn new(
        distances: &[f64],
        scores: &[f64],
        statistic: Statistic,
        width: usize,
    ) -> Self {
        let at = |share| (quantile(distances, share), quantile(scores, share));
        let ((near, low), (far, high)) = (at(0.5), at(MOST));
        let slope = (high - low) / (far / near).ln();
        Self {
            // Every dimension has it.
            level: high - statistic.of(&[0.0], width),
            slope: if slope.is_finite() {
                slope.max(LEAST_SLOPE)
            } else {
                LEAST_SLOPE
            },
        }
    }

    /// Adds to a row's log-variances what its distance adds to its variances.
    pub(super) fn add(self, out: f64, log_variances: &mut [f32]) {
        let grown = self.slope * out;
        if grown <= 0.0 {
            return;
        }
        // log(v (exp(grown) - 1)).
        let added = self.level + grown + (-(-grown).exp()).ln_1p();
        for s in log_variances {
            let (s_own, larger) = (f64::from(*s), f64::from(*s).max(added));
            *s = (larger + ((s_own - larger).exp() + (added - larger).exp()).ln()) as f32;
        }
    }

    pub(super) fn save(self, prefix: &str, writer: &mut Writer) {
        writer.f64(format!("{prefix}.growth"), &[self.level, self.slope]);
    }

    /// # Errors
    /// [`crate::Error::CorruptModel`].
    pub(super) fn restore(prefix: &str, reader: &mut Reader) -> Result<Self> {
        let growth = reader.f64_of(&format!("{prefix}.growth"), 2)?;
        Ok(Self {
            level: growth[0],
            slope: growth[1],
        })
    }
}

/// The value that a share of the values keep.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    let at = ((values.len() - 1) as f64 * share).round() as usize;
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_by_hand() {
        // One dimension, entropy: distances and scores whose medians are e and 1, ends e^2 and 4.
        let distances = [1.0, 1f64.exp(), 2f64.exp()];
        let growth = Growth::new(&distances, &[0.0, 1.0, 4.0], Statistic::Entropy, 1);
        assert_eq!((growth.level, growth.slope), (4.0, 3.0));
        let mut s = [0.0f32];
        growth.add(-0.1, &mut s);
        assert_eq!(s, [0.0]);
        // Twice as far: e^0 + e^4 (2^3 - 1).
        growth.add(2f64.ln(), &mut s);
        assert!((f64::from(s[0]) - (1.0 + 4f64.exp() * 7.0).ln()).abs() < 1e-5);
        // The largest distance there is.
        growth.add(700.0, &mut s);
        assert!((f64::from(s[0]) - 2104.0).abs() < 1e-3);
    }

    #[test]
    fn growth_is_at_least_that_of_a_square() {
        let growth = Growth::new(&[1.0, 1.0, 1.0], &[1.0, 1.0, 1.0], Statistic::Norm, 4);
        assert_eq!(growth.slope, LEAST_SLOPE);
    }
}
