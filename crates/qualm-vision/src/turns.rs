//! Images turned by quarters, for what learns to tell by how many.

use rayon::prelude::*;

/// Quarter turns.
pub(crate) const TURNS: usize = 4;

/// Each image turned counter-clockwise by none, one, two and three quarters: all images as they
/// are, then all turned by one quarter, and so on.
///
/// # Shapes
/// `images`: `(n, side, side, 3)`; `out`: `(4 n, side, side, 3)`.
pub(crate) fn turn(images: &[f32], side: usize, out: &mut Vec<f32>) {
    let size = side * side * 3;
    let n = images.len() / size;
    out.resize(TURNS * images.len(), 0.0);
    out.par_chunks_mut(size).enumerate().for_each(|(i, out)| {
        let image = &images[i % n * size..][..size];
        let last = side - 1;
        for (place, pixel) in out.chunks_exact_mut(3).enumerate() {
            let (row, col) = (place / side, place % side);
            let (row, col) = match i / n {
                0 => (row, col),
                1 => (col, last - row),
                2 => (last - row, last - col),
                _ => (last - col, row),
            };
            pixel.copy_from_slice(&image[(row * side + col) * 3..][..3]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_turned_counter_clockwise() {
        // 1 2
        // 3 4
        let image: Vec<f32> = [1.0, 2.0, 3.0, 4.0].iter().flat_map(|v| [*v; 3]).collect();
        let mut out = Vec::new();
        turn(&image, 2, &mut out);
        let values: Vec<f32> = out.iter().step_by(3).copied().collect();
        let expected = [
            [1.0, 2.0, 3.0, 4.0],
            [2.0, 4.0, 1.0, 3.0],
            [4.0, 3.0, 2.0, 1.0],
            [3.0, 1.0, 4.0, 2.0],
        ];
        assert_eq!(values, expected.concat());
        // Of two images, first both as they are.
        let two = [image.clone(), image.iter().map(|v| -v).collect()].concat();
        turn(&two, 2, &mut out);
        assert_eq!((out[12], out[24], out[36]), (-1.0, 2.0, -2.0));
    }
}
