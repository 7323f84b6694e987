//! Flags about tables as people have them: how text is written, what is missing, what is no number.

use clap::Args;
use clap::builder::PossibleValuesParser;
use qualm::{Encoding, Missing, Treatment, Unknown};
use qualm_data::TextFormat;

use super::at_least_one;

/// How numbers and fields are written in text.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Text tables")]
pub(crate) struct TextArgs {
    /// What separates fields of CSV: one character, or `tab` [default: a comma; in .tsv a tab]
    #[arg(hide_short_help = true, long, value_name = "CHARACTER", value_parser = delimiter)]
    pub(crate) delimiter: Option<u8>,
    /// What separates a number's whole part from its fraction [default: a point]
    #[arg(hide_short_help = true, long, value_name = "CHARACTER", value_parser = one_character)]
    pub(crate) decimal: Option<char>,
    /// What groups the digits of a number: `--thousands ,` reads 1,234.50
    #[arg(hide_short_help = true, long, value_name = "CHARACTER", value_parser = one_character)]
    pub(crate) thousands: Option<char>,
}

impl TextArgs {
    /// What the library takes.
    ///
    /// # Errors
    /// When one character has two meanings.
    pub(crate) fn format(&self) -> anyhow::Result<TextFormat> {
        let decimal = self.decimal.unwrap_or('.');
        if self.thousands == Some(decimal) {
            anyhow::bail!(
                "'{decimal}' can either end a number's whole part or group its digits; give two different \
                 characters with --decimal and --thousands"
            );
        }
        Ok(TextFormat {
            delimiter: self.delimiter,
            decimal: self.decimal.filter(|c| *c != '.'),
            thousands: self.thousands,
        })
    }

    /// The flags that were given.
    pub(crate) fn given(&self) -> [(&'static str, bool); 3] {
        [
            ("--delimiter", self.delimiter.is_some()),
            ("--decimal", self.decimal.is_some()),
            ("--thousands", self.thousands.is_some()),
        ]
    }
}

/// What is done about missing values, categories and dates; kept in the model.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Missing values, categories and dates (kept in the model: score does the same)"
)]
pub(crate) struct TreatmentArgs {
    /// Missing values: refuse them, drop the row, or fill in the median of the fitted rows (of
    /// categories the commonest) [default: fail]
    #[arg(long, value_name = "RULE", value_parser = PossibleValuesParser::new(Missing::NAMES))]
    missing: Option<String>,
    /// Texts and numbers that stand for a missing value, beside empty fields, nulls and NaN
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "A,B",
        allow_hyphen_values = true
    )]
    na: Vec<String>,
    /// Columns of text are categories and features: one feature for each category, or one with the
    /// share of the fitted rows that are of it [default: text is no feature]
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(Encoding::NAMES))]
    encode: Option<String>,
    /// The most categories of a column that are told apart, the commonest [default: 50 for onehot,
    /// 10000 for frequency]
    #[arg(hide_short_help = true, long, value_name = "N", value_parser = at_least_one, requires = "encode", allow_negative_numbers = true)]
    max_categories: Option<usize>,
    /// Categories that no fitted row was of: refuse them, or take them for none of the known ones
    /// and say so [default: fail]
    #[arg(hide_short_help = true, long, value_name = "RULE", value_parser = PossibleValuesParser::new(Unknown::NAMES), requires = "encode")]
    unknown: Option<String>,
    /// Dates and times are features: days since 1970
    #[arg(long)]
    dates: bool,
}

impl TreatmentArgs {
    /// What the library takes.
    ///
    /// # Errors
    /// When it does not fit together.
    pub(crate) fn treatment(&self) -> qualm::Result<Treatment> {
        let treatment = Treatment {
            missing: self.missing.as_deref().unwrap_or("fail").parse()?,
            na: self.na.iter().map(|text| text.trim().to_owned()).collect(),
            encode: self.encode.as_deref().map(str::parse).transpose()?,
            unknown: self.unknown.as_deref().unwrap_or("fail").parse()?,
            max_categories: self.max_categories,
            dates: self.dates,
        };
        treatment.validate()?;
        Ok(treatment)
    }
}

fn one_character(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) if !only.is_ascii_digit() && !"+-eE".contains(only) => Ok(only),
        _ => Err("expected one character that is no part of a number, such as a comma".to_owned()),
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" => Ok(b'\t'),
        _ => {
            let character = text.chars().next().filter(|c| text.len() == c.len_utf8());
            let byte = character.and_then(|c| u8::try_from(c).ok());
            byte.filter(|byte| byte.is_ascii() && !b"\"\n\r".contains(byte))
                .ok_or_else(|| "expected one ASCII character, such as ';', or tab".to_owned())
        }
    }
}
