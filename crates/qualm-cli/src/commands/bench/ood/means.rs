//! Means over sets and over classifiers.

use qualm::reports::{
    OodBenchMean, OodBenchReport, OodBenchRow, OodBenchSet, OodGroup, OodNetworkKind,
};

use super::asked::Wanted;
use super::networks::Net;

/// All means: of the classifiers together, then of each encoder, for each detector over each set,
/// the near ones, the far ones and all.
pub(super) fn of(
    rows: &[OodBenchRow],
    sets: &[OodBenchSet],
    wanted: &[Wanted],
    networks: &[Net],
) -> Vec<OodBenchMean> {
    let named = |kind: OodNetworkKind| networks.iter().filter(move |net| net.kind == kind);
    let classifiers: Vec<&str> = named(OodNetworkKind::Classifier)
        .map(|net| net.name.as_str())
        .collect();
    let mut means = Vec::new();
    for wanted in wanted {
        let subject = (OodNetworkKind::Classifier, None);
        means.extend(over_sets(rows, sets, &wanted.called, subject, &classifiers));
    }
    for net in named(OodNetworkKind::Encoder) {
        for wanted in wanted {
            let subject = (OodNetworkKind::Encoder, Some(net.name.as_str()));
            let own = [net.name.as_str()];
            means.extend(over_sets(rows, sets, &wanted.called, subject, &own));
        }
    }
    means
}

/// The means of a detector over some networks.
fn over_sets(
    rows: &[OodBenchRow],
    sets: &[OodBenchSet],
    detector: &str,
    (kind, network): (OodNetworkKind, Option<&str>),
    names: &[&str],
) -> Vec<OodBenchMean> {
    let mut means = Vec::new();
    let mut over = |out: &str, of: &dyn Fn(&OodBenchRow) -> bool| {
        let own = |name: &&str| {
            let own = rows.iter().filter(|row| {
                let cell = &row.cell;
                (cell.kind, cell.network.as_str()) == (kind, *name)
                    && cell.detector == detector
                    && of(row)
            });
            own.collect::<Vec<_>>()
        };
        let lists: Vec<Vec<&OodBenchRow>> = names.iter().map(own).collect();
        means.extend(OodBenchMean::of(kind, network, detector, out, &lists));
    };
    for set in sets {
        over(&set.name, &|row| row.cell.out == set.name);
    }
    for group in [OodGroup::Near, OodGroup::Far] {
        over(group.name(), &|row| row.cell.group == Some(group));
    }
    over(OodBenchReport::ALL, &|_| true);
    means
}
