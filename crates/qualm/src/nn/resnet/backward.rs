//! The backward pass: gradients by all parameters from those by the features.
//!
//! One parallel pass over chunks of images for each convolution. While a few images are in the
//! cache, the gradient by the convolution's output is made from that by its batch norm's output,
//! the input is computed again from the layer before, and from both come the gradients by the
//! weights, summed up over the chunk, and by the input, which is masked by the rectifier and
//! summed up for the batch norm below. Chunks' sums are added in their order.

use std::ops::Range;

use rayon::prelude::*;

use super::architecture::Path;
use super::check_images;
use super::network::{Maps, Network};
use super::norm::{GradientSums, Mask, Norm, NormGradient};
use super::pixels::{Source, spread, through_norm, unpad};
use super::pool::max_pool_gradient;
use super::training::{
    Activations, Input, Kept, Pool, Scratch, TrainableResNet, chunk, group, range,
};
use crate::error::{Error, Result};
use crate::nn::conv::{Buffer, Convolution, Kept as Tiles, KeptChunk, Map};

impl TrainableResNet {
    /// The gradient of a loss by all parameters, from that by the features of the last forward
    /// pass; the parameters are as they were then.
    ///
    /// # Shapes
    /// `images`: those of the forward pass; `by_features`: `(n, width)`; `gradient`: as long as
    /// [`TrainableResNet::parameters`], overwritten.
    ///
    /// # Errors
    /// [`Error::ImageValues`] and [`Error::SliceLength`] when a slice is not as long as that.
    pub fn backward(
        &self,
        images: &[f32],
        by_features: &[f32],
        activations: &mut Activations,
        gradient: &mut [f32],
    ) -> Result<()> {
        let n = check_images(images.len(), activations.size)?;
        let width = self.network.width;
        for (what, found, expected) in [
            ("images of the forward pass", n, activations.n),
            ("gradients by features", by_features.len(), n * width),
            ("gradient", gradient.len(), self.parameters.len()),
        ] {
            if found != expected {
                return Err(Error::SliceLength {
                    what,
                    found,
                    expected,
                });
            }
        }
        let Activations {
            maps,
            kept,
            scratch,
            packed,
            gradients,
            partial,
            tiles,
            ..
        } = activations;
        let mut buffers = std::mem::take(gradients);
        let mut pass = Backward {
            network: &self.network,
            parameters: &self.parameters,
            n,
            maps,
            kept,
            scratch,
            packed,
            partial,
            tiles,
            gradient,
        };
        let mut sums = pass.features(by_features, &mut buffers);
        for b in (0..self.network.blocks.len()).rev() {
            sums = pass.block(b, &mut buffers, sums);
        }
        if self.network.pools {
            sums = pass.max_pool(&mut buffers);
        }
        let images = Input::Images(images);
        pass.layer(0, &buffers.outer, &sums[0], images, None, &Below::default());
        *gradients = buffers;
        Ok(())
    }
}

/// A rectifier that gradients have been carried back to.
#[derive(Clone, Copy)]
enum Rectifier {
    /// That after the first of the layers below.
    Layer,
    /// That before a block.
    Block(usize),
}

/// What follows when a gradient has been carried back to a rectifier.
#[derive(Default)]
struct Below {
    mask: Option<Rectifier>,
    /// Layers whose batch norm it goes through next, and that need its sums.
    norms: Vec<usize>,
}

/// Gradients by outputs of layers.
#[derive(Debug, Default)]
pub(super) struct Gradients {
    /// By a block's output, masked by its rectifier.
    outer: Buffer,
    /// By the output of a layer within it.
    inner: Buffer,
    /// The next of either.
    other: Buffer,
}

/// A backward pass under way.
struct Backward<'a> {
    network: &'a Network,
    parameters: &'a [f32],
    n: usize,
    maps: &'a Maps,
    kept: &'a Kept,
    scratch: &'a Pool<Scratch>,
    packed: &'a mut Buffer,
    partial: &'a mut Buffer,
    tiles: &'a mut Tiles,
    gradient: &'a mut [f32],
}

