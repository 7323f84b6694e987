//! The sequential test: ranks, bets and evidence, row after row.

use std::num::NonZeroU32;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Guarantee};
use super::martingale::Jumper;
use super::ranks::{Ranks, check};
use crate::error::{Error, Result};
use crate::rng::{self, Purpose};

/// Fewer reference scores than this have no quantiles worth the name.
const FEWEST: usize = 20;

/// What happens to rows that depend on those before, such as frames of a video.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinning {
    /// Every row counts.
    #[default]
    None,
    /// One row of each so many counts, the last one.
    Every(NonZeroU32),
    /// The mean score of each so many rows counts as one.
    MeanOf(NonZeroU32),
}

/// How a stream is watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SequentialSpec {
    /// What an alarm promises.
    pub guarantee: Guarantee,
    /// What happens to rows that depend on those before; to those of the reference, too.
    pub thinning: Thinning,
    /// Breaks ties.
    pub seed: u64,
}

impl Default for SequentialSpec {
    fn default() -> Self {
        Self {
            guarantee: Guarantee::Ever { alpha: 0.05 },
            thinning: Thinning::None,
            seed: 0,
        }
    }
}

/// What some rows of the stream said.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Update {
    /// Rows of the stream so far, from its beginning.
    pub n_rows: u64,
    /// The row, from 1, at which the alarm was raised, if these rows raised it.
    pub alarm_at: Option<u64>,
    /// Where they raised it: [`Sequential::rising_from`] at that row.
    pub changed_from: Option<u64>,
    /// The decimal logarithm of the evidence after the last of these rows.
    pub log10_evidence: f64,
    /// The highest that it has been among these rows; before they came, where none counted.
    pub log10_highest: f64,
}

/// A stream of scores that is compared with a reference, row after row.
///
/// Each score gets a p-value, its rank among all scores so far ([`Ranks`]); a martingale bets against the
/// p-values being uniform ([`Jumper`]); what it wins is evidence of a change ([`Guarantee`]).
///
/// ```
/// use qualm::monitor::{Sequential, SequentialSpec};
///
/// let reference: Vec<f64> = (0..500).map(|i| f64::from(i * 7919 % 500)).collect();
/// let mut watch = Sequential::new(&reference, SequentialSpec::default())?;
/// let usual: Vec<f64> = (0..200).map(|i| f64::from(i * 263 % 500)).collect();
/// assert_eq!(watch.update(&usual)?.alarm_at, None);
/// let higher: Vec<f64> = usual.iter().map(|v| v + 250.0).collect();
/// assert!(watch.update(&higher)?.alarm_at.is_some());
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sequential {
    pub(super) spec: SequentialSpec,
    pub(super) ranks: Ranks,
    pub(super) jumper: Jumper,
    pub(super) progress: Progress,
    rng: ChaCha8Rng,
}

/// How far the stream has come, besides ranks and capital.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) evidence: Evidence,
    /// Scores of the reference that count.
    pub(super) n_reference: u64,
    /// Rows of the stream.
    pub(super) n_rows: u64,
    /// Those of them that have counted.
    pub(super) n_counted: u64,
    /// Rows since one has counted, and their sum.
    pub(super) waiting: (u32, f64),
    /// Rows at which the alarm was raised, of the latest at most [`Progress::KEPT`].
    pub(super) alarms: Vec<u64>,
    /// Alarms in all.
    pub(super) n_alarms: u64,
    /// The row after the one at which the capital was least; 0 stands for 1.
    #[serde(default)]
    pub(super) rising_from: u64,
}

impl Progress {
    pub(super) const KEPT: usize = 100;
}

