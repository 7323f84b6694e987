//! One-class support vector machine (B. Schölkopf, J. C. Platt, J. Shawe-Taylor, A. J. Smola
//! and R. C. Williamson, *Estimating the support of a high-dimensional distribution*, Neural
//! Computation 13, 2001) with a Gaussian kernel.
//!
//! The smallest region in feature space that holds all but a share nu of the rows:
//!
//! ```text
//! K(x, y) = exp(-gamma |x - y|^2)
//! min 1/2 a' K a    0 <= a_i <= 1    sum_i a_i = nu n
//! s(x) = rho - sum_i a_i K(x_i, x)
//! ```
//!
//! The score is minus scikit-learn's `decision_function`, in its units: the coefficients sum
//! to nu n.
//!
//! The kernel's distances depend on the columns' scales: where their units differ, set `space` to
//! `standardise` or `robust`.
//!
//! Defaults are scikit-learn's: nu = 0.5, gamma = 1 / (d V) with V the variance of all
//! values, and the solver's tolerance 1e-3. Up to `exact_rows` the solver is exact ([`smo`]);
//! above, the kernel is approximated by `n_components` landmarks ([`nystroem`]), and the
//! solution is a sum over them: [`Warning::Approximated`] says so. The approximation is weakest
//! for a nu so small that the exact solution has few support vectors.

mod columns;
#[cfg(test)]
#[path = "../../../tests/golden/ocsvm.rs"]
mod golden;
mod kernel;
mod linear;
mod nystroem;
mod smo;

use serde::{Deserialize, Serialize};

use self::columns::Columns;
use self::kernel::{Expansion, KernelScaler};
use super::spaced::Stage;
use crate::container::{Reader, Writer};
use crate::detector::{Detector, DetectorSpec, Outcome, check_finite, require};
use crate::error::Result;
use crate::fit::session::Session;
use crate::fit::warning::Warning;
use crate::number_or_word::number_or_word;
use crate::reference::Reference;
use crate::rows::Rows;
use crate::space::Scaling;

/// Rows scored at a time.
const BLOCK: usize = 1 << 15;

/// Hyper-parameters of `ocsvm`: the one-class support vector machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OcsvmSpec {
    /// The kernel's width: `exp(-gamma |x - y|^2)`.
    pub gamma: Gamma,
    /// Upper bound of the share of rows outside, lower bound of the share of support vectors; above
    /// 0, at most 1.
    pub nu: f64,
    /// Tolerance of the exact solver, in units of the score. Above 0.
    pub tolerance: f64,
    /// Rows up to which the solver is exact.
    pub exact_rows: usize,
    /// Landmarks of the approximation above that, 1 to 4096.
    pub n_components: usize,
    /// How rows are scaled first.
    pub space: Scaling,
    /// Whether the fitted rows may hold outliers. Where they may not, the covariance of the space
    /// `robust` is of all rows; nothing else changes.
    pub reference: Reference,
}

/// The kernel's gamma: a number, or `"scale"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gamma {
    /// This number, above 0.
    Value(f64),
    /// One over the number of columns times the variance of all values.
    Scale,
}

number_or_word!(
    Gamma,
    Value(f64),
    Scale = "scale",
    "expected a number or \"scale\""
);

impl Default for OcsvmSpec {
    fn default() -> Self {
        Self {
            gamma: Gamma::Scale,
            nu: 0.5,
            tolerance: 1e-3,
            exact_rows: 20_000,
            n_components: 512,
            space: Scaling::Identity,
            reference: Reference::default(),
        }
    }
}

/// `s(x) = rho - sum_i c_i K(x_i, x)`.
#[derive(Debug, PartialEq)]
struct Ocsvm {
    scaler: KernelScaler,
    expansion: Expansion,
    rho: f64,
}

impl OcsvmSpec {
    /// The scaling that gives the kernel its gamma for these rows.
    fn scaler(&self, rows: Rows<'_>) -> KernelScaler {
        let (n, d) = (rows.n_rows() as f64, rows.n_cols());
        let mut centre = vec![0.0; d];
        for row in &rows {
            for (centre, x) in centre.iter_mut().zip(row) {
                *centre += f64::from(*x) / n;
            }
        }
        let gamma = match self.gamma {
            Gamma::Value(gamma) => gamma,
            Gamma::Scale => {
                let mean = centre.iter().sum::<f64>() / d as f64;
                let values = rows.as_slice().iter();
                let squares: f64 = values.map(|x| (f64::from(*x) - mean).powi(2)).sum();
                1.0 / (squares / n)
            }
        };
        KernelScaler {
            centre,
            root: gamma.sqrt(),
        }
    }

    /// Landmarks for so many rows.
    fn landmarks(&self, n_rows: usize) -> usize {
        self.n_components.min(n_rows)
    }
}

impl OcsvmSpec {
    fn stage(&self) -> Stage {
        Stage::new(self.space, self.reference)
    }
}

