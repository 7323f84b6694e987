//! How a network of one's own is trained with the loop of this library: steps, checkpoints,
//! interruptions and progress come with it. `cargo run --example learner`.
//!
//! The network is a line, `y = w x + b`, fitted to points by gradient descent.

use qualm::container::{Reader, Writer};
use qualm::fit::{
    Checkpoint, Identity, Learner, Progress, Schedule, Session, Signal, Step, StepOutcome,
};
use qualm::rng::{Purpose, stream};
use qualm::{Error, Result};
use rand::RngExt;

/// The purpose of this crate's random numbers: the block is its own.
const BATCH: Purpose = Purpose::of_crate(1, 0);
const SEED: u64 = 0;
const BATCH_ROWS: usize = 8;

/// The line and the points it is fitted to. It owns all that the next step depends on.
struct Line<'a> {
    points: &'a [[f32; 2]],
    /// Slope and intercept.
    params: [f32; 2],
}

impl Learner for Line<'_> {
    fn step(&mut self, step: u64) -> Result<StepOutcome> {
        // A function of the step number: a training may go on at any of them.
        let mut rng = stream(SEED, BATCH, [0, step]);
        let mut loss = 0.0;
        let mut gradient = [0.0; 2];
        for _ in 0..BATCH_ROWS {
            let [x, y] = self.points[rng.random_range(0..self.points.len())];
            let apart = self.params[0] * x + self.params[1] - y;
            loss += f64::from(apart).powi(2) / BATCH_ROWS as f64;
            gradient[0] += apart * x;
            gradient[1] += apart;
        }
        for (param, gradient) in self.params.iter_mut().zip(gradient) {
            *param -= 0.02 * gradient;
        }
        Ok(StepOutcome {
            loss,
            effective_rows: None,
        })
    }

    fn save(&mut self, writer: &mut Writer) -> Result<()> {
        writer.f32("params", &[2], &self.params);
        Ok(())
    }

    fn restore(&mut self, _: u64, reader: &mut Reader) -> Result<()> {
        self.params.copy_from_slice(&reader.f32("params", &[2])?);
        Ok(())
    }
}

/// Stops after some steps and keeps the checkpoint.
struct StopAfter {
    step: u64,
    kept: Option<Checkpoint>,
}

impl Progress for StopAfter {
    fn step(&mut self, step: &Step) -> Signal {
        if step.step == self.step {
            return Signal::Stop;
        }
        Signal::Continue
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.kept = Some(checkpoint.clone());
        Ok(())
    }
}

/// Which training this is: a checkpoint of another one is refused.
fn identity(points: &[[f32; 2]]) -> Identity {
    Identity {
        spec: serde_json::json!({"network": "line"}),
        seed: SEED,
        input_digest: format!("{points:?}"),
        n_features: 1,
    }
}

/// Trains the line, from the start or from a checkpoint.
fn train(
    points: &[[f32; 2]],
    resume: Option<Checkpoint>,
    progress: &mut dyn Progress,
) -> Result<[f32; 2]> {
    let schedule = Schedule {
        member: 0,
        members: 1,
        steps: 300,
        batch_rows: BATCH_ROWS,
    };
    let mut line = Line {
        points,
        params: [0.0; 2],
    };
    Session::new(identity(points), resume, progress)?.train(&schedule, &mut line)?;
    Ok(line.params)
}

/// Trains twice, once with an interruption, and compares.
///
/// # Errors
/// When the two differ, or the line is not found.
pub fn main() -> Result<(), Box<dyn std::error::Error>> {
    let points: Vec<[f32; 2]> = (0..50)
        .map(|i| [i as f32 / 50.0, 3.0 * i as f32 / 50.0 - 1.0])
        .collect();
    let at_once = train(&points, None, &mut ())?;

    let mut stop = StopAfter {
        step: 120,
        kept: None,
    };
    let stopped = train(&points, None, &mut stop);
    if !matches!(stopped, Err(Error::Interrupted { step: 120, .. })) {
        return Err("the training was not interrupted".into());
    }
    let in_two = train(&points, stop.kept, &mut ())?;
    if at_once.map(f32::to_bits) != in_two.map(f32::to_bits) {
        return Err(format!("{at_once:?} at once, {in_two:?} in two").into());
    }
    if (at_once[0] - 3.0).abs() > 0.2 || (at_once[1] + 1.0).abs() > 0.2 {
        return Err(format!("found {at_once:?}, expected about [3, -1]").into());
    }
    Ok(())
}
