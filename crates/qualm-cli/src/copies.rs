//! Shows how far the copy of an object of a store is.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use indicatif::{HumanBytes, ProgressBar};

use crate::output::Output;
use crate::progress::{self, LINE_EVERY};

/// A bar for each copy; where none can be drawn, a line every ten seconds.
pub(crate) fn show(output: Output) {
    let shown: Mutex<Option<(ProgressBar, Instant)>> = Mutex::new(None);
    qualm_data::watch_copies(move |address, copied, all| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (bar, told) = shown.get_or_insert_with(|| {
            let template = "copy {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
            let bar = progress::bar(output, Some(all), template);
            (bar, Instant::now())
        });
        // One that was given up may be shown still.
        bar.set_length(all);
        bar.set_position(copied);
        if !output.bars() && told.elapsed() >= LINE_EVERY {
            *told = Instant::now();
            output.note(format!(
                "copy: {} of {} of {}",
                HumanBytes(copied),
                HumanBytes(all),
                address.display()
            ));
        }
        if copied >= all
            && let Some((bar, _)) = shown.take()
        {
            bar.finish_and_clear();
        }
    });
}
