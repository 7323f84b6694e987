//! A small histogram of scores, for a terminal.

use std::fmt::Write;

use qualm::Fitted;

use crate::output::number;

/// Bins, one a place across, and lines up.
const BINS: usize = 60;
const LINES: usize = 5;
/// How full a place is, in eighths.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// How far bins go beyond the reference scores, as a share of their range: new scores may be higher.
const BEYOND: f64 = 0.25;

/// Scores counted in bins over the range of a model's reference scores, in constant memory.
#[derive(Debug, Clone)]
pub(crate) struct ScoreCounts {
    low: f64,
    width: f64,
    counts: Vec<u64>,
    threshold: f64,
}

impl ScoreCounts {
    /// Counts nothing yet.
    pub(crate) fn new(fitted: &Fitted) -> qualm::Result<Self> {
        let reference = fitted.calibration();
        let (low, high) = (reference.quantile(0.0)?, reference.quantile(1.0)?);
        Ok(Self::between(low, high, fitted.threshold()?))
    }

    fn between(low: f64, high: f64, threshold: f64) -> Self {
        let range = (high - low).max(f64::MIN_POSITIVE) * (1.0 + BEYOND);
        Self {
            low,
            width: range / BINS as f64,
            counts: vec![0; BINS],
            threshold,
        }
    }

    /// Counts scores; those beyond the bins in the first and the last.
    pub(crate) fn add(&mut self, scores: &[f64]) {
        for score in scores {
            let bin = self.bin(*score);
            if let Some(count) = self.counts.get_mut(bin) {
                *count += 1;
            }
        }
    }

    fn bin(&self, score: f64) -> usize {
        (((score - self.low) / self.width).max(0.0) as usize).min(BINS - 1)
    }

    /// The histogram in lines; nothing where nothing was counted.
    pub(crate) fn draw(&self) -> String {
        let most = self.counts.iter().copied().max().unwrap_or_default();
        if most == 0 {
            return String::new();
        }
        let mut text = String::new();
        for line in (0..LINES).rev() {
            let cells = self.counts.iter().map(|&count| {
                // A score that is there is seen.
                let eighths = (count * 8 * LINES as u64).div_ceil(most) as usize;
                let here = eighths.saturating_sub(8 * line).min(8);
                EIGHTHS.get(here).copied().unwrap_or(' ')
            });
            let cells: String = cells.collect();
            let _ = writeln!(text, "  {}", cells.trim_end());
        }
        let at = self.bin(self.threshold);
        let line = (0..BINS).map(|i| if i == at { '┴' } else { '─' });
        let _ = writeln!(text, "  {}", line.collect::<String>());
        let high = self.low + self.width * BINS as f64;
        let (low, high) = (number(self.low), number(high));
        let gap = BINS.saturating_sub(low.len());
        let _ = writeln!(text, "  {low}{high:>gap$}");
        let _ = writeln!(text, "  score; ┴ threshold {}", number(self.threshold));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_as_high_as_their_counts_and_a_mark_at_the_threshold() {
        let mut counts = ScoreCounts::between(0.0, 48.0, 30.5);
        assert_eq!(counts.draw(), "");
        counts.add(&[0.5; 40]);
        counts.add(&[10.5; 20]);
        counts.add(&[47.5, 1e300, -5.0]);
        let text = counts.draw();
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        assert_eq!(lines.len(), LINES + 3);
        assert!(lines.iter().all(|line| line.len() <= BINS + 2), "{text}");
        // Below the first bin counts as in it: 41 scores are the highest bar, 20 half of it.
        assert_eq!(
            (lines[0][2], lines[2][12], lines[1].get(12)),
            ('█', '▄', None),
            "{text}"
        );
        assert_eq!((lines[4][49], lines[4][61]), ('▁', '▁'), "{text}");
        assert_eq!(lines[5].iter().position(|c| *c == '┴'), Some(32), "{text}");
        assert!(text.contains("threshold 30.5"), "{text}");
    }
}
