//! What every detector promises, as checks that any implementation can be held against.
//!
//! [`checks`] lists them by name, as scikit-learn's estimator checks do; [`check_detector`] runs
//! all and reports each promise that is broken. The detectors of [`crate::Spec`] are held against
//! the same list. `examples/detector.rs` writes a small detector and checks it.

use crate::container::{Reader, Writer};
use crate::detector::{Detector, DetectorSpec, Outcome};
use crate::error::{Error, Result};
use crate::fit::{Identity, Session};
use crate::rng::{Purpose, stream};
use crate::rows::{Matrix, Rows};
use rand_distr::{Distribution, StandardNormal};

/// Columns of the rows that detectors are fitted to.
const N_FEATURES: usize = 6;
/// Rows that they are fitted to.
const N_ROWS: usize = 300;

/// One promise: says how it is broken, if it is.
pub type Check = fn(&dyn DetectorSpec) -> Result<(), Broken>;

/// How a promise is broken.
pub type Broken = Box<dyn std::error::Error + Send + Sync>;

/// All promises by name.
#[must_use]
pub fn checks() -> Vec<(&'static str, Check)> {
    vec![
        ("valid hyper-parameters", valid),
        ("one finite score for each row", one_score_for_each_row),
        (
            "a row's score does not depend on the rows beside it",
            row_by_row,
        ),
        (
            "same seed, same bits at any number of threads",
            any_number_of_threads,
        ),
        ("saved and read back, the same to the bit", saved_and_read),
        ("a file that lacks tensors is refused", lacking_tensors),
        (
            "constant columns and duplicate rows",
            constants_and_duplicates,
        ),
        (
            "rows that are all equal are refused or score the same",
            all_equal,
        ),
        ("few rows are fitted or refused", few_rows),
    ]
}

/// Runs all checks.
///
/// # Errors
/// A line for each promise that is broken.
///
/// ```
/// use qualm::Spec;
///
/// let knn = Spec::new("knn")?;
/// assert_eq!(qualm::contract::check_detector(knn.hyper_parameters()), Ok(()));
/// # Ok::<(), qualm::Error>(())
/// ```
pub fn check_detector(spec: &dyn DetectorSpec) -> Result<(), String> {
    let broken = checks().into_iter().filter_map(|(name, check)| {
        let why = check(spec).err()?;
        Some(format!("{name}: {why}"))
    });
    let broken: Vec<String> = broken.collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(broken.join("\n"))
}

/// How many rows score higher than a row that lies a dozen deviations off in one column: 0 is
/// what most detectors should reach.
///
/// # Errors
/// What the fit refuses.
pub fn rows_above_planted_outlier(spec: &dyn DetectorSpec, seed: u64) -> Result<usize> {
    const OUTLIER: usize = 100;
    let mut data = correlated(1, N_ROWS + 1);
    data[OUTLIER * N_FEATURES + 2] += 40.0;
    let rows = Matrix::new(data, N_FEATURES)?;
    let fitted = fit(spec, rows.rows(), seed)?;
    let scores = score(fitted.detector.as_ref(), rows.rows())?;
    Ok(scores.iter().filter(|s| **s > scores[OUTLIER]).count())
}

/// Rows around one centre; each column has its own unit and zero, neighbours are correlated.
fn correlated(seed: u64, n_rows: usize) -> Vec<f32> {
    let mut rng = stream(seed, Purpose::CONTRACT, [0, 0]);
    let mut data: Vec<f32> = (0..n_rows * N_FEATURES)
        .map(|_| StandardNormal.sample(&mut rng))
        .collect();
    for row in data.chunks_exact_mut(N_FEATURES) {
        for j in 1..N_FEATURES {
            row[j] = 0.6 * row[j - 1] + 0.8 * row[j];
        }
        for (j, x) in row.iter_mut().enumerate() {
            *x = *x * (j + 1) as f32 + j as f32;
        }
    }
    data
}

fn rows(seed: u64, n_rows: usize) -> Result<Matrix> {
    Matrix::new(correlated(seed, n_rows), N_FEATURES)
}

/// Fits without a [`crate::Spec`] around the hyper-parameters.
fn fit(spec: &dyn DetectorSpec, rows: Rows<'_>, seed: u64) -> Result<Outcome> {
    let mut nobody = ();
    let identity = Identity {
        spec: serde_json::Value::Null,
        seed,
        input_digest: String::new(),
        n_features: rows.n_cols(),
    };
    spec.fit(rows, &mut Session::new(identity, None, &mut nobody)?)
}

fn fitted(spec: &dyn DetectorSpec, seed: u64) -> Result<Box<dyn Detector>> {
    Ok(fit(spec, rows(1, N_ROWS)?.rows(), seed)?.detector)
}

fn score(detector: &dyn Detector, rows: Rows<'_>) -> Result<Vec<f64>> {
    let mut scores = vec![0.0; rows.n_rows()];
    detector.score_into(rows, &mut scores)?;
    Ok(scores)
}

/// The bits of scores, so that equal means equal.
fn bits(detector: &dyn Detector, rows: Rows<'_>) -> Result<Vec<u64>> {
    let scores = score(detector, rows)?;
    Ok(scores.into_iter().map(f64::to_bits).collect())
}

fn saved(detector: &dyn Detector) -> Writer {
    let mut writer = Writer::default();
    detector.save(&mut writer);
    writer
}

