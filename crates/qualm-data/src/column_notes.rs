//! What a user should know of the columns of an input: those that are not used, and features
//! that are likely no data.
//!
//! The texts name columns. How to leave one out is for each front to say: the command line has
//! `--exclude`, Python has other ways.

use std::fmt;

use qualm::Location;
use qualm::error::Names;

/// Something about the columns of an input that is fitted to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnNote {
    /// Columns that are no features.
    NotUsed {
        /// Which, and why.
        columns: Vec<Unused>,
        /// How many columns are features.
        used: usize,
    },
    /// A first line of numbers that was taken for the names of the columns.
    NumericHeader {
        /// What stands there.
        names: Names,
    },
    /// Features that have the name of a label.
    Label {
        /// Their names.
        columns: Names,
    },
    /// Features that number the rows, or tell them apart otherwise.
    Id {
        /// Their names.
        columns: Names,
    },
    /// Features with one value in all rows.
    Constant {
        /// Their names.
        columns: Names,
    },
    /// Missing values in whose place a typical one was put.
    Filled {
        /// How many in each column.
        columns: Counts,
    },
    /// Rows left out because a value was missing.
    LeftOut {
        /// How many there are.
        n_rows: u64,
        /// How many values were missing in each column.
        columns: Counts,
    },
    /// Columns of categories that features were made of.
    Encoded {
        /// How many categories there are in each.
        columns: Counts,
    },
    /// Columns with more categories than are kept.
    Cut {
        /// How many there are in each.
        columns: Counts,
        /// How many are kept.
        kept: usize,
    },
    /// Categories that no fitted row was of, or that are not kept.
    Unknown {
        /// The column.
        column: String,
        /// How many rows.
        n_rows: u64,
        /// The first of them.
        found: String,
        /// Where that is.
        at: Location,
    },
}

/// Columns with a number for each, as messages list them: the first few, then how many more there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(pub Vec<(String, u64)>);

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (i, (name, n)) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}'{name}' ({n})")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl Counts {
    /// The sum over the columns.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().map(|(_, n)| n).sum()
    }
}

impl ColumnNote {
    /// Whether the input is likely not read as it was meant: most of its columns are left out.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        match self {
            // Beside vectors there are usually columns that say what they are of.
            Self::NotUsed { columns, used } => {
                let lost = columns.iter().filter(|c| c.why.is_loss()).count();
                lost > *used
            }
            // Fewer rows come out than went in, or rows are not like any that was fitted.
            Self::LeftOut { .. } | Self::Unknown { .. } => true,
            _ => false,
        }
    }
}

impl fmt::Display for ColumnNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUsed { columns, used } => {
                let (n, all) = (columns.len(), used + columns.len());
                write!(
                    f,
                    "{n} of {all} columns not used: {}",
                    UnusedColumns(columns)
                )
            }
            Self::NumericHeader { names } => write!(
                f,
                "the first line was taken as column names, though it holds only numbers: {names}"
            ),
            Self::Label { columns } => {
                let (has, is) = plural(columns, ["has", "is"], ["have", "are"]);
                write!(
                    f,
                    "{columns} {has} the name of a label and {is} used as a feature"
                )
            }
            Self::Id { columns } => {
                let (looks, is) = plural(columns, ["looks", "is"], ["look", "are"]);
                write!(
                    f,
                    "{columns} {looks} like an id (whole numbers, none of them twice) and {is} \
                     used as a feature"
                )
            }
            Self::Constant { columns } => {
                let (has, tells) = plural(columns, ["has", "tells"], ["have", "tell"]);
                write!(
                    f,
                    "{columns} {has} one value in all rows and {tells} nothing apart"
                )
            }
            Self::Filled { columns } => write!(
                f,
                "{} missing value{} filled with the median, or the commonest category, of the fitted rows: \
                 {columns}",
                columns.total(),
                if columns.total() == 1 { "" } else { "s" }
            ),
            Self::LeftOut { n_rows, columns } => write!(
                f,
                "{n_rows} row{} left out because a value is missing: {columns}",
                if *n_rows == 1 { "" } else { "s" }
            ),
            Self::Encoded { columns } => write!(f, "categories are features: {columns}"),
            Self::Cut { columns, kept } => write!(
                f,
                "only the {kept} commonest categories are told apart, the others share one feature: \
                 {columns}"
            ),
            Self::Unknown {
                column,
                n_rows,
                found,
                at,
            } => write!(
                f,
                "{n_rows} row{} of a category of '{column}' that the model does not know, such as '{found}' \
                 ({at})",
                if *n_rows == 1 { "" } else { "s" }
            ),
        }
    }
}

