//! The flags that set the threshold, and its rule in words.

use indicatif::HumanCount;
use qualm::calibrate::ThresholdRule;
use qualm::ood::OodFitted;
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
    let sampling = fitted.provenance().sampling;
    // After a fit to a sample, the reference scores stand for more rows.
    let counted = sampling.map_or(0, |sampling| sampling.n_reference as usize);
    let n = fitted.calibration().n().max(counted);
    in_words(
        threshold,
        fitted.threshold_rule(),
        n,
        fitted.provenance().reference,
    )
}

/// The same of an out-of-distribution detector.
pub(crate) fn describe_ood(threshold: f64, fitted: &OodFitted) -> String {
    let n = fitted.calibration().n();
    in_words(
        threshold,
        fitted.threshold_rule(),
        n,
        fitted.provenance().reference,
    )
}

fn in_words(threshold: f64, rule: ThresholdRule, n: usize, reference: ReferenceRows) -> String {
    let n = HumanCount(n as u64);
    let rows = match reference {
        ReferenceRows::FittedRows => "fitted",
        ReferenceRows::SeparateRows => "calibration",
    };
    let rule = match rule {
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
