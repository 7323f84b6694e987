//! How the columns of a table become the features of a model: what stands in for missing values,
//! which numbers stand for categories and dates. It is learned when a model is fitted, kept in its
//! file, and applied to every row that is scored, by whatever reads the rows.
//!
//! The features of a row are those of its columns, one column after the other:
//!
//! | column | features |
//! |---|---|
//! | number | the number; the median of the fitted rows where it is missing |
//! | date or time | days since 1970, in UTC; likewise |
//! | category, `onehot` | one for each category of the vocabulary, 1 or 0; one more for those that are not kept |
//! | category, `frequency` | the share of the fitted rows that are of it |

mod treatment;
mod vocabulary;

use serde::{Deserialize, Serialize};

pub use treatment::{Encoding, Missing, Treatment, Unknown};
pub use vocabulary::{Category, Vocabulary};

use std::collections::HashMap;

/// What a column holds, and what stands in for a value that is missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Numbers.
    Number {
        /// The median over the fitted rows.
        median: f64,
    },
    /// Dates and times, as days since 1970.
    Date {
        /// The median over the fitted rows.
        median: f64,
    },
    /// Categories.
    Category(Vocabulary),
}

/// A column of the table and what it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecipeColumn {
    name: String,
    content: Content,
}

impl RecipeColumn {
    /// A column of numbers, of which some are given; nothing for none.
    #[must_use]
    pub fn of_numbers(name: &str, values: &mut [f64]) -> Option<Self> {
        let median = median(values)?;
        Some(Self {
            name: name.to_owned(),
            content: Content::Number { median },
        })
    }

    /// A column of dates, of which some are given as days since 1970; nothing for none.
    #[must_use]
    pub fn of_dates(name: &str, values: &mut [f64]) -> Option<Self> {
        let median = median(values)?;
        Some(Self {
            name: name.to_owned(),
            content: Content::Date { median },
        })
    }

    /// A column of categories, with how many rows are of each; nothing for none.
    #[must_use]
    pub fn of_categories(
        name: &str,
        counts: HashMap<String, u64>,
        encoding: Encoding,
        treatment: &Treatment,
    ) -> Option<Self> {
        if counts.is_empty() {
            return None;
        }
        let vocabulary = Vocabulary::new(encoding, counts, treatment.categories_kept(encoding));
        Some(Self {
            name: name.to_owned(),
            content: Content::Category(vocabulary),
        })
    }

    /// The name of the column.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The number of features that it becomes.
    #[must_use]
    pub fn width(&self) -> usize {
        match &self.content {
            Content::Number { .. } | Content::Date { .. } => 1,
            Content::Category(vocabulary) => vocabulary.width(),
        }
    }

    fn names(&self) -> Vec<String> {
        match &self.content {
            Content::Number { .. } | Content::Date { .. } => vec![self.name.clone()],
            Content::Category(vocabulary) => vocabulary.names(&self.name),
        }
    }

    fn is_valid(&self) -> bool {
        match &self.content {
            // The reader of the rows refuses what float32 cannot hold.
            Content::Number { median } | Content::Date { median } => (*median as f32).is_finite(),
            Content::Category(vocabulary) => vocabulary.is_valid(),
        }
    }
}

/// How the columns of a table become features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Recipe {
    missing: Missing,
    unknown: Unknown,
    na: Vec<String>,
    columns: Vec<RecipeColumn>,
    /// The names of the features, `(d,)`.
    names: Vec<String>,
}

/// As it stands in a file.
#[derive(Serialize, Deserialize)]
struct Stored {
    missing: Missing,
    unknown: Unknown,
    na: Vec<String>,
    columns: Vec<RecipeColumn>,
}

impl From<Recipe> for Stored {
    fn from(recipe: Recipe) -> Self {
        let Recipe {
            missing,
            unknown,
            na,
            columns,
            names: _,
        } = recipe;
        Self {
            missing,
            unknown,
            na,
            columns,
        }
    }
}