impl Sequential {
    /// Watches a stream beside reference scores, which are in the order in which their rows came.
    ///
    /// # Shapes
    /// `reference`: `(n,)`, higher = more anomalous.
    ///
    /// # Errors
    /// [`Error::TooFewRows`] with fewer rows than `1 / alpha`, or than 20;
    /// [`Error::NotFinite`]; [`Error::OutOfRange`] for settings.
    ///
    /// # Seed
    /// It breaks ties of scores: the same seed and scores give the same bits, however the rows are
    /// cut into batches.
    pub fn new(reference: &[f64], spec: SequentialSpec) -> Result<Self> {
        spec.guarantee.validate()?;
        check(reference, 0)?;
        let mut waiting = (0, 0.0);
        let counted = reference.iter();
        let counted: Vec<f64> = counted
            .filter_map(|score| spec.thinning.take(&mut waiting, *score))
            .collect();
        let expected = match spec.guarantee {
            Guarantee::Ever { alpha } => FEWEST.max((1.0 / alpha).ceil() as usize),
            Guarantee::RunLength { .. } => FEWEST,
        };
        if counted.len() < expected {
            return Err(Error::TooFewRows {
                found: counted.len(),
                expected,
                why: "the ranks of a sequential test",
            });
        }
        let ranks = Ranks::new(&counted)?;
        let progress = Progress {
            evidence: Evidence::new(),
            n_reference: ranks.n(),
            n_rows: 0,
            n_counted: 0,
            waiting: (0, 0.0),
            alarms: Vec::new(),
            n_alarms: 0,
            rising_from: 1,
        };
        Ok(Self::from_parts(spec, ranks, Jumper::default(), progress))
    }

    pub(super) fn from_parts(
        spec: SequentialSpec,
        ranks: Ranks,
        jumper: Jumper,
        progress: Progress,
    ) -> Self {
        let mut rng = rng::stream(spec.seed, Purpose::MONITOR, [0, 0]);
        // One u64, two words, for each row that has counted.
        rng.set_word_pos(2 * u128::from(progress.n_counted));
        Self {
            spec,
            ranks,
            jumper,
            progress,
            rng,
        }
    }

    /// Takes the scores of the next rows.
    ///
    /// # Shapes
    /// `scores`: `(n,)`, in the order in which their rows came.
    ///
    /// # Errors
    /// [`Error::NotFinite`] naming the row of the stream, before any of these has counted.
    pub fn update(&mut self, scores: &[f64]) -> Result<Update> {
        check(scores, self.progress.n_rows)?;
        let guarantee = self.spec.guarantee;
        let threshold = guarantee.threshold().ln();
        let mut ln = self.progress.evidence.ln_value(guarantee);
        let (mut highest, mut alarm_at) = (f64::NEG_INFINITY, None);
        let mut changed_from = None;
        for &score in scores {
            self.progress.n_rows += 1;
            let Some(score) = self.spec.thinning.take(&mut self.progress.waiting, score) else {
                continue;
            };
            self.progress.n_counted += 1;
            let p = self.ranks.p_value(score, uniform(&mut self.rng));
            let evidence = &mut self.progress.evidence;
            ln = evidence.bet(&mut self.jumper, p, guarantee);
            highest = highest.max(ln);
            let rising_from = self.rising_from();
            if ln >= threshold && self.raise() {
                alarm_at = alarm_at.or(Some(self.progress.n_rows));
                changed_from = changed_from.or(Some(rising_from));
            }
            if self.progress.evidence.is_least() {
                self.progress.rising_from = self.progress.n_rows + 1;
            }
        }
        if highest < ln {
            highest = ln;
        }
        Ok(Update {
            n_rows: self.progress.n_rows,
            alarm_at,
            changed_from,
            log10_evidence: ln / std::f64::consts::LN_10,
            log10_highest: highest / std::f64::consts::LN_10,
        })
    }

    /// Whether this is an alarm: for ever, only the first one is.
    fn raise(&mut self) -> bool {
        let progress = &mut self.progress;
        let again = matches!(self.spec.guarantee, Guarantee::RunLength { .. });
        if !again && progress.n_alarms > 0 {
            return false;
        }
        if again {
            progress.evidence = Evidence::new();
        }
        progress.n_alarms += 1;
        progress.alarms.push(progress.n_rows);
        let surplus = progress.alarms.len().saturating_sub(Progress::KEPT);
        progress.alarms.drain(..surplus);
        true
    }

    /// How it watches.
    #[must_use]
    pub fn spec(&self) -> &SequentialSpec {
        &self.spec
    }

    /// Rows of the stream so far.
    #[must_use]
    pub fn n_rows(&self) -> u64 {
        self.progress.n_rows
    }

    /// Scores of the reference that count.
    #[must_use]
    pub fn n_reference(&self) -> u64 {
        self.progress.n_reference
    }

