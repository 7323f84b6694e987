//! How numbers and fields are written in text tables.

/// How numbers and fields are written in CSV and tab-separated text. The default is what programs
/// write: `1234.5`, and the separator that the extension of the file names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextFormat {
    /// What separates fields, an ASCII character.
    pub delimiter: Option<u8>,
    /// What separates a number's whole part from its fraction, if it is no point.
    pub decimal: Option<char>,
    /// What may separate groups of three digits of a number's whole part.
    pub thousands: Option<char>,
}

impl TextFormat {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// A number as it is written; nothing for what is none.
    pub(crate) fn number(&self, text: &str) -> Option<f64> {
        if self.decimal.is_none() && self.thousands.is_none() {
            return text.parse().ok();
        }
        let (whole, fraction) = match text.split_once(self.decimal.unwrap_or('.')) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let whole = self.ungrouped(whole)?;
        // Otherwise the point of `1.5`, where a comma is asked for, would be taken for one.
        if whole.contains(['.', ',']) || fraction.is_some_and(|f| f.contains(['.', ','])) {
            return None;
        }
        match fraction {
            Some(fraction) => format!("{whole}.{fraction}").parse().ok(),
            None => whole.parse().ok(),
        }
    }

    /// A whole part without its separators; nothing where these are not between groups of three.
    fn ungrouped(&self, whole: &str) -> Option<String> {
        let is_separator = |c: char| match self.thousands {
            // People type a space, and programs print one that does not break.
            Some(' ') => matches!(c, ' ' | '\u{a0}' | '\u{202f}'),
            thousands => Some(c) == thousands,
        };
        let mut groups = whole.split(is_separator);
        let first = groups.next()?;
        let mut digits = first.to_owned();
        let mut grouped = false;
        for group in groups {
            if group.len() != 3 || !group.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            digits.push_str(group);
            grouped = true;
        }
        let n_first = first.trim_start_matches(['-', '+']).len();
        (!grouped || (1..=3).contains(&n_first)).then_some(digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(decimal: Option<char>, thousands: Option<char>, texts: &[&str]) -> Vec<Option<f64>> {
        let format = TextFormat {
            decimal,
            thousands,
            ..TextFormat::default()
        };
        texts.iter().map(|text| format.number(text)).collect()
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(
            numbers(
                None,
                Some(','),
                &["1,234.50", "-12,345,678", "7", "1e3", "1234.5"]
            ),
            [
                Some(1234.5),
                Some(-12_345_678.0),
                Some(7.0),
                Some(1e3),
                Some(1234.5)
            ]
        );
        assert_eq!(
            numbers(Some(','), Some('.'), &["1.234,50", "0,5", "-3"]),
            [Some(1234.5), Some(0.5), Some(-3.0)]
        );
        assert_eq!(
            numbers(
                Some(','),
                Some(' '),
                &["1 234,5", "1\u{a0}234", "1\u{202f}000\u{202f}000"]
            ),
            [Some(1234.5), Some(1234.0), Some(1e6)]
        );
    }

    #[test]
    fn what_is_written_otherwise_is_no_number() {
        let wrong = [
            "1,5",
            "12,34,567",
            "1234,567",
            ",123",
            "1,234,",
            "1.2.3",
            "x",
            "1,234.5,6",
        ];
        assert_eq!(numbers(None, Some(','), &wrong), [None; 8]);
        // A point where a comma is asked for.
        assert_eq!(
            numbers(Some(','), None, &["1.5", "1.000,5", "1,5,5"]),
            [None; 3]
        );
        assert_eq!(numbers(Some(','), Some('.'), &["1.5"]), [None]);
    }
}