impl DetectorSpec for OcsvmSpec {
    fn validate(&self) -> Result<()> {
        if let Gamma::Value(gamma) = self.gamma {
            let holds = gamma.is_finite() && gamma > 0.0;
            require("gamma", gamma, holds, "\"scale\" or a number above 0")?;
        }
        let holds = self.nu > 0.0 && self.nu <= 1.0;
        require("nu", self.nu, holds, "above 0, at most 1")?;
        let holds = self.tolerance.is_finite() && self.tolerance > 0.0;
        require("tolerance", self.tolerance, holds, "above 0")?;
        let holds = (1..=4096).contains(&self.n_components);
        require("n_components", self.n_components, holds, "1 to 4096")
    }

    fn memory(&self, n_rows: usize, n_features: usize) -> u64 {
        let (n, d) = (n_rows as u64, n_features as u64);
        // The rows twice, as scaled for the kernel, and its columns or features.
        let rows = n.saturating_mul(d.saturating_mul(8));
        let kernel = if n_rows <= self.exact_rows {
            n.saturating_mul((self.nu * n as f64) as u64)
                .min(columns::BUDGET as u64)
        } else {
            let m = self.landmarks(n_rows);
            m as u64 * nystroem::fitted_rows(n_rows, m) as u64
        };
        rows.saturating_add(kernel.saturating_mul(4))
            .saturating_add(self.stage().memory(n_rows, n_features))
    }

    fn scaling_mut(&mut self) -> Option<&mut Scaling> {
        Some(&mut self.space)
    }

    fn fit(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome> {
        self.stage().fit(rows, session, |rows, session| {
            if rows.n_rows() <= self.exact_rows {
                self.exact(rows, session)
            } else {
                self.approximate(rows, session)
            }
        })
    }

    fn restore(&self, n_features: usize, reader: &mut Reader) -> Result<Box<dyn Detector>> {
        self.stage()
            .restore(n_features, reader, |n_features, reader| {
                Ocsvm::restore(n_features, reader)
            })
    }
}

impl OcsvmSpec {
    /// The exact solution.
    fn exact(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome<Ocsvm>> {
        let d = rows.n_cols();
        let scaler = self.scaler(rows);
        let vectors = scaler.vectors(rows);
        let columns = Columns::new(&vectors, d);
        let found = smo::solve(columns, self.nu, self.tolerance, &mut session.meter())?;
        let support = vectors.chunks_exact(d).zip(&found.alpha);
        let support = support.filter(|(_, alpha)| **alpha > 0.0);
        let (points, coefficients): (Vec<&[f32]>, Vec<f64>) = support.unzip();
        let mut outcome = Outcome::new(Ocsvm {
            scaler,
            expansion: Expansion {
                points: points.concat(),
                coefficients,
            },
            rho: found.rho,
        });
        outcome
            .warnings
            .extend((!found.converged).then(|| Warning::NotConverged {
                what: "the solver".to_owned(),
                iterations: found.steps,
            }));
        Ok(outcome)
    }

    /// The solution with an approximate kernel.
    fn approximate(&self, rows: Rows<'_>, session: &mut Session<'_>) -> Result<Outcome<Ocsvm>> {
        let (n, d) = (rows.n_rows(), rows.n_cols());
        let scaler = self.scaler(rows);
        let vectors = scaler.vectors(rows);
        let m = self.landmarks(n);
        let (expansion, rho) = nystroem::solve(
            &vectors,
            d,
            m,
            self.nu,
            session.seed(),
            &mut session.meter(),
        )?;
        let mut outcome = Outcome::new(Ocsvm {
            scaler,
            expansion,
            rho,
        });
        outcome.warnings.push(Warning::Approximated {
            n_rows: n,
            most: self.exact_rows,
            what: format!("a kernel approximated by {m} landmarks"),
        });
        Ok(outcome)
    }
}

impl Ocsvm {
    fn restore(n_features: usize, reader: &mut Reader) -> Result<Self> {
        let points = reader.f32_rows("points", n_features)?;
        let m = points.len() / n_features;
        let coefficients = reader.f64_of("coefficients", m)?;
        let centre = reader.f64_of("centre", n_features)?;
        let constants = reader.f64_of("constants", 2)?;
        let (root, rho) = (constants[0], constants[1]);
        if root <= 0.0 {
            return Err(reader.corrupt("constants", root.to_string(), "a root of gamma above 0"));
        }
        Ok(Self {
            scaler: KernelScaler { centre, root },
            expansion: Expansion {
                points,
                coefficients,
            },
            rho,
        })
    }
}

impl Detector for Ocsvm {
    fn n_features(&self) -> usize {
        self.scaler.centre.len()
    }

    fn score_into(&self, rows: Rows<'_>, out: &mut [f64]) -> Result<()> {
        let d = self.n_features();
        for (rows, out) in rows.blocks(BLOCK).zip(out.chunks_mut(BLOCK)) {
            self.expansion.sums(&self.scaler.vectors(rows), d, out);
        }
        for score in out.iter_mut() {
            *score = self.rho - *score;
        }
        check_finite(out)
    }

