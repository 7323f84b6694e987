//! The numbers that the paper prints: its Table 3, AUROC in points.

/// A line for each pair of sets, a column for each detector.
const TABLE: &str = include_str!("../../../../data/table3.csv");

/// The sets as the paper writes them.
const TITLES: [(&str, &str); 5] = [
    ("cifar10", "CIFAR-10"),
    ("cifar100", "CIFAR-100"),
    ("svhn", "SVHN"),
    ("tinyimagenet", "TinyImageNet"),
    ("lsun", "LSUN"),
];

/// The part of the table with one set in distribution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paper {
    inside: &'static str,
}

/// A set out of distribution: its key, and what the paper calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PaperSet {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
}

impl Paper {
    /// The part of a set in distribution, where it bears the name of one of the paper's.
    pub(super) fn of(inside: &str) -> Option<Self> {
        let key = known(inside)?.key;
        let is = |line: &str| line.split(',').next() == Some(key);
        TABLE
            .lines()
            .skip(1)
            .any(is)
            .then_some(Self { inside: key })
    }

    /// What the paper calls the set in distribution.
    pub(super) fn title(self) -> &'static str {
        title(self.inside)
    }

    /// The sets out of distribution.
    pub(super) fn outside(self) -> impl Iterator<Item = PaperSet> {
        let lines = TABLE.lines().skip(1).map(|line| line.split(','));
        lines.filter_map(move |mut cells| {
            let inside = cells.next()?;
            let key = cells.next()?;
            (inside == self.inside).then_some(PaperSet {
                key,
                title: title(key),
            })
        })
    }

    /// The set of the paper that one of ours bears the name of.
    pub(super) fn same(self, outside: &str) -> Option<PaperSet> {
        let key = known(outside)?.key;
        self.outside().find(|set| set.key == key)
    }

    /// What it prints for a set out of distribution and a detector by its plain name.
    pub(super) fn printed(self, outside: PaperSet, detector: &str) -> Option<&'static str> {
        let mut lines = TABLE.lines();
        let column = lines.next()?.split(',').position(|name| name == detector)?;
        let mut lines = lines.map(|line| line.split(','));
        lines.find_map(|cells| {
            let mut keys = cells.clone();
            let pair = (keys.next()?, keys.next()?);
            let mut cells = cells;
            (pair == (self.inside, outside.key))
                .then(|| cells.nth(column))
                .flatten()
        })
    }
}

fn title(key: &str) -> &'static str {
    let found = TITLES.iter().find(|(other, _)| *other == key);
    found.map_or("", |(_, title)| title)
}

/// The set that a name means, whatever its case, dashes and underscores.
fn known(name: &str) -> Option<PaperSet> {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let letters = letters.collect::<String>().to_ascii_lowercase();
    let found = TITLES.iter().find(|(key, _)| *key == letters);
    found.map(|(key, title)| PaperSet { key, title })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(inside: &str, outside: &str, detector: &str) -> Option<&'static str> {
        let paper = Paper::of(inside)?;
        paper.printed(paper.same(outside)?, detector)
    }

    #[test]
    fn cells_are_found_by_sets_and_detector() {
        assert_eq!(cell("CIFAR-10", "svhn", "msp"), Some("89.8"));
        assert_eq!(cell("cifar_100", "Tiny-ImageNet", "dum"), Some("92.5"));
        assert_eq!(cell("svhn", "lsun", "dum_circ"), Some("84.3"));
        assert_eq!(cell("cifar10", "lsun", "knn"), None);
        assert_eq!(cell("cifar10", "cifar100", "msp"), None);
        assert_eq!(cell("cifar10", "scenes", "msp"), None);
        assert!(Paper::of("cifar10_test").is_none() && Paper::of("lsun").is_none());
    }

    /// The sums of the columns, added in the paper itself.
    #[test]
    fn the_table_is_whole() {
        for (detector, expected) in [
            ("msp", 781.4),
            ("odin", 827.8),
            ("mahalanobis", 892.1),
            ("residual_flow", 893.6),
            ("gram", 890.0),
            ("rotation", 770.1),
            ("dum", 861.3),
            ("dum_circ", 703.6),
        ] {
            let mut sum = 0.0;
            for inside in ["cifar10", "cifar100", "svhn"] {
                let paper = Paper::of(inside).expect("a part");
                assert_eq!(paper.outside().count(), 3);
                let cells = paper.outside().map(|set| paper.printed(set, detector));
                sum += cells
                    .map(|cell| cell.expect("a cell").parse::<f64>().expect("a number"))
                    .sum::<f64>();
            }
            assert!((sum - expected).abs() < 1e-9, "{detector}: {sum}");
        }
    }
}
