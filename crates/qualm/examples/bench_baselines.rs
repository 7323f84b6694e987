//! Our side of `bench/baselines`, `bench/scaling`, `bench/python` and `bench/study`: takes commands
//! on standard input, one a line, and answers each with one line of JSON, so that a driver can take
//! turns between it and another library, and stop it when it takes too long.
//!
//! ```text
//! detectors                          their names
//! read FILE ROWS|all [LABEL]         all rows of a file, or a seeded sample, without LABEL
//! check DETECTOR [KEY=VALUE ..]      whether there is such a detector with such keys
//! fit DETECTOR SEED [KEY=VALUE ..]   fits it, which scores the fitted rows
//! fit-first DETECTOR SEED ROWS       fits the default preset to the first so many rows
//! score                              checks and scores all rows, as new ones
//! scores FILE [NEW]                  scores of the fitted rows, or those of the file NEW, as
//!                                    little-endian float64
//! ```
//!
//! DETECTOR is a name, with a preset other than its default behind a slash: `dum/embedding`.
//! What the library refuses is answered with `{"error": ..}`; the next command is taken.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a program, not a library"
)]

use std::error::Error;
use std::fs::write;
use std::io::stdin;
use std::path::Path;
use std::time::Instant;

use qualm::{Fitted, Spec};
use qualm::{Matrix, Rows};
use qualm_data::{Batches, Selection, Source};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Draws the sampled rows, the same for every detector.
const SAMPLE_SEED: u64 = 0;

/// What earlier commands have left.
#[derive(Default)]
struct State {
    rows: Option<Matrix>,
    fitted: Option<Fitted>,
}

fn main() -> Result<()> {
    let mut state = State::default();
    for line in stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = answer(&words, &mut state);
        println!(
            "{}",
            answer.unwrap_or_else(|error| json!({ "error": error.to_string() }))
        );
    }
    Ok(())
}

fn answer(words: &[&str], state: &mut State) -> Result<Value> {
    match words {
        ["detectors"] => Ok(json!({ "detectors": Spec::DETECTORS })),
        ["read", file, n_rows, label @ ..] => {
            let rows = read(Path::new(file), n_rows, label.first().copied())?;
            let shape = json!({ "n": rows.rows().n_rows(), "d": rows.rows().n_cols() });
            *state = State {
                rows: Some(rows),
                fitted: None,
            };
            Ok(shape)
        }
        ["check", detector, keys @ ..] => Ok(json!({ "keys": spec(detector, keys)?.keys() })),
        ["fit", detector, seed, keys @ ..] => {
            let spec = spec(detector, keys)?;
            let seed = seed.parse()?;
            // Freeing the last model is not part of this fit, and would add to its peak.
            state.fitted = None;
            let rows = rows(state)?;
            let started = Instant::now();
            let fitted = spec.fit(rows, seed, &mut ())?;
            let seconds = started.elapsed().as_secs_f64();
            let warnings = &fitted.provenance().warnings;
            let kinds: Vec<_> = warnings.iter().map(|w| json!(w)["kind"].take()).collect();
            let texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
            let steps = fitted.provenance().steps;
            state.fitted = Some(fitted);
            Ok(json!({ "seconds": seconds, "steps": steps, "kinds": kinds, "warnings": texts }))
        }
        ["fit-first", detector, seed, n_rows] => {
            let n_rows: usize = n_rows.parse()?;
            let first = rows(state)?.blocks(n_rows).next().ok_or("no rows")?;
            let spec = Spec::preset(detector, "default")?;
            state.fitted = Some(spec.fit(first, seed.parse()?, &mut ())?);
            Ok(json!({ "n": n_rows }))
        }
        ["score"] => {
            let rows = rows(state)?;
            let started = Instant::now();
            let rows = Rows::new(rows.as_slice(), rows.n_cols())?;
            fitted(state)?.score(rows)?;
            Ok(json!({ "seconds": started.elapsed().as_secs_f64() }))
        }
        ["scores", file, new @ ..] => {
            let fitted = fitted(state)?;
            let scores = match new {
                [] => fitted.fitted_scores().unwrap_or_default().to_vec(),
                [new, ..] => fitted.score(read(Path::new(new), "all", None)?.rows())?,
            };
            let bytes: Vec<u8> = scores.iter().flat_map(|s| s.to_le_bytes()).collect();
            write(file, bytes)?;
            Ok(json!({ "n": scores.len() }))
        }
        _ => Err(format!("not understood: {}", words.join(" ")).into()),
    }
}

fn rows(state: &State) -> Result<Rows<'_>> {
    let rows = state.rows.as_ref().ok_or("no rows have been read")?;
    Ok(rows.rows())
}

fn fitted(state: &State) -> Result<&Fitted> {
    Ok(state.fitted.as_ref().ok_or("nothing has been fitted")?)
}

/// A detector by its name, or name/preset, with some keys changed.
fn spec(detector: &str, keys: &[&str]) -> Result<Spec> {
    let (name, preset) = detector.split_once('/').unwrap_or((detector, "default"));
    Ok(Spec::preset(name, preset)?.with(parse(keys)?)?)
}

/// `n_neighbors=20` and the like; a value that is no JSON is text.
fn parse(keys: &[&str]) -> Result<Map<String, Value>> {
    let mut all = Map::new();
    for key in keys {
        let (key, value) = key.split_once('=').ok_or("not of the form KEY=VALUE")?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        all.insert(key.to_owned(), value);
    }
    Ok(all)
}

/// All rows of a file, or so many of them. Only the sampled rows are ever held, so that the
/// peak memory of a small sample is not that of the whole file.
fn read(file: &Path, n_rows: &str, label: Option<&str>) -> Result<Matrix> {
    let selection = Selection {
        label: label.map(str::to_owned),
        ..Selection::default()
    };
    let mut source = Source::open(file, &selection, None)?;
    if n_rows == "all" {
        return Ok(source.read_all()?.rows);
    }
    let n_rows: usize = n_rows.parse()?;
    let there = source
        .n_rows_hint()
        .ok_or("a sample needs a file that says how many rows it has")? as usize;
    if n_rows > there {
        return Err(format!("{n_rows} of {there} rows").into());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(SAMPLE_SEED);
    let mut picked = rand::seq::index::sample(&mut rng, there, n_rows).into_vec();
    picked.sort_unstable();
    let d = source.features().width();
    let mut picked = picked.into_iter().peekable();
    let mut values = Vec::with_capacity(n_rows * d);
    let mut before = 0;
    while let Some(batch) = source.next_batch()? {
        let rows = batch.rows.rows();
        let end = before + rows.n_rows();
        while let Some(row) = picked.next_if(|row| *row < end) {
            let row = rows.get(row - before).ok_or("no such row")?;
            values.extend_from_slice(row);
        }
        before = end;
    }
    Ok(Matrix::new(values, d)?)
}
