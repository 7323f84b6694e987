//! Window tests: rows are cut into windows, by number or by time, and each is compared with the reference.

use anyhow::{Context, Result, bail};
use arrow_schema::Field;
use qualm::Fitted;
use qualm::monitor::{Difference, WindowTest};
use qualm::reports::MonitorReport;
use qualm_data::{Batch, time_text};

use super::candidates::Candidates;
use super::input::{Counted, Reference, Stream};
use super::metrics::Metrics;
use super::rows::{Beside, Names};
use super::settings::most_streams;
use super::stretch::{Row, Stretch};
use crate::args::{Monitor, TestName, WindowSize};
use crate::output::{self, Output};

/// A window while its rows come.
struct Window {
    /// Of windows of time: how many of them lie between 1970 and this one.
    index: Option<i64>,
    scores: Vec<f64>,
    stretch: Stretch,
}

/// A stream, and the window that is open.
#[derive(Default)]
struct Open {
    window: Option<Window>,
    n_rows: u64,
    n_compared: u64,
    last_time: Option<i64>,
}

/// A window that was compared.
pub(super) struct Compared {
    pub(super) stream: usize,
    pub(super) rows: (u64, u64),
    /// When it begins and ends, where it is one of time.
    pub(super) times: Option<(i64, i64)>,
    pub(super) difference: Difference,
}

/// Windows under way, and what they have said.
pub(super) struct Windows<'a> {
    pub(super) args: &'a Monitor,
    pub(super) fitted: &'a Fitted,
    pub(super) reference: &'a Reference,
    pub(super) fields: Vec<Field>,
    beside: Beside,
    test: WindowTest,
    pub(super) names: Names,
    open: Vec<Open>,
    pub(super) compared: Vec<Compared>,
    pub(super) candidates: Candidates,
    pub(super) n: u64,
    /// Windows of time without a row, between others, and where the first one is.
    pub(super) n_empty: u64,
    first_empty: Option<(i64, i64)>,
    /// Windows of one row, or not whole, and their rows.
    pub(super) n_untested: u64,
    rows_untested: u64,
    metrics: Option<Metrics>,
}

/// Compares all windows of an input.
pub(super) fn run<'a>(
    args: &'a Monitor,
    fitted: &'a Fitted,
    reference: &'a Reference,
    current: Stream,
    output: Output,
) -> Result<Windows<'a>> {
    let mut windows = Windows {
        args,
        fitted,
        reference,
        beside: Beside::new(args, &current.id_fields),
        fields: current.id_fields.clone(),
        test: match args.test {
            TestName::Welch => WindowTest::Welch,
            TestName::MannWhitney => WindowTest::MannWhitney,
            TestName::Ks => WindowTest::KolmogorovSmirnov,
        },
        names: Names::new(most_streams(args)),
        open: Vec::new(),
        compared: Vec::new(),
        candidates: Candidates::default(),
        n: 0,
        n_empty: 0,
        first_empty: None,
        n_untested: 0,
        rows_untested: 0,
        metrics: Metrics::new(args, &reference.scores)?,
    };
    current.run(
        fitted,
        Counted::default(),
        "monitor",
        output,
        |batch, scores| windows.take(&batch, &scores),
    )?;
    windows.finish()?;
    windows.warn(output);
    Ok(windows)
}

