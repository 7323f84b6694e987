//! The flags that set the threshold, and its rule in words.

use indicatif::HumanCount;
use qualm::calibrate::ThresholdRule;
use qualm::{Fitted, ReferenceRows};

use crate::args::ThresholdArgs;
use crate::output::number;

/// The rule that the flags set, if any.
pub(crate) fn rule(args: &ThresholdArgs) -> Option<ThresholdRule> {
    args.fpr
        .map(ThresholdRule::Fpr)
        .or(args.contamination.map(ThresholdRule::Contamination))
}

/// A model's threshold and the rule that it comes from.
pub(crate) fn describe(threshold: f64, fitted: &Fitted) -> String {
    let n = HumanCount(fitted.calibration().n() as u64);
    let rows = match fitted.provenance().reference {
        ReferenceRows::FittedRows => "fitted",
        ReferenceRows::SeparateRows => "calibration",
    };
    let rule = match fitted.threshold_rule() {
        ThresholdRule::Fpr(rate) => format!(
            "at most {}% of the {n} {rows} rows score above it",
            percent(rate)
        ),
        ThresholdRule::Contamination(share) => {
            format!("for {}% outliers among the {n} {rows} rows", percent(share))
        }
        ThresholdRule::Score(_) => "given".to_owned(),
    };
    format!("{} ({rule})", number(threshold))
}

fn percent(share: f64) -> f64 {
    (share * 1e6).round() / 1e4
}
