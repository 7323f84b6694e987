//! Gram matrices of feature maps (C. S. Sastry and S. Oore, *Detecting out-of-distribution examples
//! with Gram matrices*, ICML 2020, equations 1 to 4).
//!
//! With the feature map F of a layer, `(channels, pixels)`, the statistics of order p are
//!
//! ```text
//! g_i = sign(s_i) |s_i|^(1/p)      s_i = sum_j (F^p F^p')_ij      F^p value by value
//! ```
//!
//! for orders 1 to `orders`: [`gram_rows`]. Of each class the least and the largest value of each
//! statistic are remembered. With those of the class that is predicted, the deviation of a layer is
//!
//! ```text
//! d_l(x) = sum_g [ max(min - g, 0) / |min + 1e-6|  +  max(g - max, 0) / |max + 1e-6| ]
//! ```
//!
//! and the score is `sum_l d_l(x) / E[d_l]`, with the mean deviation of usual items that were held
//! out: every tenth of each class. A class of fewer than ten items holds out none; where nothing
//! deviates, the mean counts as 1. The scores of the fitted items, which p-values and threshold
//! refer to, leave an item's own statistics out of the bounds: within them it would never deviate.
//!
//! That is pytorch-ood, but for three things. It draws the held-out items at random. Its default
//! orders are 1 to the number of layers, the paper's are 1 to 10, as here. And the paper takes each
//! entry of the matrices, its authors' code and pytorch-ood their row sums, as here. Layers are the
//! stages of the network.
//!
//! Features are these statistics, `(n, orders channels)` for each layer: all channels of order 1,
//! then those of order 2 and so on. Labels are the classifier's own numbers of the classes: the
//! place of each among the logits.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::activations::Activations;
use super::detector::{Layers, Needs, Network, OodDetector, OodDetectorSpec, OodOutcome, Widths};
use crate::container::{Reader, Writer};
use crate::detector::require;
use crate::error::{Error, Result};
use crate::fit::Progress;
use crate::rows::Rows;

const NAME: &str = "gram";

/// Added to a bound before deviations are divided by it.
const LEAST: f64 = 1e-6;

/// One item of so many of each class is held out.
const HELD_OUT: usize = 10;

/// The fewest items of a class: without itself, one has no bounds.
const PER_CLASS: usize = 2;

/// Keys of `gram`: deviations of Gram matrices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GramSpec {
    /// Orders are 1 to this one; from 1 to 20.
    pub orders: usize,
}

impl Default for GramSpec {
    fn default() -> Self {
        Self { orders: 10 }
    }
}

/// The statistics of a feature map: the row sums of its Gram matrices of orders 1 to `orders`.
///
/// Summed in float64. The row sums of `F F'` are `F` times the sums of its columns, so that the
/// matrix itself is not made.
///
/// # Shapes
/// `map`: `(pixels, channels)`; `out`: `(orders, channels)`.
pub fn gram_rows(map: &[f32], channels: usize, out: &mut [f32]) {
    let mut powers: Vec<f64> = map.iter().map(|v| f64::from(*v)).collect();
    for (p, out) in (1i32..).zip(out.chunks_exact_mut(channels)) {
        let mut sums = vec![0.0; channels];
        for pixel in powers.chunks_exact(channels) {
            let total: f64 = pixel.iter().sum();
            sums.iter_mut()
                .zip(pixel)
                .for_each(|(s, f)| *s += f * total);
        }
        for (out, sum) in out.iter_mut().zip(&sums) {
            *out = (sum.signum() * sum.abs().powf(1.0 / f64::from(p))) as f32;
        }
        powers
            .iter_mut()
            .zip(map)
            .for_each(|(f, v)| *f *= f64::from(*v));
    }
}

/// What is remembered of a layer.
#[derive(Debug)]
struct Bounds {
    /// The least and the largest value of each statistic, `(classes, statistics)` each.
    least: Vec<f64>,
    largest: Vec<f64>,
    /// The mean deviation of items that were held out.
    expected: f64,
}

/// The bounds of each layer.
#[derive(Debug)]
struct Gram {
    layers: Vec<Bounds>,
}

impl OodDetectorSpec for GramSpec {
    fn needs(&self) -> Needs {
        Needs {
            features: Layers::Several,
            logits: true,
            labels: true,
            network: Network::GramMatrices {
                orders: self.orders,
            },
        }
    }

    fn validate(&self) -> Result<()> {
        let holds = (1..=20).contains(&self.orders);
        require("orders", self.orders, holds, "a whole number from 1 to 20")
    }

