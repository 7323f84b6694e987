//! A convolution by whichever way is faster: directly, or through Winograd's transforms.

use super::kernels::{Isa, convolve, weight_gradient};
use super::{Buffer, Convolution, Finish, Map, Transformed};

impl Convolution {
    /// Weights for [`Convolution::run`].
    ///
    /// # Shapes
    /// `weights`: `(kernel, kernel, in, out)`.
    pub(in crate::nn) fn pack(&self, weights: &[f32], packed: &mut Buffer) {
        if self.is_winograd() {
            self.transform_weights(weights, packed);
        } else {
            self.pack_forward(weights, packed);
        }
    }

    /// Weights for [`Convolution::run_back`].
    ///
    /// # Shapes
    /// `weights`: `(kernel, kernel, in, out)`.
    pub(in crate::nn) fn pack_back(&self, weights: &[f32], packed: &mut Buffer) {
        if self.is_winograd() {
            let mut turned = Buffer::default();
            self.turned().turn(weights, &mut turned);
            self.turned().transform_weights(&turned, packed);
        } else {
            self.pack_backward(weights, packed);
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
        if self.is_winograd() {
            self.winograd(images, (input_map, input), packed, (map, out), finish, work);
        } else {
            let sweep = self.forward(images, input_map, map);
            convolve(Isa::detect(), &sweep, input, packed, out, finish);
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
        if self.is_winograd() {
            let (from, to) = ((map, gradients), (input_map, to));
            self.turned()
                .winograd(images, from, packed, to, finish, work);
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
        if self.is_winograd() {
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
        if self.is_winograd() {
            let (input, gradients) = ((input_map, input), (map, gradients));
            self.winograd_gradient(images, input, gradients, sums, work);
        } else {
            let sweep = self.forward(images, input_map, map);
            weight_gradient(Isa::detect(), &sweep, input, gradients, sums);
        }
    }

    /// The gradient by the weights, `(kernel, kernel, in, out)`, from those sums.
    pub(in crate::nn) fn finish_gradient(&self, sums: &[f32], to: &mut [f32]) {
        if self.is_winograd() {
            self.winograd_weights(sums, to);
        } else {
            to.copy_from_slice(sums);
        }
    }
}
