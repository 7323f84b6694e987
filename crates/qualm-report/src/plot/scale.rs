//! From values to places on a plot.

/// A line of values laid on a line of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    /// The values at both ends; the first below the second.
    pub(crate) values: [f64; 2],
    /// Their places.
    pub(crate) places: [f64; 2],
}

impl Scale {
    /// Of values between two ends, which may be equal.
    pub(crate) fn new([low, high]: [f64; 2], places: [f64; 2]) -> Self {
        let values = if high > low {
            [low, high]
        } else {
            // Where nothing varies, in the middle.
            [low - 0.5, low + 0.5]
        };
        Self { values, places }
    }

    /// The place of a value; values beyond the ends are put on them.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let [low, high] = self.values;
        let share = ((value - low) / (high - low)).clamp(0.0, 1.0);
        self.places[0] + share * (self.places[1] - self.places[0])
    }

    /// Round values within the ends: about `n` of them.
    pub(crate) fn ticks(&self, n: usize) -> Vec<f64> {
        let [low, high] = self.values;
        let step = round_step((high - low) / n.max(1) as f64);
        let (first, last) = ((low / step).ceil(), (high / step).floor());
        if !(step > 0.0 && first.is_finite() && last - first < 1e3) {
            return vec![low, high];
        }
        let mut ticks = Vec::new();
        let mut k = first;
        while k <= last {
            // Not minus zero.
            ticks.push(k * step + 0.0);
            k += 1.0;
        }
        ticks
    }
}

/// The next step of 1, 2 or 5 times a power of ten.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    let times = [1.0, 2.0, 5.0, 10.0];
    let found = times.into_iter().find(|t| t * power >= rough * 0.999_999);
    found.unwrap_or(10.0) * power
}

/// The label of a tick, with as many digits as tell it from its neighbours.
pub(crate) fn label(value: f64, ticks: &[f64]) -> String {
    let step = match ticks {
        [a, b, ..] => (b - a).abs(),
        _ => value.abs(),
    };
    if value == 0.0 {
        return "0".to_owned();
    }
    let largest = ticks.iter().fold(0.0_f64, |m, t| m.max(t.abs()));
    if !(1e-4..1e7).contains(&largest) || step <= 0.0 {
        return crate::number::short(value);
    }
    let digits = (-step.log10().floor()).clamp(0.0, 8.0) as usize;
    let text = format!("{:.digits$}", value.abs());
    let whole = text
        .split_once('.')
        .map_or(text.as_str(), |(whole, _)| whole);
    let part = text.get(whole.len()..).unwrap_or_default();
    let whole = whole
        .parse::<u64>()
        .map_or(whole.to_owned(), crate::number::count);
    format!("{}{whole}{part}", if value < 0.0 { "−" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let scale = Scale::new([0.0, 97.0], [0.0, 1.0]);
        assert_eq!(scale.ticks(5), [0.0, 20.0, 40.0, 60.0, 80.0]);
        let scale = Scale::new([-0.3, 0.31], [0.0, 1.0]);
        let ticks = scale.ticks(4);
        let labels: Vec<String> = ticks.iter().map(|t| label(*t, &ticks)).collect();
        assert_eq!(labels, ["−0.2", "0", "0.2"]);
        // Values that do not vary, and values beyond any grid.
        assert_eq!(Scale::new([3.0, 3.0], [0.0, 10.0]).place(3.0), 5.0);
        assert!(!Scale::new([0.0, 1e-320], [0.0, 1.0]).ticks(5).is_empty());
        assert_eq!(Scale::new([0.0, 1.0], [10.0, 20.0]).place(7.0), 20.0);
    }
}
