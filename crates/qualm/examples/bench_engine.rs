//! Our side of `bench/engine`: takes commands on standard input, one a line, and answers
//! each with one line of JSON, so that the driver can alternate it with PyTorch.
//!
//! ```text
//! setup DIR d h diagonal|circular batch [DEVICE]   random rows and a network; both go to DIR
//! train N                                          N steps
//! score ROWS N                                     ROWS rows, N times
//! product m k n N                                  the raw matrix product, N times
//! ```

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a program, not a library"
)]

use std::error::Error;
use std::fs::{read, write};
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::time::Instant;

use qualm::internals::{Run, product};
use qualm::{BagSize, DumSpec, SpaceKind};
use qualm::{Matrix, Rows};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Rows that batches are drawn from, and that are scored.
const ROWS: usize = 8192;

/// The network under way and the rows.
struct State {
    run: Run,
    rows: Matrix,
}

fn main() -> Result<()> {
    let mut state = None;
    for line in stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        println!("{}", answer(&words, &mut state)?);
    }
    Ok(())
}

fn answer(words: &[&str], state: &mut Option<State>) -> Result<Value> {
    match (words, state) {
        (["setup", dir, d, h, covariance, batch, device @ ..], state) => {
            let dir = Path::new(dir);
            let mut spec = spec(h.parse()?, covariance, batch.parse()?)?;
            if let [device] = device {
                spec.device = device.parse()?;
            }
            let rows = rows(dir, d.parse()?)?;
            let run = Run::new(
                spec,
                Matrix::new(rows.rows().as_slice().to_vec(), d.parse()?)?,
            )?;
            let bytes: Vec<u8> = run.params()?.iter().flat_map(|p| p.to_le_bytes()).collect();
            write(dir.join("params.f32"), bytes)?;
            let batches = [run.batch(0)?, run.batch(1)?, run.batch(2)?];
            *state = Some(State { run, rows });
            Ok(json!({ "batches": batches }))
        }
        (["train", n], Some(state)) => {
            let started = Instant::now();
            let losses = state.run.train(n.parse()?)?;
            let seconds = started.elapsed().as_secs_f64();
            Ok(json!({ "seconds": seconds, "losses": losses }))
        }
        (["score", rows, n], Some(state)) => {
            let d = state.rows.rows().n_cols();
            let values = state.rows.rows().as_slice();
            let rows = Rows::new(&values[..rows.parse::<usize>()? * d], d)?;
            let model = state.run.model()?;
            let mut scores = vec![0.0; rows.n_rows()];
            let started = Instant::now();
            for _ in 0..n.parse::<usize>()? {
                model.score_into(rows, &mut scores)?;
            }
            let seconds = started.elapsed().as_secs_f64();
            Ok(json!({ "seconds": seconds, "scores": scores[..3] }))
        }
        (["product", m, k, n, times], _) => {
            let shape = [m.parse()?, k.parse()?, n.parse()?];
            let [m, k, n] = shape;
            let (a, b) = (vec![0.5; m * k], vec![0.25; k * n]);
            let mut out = vec![0.0; m * n];
            product(&mut out, &a, &b, shape);
            let started = Instant::now();
            for _ in 0..times.parse::<usize>()? {
                product(&mut out, &a, &b, shape);
            }
            Ok(json!({ "seconds": started.elapsed().as_secs_f64() }))
        }
        _ => Err(format!("not understood: {}", words.join(" ")).into()),
    }
}

/// The paper's recipe with another width, batch or form of covariance; rows as they are.
fn spec(hidden: usize, covariance: &str, batch_size: usize) -> Result<DumSpec> {
    Ok(DumSpec {
        space: SpaceKind::Identity,
        covariance: serde_json::from_value(json!(covariance))?,
        bag_size: BagSize::Half,
        hidden,
        batch_size,
        ..DumSpec::preset("paper")?
    })
}

/// The rows that the driver has left.
fn rows(dir: &Path, d: usize) -> Result<Matrix> {
    let file: PathBuf = dir.join("rows.f32");
    let bytes = read(file)?;
    let values = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b));
    Ok(Matrix::new(values.take(ROWS * d).collect(), d)?)
}