fn holds(condition: bool, why: impl FnOnce() -> String) -> Result<(), Broken> {
    if condition { Ok(()) } else { Err(why().into()) }
}

fn valid(spec: &dyn DetectorSpec) -> Result<(), Broken> {
    Ok(spec.validate()?)
}

fn one_score_for_each_row(spec: &dyn DetectorSpec) -> Result<(), Broken> {
    let detector = fitted(spec, 0)?;
    let width = detector.n_features();
    holds(width == N_FEATURES, || {
        format!("n_features() is {width} after a fit to {N_FEATURES} columns")
    })?;
    let scores = score(detector.as_ref(), rows(2, 50)?.rows())?;
    holds(scores.iter().all(|s| s.is_finite()), || {
        "a score is not finite".to_owned()
    })
}

fn row_by_row(spec: &dyn DetectorSpec) -> Result<(), Broken> {
    let detector = fitted(spec, 0)?;
    let new = rows(3, 3000)?;
    let whole = bits(detector.as_ref(), new.rows())?;
    // Sizes around those at which an implementation may change its way of working.
    for size in [7, 64, 65, 1023, 1024, 1025] {
        let mut chunks = Vec::with_capacity(whole.len());
        for chunk in new.rows().blocks(size) {
            chunks.extend(bits(detector.as_ref(), chunk)?);
        }
        holds(chunks == whole, || {
            format!("other bits in chunks of {size} rows")
        })?;
    }
    for i in (0..200).chain((200..3000).step_by(16)) {
        let row = new
            .rows()
            .slice(i..i + 1)
            .map(|row| bits(detector.as_ref(), row));
        let alone = row.transpose()?.unwrap_or_default();
        holds(alone == whole[i..=i], || {
            format!("row {} alone has another score", i + 1)
        })?;
    }
    Ok(())
}

fn any_number_of_threads(spec: &dyn DetectorSpec) -> Result<(), Broken> {
    let new = rows(2, 1100)?;
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool?;
        pool.install(|| {
            let detector = fitted(spec, 5)?;
            let scores = bits(detector.as_ref(), new.rows())?;
            Ok::<_, Broken>((saved(detector.as_ref()), scores))
        })
    };
    let (model, scores) = run(1)?;
    for threads in [1, 2, 3] {
        let (again, rescored) = run(threads)?;
        holds(again == model, || {
            format!("another model with {threads} threads")
        })?;
        holds(rescored == scores, || {
            format!("other scores with {threads} threads")
        })?;
    }
    Ok(())
}

fn saved_and_read(spec: &dyn DetectorSpec) -> Result<(), Broken> {
    let detector = fitted(spec, 0)?;
    let tensors = saved(detector.as_ref());
    let mut reader = Reader::of_tensors(tensors.clone());
    let read = spec.restore(N_FEATURES, &mut reader)?;
    holds(saved(read.as_ref()) == tensors, || {
        "another model".to_owned()
    })?;
    let new = rows(4, 99)?;
    let scores = bits(detector.as_ref(), new.rows())?;
    holds(bits(read.as_ref(), new.rows())? == scores, || {
        "other scores".to_owned()
    })
}

fn lacking_tensors(spec: &dyn DetectorSpec) -> Result<(), Broken> {
    let mut empty = Reader::of_tensors(Writer::default());
    match spec.restore(N_FEATURES, &mut empty) {
        Err(Error::CorruptModel { .. }) => Ok(()),
        Err(error) => Err(format!("refused as something else than corrupt: {error}").into()),
        Ok(_) => Err("read a model from nothing".into()),
    }
}

fn constants_and_duplicates(spec: &dyn DetectorSpec) -> Result<(), Broken> {
    const COPIED: usize = 100;
    let mut data = correlated(1, N_ROWS);
    for row in data.chunks_exact_mut(N_FEATURES) {
        row[1] = 0.1;
        row[4] = 0.0;
    }
    let (first, rest) = data.split_at_mut(COPIED * N_FEATURES);
    rest[..first.len()].copy_from_slice(first);
    let rows = Matrix::new(data, N_FEATURES)?;
    let fitted = fit(spec, rows.rows(), 0)?;
    let scores = bits(fitted.detector.as_ref(), rows.rows())?;
    let finite = scores.iter().all(|s| f64::from_bits(*s).is_finite());
    holds(finite, || "a score is not finite".to_owned())?;
    holds(scores[..COPIED] == scores[COPIED..2 * COPIED], || {
        "equal rows have different scores".to_owned()
    })
}

fn all_equal(spec: &dyn DetectorSpec) -> Result<(), Broken> {
    let row = [1.5, -2.0, 0.0, 0.1, 1e9, 3.0];
    let rows = Matrix::new(row.repeat(N_ROWS), N_FEATURES)?;
    let Ok(fitted) = fit(spec, rows.rows(), 0) else {
        return Ok(());
    };
    let scores = bits(fitted.detector.as_ref(), rows.rows())?;
    holds(scores.iter().all(|s| *s == scores[0]), || {
        "equal rows have different scores".to_owned()
    })
}

fn few_rows(spec: &dyn DetectorSpec) -> Result<(), Broken> {
    for n_rows in 1..4 {
        let few = rows(1, n_rows)?;
        if let Ok(fitted) = fit(spec, few.rows(), 0) {
            bits(fitted.detector.as_ref(), few.rows())?;
        }
    }
    Ok(())
}
