//! What to do with missing values, categories and dates: asked for when a model is fitted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Categories of a column that have a feature of their own, unless another number is asked for.
const ONE_HOT: usize = 50;
/// Categories whose shares are kept, unless another number is asked for.
const FREQUENCY: usize = 10_000;

/// Implements names for an enumeration of words.
macro_rules! words {
    ($ty:ident, $key:literal, $expected:literal, $($variant:ident = $word:literal),+) => {
        impl $ty {
            /// All names, as keys of configurations have them.
            pub const NAMES: &[&str] = &[$($word),+];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $ty {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self> {
                let known = [$(Self::$variant),+];
                let found = known.into_iter().find(|known| known.name() == name);
                found.ok_or_else(|| Error::InvalidKey {
                    key: $key,
                    value: name.to_owned(),
                    expected: $expected,
                })
            }
        }
    };
}

/// What happens to a row in which a value is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// It is refused.
    #[default]
    Fail,
    /// It is left out, in fitting and in scoring.
    Drop,
    /// The value is taken to be the median of its column over the fitted rows; a category, the
    /// commonest.
    Median,
}

words!(
    Missing,
    "missing",
    "fail, drop or median",
    Fail = "fail",
    Drop = "drop",
    Median = "median"
);

/// How a category becomes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// One feature for each category: 1 where the row is of it, else 0.
    OneHot,
    /// One feature: the share of the fitted rows that are of the category.
    Frequency,
}

words!(
    Encoding,
    "encode",
    "onehot or frequency",
    OneHot = "onehot",
    Frequency = "frequency"
);

/// What happens to a row of a category that no fitted row was of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// It is refused.
    #[default]
    Fail,
    /// It is of none of the categories: all of their features are 0, or the share is.
    Other,
}

words!(
    Unknown,
    "unknown",
    "fail or other",
    Fail = "fail",
    Other = "other"
);

/// What is asked for when a model is fitted to a table as people have it. The default is nothing:
/// columns of numbers in which no value is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Treatment {
    /// What happens to missing values.
    pub missing: Missing,
    /// Texts that stand for a missing value, beside no text at all. Numbers among them do so in
    /// columns of numbers, too.
    pub na: Vec<String>,
    /// Whether columns of text are features, and how. Without it they are none.
    pub encode: Option<Encoding>,
    /// What happens to categories that no fitted row was of.
    pub unknown: Unknown,
    /// The most categories of a column that are kept, the commonest; the others share a feature.
    /// 50, and 10,000 of [`Encoding::Frequency`], unless another number is given.
    pub max_categories: Option<usize>,
    /// Whether dates and times are features: days since 1970, in UTC.
    pub dates: bool,
}

impl Treatment {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that what is asked for fits together.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] for a number of categories below 1, and one without categories.
    pub fn validate(&self) -> Result<()> {
        let invalid = |value: String, expected| {
            Err(Error::InvalidKey {
                key: "max_categories",
                value,
                expected,
            })
        };
        match (self.max_categories, self.encode) {
            (Some(0), _) => invalid("0".to_owned(), "a whole number, 1 or more"),
            (Some(n), None) => invalid(n.to_string(), "encode to be set, too"),
            _ if self.unknown != Unknown::default() && self.encode.is_none() => {
                Err(Error::InvalidKey {
                    key: "unknown",
                    value: self.unknown.to_string(),
                    expected: "encode to be set, too",
                })
            }
            _ => Ok(()),
        }
    }

    /// The most categories of a column that are kept, by how they are encoded.
    #[must_use]
    pub fn categories_kept(&self, encoding: Encoding) -> usize {
        self.max_categories.unwrap_or(match encoding {
            Encoding::OneHot => ONE_HOT,
            Encoding::Frequency => FREQUENCY,
        })
    }
}
