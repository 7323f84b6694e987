//! The nearest rows found so far, each with the number of its copies.

use super::metric::Norm;

/// The slack of [`Nearest::new`] for rows that are not rotated: none.
pub(super) const UNROTATED: [f64; 2] = [1.0, 0.0];

/// Neighbours that memory is reserved for at first, at most: where rows have many copies, few
/// distinct rows make up k.
const ROOM: usize = 32;

/// A distinct fitted row near another row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Neighbour {
    /// By the norm: for the Euclidean the root of [`super::squared_distance`].
    pub(crate) distance: f64,
    /// Which distinct row.
    pub(crate) row: u32,
    /// How many of its copies count.
    pub(crate) weight: u32,
}

/// The nearest rows whose weights sum to at least k, by distance and then by number, so that
/// the result does not depend on the order in which rows are pushed.
#[derive(Debug)]
pub(super) struct Nearest {
    k: u64,
    /// Sum of the weights held.
    held: u64,
    /// As [`Neighbour`], with the square of a Euclidean distance.
    rows: Vec<Neighbour>,
    /// Relative and absolute slack of [`Nearest::limit`].
    slack: [f64; 2],
}

impl Nearest {
    /// No row found yet of k, among rows of d columns. `slack` bounds the error of the squared
    /// distances besides that of float32: a factor, and an amount added.
    pub(super) fn new(k: usize, d: usize, [times, more]: [f64; 2]) -> Self {
        // A float32 sum of d squared differences strays by (d + 3) / 2^24 of itself at the
        // most, and by half of the smallest float32 for each square that underflows. Twice
        // as much also covers the float64 sum and this conversion.
        let d = d as f64;
        let sum = 1.0 + (d + 4.0) * 2f64.powi(-23);
        Self {
            k: k as u64,
            held: 0,
            rows: Vec::with_capacity(k.min(ROOM) + 1),
            slack: [times * sum, more * sum + d * 2f64.powi(-148)],
        }
    }

    /// The squared distance above which a row cannot be among the nearest.
    pub(super) fn bound(&self) -> f64 {
        match self.rows.last() {
            Some(last) if self.held >= self.k => last.distance,
            _ => f64::INFINITY,
        }
    }

    /// A row whose squared distance, computed in float32, is above this limit cannot be among
    /// the nearest.
    pub(super) fn limit(&self) -> f32 {
        let limit = (self.bound() * self.slack[0] + self.slack[1]) as f32;
        limit.next_up().min(f32::MAX)
    }

    /// Adds a row if it is among the nearest; returns whether it was.
    pub(super) fn push(&mut self, squared: f64, row: u32, weight: u32) -> bool {
        let new = Neighbour {
            distance: squared,
            row,
            weight,
        };
        let after = |other: &Neighbour| {
            let order = other.distance.total_cmp(&squared);
            order.then(other.row.cmp(&row)).is_gt()
        };
        if self.held >= self.k && !self.rows.last().is_some_and(after) {
            return false;
        }
        let at = self.rows.iter().rposition(|other| !after(other));
        self.rows.insert(at.map_or(0, |at| at + 1), new);
        self.held += u64::from(weight);
        while let Some(last) = self.rows.last()
            && self.held - u64::from(last.weight) >= self.k
        {
            self.held -= u64::from(last.weight);
            self.rows.pop();
        }
        true
    }

    /// The nearest `k` copies, `k` no larger than before: the weight of the last row is lowered
    /// to fit.
    pub(super) fn finish(mut self, k: usize, norm: Norm) -> Vec<Neighbour> {
        let mut left = k as u64;
        self.rows.retain_mut(|row| {
            row.distance = match norm {
                Norm::Euclidean => row.distance.sqrt(),
                Norm::HalfSquare => row.distance / 2.0,
                _ => row.distance,
            };
            row.weight = u64::from(row.weight).min(left) as u32;
            left -= u64::from(row.weight);
            row.weight > 0
        });
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(k: usize, rows: &[(f64, u32, u32)]) -> Vec<(f64, u32, u32)> {
        let mut nearest = Nearest::new(k, 2, UNROTATED);
        for &(squared, row, weight) in rows {
            nearest.push(squared, row, weight);
        }
        let rows = nearest.finish(k, Norm::Euclidean);
        rows.iter().map(|n| (n.distance, n.row, n.weight)).collect()
    }

    #[test]
    fn copies_count_and_ties_go_by_number_in_any_order() {
        let mut rows = [
            (9.0, 4, 2),
            (4.0, 7, 1),
            (4.0, 3, 1),
            (1.0, 9, 1),
            (9.0, 2, 5),
        ];
        for _ in 0..5 {
            rows.rotate_left(1);
            let three = [(1.0, 9, 1), (2.0, 3, 1), (2.0, 7, 1)];
            assert_eq!(found(3, &rows), three);
            let five = [(1.0, 9, 1), (2.0, 3, 1), (2.0, 7, 1), (3.0, 2, 2)];
            assert_eq!(found(5, &rows), five);
        }
        assert_eq!(found(50, &rows).len(), 5);
    }

    #[test]
    fn the_limit_lies_just_above_the_last_distance() {
        let mut nearest = Nearest::new(2, 10, UNROTATED);
        assert!(nearest.push(4.0, 0, 1));
        assert_eq!(nearest.limit(), f32::MAX);
        assert!(nearest.push(2.0, 1, 1));
        assert!(nearest.limit() > 4.0 && nearest.limit() < 4.0 * (1.0 + 2e-6));
        assert!(!nearest.push(4.0, 1, 1));
        assert!(nearest.push(0.0, 5, 2));
        assert!(nearest.limit() > 0.0 && nearest.limit() < 1e-40);
    }
}