impl TryFrom<Stored> for Recipe {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        if !stored.columns.iter().all(RecipeColumn::is_valid) {
            return Err("a column of the recipe is not what qualm writes");
        }
        let treatment = Treatment {
            missing: stored.missing,
            unknown: stored.unknown,
            na: stored.na,
            ..Treatment::default()
        };
        Ok(Self::new(stored.columns, &treatment))
    }
}

impl Recipe {
    /// The recipe of these columns, in the order of the features.
    #[must_use]
    pub fn new(columns: Vec<RecipeColumn>, treatment: &Treatment) -> Self {
        Self {
            missing: treatment.missing,
            unknown: treatment.unknown,
            na: treatment.na.clone(),
            names: columns.iter().flat_map(RecipeColumn::names).collect(),
            columns,
        }
    }

    /// What happens to missing values.
    #[must_use]
    pub fn missing(&self) -> Missing {
        self.missing
    }

    /// What happens to categories that no fitted row was of.
    #[must_use]
    pub fn unknown(&self) -> Unknown {
        self.unknown
    }

    /// Texts that stand for a missing value.
    #[must_use]
    pub fn na(&self) -> &[String] {
        &self.na
    }

    /// The columns of the table, in the order of the features.
    #[must_use]
    pub fn columns(&self) -> &[RecipeColumn] {
        &self.columns
    }

    /// The names of the features, `(d,)`: those of the columns of numbers, and `country=FR` for a
    /// category.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// The median of some numbers; of two in the middle the lower. Nothing for none.
fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        let counts = [("fr", 1), ("it", 2)].map(|(value, n)| (value.to_owned(), n));
        let treatment = Treatment {
            missing: Missing::Median,
            encode: Some(Encoding::OneHot),
            na: vec!["?".to_owned()],
            ..Treatment::default()
        };
        let country = RecipeColumn::of_categories(
            "country",
            HashMap::from(counts),
            Encoding::OneHot,
            &treatment,
        );
        let age = RecipeColumn::of_numbers("age", &mut [40.0, 20.0, 31.0, 30.0]);
        Recipe::new([age, country].into_iter().flatten().collect(), &treatment)
    }

    #[test]
    fn features_are_named_after_their_columns() {
        assert_eq!(recipe().names(), ["age", "country=fr", "country=it"]);
        // Of two in the middle the lower: a value that a row had.
        assert_eq!(
            recipe().columns()[0].content(),
            &Content::Number { median: 30.0 }
        );
        assert!(RecipeColumn::of_numbers("age", &mut []).is_none());
    }

    #[test]
    fn what_is_read_is_what_was_written_or_refused() {
        let text = serde_json::to_string(&recipe()).unwrap();
        assert_eq!(serde_json::from_str::<Recipe>(&text).unwrap(), recipe());
        for (from, to) in [
            ("30.0", "1e300"),
            (r#"["fr","it"]"#, r#"["it","fr"]"#),
            (r#"["fr","it"]"#, r#"["it"]"#),
            (r#"["fr","it"]"#, "[]"),
            ("\"median\",\"unknown\"", "\"mode\",\"unknown\""),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text, "{from}");
            assert!(
                serde_json::from_str::<Recipe>(&damaged).is_err(),
                "{damaged}"
            );
        }
    }

    #[test]
    fn treatments_fit_together() {
        let encoded = Treatment {
            encode: Some(Encoding::OneHot),
            max_categories: Some(3),
            unknown: Unknown::Other,
            ..Treatment::default()
        };
        assert!(encoded.validate().is_ok() && !encoded.is_plain());
        for wrong in [
            Treatment {
                max_categories: Some(0),
                ..encoded.clone()
            },
            Treatment {
                encode: None,
                ..encoded.clone()
            },
            Treatment {
                encode: None,
                max_categories: None,
                ..encoded
            },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
        assert_eq!("median".parse::<Missing>().unwrap(), Missing::Median);
        let error = "mean".parse::<Missing>().unwrap_err().to_string();
        assert_eq!(error, "missing = mean: expected fail, drop or median");
    }
}
