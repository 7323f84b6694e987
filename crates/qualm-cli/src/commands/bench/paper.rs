//! The numbers that the paper prints: its Table 2, AUROC in points.

/// The table's columns after the detectors' names here.
const DETECTORS: [&str; 11] = [
    "iforest", "lof", "ocsvm", "sp", "ee", "knn", "abod", "ae", "lesinn", "repen", "dum",
];

/// The table's 't/o'.
const TO: f64 = f64::NAN;

const TABLE_2: [(&str, [f64; 11]); 14] = [
    (
        "arrhythmia",
        [
            72.1, 73.2, 73.6, 70.4, 69.8, 73.4, 72.3, 73.3, 74.0, 74.9, 76.6,
        ],
    ),
    (
        "covertype",
        [
            94.9, 53.7, 93.7, 91.3, 76.3, 76.8, 73.7, 93.9, 93.8, 95.1, 91.4,
        ],
    ),
    (
        "ionosphere",
        [
            86.2, 89.4, 85.1, 88.1, 95.1, 93.3, 91.7, 81.2, 89.5, 93.1, 81.0,
        ],
    ),
    (
        "isolet",
        [
            84.6, 51.7, 71.4, 52.8, 75.1, 93.3, 91.7, 81.1, 84.4, 93.1, 100.0,
        ],
    ),
    (
        "kdd1999",
        [74.1, TO, TO, 84.3, 69.2, TO, TO, 72.7, 82.5, 85.5, 98.0],
    ),
    (
        "mfeat",
        [
            83.7, 54.2, 65.7, 89.2, 52.4, 81.9, 58.9, 90.1, 92.4, 89.3, 99.9,
        ],
    ),
    (
        "optdigits",
        [
            61.9, 59.8, 60.8, 74.1, 77.8, 79.1, 64.1, 59.7, 86.9, 86.0, 99.6,
        ],
    ),
    (
        "pamap2",
        [88.4, TO, TO, 89.0, 82.6, TO, TO, 87.6, 79.9, 88.8, 87.5],
    ),
    (
        "pima",
        [
            67.6, 60.1, 62.4, 64.0, 67.9, 70.8, 66.7, 63.0, 71.7, 71.7, 81.5,
        ],
    ),
    (
        "record",
        [99.9, TO, TO, 99.9, 65.5, TO, TO, 99.7, 99.7, 99.7, 99.9],
    ),
    (
        "skin",
        [
            62.4, 55.5, 54.8, 65.1, 89.2, 57.0, 52.4, 59.3, 72.6, 75.1, 96.2,
        ],
    ),
    (
        "spambase",
        [
            60.7, 54.3, 53.7, 54.7, 54.8, 50.6, 61.4, 54.8, 57.3, 59.0, 83.4,
        ],
    ),
    (
        "statlog",
        [
            74.8, 50.2, 75.9, 54.5, 61.1, 56.1, 50.8, 84.5, 58.3, 68.8, 89.2,
        ],
    ),
    (
        "wdbc",
        [
            82.5, 53.7, 69.8, 72.9, 88.9, 77.4, 71.3, 64.6, 82.5, 87.9, 96.9,
        ],
    ),
];

/// What the paper prints in a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Printed {
    /// AUROC in points.
    Auroc(f64),
    /// 't/o'.
    TimedOut,
}

/// The paper's cell for a set and a detector, whatever the latter's preset.
pub(super) fn printed(set: &str, detector: &str) -> Option<Printed> {
    let name = detector.split(':').next();
    let column = DETECTORS.iter().position(|d| Some(*d) == name)?;
    let (_, row) = TABLE_2.iter().find(|(s, _)| set.eq_ignore_ascii_case(s))?;
    let points = *row.get(column)?;
    Some(if points.is_nan() {
        Printed::TimedOut
    } else {
        Printed::Auroc(points)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_by_set_and_detector() {
        assert_eq!(printed("wdbc", "dum"), Some(Printed::Auroc(96.9)));
        assert_eq!(printed("Wdbc", "dum:sphere"), Some(Printed::Auroc(96.9)));
        assert_eq!(printed("covertype", "repen"), Some(Printed::Auroc(95.1)));
        assert_eq!(printed("kdd1999", "abod"), Some(Printed::TimedOut));
        assert_eq!(printed("record_standin_febrl", "sp"), None);
        assert_eq!(printed("wdbc", "magic"), None);
    }

    /// The last column's sum and the number of 't/o', counted in the paper itself.
    #[test]
    fn the_table_is_whole() {
        let timed_out = TABLE_2.iter().flat_map(|(_, row)| row);
        assert_eq!(timed_out.filter(|v| v.is_nan()).count(), 12);
        // Nothing lies under chance, which is what the text says of the table.
        let lowest = TABLE_2
            .iter()
            .flat_map(|(_, row)| row)
            .fold(100.0, |a, b| b.min(a));
        assert!(lowest > 50.0, "{lowest}");
        let dum: f64 = TABLE_2.iter().filter_map(|(_, row)| row.last()).sum();
        assert!((dum - 1281.1).abs() < 1e-9, "{dum}");
    }
}