    /// Alarms so far.
    #[must_use]
    pub fn n_alarms(&self) -> u64 {
        self.progress.n_alarms
    }

    /// The rows, from 1, at which alarms were raised: the latest hundred.
    #[must_use]
    pub fn alarms(&self) -> &[u64] {
        &self.progress.alarms
    }

    /// The row, from 1, from which the evidence has risen: the one after the row at which the capital of the
    /// martingale was least, or at which the evidence began anew. At an alarm it is an estimate of where the
    /// change was, as the last restart of E. S. Page's cumulative sum is (*Continuous inspection schemes*,
    /// Biometrika, 1954).
    #[must_use]
    pub fn rising_from(&self) -> u64 {
        self.progress.rising_from.max(1)
    }

    /// The decimal logarithm of the evidence.
    #[must_use]
    pub fn log10_evidence(&self) -> f64 {
        self.progress.evidence.ln_value(self.spec.guarantee) / std::f64::consts::LN_10
    }
}

impl Thinning {
    /// A score that counts, once enough rows have come.
    fn take(self, (n, sum): &mut (u32, f64), score: f64) -> Option<f64> {
        let (of, mean) = match self {
            Self::None => return Some(score),
            Self::Every(of) => (of.get(), false),
            Self::MeanOf(of) => (of.get(), true),
        };
        *n += 1;
        *sum += score;
        if *n < of {
            return None;
        }
        let found = if mean { *sum / f64::from(of) } else { score };
        (*n, *sum) = (0, 0.0);
        Some(found)
    }
}

/// A number in (0, 1].
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    ((rng.next_u64() >> 11) + 1) as f64 * STEP
}

/// The correlation of scores with those of the row before, in their order; 0 where none varies.
///
/// Above about `2 / sqrt(n)` the rows are likely not exchangeable, and what the sequential test
/// promises does not hold: see [`Thinning`].
#[must_use]
pub fn autocorrelation(scores: &[f64]) -> f64 {
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let square: f64 = scores.iter().map(|s| (s - mean).powi(2)).sum();
    let pairs = scores.iter().zip(scores.iter().skip(1));
    let product: f64 = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum();
    if square > 0.0 { product / square } else { 0.0 }
}