    fn fit(
        &self,
        sample: &Activations<'_>,
        _: Option<&Activations<'_>>,
        _: u64,
        _: &mut dyn Progress,
    ) -> Result<OodOutcome> {
        let labels = sample.labels(NAME)?;
        let n_classes = sample.logits(NAME)?.n_cols();
        let split = Split::of(labels, n_classes)?;
        let layers = sample.features().iter();
        let layers: Vec<Extremes> = layers
            .map(|rows| Extremes::fit(*rows, &split, n_classes))
            .collect();
        let predicted: Vec<usize> = sample.logits(NAME)?.iter().map(top).collect();
        let scores = predicted.par_iter().enumerate().map(|(i, class)| {
            let own = split.has_part(i, *class);
            let layers = layers.iter().zip(sample.features());
            let parts = layers.map(|(layer, rows)| {
                let row = rows.get(i).unwrap_or_default();
                layer.bounds.share(layer.deviation(row, *class, own))
            });
            parts.sum()
        });
        Ok(OodOutcome {
            scores: Some(scores.collect()),
            ..OodOutcome::new(Gram {
                layers: layers.into_iter().map(|layer| layer.bounds).collect(),
            })
        })
    }

    fn restore(&self, widths: &Widths, reader: &mut Reader) -> Result<Box<dyn OodDetector>> {
        let n_classes = widths.logits.unwrap_or_default();
        let layers = widths.features.iter().enumerate();
        let layers = layers.map(|(l, width)| Bounds::restore(l, n_classes * width, reader));
        Ok(Box::new(Gram {
            layers: layers.collect::<Result<_>>()?,
        }))
    }
}

/// The class of each item, and which are held out.
struct Split {
    classes: Vec<usize>,
    held_out: Vec<bool>,
}

impl Split {
    /// # Errors
    /// [`Error::NoSuchClass`] for a label that is no place among the logits,
    /// [`Error::ClassTooSmall`] for a class without items.
    fn of(labels: &[i64], n_classes: usize) -> Result<Self> {
        let mut counts = vec![0; n_classes];
        let mut split = Self {
            classes: Vec::with_capacity(labels.len()),
            held_out: Vec::with_capacity(labels.len()),
        };
        for label in labels {
            let class = usize::try_from(*label).unwrap_or(usize::MAX);
            let count: &mut usize = counts.get_mut(class).ok_or(Error::NoSuchClass {
                class: *label,
                n_classes,
            })?;
            *count += 1;
            split.classes.push(class);
            split.held_out.push(count.is_multiple_of(HELD_OUT));
        }
        match (0..).zip(&counts).find(|(_, count)| **count < PER_CLASS) {
            Some((class, found)) => Err(Error::ClassTooSmall {
                class,
                found: *found,
                expected: PER_CLASS,
            }),
            None => Ok(split),
        }
    }

    /// Whether an item has a part in the bounds of a class.
    fn has_part(&self, i: usize, class: usize) -> bool {
        self.classes.get(i) == Some(&class) && self.held_out.get(i) == Some(&false)
    }
}

/// Bounds during the fit, with what they would be without the item that sets each.
#[derive(Debug)]
struct Extremes {
    bounds: Bounds,
    /// The second least and the second largest value of each statistic.
    second_least: Vec<f64>,
    second_largest: Vec<f64>,
}

impl Extremes {
    fn fit(rows: Rows<'_>, split: &Split, n_classes: usize) -> Self {
        let width = rows.n_cols();
        let all = |value| vec![value; n_classes * width];
        let mut layer = Self {
            bounds: Bounds {
                least: all(f64::INFINITY),
                largest: all(f64::NEG_INFINITY),
                expected: 1.0,
            },
            second_least: all(f64::INFINITY),
            second_largest: all(f64::NEG_INFINITY),
        };
        let items = || rows.iter().zip(&split.classes).zip(&split.held_out);
        for ((row, class), _) in items().filter(|(_, held_out)| !**held_out) {
            layer.add(row, *class);
        }
        let held_out = items().filter(|(_, held_out)| **held_out);
        let deviations = held_out.map(|((row, class), _)| layer.bounds.deviation(row, *class));
        let (n, sum) = deviations.fold((0.0, 0.0), |(n, sum), d| (n + 1.0, sum + d));
        if sum > 0.0 {
            layer.bounds.expected = sum / n;
        }
        layer
    }

    /// Widens the bounds of a class to hold an item.
    fn add(&mut self, row: &[f32], class: usize) {
        let at = class * row.len();
        let least = self.bounds.least.iter_mut().zip(&mut self.second_least);
        let largest = self.bounds.largest.iter_mut().zip(&mut self.second_largest);
        for (g, (least, largest)) in row.iter().zip(least.zip(largest).skip(at)) {
            let g = f64::from(*g);
            *least.1 = least.1.min(g.max(*least.0));
            *least.0 = least.0.min(g);
            *largest.1 = largest.1.max(g.min(*largest.0));
            *largest.0 = largest.0.max(g);
        }
    }

    /// The deviation of an item, which has a part in the bounds if `own`: that is left out.
    fn deviation(&self, row: &[f32], class: usize, own: bool) -> f64 {
        if !own {
            return self.bounds.deviation(row, class);
        }
        let at = class * row.len();
        let least = self.bounds.least.iter().zip(&self.second_least);
        let largest = self.bounds.largest.iter().zip(&self.second_largest);
        let each = row.iter().zip(least.zip(largest).skip(at));
        let each = each.map(|(g, (least, largest))| {
            let g = f64::from(*g);
            let without = |(first, second): (&f64, &f64)| {
                if g.total_cmp(first).is_eq() {
                    *second
                } else {
                    *first
                }
            };
            outside(g, without(least), without(largest))
        });
        each.sum()
    }
}