impl Windows<'_> {
    fn take(&mut self, batch: &Batch, scores: &[f64]) -> Result<()> {
        let told = self.beside.of(batch)?;
        for (place, &score) in scores.iter().enumerate() {
            self.n += 1;
            let row = Row {
                place,
                number: self.n,
                score,
                time: told.time(place),
            };
            self.take_row(batch, row, told.stream(place))?;
        }
        Ok(())
    }

    fn take_row(&mut self, batch: &Batch, row: Row, stream: &str) -> Result<()> {
        let (place, is_new) = self.names.place(stream)?;
        if is_new {
            self.open.push(Open::default());
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.count(place, row.score);
        }
        let index = self.index(row.time);
        let Some(open) = self.open.get_mut(place) else {
            return Ok(());
        };
        self.beside
            .check_order(batch, row.place, open.last_time, row.time)?;
        open.last_time = row.time;
        open.n_rows += 1;
        if let Some(window) = open.window.take_if(|window| window.index != index) {
            let before = window.index.zip(index);
            self.close(place, &window)?;
            if let Some((before, now)) = before {
                self.note_empty(before, now);
            }
        }
        let n_cols = self.fitted.n_features();
        let Some(open) = self.open.get_mut(place) else {
            return Ok(());
        };
        let window = open.window.get_or_insert_with(|| Window {
            index,
            scores: Vec::new(),
            stretch: Stretch::new(n_cols),
        });
        window.scores.push(row.score);
        window.stretch.take(batch, row);
        let full = Some(WindowSize::Rows(window.scores.len()));
        if self.args.window == full
            && let Some(window) = open.window.take()
        {
            self.close(place, &window)?;
        }
        Ok(())
    }

    /// Which window of time a row belongs to.
    fn index(&self, time: Option<i64>) -> Option<i64> {
        match self.args.window {
            Some(WindowSize::Time(micros)) => Some(time?.div_euclid(micros)),
            _ => None,
        }
    }

    /// When a window of time begins and ends.
    fn times(&self, index: Option<i64>) -> Option<(i64, i64)> {
        let Some(WindowSize::Time(micros)) = self.args.window else {
            return None;
        };
        let from = index?.saturating_mul(micros);
        Some((from, from.saturating_add(micros)))
    }

    /// Counts the windows between two that have rows.
    fn note_empty(&mut self, before: i64, now: i64) {
        let n_empty = now.saturating_sub(before).saturating_sub(1);
        if n_empty > 0 {
            self.n_empty += n_empty as u64;
            self.first_empty = self.first_empty.or(self.times(Some(before + 1)));
        }
    }

    /// Compares a window, unless it has one row only.
    fn close(&mut self, stream: usize, window: &Window) -> Result<()> {
        if window.scores.len() < 2 {
            self.n_untested += 1;
            self.rows_untested += window.scores.len() as u64;
            return Ok(());
        }
        let difference = self.compare(window)?;
        if let Some(open) = self.open.get_mut(stream) {
            open.n_compared += 1;
        }
        // Corrections only raise p-values.
        if difference.is_alarm(difference.p, self.args.alpha, self.args.min_effect) {
            let window = window.stretch.clone();
            self.candidates
                .add(&difference, self.compared.len(), window);
        }
        self.compared.push(Compared {
            stream,
            rows: window.stretch.rows(),
            times: self.times(window.index),
            difference,
        });
        Ok(())
    }

    fn compare(&self, window: &Window) -> Result<Difference> {
        let (first, last) = window.stretch.rows();
        let difference = self.test.compare(&self.reference.scores, &window.scores);
        let file = self.args.current.display();
        difference.with_context(|| match last - first {
            0 => format!("row {first} of {file}"),
            _ => format!("rows {first} to {last} of {file}"),
        })
    }

    /// Closes what is open at the end.
    fn finish(&mut self) -> Result<()> {
        if self.n == 0 {
            bail!("{}: no rows to compare", self.args.current.display());
        }
        let mut too_small = None;
        for place in 0..self.open.len() {
            let Some(open) = self.open.get_mut(place) else {
                continue;
            };
            let Some(window) = open.window.take() else {
                continue;
            };
            let whole = match self.args.window {
                // The last rows are a window of their own where there is no other one.
                Some(WindowSize::Rows(_)) => open.n_compared == 0,
                _ => true,
            };
            if !whole {
                self.n_untested += 1;
                self.rows_untested += window.scores.len() as u64;
            } else if window.scores.len() < 2 {
                too_small = too_small.or(Some(window));
                self.n_untested += 1;
                self.rows_untested += 1;
            } else {
                self.close(place, &window)?;
            }
        }
        if self.compared.is_empty() {
            if let Some(window) = too_small {
                self.compare(&window)?;
            }
            bail!(
                "{}: no window has the 2 rows that a comparison needs; take longer windows",
                self.args.current.display()
            );
        }
        Ok(())
    }

    /// Writes metrics, where they are asked for.
    pub(super) fn write_metrics(&self, report: &MonitorReport) -> Result<()> {
        let Some(metrics) = &self.metrics else {
            return Ok(());
        };
        let streams = self.open.iter().enumerate();
        let streams =
            streams.map(|(place, open)| (self.names.name(place), open.n_rows, open.last_time));
        metrics.write_windows(report, &streams.collect::<Vec<_>>())
    }

    /// Says which rows and times were not looked at.
    fn warn(&self, output: Output) {
        if self.n_untested > 0 {
            output.warn(format!(
                "not tested: {} in {} that are not whole, or of one row",
                output::rows(self.rows_untested),
                output::counted(self.n_untested, "window")
            ));
        }
        if let Some((from, to)) = self.first_empty {
            output.warn(format!(
                "{} without a row, the first from {} to {}",
                output::counted(self.n_empty, "window"),
                time_text(from),
                time_text(to)
            ));
        }
    }
}