/// The [`autocorrelation`] of reference scores where it is worth a warning: above 0.1, and above three
/// standard errors of what chance makes. Such rows need [`Thinning`].
#[must_use]
pub fn dependence(scores: &[f64]) -> Option<f64> {
    let correlation = autocorrelation(scores);
    let chance = 3.0 / (scores.len() as f64).sqrt();
    (correlation > chance.max(0.1)).then_some(correlation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    fn normals(seed: u64, n: usize) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    fn watch(guarantee: Guarantee) -> Sequential {
        let spec = SequentialSpec {
            guarantee,
            ..SequentialSpec::default()
        };
        Sequential::new(&normals(1, 1000), spec).unwrap()
    }

    const EVER: Guarantee = Guarantee::Ever { alpha: 0.05 };

    #[test]
    fn batches_do_not_matter() {
        let stream = normals(2, 500);
        let mut whole = watch(EVER);
        whole.update(&stream).unwrap();
        let mut parts = watch(EVER);
        for part in stream.chunks(7) {
            parts.update(part).unwrap();
        }
        assert_eq!(whole, parts);
        assert_eq!(whole.n_rows(), 500);
        assert!(whole.update(&[]).unwrap().alarm_at.is_none());
    }

    #[test]
    fn changes_of_every_kind_are_noticed_and_one_alarm_is_raised() {
        type Change = fn(f64) -> f64;
        let changes: [(&str, Change, u64); 4] = [
            ("higher", |v| v + 1.8, 40),
            ("lower", |v| v - 1.8, 60),
            ("wider", |v| 2.0 * v, 150),
            ("narrower", |v| 0.3 * v, 200),
        ];
        for (name, change, limit) in changes {
            let mut watch = watch(EVER);
            assert_eq!(watch.update(&normals(3, 1000)).unwrap().alarm_at, None);
            let after: Vec<f64> = normals(4, 2000).into_iter().map(change).collect();
            let update = watch.update(&after).unwrap();
            let delay = update.alarm_at.expect(name) - 1000;
            assert!(delay <= limit, "{name}: {delay}");
            // The change is placed near where it was.
            let from = update.changed_from.expect(name);
            assert!((960..=1000 + delay).contains(&from), "{name}: {from}");
            assert_eq!(watch.update(&after).unwrap().alarm_at, None, "{name}");
            assert_eq!(watch.alarms().len(), 1);
        }
    }

    /// At most alpha of the streams without a change ever raise an alarm, and the mean run length is
    /// that of the guarantee or longer.
    #[test]
    fn false_alarms_are_as_rare_as_promised() {
        let n_streams = 300;
        let mut n_false = 0;
        let mut n_rows = 0;
        let mut n_alarms = 0;
        for seed in 0..n_streams {
            let scores = normals(1000 + seed, 2200);
            let (reference, stream) = scores.split_at(200);
            let of = |guarantee| {
                let spec = SequentialSpec {
                    guarantee,
                    seed,
                    ..SequentialSpec::default()
                };
                let mut watch = Sequential::new(reference, spec).unwrap();
                watch.update(stream).unwrap();
                watch
            };
            n_false += of(EVER).n_alarms();
            n_alarms += of(Guarantee::RunLength { rows: 500.0 }).n_alarms();
            n_rows += stream.len() as u64;
        }
        // 5 % of 300 are 15, and three standard deviations above it 26.
        assert!(n_false <= 26, "{n_false}");
        assert!(n_alarms <= n_rows / 500, "{n_alarms} in {n_rows} rows");
    }

    #[test]
    fn a_service_is_armed_again() {
        let mut watch = watch(Guarantee::RunLength { rows: 1000.0 });
        let after: Vec<f64> = normals(4, 400).into_iter().map(|v| v + 2.0).collect();
        watch.update(&after).unwrap();
        assert!(watch.n_alarms() > 1, "{}", watch.n_alarms());
        assert!(watch.log10_evidence() < 3.0);
    }

    #[test]
    fn dependent_rows_are_thinned() {
        let k = NonZeroU32::new(5).unwrap();
        for thinning in [Thinning::Every(k), Thinning::MeanOf(k)] {
            let spec = SequentialSpec {
                thinning,
                ..SequentialSpec::default()
            };
            // Frames: each scene five times.
            let frames = |seed| -> Vec<f64> {
                let scenes = normals(seed, 400).into_iter();
                scenes.flat_map(|s| [s; 5]).collect()
            };
            let reference = frames(5);
            assert!(autocorrelation(&reference) > 0.7);
            let mut watch = Sequential::new(&reference, spec).unwrap();
            assert_eq!(watch.n_reference(), 400);
            assert_eq!(watch.update(&frames(6)).unwrap().alarm_at, None);
            assert_eq!(watch.progress.n_counted, 400);
        }
        let mut plain = Sequential::new(&normals(5, 400), SequentialSpec::default()).unwrap();
        let scenes = normals(6, 400).into_iter();
        let frames: Vec<f64> = scenes.flat_map(|s| [s; 5]).collect();
        // What thinning is for: with every frame the martingale may take repeats for a change.
        plain.update(&frames).unwrap();
        assert!(autocorrelation(&normals(7, 4000)).abs() < 0.05);
        assert!(dependence(&frames).is_some_and(|found| found > 0.7));
        assert_eq!(dependence(&normals(7, 4000)), None);
    }

    #[test]
    fn what_cannot_be_watched_is_refused() {
        let spec = |alpha| SequentialSpec {
            guarantee: Guarantee::Ever { alpha },
            ..SequentialSpec::default()
        };
        let error = Sequential::new(&normals(0, 99), spec(0.01)).unwrap_err();
        assert!(matches!(
            error,
            Error::TooFewRows {
                found: 99,
                expected: 100,
                ..
            }
        ));
        assert!(Sequential::new(&normals(0, 99), spec(1.5)).is_err());
        let mut watch = watch(EVER);
        watch.update(&[0.0]).unwrap();
        let before = watch.clone();
        let error = watch.update(&[0.0, f64::NAN]).unwrap_err();
        assert!(error.to_string().contains("row 3"), "{error}");
        assert_eq!(watch, before);
    }
}