/// How far a statistic is outside its bounds, relative to them.
fn outside(g: f64, least: f64, largest: f64) -> f64 {
    (least - g).max(0.0) / (least + LEAST).abs() + (g - largest).max(0.0) / (largest + LEAST).abs()
}

impl Bounds {
    /// How far statistics are outside the bounds of a class.
    fn deviation(&self, row: &[f32], class: usize) -> f64 {
        let at = class * row.len();
        let bounds = self.least.iter().zip(&self.largest).skip(at);
        let each = row.iter().zip(bounds);
        each.map(|(g, (least, largest))| outside(f64::from(*g), *least, *largest))
            .sum()
    }

    /// A deviation in units of the expected one.
    fn share(&self, deviation: f64) -> f64 {
        deviation / self.expected
    }

    fn restore(l: usize, n: usize, reader: &mut Reader) -> Result<Self> {
        Ok(Self {
            least: reader.f64_of(&format!("gram.{l}.least"), n)?,
            largest: reader.f64_of(&format!("gram.{l}.largest"), n)?,
            expected: reader
                .f64_of(&format!("gram.{l}.expected"), 1)?
                .iter()
                .sum(),
        })
    }
}

impl OodDetector for Gram {
    fn score_into(&self, sample: &Activations<'_>, out: &mut [f64]) -> Result<()> {
        let predicted = sample.logits(NAME)?;
        let predicted: Vec<usize> = predicted.iter().map(top).collect();
        out.par_iter_mut()
            .zip(predicted)
            .enumerate()
            .for_each(|(i, (out, class))| {
                let layers = self.layers.iter().zip(sample.features());
                let deviations = layers.map(|(bounds, rows)| {
                    let row = rows.get(i).unwrap_or_default();
                    bounds.share(bounds.deviation(row, class))
                });
                *out = deviations.sum();
            });
        Ok(())
    }

    fn save(&self, writer: &mut Writer) {
        for (l, bounds) in self.layers.iter().enumerate() {
            writer.f64(format!("gram.{l}.least"), &bounds.least);
            writer.f64(format!("gram.{l}.largest"), &bounds.largest);
            writer.f64(format!("gram.{l}.expected"), &[bounds.expected]);
        }
    }
}

/// The place of the largest logit; the first of several.
fn top(logits: &[f32]) -> usize {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|l| *l >= largest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Matrix;

    #[test]
    fn statistics_by_hand() {
        // Two pixels of two channels: F = [[1, 3], [2, -1]], channels by pixels.
        let mut out = [0.0; 4];
        gram_rows(&[1.0, 2.0, 3.0, -1.0], 2, &mut out);
        // F F' = [[10, -1], [-1, 5]]; of the squares [[82, 13], [13, 17]].
        let expected = [9.0, 4.0, 95f32.sqrt(), 30f32.sqrt()];
        for (found, expected) in out.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{out:?}");
        }
        // A negative sum keeps its sign.
        gram_rows(&[1.0, -3.0], 2, &mut out[..2]);
        assert_eq!(out[..2], [-2.0, 6.0]);
    }

    #[test]
    fn deviations_by_hand() {
        // One statistic, two classes: 1 to 2, and 10 to 20.
        let rows = Matrix::new(vec![1.0, 2.0, 10.0, 20.0], 1).unwrap();
        let logits = Matrix::new(vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0], 2).unwrap();
        let sample = Activations::of_features(rows.rows())
            .with_logits(logits.rows())
            .with_labels(&[0, 0, 1, 1]);
        let spec = GramSpec::default();
        let outcome = spec.fit(&sample, None, 0, &mut ()).unwrap();
        // Each of two is outside what the other alone allows.
        for (found, expected) in outcome.scores.unwrap().iter().zip([0.5, 1.0, 0.5, 1.0]) {
            assert!((found - expected).abs() < 1e-5, "{found}");
        }
        let fitted = outcome.detector;
        let new = Matrix::new(vec![3.0, 0.5, 5.0, 15.0], 1).unwrap();
        let sample = Activations::of_features(new.rows()).with_logits(logits.rows());
        let mut out = [0.0; 4];
        fitted.score_into(&sample, &mut out).unwrap();
        for (found, expected) in out.iter().zip([0.5, 0.5, 0.5, 0.0]) {
            assert!((found - expected).abs() < 1e-5, "{out:?}");
        }
    }

    #[test]
    fn labels_must_be_places_among_the_logits() {
        assert!(matches!(
            Split::of(&[0, 1, 2], 2),
            Err(Error::NoSuchClass {
                class: 2,
                n_classes: 2
            })
        ));
        assert!(matches!(
            Split::of(&[0, 2, 0, 2], 3),
            Err(Error::ClassTooSmall {
                class: 1,
                found: 0,
                expected: 2
            })
        ));
        let split = Split::of(&[1; 25], 2).err();
        assert!(split.is_some());
        let split = Split::of(&[0; 25], 1).unwrap();
        let held_out = split.held_out.iter().filter(|held| **held).count();
        assert_eq!(held_out, 2);
    }
}
