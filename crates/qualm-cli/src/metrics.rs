//! Metrics as lines of text.

use indicatif::HumanCount;
use qualm::stats::Metrics;

/// The metrics, one a line.
pub(crate) fn table(m: &Metrics) -> String {
    format!(
        "rows              {} ({} outliers)\n\
         AUROC             {:.4}  (95% interval {:.4} to {:.4})\n\
         AUPR              {:.4}\n\
         FPR at 95% TPR    {:.4}\n\
         precision at n    {:.4}\n\
         AUROC unoriented  {:.4}  (the better of both directions: needs labels)\n",
        HumanCount(m.n),
        HumanCount(m.n_outliers),
        m.auroc,
        m.auroc_ci_low,
        m.auroc_ci_high,
        m.aupr,
        m.fpr95,
        m.precision_at_n,
        m.auroc_unoriented,
    )
}
