//! Convolutions on images with a border of zeros, channels last (NHWC).
//!
//! A layer is turned into a few passes of the kernels: one forward; one for the gradient by its
//! input, or one for each remainder of a pixel's place by the stride; one for the gradient by
//! its weights.

mod buffer;
mod isa;
mod kernels;
mod layer;
mod packed;
mod pairs;
mod sweep;
mod transforms;
mod winograd;

pub(super) use buffer::Buffer;
pub(super) use sweep::{BLOCK, Finish};
use sweep::{Grid, Sweep};
pub(super) use winograd::{Kept, KeptChunk, Transformed};

/// A convolution without bias, with a square kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Convolution {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Zeros that the image is thought to have around it.
    pub(super) padding: usize,
    pub(super) n_in: usize,
    /// A multiple of [`BLOCK`].
    pub(super) n_out: usize,
}

/// How an image lies in memory: rows of pixels of channels, with a border of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) channels: usize,
    pub(super) border: usize,
}

impl Map {
    /// The same image with another border.
    pub(super) fn bordered(self, border: usize) -> Self {
        Self { border, ..self }
    }

    /// Values of a row, with its border.
    pub(super) fn row(&self) -> usize {
        (self.cols + 2 * self.border) * self.channels
    }

    /// Values of an image, with its border.
    pub(super) fn len(&self) -> usize {
        (self.rows + 2 * self.border) * self.row()
    }

    /// Pixels of an image, without its border.
    pub(super) fn n_pixels(&self) -> usize {
        self.rows * self.cols
    }

    /// Values of a row without its border, in each image.
    pub(super) fn row_values(&self) -> usize {
        self.cols * self.channels
    }

    /// Where a row's values begin, without its border.
    pub(super) fn row_start(&self, row: usize) -> usize {
        (row + self.border) * self.row() + self.border * self.channels
    }

    /// Every so many pixels, from one that may lie in the border.
    fn grid(&self, row: isize, col: isize, step: usize) -> Grid {
        let from = |place: isize| {
            let from = self.border.checked_add_signed(place);
            debug_assert!(from.is_some(), "the border holds what the kernel reaches");
            from.unwrap_or(0)
        };
        Grid {
            start: from(row) * self.row() + from(col) * self.channels,
            image: self.len(),
            row: step * self.row(),
            pixel: step * self.channels,
        }
    }
}

/// The kernel's places that meet the pixels of one remainder by the stride.
#[derive(Debug, Clone, Copy)]
struct Phase {
    remainder: usize,
    /// The first place; then every stride-th.
    first: usize,
    /// So many of them.
    n: usize,
    /// The output pixel that the last place meets, relative to the pixel's number.
    offset: isize,
}

impl Convolution {
    /// Weights.
    pub(super) fn n_weights(&self) -> usize {
        self.kernel * self.kernel * self.n_in * self.n_out
    }

    /// The output's map, with a border of its own.
    pub(super) fn output(&self, input: Map, border: usize) -> Map {
        let places = |n: usize| (n + 2 * self.padding).saturating_sub(self.kernel) / self.stride;
        Map {
            rows: places(input.rows) + 1,
            cols: places(input.cols) + 1,
            channels: self.n_out,
            border,
        }
    }

    /// The pass that computes the output, or with gradients in its place the gradient by the
    /// weights. The input's border is at least the padding.
    fn forward(&self, images: usize, input: Map, out: Map) -> Sweep {
        let corner = -self.padding.cast_signed();
        Sweep {
            images,
            rows: out.rows,
            cols: out.cols,
            taps: self.kernel,
            run: self.kernel * self.n_in,
            tap: input.row(),
            n_out: self.n_out,
            block: BLOCK,
            input: input.grid(corner, corner, self.stride),
            out: out.grid(0, 0, 1),
        }
    }

    /// The border that gradients by the output need for [`Convolution::backward`].
    pub(super) fn gradient_border(&self) -> usize {
        (self.kernel - 1 - self.padding).max(self.padding)
    }

    /// Whether some input pixels are met by no place of the kernel, so that no pass of
    /// [`Convolution::backward`] writes them.
    fn skips(&self) -> bool {
        self.kernel < self.stride
    }

    /// The passes that compute the gradient by the input, `to`, from that by the output, `from`,
    /// each with its range of the packed weights ([`Convolution::pack_backward`]).
    fn backward(
        &self,
        images: usize,
        from: Map,
        to: Map,
    ) -> impl Iterator<Item = (Sweep, std::ops::Range<usize>)> {
        let mut start = 0;
        self.phases().map(move |(y, x)| {
            let rows = (to.rows + self.stride - 1).saturating_sub(y.remainder) / self.stride;
            let cols = (to.cols + self.stride - 1).saturating_sub(x.remainder) / self.stride;
            let sweep = Sweep {
                images,
                rows,
                cols,
                taps: y.n,
                run: x.n * self.n_out,
                tap: from.row(),
                n_out: self.n_in,
                block: BLOCK,
                input: from.grid(y.offset, x.offset, 1),
                out: to.grid(
                    y.remainder.cast_signed(),
                    x.remainder.cast_signed(),
                    self.stride,
                ),
            };
            let range = start..start + sweep.terms() * self.n_in;
            start = range.end;
            (sweep, range)
        })
    }

    /// Pairs of phases, of rows and columns, that meet the kernel at all.
    fn phases(self) -> impl Iterator<Item = (Phase, Phase)> {
        let phases = move || {
            (0..self.stride).filter_map(move |remainder| {
                // Output pixel o and place t meet input pixel stride * o + t - padding.
                let first = (remainder + self.padding) % self.stride;
                let n = (self.kernel + self.stride - 1).saturating_sub(first) / self.stride;
                let quotient = (remainder + self.padding - first) / self.stride;
                (n > 0).then(|| Phase {
                    remainder,
                    first,
                    n,
                    offset: (quotient + 1).cast_signed() - n.cast_signed(),
                })
            })
        };
        phases().flat_map(move |y| phases().map(move |x| (y, x)))
    }
}

#[cfg(test)]
mod tests;
