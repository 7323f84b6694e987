//! The h nearest rows of a C-step.

/// Marks the `count` nearest rows; among equals, the first.
pub(crate) fn nearest(distances: &[f64], count: usize) -> Vec<bool> {
    let mut sorted = distances.to_vec();
    let count = count.clamp(1, distances.len());
    let (_, last, _) = sorted.select_nth_unstable_by(count - 1, f64::total_cmp);
    let last = *last;
    let mut left = count - distances.iter().filter(|d| **d < last).count();
    let mark = |distance: &f64| {
        let tie = distance.total_cmp(&last).is_eq() && left > 0;
        left -= usize::from(tie);
        *distance < last || tie
    };
    distances.iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rows_with_ties_in_order() {
        let marked = nearest(&[2.0, 1.0, 2.0, 0.5, 2.0, 9.0], 4);
        assert_eq!(marked, [true, true, true, true, false, false]);
        assert_eq!(nearest(&[1.0, 1.0], 5), [true, true]);
    }
}