impl Backward<'_> {
    /// The gradient by the last block's output, from that by the features.
    fn features(&self, by_features: &[f32], buffers: &mut Gradients) -> Vec<GradientSums> {
        let (last, width) = (self.network.blocks.len(), self.network.width);
        let map = self.maps.blocks[last];
        buffers.outer.resize(self.n * map.len());
        let below = self.below_block(last);
        self.after(&mut buffers.outer, map, &below, |i, to| {
            spread(&by_features[range(i, width)], map, to);
        })
    }

    /// From the gradient by a block's output to that by its input.
    fn block(
        &mut self,
        b: usize,
        buffers: &mut Gradients,
        mut sums: Vec<GradientSums>,
    ) -> Vec<GradientSums> {
        let block = &self.network.blocks[b];
        let (n, maps) = (self.n, self.maps);
        let Gradients {
            outer,
            inner,
            other,
        } = buffers;
        // Down the layers, but for the first.
        let mut sums_here = sums.remove(0);
        let mut from = &*outer;
        for pair in block.layers.windows(2).rev() {
            let (below, l) = (pair[0], pair[1]);
            other.resize(n * maps.inputs[l].len());
            let step = Below {
                mask: Some(Rectifier::Layer),
                norms: vec![below],
            };
            let (input, to) = (Input::Layer(below), Some((&mut *other, false)));
            sums_here = self.layer(l, from, &sums_here, input, to, &step).remove(0);
            std::mem::swap(inner, other);
            from = &*inner;
        }
        // The shortcut, then the first layer on top of it.
        let map = maps.blocks[b];
        match block.path {
            Path::Identity => {}
            Path::Padding { stride, .. } => {
                let out = maps.blocks[b + 1];
                other.resize(n * map.len());
                let images = other.par_chunks_mut(map.len()).enumerate();
                images.for_each(|(i, to)| {
                    unpad(&outer[range(i, out.len())], out, map, stride, to);
                });
                std::mem::swap(outer, other);
            }
            Path::Layer(l) => {
                other.resize(n * map.len());
                let to = Some((&mut *other, false));
                self.layer(l, outer, &sums[0], Input::Block(b), to, &Below::default());
                std::mem::swap(outer, other);
            }
        }
        let below = self.below_block(b);
        let to = Some((outer, true));
        self.layer(
            block.layers[0],
            inner,
            &sums_here,
            Input::Block(b),
            to,
            &below,
        )
    }

    /// The gradient by the stem's output before max pooling.
    fn max_pool(&self, buffers: &mut Gradients) -> Vec<GradientSums> {
        let (map, pooled) = (self.maps.outputs[0], self.maps.blocks[0]);
        let Gradients { outer, other, .. } = buffers;
        other.resize(self.n * map.len());
        let source = self.kept.source(Input::Layer(0));
        let below = Below {
            mask: Some(Rectifier::Layer),
            norms: vec![0],
        };
        let sums = self.after(other, map, &below, |i, to| {
            self.scratch.with(|scratch| {
                scratch.plain.resize(map.len());
                source.images(i, 1, map.len()).fill(map, &mut scratch.plain);
                let gradients = &outer[range(i, pooled.len())];
                max_pool_gradient(&scratch.plain, map, gradients, to);
            });
        });
        std::mem::swap(outer, other);
        sums
    }

    /// What lies below the output of the block before number `b`.
    fn below_block(&self, b: usize) -> Below {
        let mut norms = Vec::new();
        match b.checked_sub(1).map(|b| &self.network.blocks[b]) {
            Some(block) => {
                norms.extend(block.layers.last());
                if let Path::Layer(l) = block.path {
                    norms.push(l);
                }
            }
            // Under the pooling, the stem's own rectifier masks.
            None if self.network.pools => return Below::default(),
            None => norms.push(0),
        }
        Below {
            mask: Some(Rectifier::Block(b)),
            norms,
        }
    }

    /// Fills gradients image by image, masks them and sums them up.
    fn after(
        &self,
        gradients: &mut [f32],
        map: Map,
        below: &Below,
        fill: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Vec<GradientSums> {
        let chunk = chunk(self.n);
        let sums: Vec<_> = gradients
            .par_chunks_mut(chunk * map.len())
            .enumerate()
            .map(|(c, to)| {
                for (i, to) in to.chunks_exact_mut(map.len()).enumerate() {
                    fill(c * chunk + i, to);
                }
                let mut sums = vec![GradientSums::default(); below.norms.len()];
                finish(self.kept, below, c * chunk, map, to, &mut sums);
                sums
            })
            .collect();
        total(&sums)
    }

    /// One layer: writes the gradients by its parameters and, if asked for, by its input (added
    /// to what is there if `true`); returns the sums for the layers below.
    fn layer(
        &mut self,
        l: usize,
        gradients: &[f32],
        sums: &GradientSums,
        input: Input<'_>,
        to: Option<(&mut Buffer, bool)>,
        below: &Below,
    ) -> Vec<GradientSums> {
        let layer = &self.network.layers[l];
        let conv = layer.convolution;
        let out = self.maps.outputs[l];
        let norm = &self.kept.norms[l];
        let (by_scale, by_shift) =
            self.gradient[layer.scale.start..layer.shift.end].split_at_mut(layer.scale.len());
        let by_norm = sums.finish(norm, self.n * out.n_pixels(), by_scale, by_shift);
        if to.is_some() {
            conv.pack_back(&self.parameters[layer.weight.clone()], self.packed);
        }
        let chunk = chunk(self.n);
        let n_chunks = self.n.div_ceil(chunk);
        let pass = Pass {
            conv,
            input: self.maps.inputs[l].bordered(conv.padding),
            out: out.bordered(conv.gradient_border()),
            packed: self.packed,
            gradients,
            y: &self.kept.y[l],
            norm,
            by_norm,
            source: self.kept.source(input),
            scratch: self.scratch,
        };
        let len = self.maps.inputs[l].len();
        let (mut to, add) = match to {
            Some((to, add)) => (Some(&mut to[..self.n * len]), add),
            None => (None, false),
        };
        let keeps_tiles = conv.keeps_tiles(self.n, chunk, out);
        let sinks: Vec<Sink> = if keeps_tiles {
            let chunks = conv.keep(self.n, chunk, out, self.tiles);
            chunks.map(Sink::Tiles).collect()
        } else {
            self.partial.resize(n_chunks * conv.n_sums());
            let chunks = self.partial.chunks_exact_mut(conv.n_sums());
            chunks.map(Sink::Sums).collect()
        };
        let jobs: Vec<_> = sinks
            .into_iter()
            .enumerate()
            .map(|(c, sink)| {
                let images = c * chunk..self.n.min((c + 1) * chunk);
                let to = to
                    .as_mut()
                    .map(|to| to.split_off_mut(..images.len() * len).unwrap_or_default());
                (images, sink, to)
            })
            .collect();
        let kept = self.kept;
        let map = self.maps.inputs[l];
        let sums: Vec<_> = jobs
            .into_par_iter()
            .map(|(images, sink, to)| {
                let mut sums = vec![GradientSums::default(); below.norms.len()];
                pass.run(images, sink, to, add, |first, to| {
                    finish(kept, below, first, map, to, &mut sums);
                });
                sums
            })
            .collect();
        let by_weights = &mut self.gradient[layer.weight.clone()];
        if keeps_tiles {
            conv.gradient_of_kept(self.n, chunk, out, self.tiles, self.partial, by_weights);
        } else {
            add_up(self.partial, conv.n_sums());
            conv.finish_gradient(&self.partial[..conv.n_sums()], by_weights);
        }
        total(&sums)
    }
}

