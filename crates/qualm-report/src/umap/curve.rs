//! The curve that turns distances on the map into memberships.

/// Points that the curve is fitted at, and how far they reach, in spreads.
const POINTS: usize = 300;
const REACH: f64 = 3.0;
/// Steps of the fit, at most; far fewer are taken.
const STEPS: usize = 200;

/// `[a, b]` of the curve 1 / (1 + a x^(2b)) that is nearest, in least squares, to 1 up to `min_dist`
/// and `exp(min_dist - x)` beyond it (McInnes et al., definition 11; its Ψ has spread 1).
///
/// By Levenberg and Marquardt's steps from a = b = 1, as `scipy.optimize.curve_fit` takes them.
pub(super) fn fit(min_dist: f64) -> [f64; 2] {
    let points: Vec<[f64; 2]> = (0..POINTS)
        .map(|i| {
            let x = REACH * i as f64 / (POINTS - 1) as f64;
            [
                x,
                if x < min_dist {
                    1.0
                } else {
                    (min_dist - x).exp()
                },
            ]
        })
        .collect();
    let error = |[a, b]: [f64; 2]| -> f64 {
        let squares = points.iter().map(|[x, y]| (value(*x, a, b) - y).powi(2));
        squares.sum()
    };
    let mut best = [1.0, 1.0];
    let mut damping = 1e-3;
    for _ in 0..STEPS {
        // The normal equations of the linearised curve.
        let (mut aa, mut ab, mut bb, mut a_r, mut b_r) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let [a, b] = best;
        for &[x, y] in points.iter().filter(|[x, _]| *x > 0.0) {
            let f = value(x, a, b);
            let power = x.powf(2.0 * b);
            let by_a = -power * f * f;
            let by_b = by_a * a * 2.0 * x.ln();
            aa += by_a * by_a;
            ab += by_a * by_b;
            bb += by_b * by_b;
            a_r += by_a * (y - f);
            b_r += by_b * (y - f);
        }
        let (aa, bb) = (aa * (1.0 + damping), bb * (1.0 + damping));
        let determinant = aa * bb - ab * ab;
        let step = [
            (bb * a_r - ab * b_r) / determinant,
            (aa * b_r - ab * a_r) / determinant,
        ];
        let next = [a + step[0], b + step[1]];
        if next.iter().all(|v| *v > 0.0) && error(next) < error(best) {
            best = next;
            damping /= 10.0;
        } else {
            damping *= 10.0;
        }
        if step.iter().all(|s| s.abs() < 1e-12) {
            break;
        }
    }
    best
}

fn value(x: f64, a: f64, b: f64) -> f64 {
    1.0 / (1.0 + a * x.powf(2.0 * b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_that_of_umap_learn() {
        // umap.umap_.find_ab_params(1.0, min_dist), umap-learn 0.5.
        for (min_dist, expected) in [
            (0.1, [1.576_943_46, 0.895_060_878]),
            (0.5, [0.583_030_02, 1.334_166_99]),
        ] {
            let found = fit(min_dist);
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{min_dist}: {found} {expected}"
                );
            }
        }
    }
}
