//! Rows scored a second, as ratios within one run: `cargo bench -p qualm`.
//!
//! Each round times all of them in turn, so that what disturbs the machine disturbs all; the
//! median of the rounds counts. `bench/` has the comparisons with other libraries.

#![allow(
    clippy::print_stdout,
    missing_docs,
    reason = "a program, not a library"
)]

use std::time::Instant;

use qualm::{Fitted, Matrix, Result, Spec};

const FITTED: usize = 2_000;
const SCORED: usize = 8_192;
const COLUMNS: usize = 16;
const ROUNDS: usize = 9;

/// Rows near a curve, the same in every run.
fn rows(n: usize, shift: f32) -> Result<Matrix> {
    let value = |i: usize| {
        let (row, column) = ((i / COLUMNS) as f32, (i % COLUMNS) as f32);
        (row * 0.37 + shift).sin() * (column + 1.0).sqrt() + (row * column * 1.7).cos() * 0.1
    };
    Matrix::new((0..n * COLUMNS).map(value).collect(), COLUMNS)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Result<()> {
    // `cargo test --all-targets` starts benches too, without this argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let (fitted_rows, new) = (rows(FITTED, 0.0)?, rows(SCORED, 0.05)?);
    let models = ["knn", "lof", "iforest", "dum"];
    let models: Vec<(&str, Fitted)> = models
        .into_iter()
        .map(|name| {
            let spec = Spec::preset(name, "default")?;
            Ok((name, spec.fit(fitted_rows.rows(), 0, &mut ())?))
        })
        .collect::<Result<_>>()?;
    let mut scores = vec![0.0; SCORED];
    let mut seconds = vec![Vec::new(); models.len()];
    for _ in 0..ROUNDS {
        for ((_, model), seconds) in models.iter().zip(&mut seconds) {
            let started = Instant::now();
            model.score_into(new.rows(), &mut scores)?;
            seconds.push(started.elapsed().as_secs_f64());
        }
    }
    println!("{SCORED} x {COLUMNS} rows, models of {FITTED} rows, median of {ROUNDS} rounds");
    println!("detector      rows/s   times knn");
    let seconds: Vec<f64> = seconds.into_iter().map(median).collect();
    for ((name, _), time) in models.iter().zip(&seconds) {
        let rate = SCORED as f64 / time;
        println!("{name:<8} {rate:>11.0} {:>11.2}", seconds[0] / time);
    }
    Ok(())
}