/// Masks some images' gradients and adds them to the sums.
fn finish(
    kept: &Kept,
    below: &Below,
    first: usize,
    map: Map,
    gradients: &mut [f32],
    sums: &mut [GradientSums],
) {
    for (i, gradients) in gradients.chunks_exact_mut(map.len()).enumerate() {
        let image = range(first + i, map.len());
        let mut mask = match below.mask {
            None => Mask::None,
            Some(Rectifier::Layer) => Mask::Own,
            Some(Rectifier::Block(b)) => Mask::Of(&kept.blocks[b][image.clone()]),
        };
        for (sums, &l) in sums.iter_mut().zip(&below.norms) {
            sums.add(gradients, mask, &kept.y[l][image.clone()], &kept.norms[l]);
            mask = Mask::None;
        }
    }
}

/// The chunks' sums together.
fn total(sums: &[Vec<GradientSums>]) -> Vec<GradientSums> {
    let mut total = vec![GradientSums::default(); sums.first().map_or(0, Vec::len)];
    for sums in sums {
        for (total, sums) in total.iter_mut().zip(sums) {
            total.join(sums);
        }
    }
    total
}

/// Adds the chunks' gradients by weights to the first chunk's, each weight's in the order of
/// chunks.
fn add_up(partial: &mut [f32], n_weights: usize) {
    const SHARE: usize = 1 << 14;
    let (to, others) = partial.split_at_mut(n_weights);
    let others = &*others;
    to.par_chunks_mut(SHARE).enumerate().for_each(|(i, to)| {
        for other in others.chunks_exact(n_weights) {
            for (to, v) in to.iter_mut().zip(&other[i * SHARE..]) {
                *to += v;
            }
        }
    });
}

