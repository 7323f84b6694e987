//! A convolution by whichever way is faster: directly, or through Winograd's transforms.

use super::kernels::{Isa, convolve, weight_gradient};
use super::sweep::BLOCK;
use super::{Buffer, Convolution, Finish, Map, Transformed};

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By its definition.
    Direct,
    /// By pairs of pixels, but for the gradient by the weights (`pairs.rs`).
    Pairs,
    /// By tiles of 2x2 pixels (`winograd.rs`).
    Tiles,
}

impl Convolution {
    /// The fastest way.
    pub(super) fn way(&self) -> Way {
        // With 32 channels tiles win a third over direct sums, with 64 two thirds; with 16 they
        // lose (one thread of a Zen 4, AVX-512).
        const LEAST_OF_TILES: usize = 32;
        let is_square = (self.kernel, self.stride, self.padding) == (3, 1, 1);
        let is_whole = (self.n_in % BLOCK, self.n_out % BLOCK) == (0, 0);
        match self.n_in.min(self.n_out) {
            LEAST_OF_TILES.. if is_square && is_whole => Way::Tiles,
            _ if is_square && is_whole => Way::Pairs,
            _ => Way::Direct,
        }
    }

    /// Weights for [`Convolution::run`].
    ///
    /// # Shapes
    /// `weights`: `(kernel, kernel, in, out)`.
    pub(in crate::nn) fn pack(&self, weights: &[f32], packed: &mut Buffer) {
        match self.way() {
            Way::Direct => self.pack_forward(weights, packed),
            Way::Pairs => self.pack_pairs(weights, packed),
            Way::Tiles => self.transform_weights(weights, packed),
        }
    }

    /// Weights for [`Convolution::run_back`].
    ///
    /// # Shapes
    /// `weights`: `(kernel, kernel, in, out)`.
    pub(in crate::nn) fn pack_back(&self, weights: &[f32], packed: &mut Buffer) {
        if self.way() == Way::Direct {
            self.pack_backward(weights, packed);
        } else {
            let mut turned = Buffer::default();
            self.turned().turn(weights, &mut turned);
            self.turned().pack(&turned, packed);
        }
    }

    /// The output of some images. The input's border is at least the padding.
    pub(in crate::nn) fn run(
        &self,
        images: usize,
        (input_map, input): (Map, &[f32]),
        packed: &[f32],
        (map, out): (Map, &mut [f32]),
        finish: Finish<'_>,
        work: &mut Transformed,
    ) {
        match self.way() {
            Way::Direct => {
                let sweep = self.forward(images, input_map, map);
                convolve(Isa::detect(), &sweep, input, packed, out, finish);
            }
            Way::Pairs => {
                let from = (input_map, &input[..images * input_map.len()]);
                let to = (map, &mut out[..images * map.len()]);
                self.run_pairs(Isa::detect(), from, packed, to, finish, work);
            }
            Way::Tiles => {
                let (from, to) = ((input_map, input), (map, out));
                self.winograd(images, from, packed, to, finish, work);
            }
        }
    }

    /// The gradient by the input of some images, added to what is there if `add`. The border of
    /// the gradients is at least [`Convolution::gradient_border`].
    pub(in crate::nn) fn run_back(
        &self,
        images: usize,
        (map, gradients): (Map, &[f32]),
        packed: &[f32],
        (input_map, to): (Map, &mut [f32]),
        add: bool,
        work: &mut Transformed,
    ) {
        let finish = Finish {
            accumulate: add,
            ..Finish::default()
        };
        if self.way() != Way::Direct {
            let (from, to) = ((map, gradients), (input_map, to));
            self.turned().run(images, from, packed, to, finish, work);
            return;
        }
        if self.skips() && !add {
            to.fill(0.0);
        }
        for (sweep, range) in self.backward(images, map, input_map) {
            convolve(Isa::detect(), &sweep, gradients, &packed[range], to, finish);
        }
    }

    /// Values that [`Convolution::add_gradient`] adds to.
    pub(in crate::nn) fn n_sums(&self) -> usize {
        if self.way() == Way::Tiles {
            self.n_transformed()
        } else {
            self.n_weights()
        }
    }

    /// Adds what some images give to the sums that the gradient by the weights is made of.
    pub(in crate::nn) fn add_gradient(
        &self,
        images: usize,
        (input_map, input): (Map, &[f32]),
        (map, gradients): (Map, &[f32]),
        sums: &mut [f32],
        work: &mut Transformed,
    ) {
        if self.way() == Way::Tiles {
            let (input, gradients) = ((input_map, input), (map, gradients));
            self.winograd_gradient(images, input, gradients, sums, work);
        } else {
            let sweep = self.forward(images, input_map, map);
            weight_gradient(Isa::detect(), &sweep, input, gradients, sums);
        }
    }

    /// The gradient by the weights, `(kernel, kernel, in, out)`, from those sums.
    pub(in crate::nn) fn finish_gradient(&self, sums: &[f32], to: &mut [f32]) {
        if self.way() == Way::Tiles {
            self.winograd_weights(sums, to);
        } else {
            to.copy_from_slice(sums);
        }
    }
}
