//! Progress bars on stderr; a fit's progress and its checkpoints on disk.

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qualm::fit::{Signal, Step, Work};
use qualm::{Checkpoint, Progress, Result};

use crate::interrupt;
use crate::output::{self, Output};

/// Before the first checkpoint, and between the first two; then twice as long each time,
const SAVE_FIRST: Duration = Duration::from_secs(5);
/// up to this.
const SAVE_EVERY: Duration = Duration::from_mins(1);
/// Between two lines where no bar can be drawn.
pub(crate) const LINE_EVERY: Duration = Duration::from_secs(10);
/// Between two redraws of the bar.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// Shows the steps, saves a checkpoint after some seconds and then every minute, stops on Ctrl-C.
#[derive(Debug)]
pub(crate) struct FitProgress<'a> {
    output: Output,
    checkpoint: &'a Path,
    /// What is done, and with what.
    words: [&'static str; 2],
    bar: Option<ProgressBar>,
    started: Instant,
    /// Steps taken before this run, when it resumes another.
    before: Option<u64>,
    drawn: Instant,
    saved: Instant,
    /// Until the next checkpoint.
    patience: Duration,
    loss: f64,
}

impl<'a> FitProgress<'a> {
    pub(crate) fn new(output: Output, checkpoint: &'a Path) -> Self {
        let now = Instant::now();
        Self {
            output,
            checkpoint,
            words: ["fit", "rows"],
            bar: None,
            started: now,
            before: None,
            drawn: now,
            saved: now,
            patience: SAVE_FIRST,
            loss: f64::NAN,
        }
    }

    /// The same for other work, with things of another name.
    pub(crate) fn of(self, what: &'static str, things: &'static str) -> Self {
        Self {
            words: [what, things],
            ..self
        }
    }

    /// Writes a line between two states of the bar.
    pub(crate) fn line(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Clears the bar. The fit takes no more steps.
    pub(crate) fn finish(&self) {
        interrupt::graceful(false);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Whether it is time to show something again.
    fn due(&self) -> bool {
        let bars = self.output.bars();
        self.drawn.elapsed() >= if bars { DRAW_EVERY } else { LINE_EVERY }
    }

    fn show(&mut self, step: &Step) {
        let done = step.member as u64 * step.steps + step.step;
        let all = step.members as u64 * step.steps;
        let before = *self.before.get_or_insert(done - 1);
        // The loss of a single step is noisy: show a running mean.
        self.loss = if self.loss.is_nan() {
            step.loss
        } else {
            0.98 * self.loss + 0.02 * step.loss
        };
        if !(self.due() || done == all) || self.output.quiet() {
            return;
        }
        self.drawn = Instant::now();
        let rate = (done - before) as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        let left = Duration::from_secs_f64((all - done) as f64 / rate.max(1e-9));
        let [what, things] = self.words;
        let message = format!(
            "loss {:.4}, {} steps/s ({:.0} {things}/s), {} left",
            self.loss,
            if rate < 10.0 {
                format!("{rate:.2}")
            } else {
                format!("{rate:.0}")
            },
            rate * step.batch_rows as f64,
            output::seconds(left)
        );
        if self.output.bars() {
            self.draw(done, all, message);
        } else if done < all {
            self.output
                .note(format!("{what}: step {done} of {all}, {message}"));
        }
    }

    /// Shows the progress of work without training steps.
    fn show_work(&mut self, work: &Work) {
        if !self.due() || self.output.quiet() || work.done >= work.total {
            return;
        }
        self.drawn = Instant::now();
        if self.output.bars() {
            self.draw(work.done, work.total, work.what.to_owned());
        } else {
            let percent = 100.0 * work.done as f64 / work.total.max(1) as f64;
            self.output.note(format!(
                "{}: {}, {percent:.0}% done",
                self.words[0], work.what
            ));
        }
    }

    fn draw(&mut self, done: u64, all: u64, message: String) {
        let template = format!("{} {{wide_bar}} {{pos}}/{{len}} {{msg}}", self.words[0]);
        let new = || bar(self.output, Some(all), &template);
        let bar = self.bar.get_or_insert_with(new);
        bar.set_length(all);
        bar.set_position(done);
        bar.set_message(message);
    }
}

/// A bar of this template, on stderr where bars can be drawn and nowhere else. Without a
/// length its end is not known.
pub(crate) fn bar(output: Output, length: Option<u64>, template: &str) -> ProgressBar {
    if !output.bars() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// A bar of rows that are read, worked on and written.
pub(crate) fn rows(what: &str, output: Output, n_rows: Option<u64>) -> ProgressBar {
    let template = match n_rows {
        Some(_) => "{wide_bar} {human_pos}/{human_len} rows, {per_sec}, {eta} left",
        None => "{spinner} {human_pos} rows, {per_sec}",
    };
    bar(output, n_rows, &format!("{what} {template}"))
}

/// A sign of life of work whose length is not known.
pub(crate) fn spinner(what: &str, output: Output) -> ProgressBar {
    let bar = bar(output, None, &format!("{what} {{spinner}} {{elapsed}}"));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

impl Progress for FitProgress<'_> {
    fn step(&mut self, step: &Step) -> Signal {
        // From here on an interrupted fit can save a checkpoint.
        interrupt::graceful(true);
        self.show(step);
        if interrupt::asked() {
            return Signal::Stop;
        }
        if self.saved.elapsed() >= self.patience {
            return Signal::Save;
        }
        Signal::Continue
    }

    fn work(&mut self, work: &Work) -> Signal {
        // Where no checkpoint is possible, Ctrl-C ends the command at once.
        interrupt::graceful(work.resumable);
        if interrupt::asked() {
            return Signal::Stop;
        }
        self.show_work(work);
        Signal::Continue
    }

    fn save(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.saved = Instant::now();
        self.patience = (2 * self.patience).min(SAVE_EVERY);
        match checkpoint.save(self.checkpoint) {
            // A checkpoint that cannot be written is no reason to give up the fit.
            Err(error) if !interrupt::asked() => {
                self.output.warn(format!("no checkpoint was kept: {error}"));
                Ok(())
            }
            saved => saved,
        }
    }
}