/// Where a chunk leaves what the gradient by the weights is made of.
enum Sink<'a> {
    Sums(&'a mut [f32]),
    Tiles(KeptChunk<'a>),
}

/// One convolution of a batch, backward.
struct Pass<'a> {
    conv: Convolution,
    /// With the borders that the kernels need.
    input: Map,
    out: Map,
    packed: &'a [f32],
    gradients: &'a [f32],
    y: &'a [f32],
    norm: &'a Norm,
    by_norm: NormGradient,
    source: Source<'a>,
    scratch: &'a Pool<Scratch>,
}

impl Pass<'_> {
    /// A chunk's gradients by the weights and by its input, which `finish` is then given with
    /// the first image's number.
    fn run(
        &self,
        images: Range<usize>,
        mut sink: Sink<'_>,
        mut to: Option<&mut [f32]>,
        add: bool,
        mut finish: impl FnMut(usize, &mut [f32]),
    ) {
        let Self {
            conv, input, out, ..
        } = *self;
        let (plain_in, plain_out) = (input.bordered(0), out.bordered(0));
        let mut most = group(conv, input, out);
        match &mut sink {
            Sink::Sums(sums) => sums.fill(0.0),
            Sink::Tiles(_) => most = images.len(),
        }
        self.scratch.with(|scratch| {
            for first in images.clone().step_by(most) {
                let n = most.min(images.end - first);
                let x = scratch.input.images(input, n);
                self.source.images(first, n, plain_in.len()).fill(input, x);
                let g = scratch.gradient.images(out, n);
                let part = first * plain_out.len()..(first + n) * plain_out.len();
                through_norm(
                    &self.gradients[part.clone()],
                    &self.y[part],
                    self.norm,
                    &self.by_norm,
                    out,
                    g,
                );
                let work = &mut scratch.transformed;
                match &mut sink {
                    Sink::Sums(sums) => conv.add_gradient(n, (input, x), (out, g), sums, work),
                    Sink::Tiles(kept) => conv.keep_tiles(n, (input, x), (out, g), kept),
                }
                let Some(to) = &mut to else {
                    continue;
                };
                let to = to.split_off_mut(..n * plain_in.len()).unwrap_or_default();
                conv.run_back(n, (out, g), self.packed, (plain_in, &mut *to), add, work);
                finish(first, to);
            }
        });
    }
}
