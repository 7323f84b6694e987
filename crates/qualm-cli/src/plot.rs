//! A line of numbers as a plot of plain text, for a terminal.

use std::fmt::Write;

/// Places across and up.
const WIDTH: usize = 64;
const HEIGHT: usize = 10;

/// What stands around a plot.
#[derive(Debug)]
pub(crate) struct Plot<'a> {
    pub(crate) title: &'a str,
    /// What the first and the last place across are.
    pub(crate) ends: [String; 2],
    /// A value to draw a line at, and what it is.
    pub(crate) level: Option<(f64, &'a str)>,
}

/// Numbers one after the other, of which so many are kept as a plot has places: each is the highest of some that
/// follow each other.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    highest: Vec<f64>,
    /// How many numbers each place stands for, and how many the last one does so far.
    each: usize,
    last: usize,
    n: u64,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            highest: Vec::new(),
            each: 1,
            last: 0,
            n: 0,
        }
    }
}

impl Trace {
    pub(crate) fn push(&mut self, value: f64) {
        self.n += 1;
        match self.highest.last_mut() {
            Some(place) if self.last < self.each => {
                *place = place.max(value);
                self.last += 1;
            }
            _ => {
                if self.highest.len() == 2 * WIDTH {
                    let pairs = self.highest.chunks(2);
                    self.highest = pairs
                        .map(|p| p.iter().copied().fold(f64::NEG_INFINITY, f64::max))
                        .collect();
                    self.each *= 2;
                }
                self.highest.push(value);
                self.last = 1;
            }
        }
    }

    /// How many numbers there were.
    pub(crate) fn n(&self) -> u64 {
        self.n
    }

    /// How many numbers each value stands for.
    pub(crate) fn each(&self) -> u64 {
        self.each as u64
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.highest
    }
}

impl Plot<'_> {
    /// The plot of some values, in lines; of those that are numbers. Nothing for fewer than two.
    pub(crate) fn draw(&self, values: &[f64]) -> String {
        let values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        if values.len() < 2 {
            return String::new();
        }
        let level = self.level.map(|(level, _)| level);
        let low = values
            .iter()
            .copied()
            .chain(level)
            .fold(f64::INFINITY, f64::min);
        let high = values
            .iter()
            .copied()
            .chain(level)
            .fold(f64::NEG_INFINITY, f64::max);
        // Where nothing varies, in the middle.
        let (low, high) = if high > low {
            (low, high)
        } else {
            (low - 0.5, high + 0.5)
        };
        let row = |value: f64| {
            let share = (value - low) / (high - low);
            HEIGHT - 1 - (share * (HEIGHT - 1) as f64).round() as usize
        };
        let mut lines = vec![vec![' '; WIDTH]; HEIGHT];
        let mut put = |y: usize, x: usize, mark: char| {
            if let Some(place) = lines.get_mut(y).and_then(|line| line.get_mut(x)) {
                *place = mark;
            }
        };
        if let Some(level) = level {
            for x in 0..WIDTH {
                put(row(level), x, '-');
            }
        }
        for (x, value) in across(&values) {
            put(row(value), x, '*');
        }
        let mut text = format!("{}\n", self.title);
        for (y, line) in lines.iter().enumerate() {
            let at = high - (high - low) * y as f64 / (HEIGHT - 1) as f64;
            let mark = if y == 0 || y == HEIGHT - 1 {
                format!("{at:.2}")
            } else {
                String::new()
            };
            let line: String = line.iter().collect();
            let name = self.level.filter(|(level, _)| row(*level) == y);
            let name = name.map(|(_, name)| format!(" {name}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "{mark:>9} |{}{name}",
                if name.is_empty() {
                    line.trim_end()
                } else {
                    &line
                }
            );
        }
        let [first, last] = &self.ends;
        let gap = WIDTH.saturating_sub(first.chars().count());
        let _ = writeln!(text, "{:>9} +{}", "", "-".repeat(WIDTH));
        let _ = writeln!(text, "{:>9}  {first}{last:>gap$}", "");
        text
    }
}

/// For each place across that has one, the highest of its values.
fn across(values: &[f64]) -> Vec<(usize, f64)> {
    let last = (values.len() - 1).max(1);
    let mut places: Vec<(usize, f64)> = Vec::new();
    for (i, &value) in values.iter().enumerate() {
        let x = i * (WIDTH - 1) / last;
        match places.last_mut() {
            Some((same, highest)) if *same == x => *highest = highest.max(value),
            _ => places.push((x, value)),
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(level: Option<(f64, &'static str)>) -> Plot<'static> {
        Plot {
            title: "evidence",
            ends: ["row 1".to_owned(), "row 100".to_owned()],
            level,
        }
    }

    #[test]
    fn a_line_that_rises() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let text = plot(Some((49.5, "half"))).draw(&values);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), HEIGHT + 3);
        assert_eq!(lines.first(), Some(&"evidence"));
        assert!(
            lines.iter().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        // The highest at the top right, the lowest at the bottom left.
        let at = |y: usize| lines.get(y).copied().unwrap_or_default();
        assert!(
            at(1).starts_with("    99.00 |") && at(1).ends_with('*'),
            "{text}"
        );
        assert!(at(HEIGHT).starts_with("     0.00 |*"), "{text}");
        assert!(
            at(5).ends_with("- half") || at(6).ends_with("- half"),
            "{text}"
        );
        assert!(at(HEIGHT + 2).ends_with("row 100"), "{text}");
        assert_eq!(at(HEIGHT + 2).len(), at(HEIGHT + 1).len());
    }

    #[test]
    fn values_that_are_equal_few_or_no_numbers() {
        assert_eq!(plot(None).draw(&[1.0]), "");
        assert_eq!(plot(None).draw(&[f64::NAN, 1.0, f64::INFINITY]), "");
        let text = plot(None).draw(&[2.0, 2.0]);
        assert_eq!(text.matches('*').count(), 2, "{text}");
    }

    #[test]
    fn a_trace_keeps_the_peaks_of_any_number_of_values() {
        let mut trace = Trace::default();
        for i in 0..100_000_u32 {
            trace.push(if i == 70_000 {
                9.0
            } else {
                f64::from(i % 10) / 10.0
            });
        }
        let values = trace.values();
        assert!(values.len() <= 2 * WIDTH && trace.n() == 100_000);
        let peak = values.iter().position(|v| *v > 8.0).expect("the peak");
        let share = peak as f64 / values.len() as f64;
        assert!((share - 0.7).abs() < 0.02, "{share}");
        let mut few = Trace::default();
        for value in [3.0, 1.0] {
            few.push(value);
        }
        assert_eq!(few.values(), [3.0, 1.0]);
    }
}
