//! Max pooling over 3x3 pixels with stride 2, the border not counted: the end of the stem for
//! large images.

use super::network::pooled;
use crate::nn::conv::Map;

/// Calls `visit` with the first value of each output pixel, and those of the input pixels under
/// it, row by row.
fn for_windows(input: Map, mut visit: impl FnMut(usize, &[usize])) {
    let out = pooled(input).bordered(0);
    for row in 0..out.rows {
        for col in 0..out.cols {
            let mut under = [0; 9];
            let mut n = 0;
            for y in (2 * row).saturating_sub(1)..(2 * row + 2).min(input.rows) {
                for x in (2 * col).saturating_sub(1)..(2 * col + 2).min(input.cols) {
                    under[n] = input.row_start(y) + x * input.channels;
                    n += 1;
                }
            }
            visit(out.row_start(row) + col * out.channels, &under[..n]);
        }
    }
}

/// The largest values of one image under each window. NaN counts as the largest.
///
/// # Shapes
/// `image`: as `input` says; `to`: half as many rows and columns, rounded up, at `out`'s places.
pub(super) fn max_pool(image: &[f32], input: Map, out: Map, to: &mut [f32]) {
    let channels = input.channels;
    let plain = out.bordered(0);
    for_windows(input, |at, under| {
        let pixel = at / channels;
        let at = out.row_start(pixel / plain.cols) + pixel % plain.cols * channels;
        let to = &mut to[at..at + channels];
        to.copy_from_slice(&image[under[0]..under[0] + channels]);
        for &from in &under[1..] {
            for (to, v) in to.iter_mut().zip(&image[from..from + channels]) {
                *to = if *v > *to || v.is_nan() { *v } else { *to };
            }
        }
    });
}

/// Gives the gradient of each output to the first of the largest values under its window.
///
/// # Shapes
/// `image` and `to`: as `input` says; `gradients`: `(rows / 2, cols / 2, channels)`, rounded up.
pub(super) fn max_pool_gradient(image: &[f32], input: Map, gradients: &[f32], to: &mut [f32]) {
    to.fill(0.0);
    for_windows(input, |at, under| {
        for c in 0..input.channels {
            let mut best = under[0] + c;
            for &from in &under[1..] {
                let v = image[from + c];
                if v > image[best] || v.is_nan() {
                    best = from + c;
                }
            }
            to[best] += gradients[at + c];
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_ties_by_hand() {
        // One channel, 3 x 5; windows around rows 0, 2 and columns 0, 2, 4.
        let image = [
            1.0, 5.0, 2.0, 0.0, 7.0, //
            3.0, 3.0, 3.0, 3.0, 3.0, //
            9.0, -1.0, 3.0, 4.0, -2.0,
        ];
        let map = Map {
            rows: 3,
            cols: 5,
            channels: 1,
            border: 0,
        };
        let out = pooled(map).bordered(1);
        let mut to = vec![0.0; out.len()];
        max_pool(&image, map, out, &mut to);
        assert_eq!(to[6..9], [5.0, 5.0, 7.0]);
        assert_eq!(to[11..14], [9.0, 4.0, 4.0]);
        assert_eq!(to.iter().filter(|v| **v != 0.0).count(), 6);

        let gradients = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5];
        let mut back = vec![f32::NAN; 15];
        max_pool_gradient(&image, map, &gradients, &mut back);
        let mut expected = [0.0; 15];
        (expected[1], expected[4], expected[10], expected[13]) = (11.0, 100.0, 1e3, 1.1e5);
        assert_eq!(back, expected);
        // Of equal values the first.
        max_pool_gradient(&[2.0; 15], map, &gradients, &mut back);
        assert_eq!((back[0], back[1], back[3]), (1.0, 10.0, 100.0));
    }

    #[test]
    fn nan_is_the_largest() {
        let map = Map {
            rows: 2,
            cols: 2,
            channels: 1,
            border: 0,
        };
        let mut to = [0.0];
        max_pool(&[1.0, f32::NAN, 3.0, 2.0], map, pooled(map), &mut to);
        assert!(to[0].is_nan());
    }
}
