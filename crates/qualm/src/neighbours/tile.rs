//! The two inner loops of a search, in float32 and on the widest vectors: the squared distances
//! of a few rows to the rows of a leaf, and of the rows of a group to a box.
//!
//! Both sum squares of differences, so their rounding errors are relative to the distance,
//! wherever the rows lie: see [`super::nearest::Nearest::limit`].

use pulp::Simd;

/// Rows of a leaf and of a group: four AVX2 registers, two of AVX-512.
pub(super) const LEAF: usize = 32;

/// Vectors summed at a time, so that one need not wait for the other.
const PAIR: usize = 2;

/// Columns after which the sums are checked against their limits for the first time; then after
/// twice as many, and so on.
const FIRST_CHECK: usize = 8;

/// One value of each row of a leaf.
pub(super) type Lanes = [f32; LEAF];

/// Squared distances of `Q` rows to the rows of a leaf. Sums that exceed the limit of their row
/// may be incomplete. Returns whether any is within its limit, and how many values were
/// compared.
///
/// # Shapes
/// `rows`: Q of `(d,)`; `leaf`: `(d, LEAF)`; `out`: `(Q, LEAF)`.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn distances<S: Simd, const Q: usize>(
    simd: S,
    rows: [&[f32]; Q],
    leaf: &[Lanes],
    limits: [f32; Q],
    out: &mut [Lanes; Q],
) -> (bool, usize) {
    let mut any = false;
    let mut compared = 0;
    for at in (0..LEAF).step_by(PAIR * S::F32_LANES) {
        let mut sums = [[simd.splat_f32s(0.0); PAIR]; Q];
        let mut from = 0;
        let mut within = true;
        while from < leaf.len() && within {
            let to = (2 * from).max(FIRST_CHECK).min(leaf.len());
            let n = to - from;
            // Slices of one known length, so that the loop checks no index.
            let leaf = &leaf[from..to][..n];
            let rows = rows.map(|row| &row[from..to][..n]);
            for j in 0..n {
                let (lanes, _) = S::as_simd_f32s(&leaf[j][at..]);
                for (sums, row) in sums.iter_mut().zip(rows) {
                    let x = simd.splat_f32s(row[j]);
                    for (sum, lanes) in sums.iter_mut().zip(lanes) {
                        let apart = simd.sub_f32s(x, *lanes);
                        *sum = simd.mul_add_e_f32s(apart, apart, *sum);
                    }
                }
            }
            within = any_within(simd, &sums, limits);
            from = to;
        }
        any |= within;
        compared += Q * PAIR * S::F32_LANES * from;
        for (out, sums) in out.iter_mut().zip(sums) {
            let (out, _) = S::as_mut_simd_f32s(&mut out[at..]);
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum;
            }
        }
    }
    (any, compared)
}

/// Whether one of the sums is within the limit of its row.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
fn any_within<S: Simd, const Q: usize>(
    simd: S,
    sums: &[[S::f32s; PAIR]; Q],
    limits: [f32; Q],
) -> bool {
    let mut least = simd.splat_f32s(f32::MAX);
    for (sums, limit) in sums.iter().zip(limits) {
        let both = simd.min_f32s(sums[0], sums[1]);
        let over = simd.sub_f32s(both, simd.splat_f32s(limit));
        least = simd.min_f32s(least, over);
    }
    simd.reduce_min_f32s(least) <= 0.0
}

/// The rows of `active`, a bit each, whose squared distance to a box is within their limit.
///
/// # Shapes
/// `group`: `(d, LEAF)`; `corners`: lower and upper edge in each of the first columns.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn near_box<S: Simd>(
    simd: S,
    group: &[Lanes],
    corners: &[[f32; 2]],
    limits: &Lanes,
    active: u32,
) -> u32 {
    let mut out = [f32::INFINITY; LEAF];
    let step = PAIR * S::F32_LANES;
    let zero = simd.splat_f32s(0.0);
    for at in (0..LEAF).step_by(step) {
        if (active >> at).trailing_zeros() as usize >= step {
            continue;
        }
        let (limits, _) = S::as_simd_f32s(&limits[at..]);
        let mut sums = [zero; PAIR];
        let mut from = 0;
        let mut within = true;
        while from < corners.len() && within {
            let to = (2 * from).max(FIRST_CHECK).min(corners.len());
            let n = to - from;
            let (group, corners) = (&group[from..to][..n], &corners[from..to][..n]);
            for j in 0..n {
                let (lanes, _) = S::as_simd_f32s(&group[j][at..]);
                let [low, high] = corners[j].map(|edge| simd.splat_f32s(edge));
                for (sum, x) in sums.iter_mut().zip(lanes) {
                    let outside = simd.max_f32s(simd.sub_f32s(low, *x), simd.sub_f32s(*x, high));
                    let outside = simd.max_f32s(outside, zero);
                    *sum = simd.mul_add_e_f32s(outside, outside, *sum);
                }
            }
            let mut least = simd.splat_f32s(f32::MAX);
            for (sum, limit) in sums.iter().zip(limits) {
                least = simd.min_f32s(least, simd.sub_f32s(*sum, *limit));
            }
            within = simd.reduce_min_f32s(least) <= 0.0;
            from = to;
        }
        let (out, _) = S::as_mut_simd_f32s(&mut out[at..]);
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum;
        }
    }
    active & within(&out, limits)
}

/// A bit for each lane whose value is within its limit.
#[expect(clippy::inline_always, reason = "see `vectorised`")]
#[inline(always)]
pub(super) fn within(values: &Lanes, limits: &Lanes) -> u32 {
    let mut bits = 0;
    for lane in 0..LEAF {
        bits |= u32::from(values[lane] <= limits[lane]) << lane;
    }
    bits
}