    fn save(&self, writer: &mut Writer) {
        let (m, d) = (self.expansion.coefficients.len(), self.n_features());
        writer.f32("points", &[m, d], &self.expansion.points);
        writer.f64("coefficients", &self.expansion.coefficients);
        writer.f64("centre", &self.scaler.centre);
        writer.f64("constants", &[self.scaler.root, self.rho]);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::Spec;
    use crate::error::Error;
    use crate::rng::{Purpose, stream};
    use crate::rows::Matrix;
    use rand_distr::{Distribution, StandardNormal};

    fn spec(keys: Value) -> Result<Spec> {
        let Value::Object(keys) = keys else {
            panic!("{keys} are no keys");
        };
        Spec::preset("ocsvm", "default")?.with(keys)
    }

    #[test]
    fn the_approximation_agrees_with_the_exact_solution_and_says_so() {
        let (n, d) = (1500, 5);
        let mut rng = stream(1, Purpose::LANDMARKS, [9, 9]);
        let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };
        let data: Vec<f32> = (0..n * d).map(|i| normal() * (1 + i % d) as f32).collect();
        let rows = Matrix::new(data, d).unwrap();
        for nu in [0.05, 0.5] {
            let fit = |exact_rows: usize| {
                let keys = json!({"nu": nu, "exact_rows": exact_rows, "n_components": 256});
                let fitted = spec(keys).unwrap().fit(rows.rows(), 0, &mut ()).unwrap();
                (
                    fitted.score(rows.rows()).unwrap(),
                    fitted.provenance().warnings.clone(),
                )
            };
            let (exact, none) = fit(n);
            assert!(none.is_empty());
            let (found, warnings) = fit(n - 1);
            let approximated = matches!(&warnings[..], [Warning::Approximated { most: 1499, .. }]);
            assert!(approximated, "{warnings:?}");
            let deviation = exact.iter().map(|s| s * s).sum::<f64>().sqrt();
            let apart = exact
                .iter()
                .zip(&found)
                .map(|(a, b)| (a - b).powi(2))
                .sum::<f64>();
            assert!(
                apart.sqrt() < 0.1 * deviation,
                "{nu}: {}",
                apart.sqrt() / deviation
            );
            // A share nu of the rows lies outside.
            let outside = found.iter().filter(|s| **s > 0.0).count() as f64;
            assert!((outside / n as f64 - nu).abs() < 0.02, "{nu}: {outside}");
        }
    }

    #[test]
    fn keys_out_of_range_are_refused() {
        for keys in [
            json!({"nu": 0.0}),
            json!({"nu": 1.5}),
            json!({"gamma": 0.0}),
            json!({"gamma": "auto"}),
            json!({"tolerance": 0.0}),
            json!({"n_components": 0}),
            json!({"n_components": 5000}),
        ] {
            assert!(spec(keys.clone()).is_err(), "{keys}");
        }
        assert!(spec(json!({"gamma": "scale", "nu": 1.0})).is_ok());
    }

    #[test]
    fn the_ends_of_nu_and_gamma_make_no_nonsense() {
        let rows = Matrix::new(vec![0.0, 1.0, 2.0, 4.0, 30.0], 1).unwrap();
        for keys in [
            json!({"nu": 1.0}),
            json!({"nu": 0.01}),
            json!({"gamma": 1e-6}),
            json!({"nu": 1.0, "exact_rows": 1}),
            json!({"nu": 0.01, "exact_rows": 1}),
        ] {
            let fitted = spec(keys.clone()).unwrap().fit(rows.rows(), 0, &mut ());
            let scores = fitted.unwrap().score(rows.rows()).unwrap();
            assert!(scores.iter().all(|s| s.is_finite()), "{keys}: {scores:?}");
            assert!(
                scores[..4].iter().all(|s| *s <= scores[4] + 1e-3),
                "{keys}: {scores:?}"
            );
        }
    }

    #[test]
    fn parts_of_another_size_are_refused() {
        for (coefficients, centre, constants) in [
            (3, 2, [1.0, 0.0].as_slice()),
            (4, 3, &[1.0, 0.0]),
            (4, 2, &[1.0]),
            (4, 2, &[0.0, 1.0]),
        ] {
            let mut writer = Writer::default();
            writer.f32("points", &[4, 2], &[0.5; 8]);
            writer.f64("coefficients", &vec![1.0; coefficients]);
            writer.f64("centre", &vec![0.0; centre]);
            writer.f64("constants", constants);
            let bytes = writer.into_bytes(&json!({})).unwrap();
            let mut reader = Reader::from_bytes(Path::new("a"), &bytes).unwrap();
            let error = Ocsvm::restore(2, &mut reader).unwrap_err();
            assert!(matches!(error, Error::CorruptModel { .. }), "{error}");
        }
    }
}