fn plural(
    names: &Names,
    one: [&'static str; 2],
    several: [&'static str; 2],
) -> (&'static str, &'static str) {
    let [a, b] = if names.0.len() == 1 { one } else { several };
    (a, b)
}

/// Unused columns in a message: the first few, then how many more there are.
pub(crate) struct UnusedColumns<'a>(pub(crate) &'a [Unused]);

impl fmt::Display for UnusedColumns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (i, column) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{column}")?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// A column that is no feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// Its name, which may be empty.
    pub name: String,
    /// Why it is no feature.
    pub why: WhyUnused,
}

/// Why a column is no feature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyUnused {
    /// It holds text, of which this is the first that is no number, and its row from 1.
    Text {
        /// The text, shortened.
        found: String,
        /// The row.
        row: usize,
    },
    /// It holds something else than numbers: the type in words.
    Type(String),
    /// The input is a column of vectors.
    BesideVectors(String),
    /// It is the index of a table that pandas wrote.
    Index,
    /// It holds dates, which are features only where they are asked for.
    Dates {
        /// The first of them.
        found: String,
    },
    /// It holds text that is different in nearly all rows, and so no categories.
    Distinct {
        /// How many different texts.
        n_values: usize,
        /// In how many rows.
        n_rows: usize,
    },
}

impl WhyUnused {
    /// Whether what the column holds could have been meant as a feature.
    fn is_loss(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::Type(_) | Self::Dates { .. })
    }
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => f.write_str("the column without a name")?,
            name => write!(f, "'{name}'")?,
        }
        match &self.why {
            WhyUnused::Text { found, row } => write!(f, " (text such as '{found}' in row {row})"),
            WhyUnused::Type(words) => write!(f, " ({words})"),
            WhyUnused::BesideVectors(name) if name.is_empty() => {
                f.write_str(" (the vectors are the input)")
            }
            WhyUnused::BesideVectors(name) => write!(f, " (the vectors of '{name}' are the input)"),
            WhyUnused::Index => f.write_str(" (the index of a pandas table)"),
            WhyUnused::Dates { found } => write!(f, " (dates such as '{found}')"),
            WhyUnused::Distinct { n_values, n_rows } => {
                write!(f, " ({n_values} different texts in {n_rows} rows)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unused(name: &str, why: WhyUnused) -> Unused {
        Unused {
            name: name.to_owned(),
            why,
        }
    }

    fn text(found: &str, row: usize) -> WhyUnused {
        let found = found.to_owned();
        WhyUnused::Text { found, row }
    }

    #[test]
    fn what_is_left_out_is_said_with_the_reason() {
        let columns = vec![
            unused("Income", text("24,230.65", 2)),
            unused("day", WhyUnused::Type("date".to_owned())),
            unused("", WhyUnused::Index),
        ];
        let note = ColumnNote::NotUsed { columns, used: 1 };
        assert_eq!(
            note.to_string(),
            "3 of 4 columns not used: 'Income' (text such as '24,230.65' in row 2), 'day' (date), \
             the column without a name (the index of a pandas table)"
        );
        assert!(note.is_warning());
        let beside = WhyUnused::BesideVectors("emb".to_owned());
        let columns = vec![unused("a", beside); 3];
        assert!(!ColumnNote::NotUsed { columns, used: 1 }.is_warning());
    }

    #[test]
    fn one_column_has_and_several_have() {
        let names = |names: &[&str]| Names(names.iter().map(|&n| n.to_owned()).collect());
        let said = |columns| ColumnNote::Constant { columns }.to_string();
        assert_eq!(
            said(names(&["a"])),
            "'a' has one value in all rows and tells nothing apart"
        );
        assert!(
            said(names(&["a", "b"])).starts_with("'a', 'b' have one value in all rows and tell")
        );
    }
}
