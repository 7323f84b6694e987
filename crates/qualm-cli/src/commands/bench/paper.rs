//! The numbers that the paper prints: its Table 2, AUROC in points.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A line for each set, a column for each detector.
const TABLE: &str = include_str!("../../../data/table2.csv");

/// The table's cells by set and detector.
static CELLS: LazyLock<HashMap<(&str, &str), &str>> = LazyLock::new(|| {
    let mut lines = TABLE.lines().map(|line| line.split(','));
    let detectors: Vec<&str> = lines.next().into_iter().flatten().skip(1).collect();
    let cells_of = |mut line: std::str::Split<'static, char>| {
        let set = line.next().unwrap_or_default();
        let cells = detectors.iter().zip(line);
        cells.map(move |(&detector, cell)| ((set, detector), cell))
    };
    lines.flat_map(cells_of).collect()
});

/// What the paper prints for a set and a detector, whatever the preset of the latter: AUROC in
/// points, or `t/o`.
pub(super) fn printed(set: &str, detector: &str) -> Option<&'static str> {
    let name = detector.split(':').next()?;
    CELLS.get(&(&*set.to_ascii_lowercase(), name)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use qualm::Spec;

    #[test]
    fn cells_are_found_by_set_and_detector() {
        assert_eq!(printed("wdbc", "dum"), Some("96.9"));
        assert_eq!(printed("Wdbc", "dum:sphere"), Some("96.9"));
        assert_eq!(printed("covertype", "repen"), Some("95.1"));
        assert_eq!(printed("kdd1999", "abod"), Some("t/o"));
        assert_eq!(printed("record_standin_febrl", "sp"), None);
        assert_eq!(printed("wdbc", "magic"), None);
    }

    /// The last column's sum and the number of 't/o', counted in the paper itself.
    #[test]
    fn the_table_is_whole() {
        assert_eq!(CELLS.len(), 14 * 11);
        let points = |(_, cell): (_, &&str)| cell.parse::<f64>().ok();
        assert_eq!(CELLS.values().filter(|cell| **cell == "t/o").count(), 12);
        let all: Vec<f64> = CELLS.iter().filter_map(points).collect();
        assert_eq!(all.len(), 14 * 11 - 12);
        // Nothing lies under chance, which is what the text says of the table.
        assert!(all.iter().all(|auroc| *auroc > 50.0));
        let dum = CELLS.iter().filter(|((_, detector), _)| *detector == "dum");
        let dum: f64 = dum.filter_map(points).sum();
        assert!((dum - 1281.1).abs() < 1e-9, "{dum}");
        assert!(CELLS.keys().all(|(_, name)| Spec::DETECTORS.contains(name)));
    }
}
