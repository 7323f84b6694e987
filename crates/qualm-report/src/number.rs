//! Numbers as text, the same on every machine.

/// A number with four significant digits, without needless zeros: `0.1235`, `12.3`, `1.2e-9`.
///
/// ```
/// use qualm_report::number;
///
/// assert_eq!(number::short(0.123456), "0.1235");
/// assert_eq!(number::short(-1234.0), "\u{2212}1,234");
/// ```
#[must_use]
pub fn short(value: f64) -> String {
    if value.is_nan() {
        return "not a number".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    let size = value.abs();
    let text = if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        let text = format!("{size:.3e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{exponent}", trimmed(digits))
    } else {
        let before = size.log10().floor() as i32 + 1;
        let after = (4 - before).clamp(0, 6) as usize;
        let text = format!("{size:.after$}");
        match text.split_once('.') {
            Some((whole, part)) => trimmed(&format!("{}.{part}", grouped(whole))).to_owned(),
            None => grouped(&text),
        }
    };
    if value < 0.0 {
        format!("−{text}")
    } else {
        text
    }
}

/// A share as per cent, with one digit after the point, or two significant ones below 1 %.
#[must_use]
pub fn percent(share: f64) -> String {
    let value = 100.0 * share;
    if value != 0.0 && value.abs() < 1.0 {
        return format!(
            "{}\u{a0}%",
            short(format!("{value:.1e}").parse().unwrap_or(value))
        );
    }
    let text = format!("{value:.1}");
    format!("{}\u{a0}%", trimmed(&text))
}

/// A percentile. Only what has nothing above it is called 100.
#[must_use]
pub fn percentile(value: f64) -> String {
    let digits = if value >= 99.0 || value <= 1.0 { 2 } else { 1 };
    let text = format!("{value:.digits$}");
    if value < 100.0 && text.starts_with("100") {
        return "above 99.99".to_owned();
    }
    trimmed(&text).to_owned()
}

/// A count with commas: `12,345`.
#[must_use]
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// So many of something: `1 row`, `2,000 rows`.
#[must_use]
pub fn counted(n: u64, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(n))
}

/// Without zeros, and a point, at the end of a fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// Digits with a comma after every thousand.
fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_honest() {
        for (value, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5"),
            (123.456, "123.5"),
            (99_999.6, "100,000"),
            (1_234_567.0, "1.235e6"),
            (0.000_123_45, "1.234e-4"),
            (-0.25, "−0.25"),
            (f64::INFINITY, "∞"),
        ] {
            assert_eq!(short(value), expected);
        }
        assert_eq!(
            [count(0), count(999), count(1_000_000)],
            ["0", "999", "1,000,000"]
        );
        assert_eq!(
            [percent(0.5), percent(0.999), percent(0.0012)],
            ["50\u{a0}%", "99.9\u{a0}%", "0.12\u{a0}%"]
        );
        let of = [99.999, 100.0, 50.0, 99.5, 0.25].map(percentile);
        assert_eq!(of, ["above 99.99", "100", "50", "99.5", "0.25"]);
        assert_eq!([counted(1, "row"), counted(2, "row")], ["1 row", "2 rows"]);
    }
}
