//! What the flags ask for, checked.

use std::path::Path;

use anyhow::{Result, bail};
use qualm::monitor::{Across, Guarantee, SequentialSpec, Thinning};

use crate::args::{Correction, Monitor, WindowSize};

/// Refuses settings that no input could have.
pub(super) fn check(args: &Monitor) -> Result<()> {
    if !(args.alpha > 0.0 && args.alpha < 1.0) {
        bail!(
            "--alpha {}: expected a number above 0 and below 1",
            args.alpha
        );
    }
    if !(args.min_effect >= 0.0 && args.min_effect.is_finite()) {
        bail!(
            "--min-effect {}: expected a number, 0 or more",
            args.min_effect
        );
    }
    if matches!(args.window, Some(WindowSize::Time(_))) && args.time.is_none() {
        bail!("--window: a duration needs --time COLUMN, which says when each row is from");
    }
    if args.current.as_os_str() == "-" && args.reference.as_deref() == Some(Path::new("-")) {
        bail!("standard input can be read once; give CURRENT or --reference as a file");
    }
    if args.mean_of.is_some() && args.reference.is_none() {
        bail!(
            "--mean-of: needs --reference, rows in the order in which they came; the model keeps its \
             reference scores sorted"
        );
    }
    let Some(correct) = args.correct.filter(|_| args.sequential) else {
        return Ok(());
    };
    if args.stream.is_none() {
        bail!("--correct: the sequential test of one stream is one test; leave it out");
    }
    if correct == Correction::Holm {
        bail!(
            "--correct holm: needs to know beforehand how many tests there are; sequential tests of several \
             streams take bh or none"
        );
    }
    if correct == Correction::Bh && args.run_length.is_some() {
        bail!("--correct bh: needs --alpha; a run length holds for each stream by itself");
    }
    Ok(())
}

/// How streams are watched.
pub(super) fn spec(args: &Monitor, seed: u64) -> SequentialSpec {
    let guarantee = match args.run_length {
        Some(rows) => Guarantee::RunLength { rows },
        None => Guarantee::Ever { alpha: args.alpha },
    };
    let thinning = match (args.thin, args.mean_of) {
        (Some(rows), _) => Thinning::Every(rows),
        (None, Some(rows)) => Thinning::MeanOf(rows),
        (None, None) => Thinning::None,
    };
    SequentialSpec {
        guarantee,
        thinning,
        seed,
    }
}

/// How streams are compared: evidence for a run length is none that could be.
pub(super) fn across(args: &Monitor) -> Across {
    match args.correct {
        _ if args.stream.is_none() || args.run_length.is_some() => Across::Each,
        Some(Correction::None) => Across::Each,
        _ => Across::EBenjaminiHochberg,
    }
}

/// How many streams there may be.
pub(super) fn most_streams(args: &Monitor) -> usize {
    if args.stream.is_some() {
        args.max_streams
    } else {
        1
    }
}
