//! The progress of a training: steps and checkpoints as in a fit, a line for each epoch, the
//! alarm of collapsed outputs, and the end of the time given.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use qualm::fit::{Signal, Step, Work};
use qualm::reports::TrainEpoch;
use qualm::{Checkpoint, Progress, Result};
use qualm_vision::train::COLLAPSED;

use crate::output::{self, Output};
use crate::progress::FitProgress;

/// Between two checkpoints at the ends of epochs.
const SAVE_EVERY: Duration = Duration::from_secs(10);

/// Finished epochs that were not shown yet.
pub(crate) type Finished = Arc<Mutex<Vec<TrainEpoch>>>;

/// Shows steps and epochs, saves at the ends of epochs, stops on Ctrl-C and when the time is up.
#[derive(Debug)]
pub(crate) struct TrainProgress<'a> {
    fit: FitProgress<'a>,
    output: Output,
    finished: Finished,
    steps_per_epoch: u64,
    saved: Instant,
    deadline: Option<Instant>,
    /// Whether the training stopped because the time was up.
    pub(crate) timed_out: bool,
    /// Whether it was said that outputs have collapsed.
    pub(crate) warned: bool,
    /// Epochs after which that is said: first outputs of a network are much alike.
    warmup_epochs: u64,
}

impl<'a> TrainProgress<'a> {
    pub(crate) fn new(
        output: Output,
        checkpoint: &'a Path,
        [steps_per_epoch, warmup_epochs]: [u64; 2],
        time: Option<Duration>,
        finished: Finished,
    ) -> Self {
        let now = Instant::now();
        Self {
            fit: FitProgress::new(output, checkpoint).of("train", "images"),
            output,
            finished,
            steps_per_epoch,
            saved: now,
            deadline: time.and_then(|time| now.checked_add(time)),
            timed_out: false,
            warned: false,
            warmup_epochs,
        }
    }

    /// Clears the bar.
    pub(crate) fn finish(&self) {
        self.fit.finish();
    }

    fn show_epochs(&mut self, step: &Step) {
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        for epoch in finished.drain(..) {
            let all = step.steps / self.steps_per_epoch;
            let line = format!("epoch {} of {all}: {}", epoch.epoch, words(&epoch));
            self.fit.line(|| self.output.note(line));
            let late = epoch.epoch > self.warmup_epochs;
            if late && epoch.output_std < COLLAPSED && !self.warned {
                self.warned = true;
                self.fit
                    .line(|| Output::warn_always(collapsed(epoch.output_std)));
            }
        }
    }
}

/// What an epoch found, in words.
pub(crate) fn words(epoch: &TrainEpoch) -> String {
    let percent =
        |name, share: Option<f64>| share.map(|share| format!(", {name} {:.2} %", 100.0 * share));
    format!(
        "loss {:.4}, output std {:.2}{}{}",
        epoch.loss,
        epoch.output_std,
        percent("kNN accuracy", epoch.knn_accuracy).unwrap_or_default(),
        percent("accuracy", epoch.accuracy).unwrap_or_default(),
    )
}

/// The alarm: loud, since such an encoder is of no use.
pub(crate) fn collapsed(output_std: f64) -> String {
    format!(
        "outputs have collapsed: the spread of their directions is {output_std:.3} (1 = even, 0 = all \
         the same), so that embeddings tell images hardly apart; try a lower learning_rate, a longer \
         warm-up (warmup_epochs), a larger batch_size, or another method"
    )
}

impl Progress for TrainProgress<'_> {
    fn step(&mut self, step: &Step) -> Signal {
        self.show_epochs(step);
        let signal = self.fit.step(step);
        if signal != Signal::Continue || !step.step.is_multiple_of(self.steps_per_epoch) {
            return signal;
        }
        if step.step < step.steps && self.deadline.is_some_and(|end| Instant::now() >= end) {
            self.timed_out = true;
            return Signal::Stop;
        }
        if self.saved.elapsed() >= SAVE_EVERY {
            return Signal::Save;
        }
        Signal::Continue
    }

    fn work(&mut self, work: &Work) -> Signal {
        self.fit.work(work)
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.saved = Instant::now();
        self.fit.save(checkpoint)
    }
}

/// So many minutes, in words.
pub(crate) fn time_is_up(time: Option<Duration>, epoch: usize, epochs: u64) -> String {
    format!(
        "the time of {} is up: the encoder is that of epoch {epoch} of {epochs}",
        output::seconds(time.unwrap_or_default())
    )
}
