//! Depths of isolation trees.

/// The mean length of an unsuccessful search in a binary search tree of n rows, `c(n)`:
/// `2 H(n - 1) - 2 (n - 1) / n`, where the harmonic number is `ln(n - 1)` plus Euler's
/// constant, as the paper has it; 0 for one row and 1 for two.
pub(in crate::baselines) fn average_path(n: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        n => {
            let n = n as f64;
            2.0 * ((n - 1.0).ln() + EULER) - 2.0 * (n - 1.0) / n
        }
    }
}

/// The greatest depth of a tree over psi rows: `ceil(log2 psi)`.
pub(super) fn depth_limit(psi: usize) -> u32 {
    psi.max(2).next_power_of_two().ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_is_limited_by_the_logarithm_of_the_sample() {
        let limits = [2, 3, 4, 5, 255, 256, 257].map(depth_limit);
        assert_eq!(limits, [1, 2, 2, 3, 8, 8, 9]);
    }
}
