//! The numbers that the paper prints: its Table 1.

use crate::args::PaperTable;

/// A line for each corruption: p-value and AUROC, in points, for each part of the table.
const TABLE: &str = include_str!("../../../../data/table1.csv");

/// A part of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paper {
    /// What the paper calls it.
    pub(super) name: &'static str,
    /// The column of its p-values.
    column: usize,
}

impl Paper {
    /// The part asked for, or the one of images with such a shorter side, in pixels.
    pub(super) fn chosen(asked: Option<PaperTable>, side: u32) -> Option<Self> {
        let by_size = match side {
            0..=48 => PaperTable::Cifar10,
            49..=96 => PaperTable::Tiny,
            _ => PaperTable::None,
        };
        let (name, column) = match asked.unwrap_or(by_size) {
            PaperTable::Cifar10 => ("CIFAR10-C", 1),
            PaperTable::Cifar100 => ("CIFAR100-C", 3),
            PaperTable::Tiny => ("TinyImageNet-C", 5),
            PaperTable::None => return None,
        };
        Some(Self { name, column })
    }

    /// What it prints for a corruption: the p-value, and the AUROC in points.
    pub(super) fn printed(self, corruption: &str) -> Option<(&'static str, f64)> {
        let mut lines = TABLE.lines().map(|line| line.split(','));
        let mut cells =
            lines.find_map(|mut cells| (cells.next() == Some(corruption)).then_some(cells))?;
        let p = cells.nth(self.column - 1)?;
        Some((p, cells.next()?.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qualm_vision::corrupt::Corruption;

    #[test]
    fn cells_are_found_by_part_and_corruption() {
        let part = |asked| Paper::chosen(Some(asked), 0).expect("a part");
        let cell = |asked, name| part(asked).printed(name);
        assert_eq!(cell(PaperTable::Cifar10, "frost"), Some(("0.44", 52.4)));
        assert_eq!(cell(PaperTable::Cifar100, "none"), Some(("0.56", 50.6)));
        assert_eq!(
            cell(PaperTable::Tiny, "jpeg_compression"),
            Some(("1e-61", 65.7))
        );
        assert_eq!(cell(PaperTable::Tiny, "sparkles"), None);
        assert_eq!(
            Paper::chosen(None, 64).map(|p| p.name),
            Some("TinyImageNet-C")
        );
        assert!(Paper::chosen(None, 224).is_none());
    }

    /// The sums of the columns, added in the paper itself.
    #[test]
    fn the_table_is_whole() {
        for (asked, expected) in [
            (PaperTable::Cifar10, 967.9),
            (PaperTable::Cifar100, 1002.5),
            (PaperTable::Tiny, 1183.3),
        ] {
            let part = Paper::chosen(Some(asked), 0).expect("a part");
            let common = Corruption::select("common").expect("a group");
            let cells = common
                .iter()
                .map(|c| part.printed(c.name()).expect("a cell").1);
            let sum: f64 = cells.sum();
            assert!((sum - expected).abs() < 1e-9, "{sum}");
        }
    }
}
