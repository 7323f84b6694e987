//! The parts of messages that read as words: counts, amounts, other libraries' terms.

use std::fmt;

/// So many rows: `1 row`, `2 rows`.
pub(super) struct Rows(pub(super) usize);

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} row{plural}", self.0)
    }
}

/// An amount of memory.
pub(super) struct Gibibytes(pub(super) u64);

impl fmt::Display for Gibibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} GiB", self.0 as f64 / (1u64 << 30) as f64)
    }
}

/// Which hyper-parameters would take less memory, as the beginning of an advice.
pub(super) struct Lighter<'a>(pub(super) &'a [String]);

impl fmt::Display for Lighter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "{}, or ", self.0.join(", or "))
    }
}

/// What can be done about a training whose loss is not a number.
pub(super) struct Divergence(pub(super) u64);

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 <= 1 {
            "the values are likely too small or too large for float32: rescale the columns, \
             or choose a space that does (space = standardise)"
        } else {
            "try a smaller learning_rate, a log_variance_bound or a bounded space (sphere, unit, \
             kernel)"
        })
    }
}

/// What a parser expected, without the names of Rust's types.
fn without_types(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "string or map" | "a string" => "a word",
        other => other,
    }
}

/// What a JSON parser expected in place of a value that the message shows already.
pub(super) struct Expected<'a>(pub(super) &'a serde_json::Error);

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string().replace('`', "'");
        match text.split_once(", expected ") {
            Some((_, expected)) => write!(f, "expected {}", without_types(expected)),
            None => f.write_str(&text),
        }
    }
}

/// What a JSON parser says, without the names of Rust's types.
pub(super) struct Parser<'a>(pub(super) &'a serde_json::Error);

impl fmt::Display for Parser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let Some((found, expected)) = text.split_once(", expected ") else {
            return f.write_str(&text.replace('`', "'"));
        };
        let expected = without_types(expected);
        let found = ["invalid type: ", "invalid value: "]
            .into_iter()
            .find_map(|start| found.strip_prefix(start))
            .map_or_else(|| found.to_owned(), |found| format!("found {found}"));
        let mut text = format!("{found}, expected {expected}").replace('`', "'");
        for (kind, word) in [
            ("found floating point", "found the number"),
            ("found integer", "found the number"),
            ("found string", "found the word"),
            ("found boolean '", "found '"),
        ] {
            text = text.replace(kind, word);
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: serde::de::DeserializeOwned>(json: &str) -> String {
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let error = serde_json::from_value::<T>(value).err().unwrap();
        Parser(&error).to_string()
    }

    #[test]
    fn no_type_of_rust_is_named() {
        assert_eq!(
            said::<usize>("\"many\""),
            "found the word \"many\", expected a whole number, 0 or more"
        );
        assert_eq!(
            said::<u32>("-1"),
            "found the number '-1', expected a whole number, 0 or more"
        );
        assert_eq!(said::<f64>("true"), "found 'true', expected a number");
        assert_eq!(
            said::<bool>("0.5"),
            "found the number '0.5', expected true or false"
        );
    }

    #[test]
    fn a_value_that_is_shown_is_not_found_again() {
        let refused = serde_json::from_value::<crate::KnnMethod>("least".into()).unwrap_err();
        assert_eq!(
            Expected(&refused).to_string(),
            "expected one of 'largest', 'mean', 'median'"
        );
        let refused = serde_json::from_value::<u32>((-1).into()).unwrap_err();
        assert_eq!(
            Expected(&refused).to_string(),
            "expected a whole number, 0 or more"
        );
    }

    #[test]
    fn one_row_is_no_rows() {
        assert_eq!([1, 2].map(|n| Rows(n).to_string()), ["1 row", "2 rows"]);
    }
}
