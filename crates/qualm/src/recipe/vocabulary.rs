//! The categories of a column, and the numbers that stand for them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::treatment::Encoding;

/// The categories of a column that the fitted rows were of: the commonest, up to a bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vocabulary {
    encoding: Encoding,
    /// The categories that are kept, ascending.
    values: Vec<String>,
    /// The share of the fitted rows that are of each, `(n,)`.
    shares: Vec<f64>,
    /// Where there were more than are kept: the mean share of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rest: Option<f64>,
}

/// What a text is to a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// The category at this place among those that are kept.
    Known(usize),
    /// One of those that are not kept, or one that no fitted row was of: nobody can tell.
    Rest,
    /// One that no fitted row was of.
    Unknown,
}

impl Vocabulary {
    /// The vocabulary of a column of which each value was counted.
    ///
    /// The commonest `bound` values are kept; of equally common ones the first in order.
    #[must_use]
    pub fn new(encoding: Encoding, counts: HashMap<String, u64>, bound: usize) -> Self {
        let n_rows = counts.values().sum::<u64>().max(1) as f64;
        let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
        counts.sort_unstable_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        let others = counts.split_off(bound.min(counts.len()));
        let rest = (!others.is_empty()).then(|| {
            let n: u64 = others.iter().map(|(_, n)| n).sum();
            n as f64 / n_rows / others.len() as f64
        });
        counts.sort_unstable();
        let (values, shares) = (counts.into_iter())
            .map(|(value, n)| (value, n as f64 / n_rows))
            .unzip();
        Self {
            encoding,
            values,
            shares,
            rest,
        }
    }

    /// How categories become numbers.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The categories that are kept, `(n,)`, ascending.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether there were more categories than are kept.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.rest.is_some()
    }

    /// The commonest category; of equally common ones the first.
    #[must_use]
    pub fn commonest(&self) -> Category {
        let mut best = (0, f64::MIN);
        for (place, share) in self.shares.iter().enumerate() {
            if *share > best.1 {
                best = (place, *share);
            }
        }
        Category::Known(best.0)
    }

    /// What a text is.
    #[must_use]
    pub fn find(&self, text: &str) -> Category {
        match self
            .values
            .binary_search_by(|value| value.as_str().cmp(text))
        {
            Ok(place) => Category::Known(place),
            Err(_) if self.is_cut() => Category::Rest,
            Err(_) => Category::Unknown,
        }
    }

    /// The number of features.
    #[must_use]
    pub fn width(&self) -> usize {
        match self.encoding {
            Encoding::OneHot => self.values.len() + usize::from(self.is_cut()),
            Encoding::Frequency => 1,
        }
    }

    /// Writes the features of a category.
    ///
    /// # Shapes
    /// `out`: `(width,)`.
    pub fn encode(&self, category: Category, out: &mut [f64]) {
        match self.encoding {
            Encoding::OneHot => {
                out.fill(0.0);
                let place = match category {
                    Category::Known(place) => Some(place),
                    Category::Rest => Some(self.values.len()),
                    Category::Unknown => None,
                };
                if let Some(hot) = place.and_then(|place| out.get_mut(place)) {
                    *hot = 1.0;
                }
            }
            Encoding::Frequency => out.fill(match category {
                Category::Known(place) => self.shares.get(place).copied().unwrap_or(0.0),
                Category::Rest => self.rest.unwrap_or(0.0),
                Category::Unknown => 0.0,
            }),
        }
    }

    /// The names of the features of a column.
    pub(super) fn names(&self, column: &str) -> Vec<String> {
        match self.encoding {
            Encoding::OneHot => {
                let names = self.values.iter().map(|value| format!("{column}={value}"));
                let rest = self.is_cut().then(|| format!("{column}=(other)"));
                names.chain(rest).collect()
            }
            Encoding::Frequency => vec![column.to_owned()],
        }
    }

    /// Whether it is one that [`Vocabulary::new`] makes.
    pub(super) fn is_valid(&self) -> bool {
        let share = |share: &f64| (0.0..=1.0).contains(share);
        !self.values.is_empty()
            && self.values.len() == self.shares.len()
            && self.values.windows(2).all(|pair| pair[0] < pair[1])
            && self.shares.iter().chain(&self.rest).all(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(encoding: Encoding, bound: usize) -> Vocabulary {
        let counts = [("it", 5), ("fr", 3), ("de", 1), ("at", 1)];
        let counts = counts.map(|(value, n)| (value.to_owned(), n));
        Vocabulary::new(encoding, HashMap::from(counts), bound)
    }

    fn features(vocabulary: &Vocabulary, text: &str) -> Vec<f64> {
        let mut out = vec![7.0; vocabulary.width()];
        vocabulary.encode(vocabulary.find(text), &mut out);
        out
    }

    #[test]
    fn each_category_has_a_feature() {
        let all = of(Encoding::OneHot, 50);
        assert_eq!(all.names("c"), ["c=at", "c=de", "c=fr", "c=it"]);
        assert_eq!(features(&all, "fr"), [0.0, 0.0, 1.0, 0.0]);
        assert_eq!(all.find("xx"), Category::Unknown);
        assert_eq!(features(&all, "xx"), [0.0; 4]);
        assert_eq!(all.commonest(), Category::Known(3));
    }

    #[test]
    fn the_commonest_are_kept() {
        let three = of(Encoding::OneHot, 3);
        // Of two that are equally common the first in order.
        assert_eq!(three.names("c"), ["c=at", "c=fr", "c=it", "c=(other)"]);
        assert_eq!(features(&three, "de"), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(three.find("de"), three.find("xx"));
    }

    #[test]
    fn shares_are_of_the_fitted_rows() {
        let all = of(Encoding::Frequency, 50);
        assert_eq!(all.names("c"), ["c"]);
        assert_eq!(features(&all, "it"), [0.5]);
        assert_eq!(features(&all, "xx"), [0.0]);
        let two = of(Encoding::Frequency, 2);
        // Two others, of one row in ten each.
        assert_eq!(features(&two, "de"), [0.1]);
        assert_eq!(features(&two, "it"), [0.5]);
    }
}
