//! Gradients by the images, with batch norm by its running statistics.
//!
//! A network for inference is a function of each image alone: its batch norms are fixed linear
//! maps, folded into the convolutions ([`super::ResNet`]). So its gradient by an image needs no
//! sums over the batch, unlike that of a training step. Backward, a convolution is carried out with
//! its folded weights turned, a rectifier passes what it was open for (where its output is above 0,
//! as in PyTorch), and a shortcut adds what it passes by.
//!
//! The forward pass keeps the outputs of all rectifiers, for a few images at a time.

use rayon::prelude::*;

use super::architecture::{Architecture, Path};
use super::inference::{RELU, ResNet, folded, group};
use super::network::{Maps, Network, Tensors};
use super::pixels::{Source, average, close, pad, spread, strip, unpad};
use super::pool::{max_pool, max_pool_gradient};
use super::training::{Bordered, Pool};
use super::{ImageSize, check_images};
use crate::error::{Error, Result};
use crate::nn::conv::{BLOCK, Buffer, Convolution, Finish, Map, Transformed};

/// A residual network for inference with gradients by its images.
///
/// An image's gradient has the same bits whatever other images it comes with, and at any number of
/// threads.
///
/// ```
/// use qualm::nn::resnet::{Architecture, ImageSize, InputGradient, TrainableResNet};
///
/// let architecture: Architecture = "resnet8".parse()?;
/// let tensors = TrainableResNet::new(architecture, 0).to_tensors();
/// let network = InputGradient::from_tensors(architecture, &tensors)?;
/// let images = vec![0.5; 2 * 8 * 8 * 3];
/// let mut gradient = vec![0.0; images.len()];
/// // Of the sum of the first stage's features, by every pixel.
/// let size = ImageSize { rows: 8, cols: 8 };
/// network.by_images(&images, size, 0, |_, slope| slope.fill(1.0), &mut gradient)?;
/// assert_eq!(gradient[..192], gradient[192..]);
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug)]
pub struct InputGradient {
    forward: ResNet,
    /// Packed weights of each layer, for the way back.
    backward: Vec<Buffer>,
    /// The first convolution, with as many input channels as the kernels need: those beyond the
    /// three colours have weights of zero.
    stem: Convolution,
    rooms: Pool<Room>,
}

/// Buffers of a thread.
#[derive(Debug, Default)]
struct Room {
    kept: Kept,
    gradients: Gradients,
    work: Transformed,
}

/// What a forward pass leaves; all but the images with a border of one pixel.
#[derive(Debug, Default)]
struct Kept {
    images: Bordered,
    /// Each layer's output after its rectifier: the stem, and within blocks.
    layers: Vec<Bordered>,
    /// Each block's input; the last is the last block's output.
    blocks: Vec<Bordered>,
}

/// Gradients under way.
#[derive(Debug, Default)]
struct Gradients {
    /// By a block's output, masked by its rectifier.
    outer: Vec<f32>,
    /// By the output of a layer within it.
    inner: Vec<f32>,
    /// The next of either.
    other: Vec<f32>,
    /// With the border that a convolution needs.
    bordered: Bordered,
}

impl InputGradient {
    /// A network from named tensors, as [`ResNet::from_tensors`].
    ///
    /// # Errors
    /// [`Error::MissingTensor`] and [`Error::TensorShape`], which name the tensor.
    pub fn from_tensors(architecture: Architecture, tensors: &Tensors) -> Result<Self> {
        let network = Network::new(architecture);
        let (parameters, running) = network.read(&architecture.parameters(), tensors)?;
        let stem = Convolution {
            n_in: BLOCK,
            ..network.layers[0].convolution
        };
        let layers = network.layers.iter().enumerate();
        let backward = layers.map(|(l, layer)| {
            let (weights, _) = folded(layer, &parameters, &running);
            let mut packed = Buffer::default();
            if l == 0 {
                stem.pack_back(&widened(&weights, layer.convolution), &mut packed);
            } else {
                layer.convolution.pack_back(&weights, &mut packed);
            }
            packed
        });
        Ok(Self {
            backward: backward.collect(),
            forward: ResNet::from_tensors(architecture, tensors)?,
            stem,
            rooms: Pool::default(),
        })
    }

    /// The network itself.
    #[must_use]
    pub fn network(&self) -> &ResNet {
        &self.forward
    }

    /// The gradient by images of a function of the features of a stage: the means over its feature
    /// map.
    ///
    /// `slope` is given the features of some images and writes the function's gradient by them. It
    /// must treat each row by itself.
    ///
    /// # Shapes
    /// `images` and `gradient`: `(n, rows, columns, 3)`; `slope`: two times `(m, channels)`, with
    /// the channels of [`ResNet::stage_widths`].
    ///
    /// # Errors
    /// [`Error::ImageValues`] when the values are no whole images, [`Error::SliceLength`] when the
    /// gradient has another length, [`Error::NoSuchStage`].
    pub fn by_images(
        &self,
        images: &[f32],
        size: ImageSize,
        stage: usize,
        slope: impl Fn(&[f32], &mut [f32]) + Sync,
        gradient: &mut [f32],
    ) -> Result<()> {
        let n = check_images(images.len(), size)?;
        if gradient.len() != images.len() {
            return Err(Error::SliceLength {
                what: "gradient by images",
                found: gradient.len(),
                expected: images.len(),
            });
        }
        let ends = self.forward.network.stage_ends();
        let Some(&last) = ends.get(stage) else {
            return Err(Error::NoSuchStage {
                found: stage,
                n_stages: ends.len(),
            });
        };
        let maps = self.forward.network.maps([size.rows, size.cols]);
        let group = group(n) * (images.len() / n);
        let groups = images.par_chunks(group).zip(gradient.par_chunks_mut(group));
        groups.for_each(|(images, gradient)| {
            let pass = Pass {
                network: self,
                n: images.len() / (3 * size.rows * size.cols),
                maps: &maps,
            };
            self.rooms.with(|room| {
                pass.forward(images, last, room);
                pass.features(last, room, &slope);
                for b in (0..=last).rev() {
                    pass.block_back(b, room);
                }
                pass.stem_back(room, gradient);
            });
        });
        Ok(())
    }
}

/// Weights `(kernel, kernel, 3, out)` with zeros for more input channels.
fn widened(weights: &[f32], convolution: Convolution) -> Vec<f32> {
    let taps = convolution.n_in * convolution.n_out;
    let mut wide = Vec::with_capacity(weights.len() / taps * BLOCK * convolution.n_out);
    for tap in weights.chunks_exact(taps) {
        wide.extend_from_slice(tap);
        wide.resize(wide.len() + BLOCK * convolution.n_out - taps, 0.0);
    }
    wide
}

/// A pass of some images by one thread.
#[derive(Clone, Copy)]
struct Pass<'a> {
    network: &'a InputGradient,
    n: usize,
    maps: &'a Maps,
}

impl Pass<'_> {
    fn resnet(&self) -> &Network {
        &self.network.forward.network
    }

    /// From images to the output of block `last`.
    fn forward(&self, images: &[f32], last: usize, room: &mut Room) {
        let Room { kept, work, .. } = room;
        let resnet = self.resnet();
        kept.layers
            .resize_with(resnet.layers.len(), Bordered::default);
        kept.blocks
            .resize_with(resnet.blocks.len() + 1, Bordered::default);
        self.stem(images, kept, work);
        for b in 0..=last {
            self.block(b, kept, work);
        }
    }

    /// From images to the first block's input. Without pooling, that is the stem's output.
    fn stem(&self, images: &[f32], kept: &mut Kept, work: &mut Transformed) {
        let (resnet, n) = (self.resnet(), self.n);
        let padding = resnet.layers[0].convolution.padding;
        let input = self.maps.inputs[0].bordered(padding);
        let x = kept.images.images(input, n);
        Source::Plain(images).fill(input, x);
        let (stem, first) = (
            self.maps.outputs[0].bordered(1),
            self.maps.blocks[0].bordered(1),
        );
        let forward = &self.network.forward;
        if resnet.pools {
            let y = kept.layers[0].images(stem, n);
            forward.layer(0, n, (input, x), (stem, y), RELU, work);
            let mut plain = Vec::new();
            strip(y, stem, &mut plain);
            let map = stem.bordered(0);
            let to = kept.blocks[0]
                .images(first, n)
                .chunks_exact_mut(first.len());
            for (y, to) in plain.chunks_exact(map.len()).zip(to) {
                max_pool(y, map, first, to);
            }
        } else {
            let to = (first, kept.blocks[0].images(first, n));
            forward.layer(0, n, (input, x), to, RELU, work);
        }
    }

    /// From a block's input to its output.
    fn block(&self, b: usize, kept: &mut Kept, work: &mut Transformed) {
        let (forward, n) = (&self.network.forward, self.n);
        let block = &self.resnet().blocks[b];
        let (input, output) = (
            self.maps.blocks[b].bordered(1),
            self.maps.blocks[b + 1].bordered(1),
        );
        let (before, after) = kept.blocks.split_at_mut(b + 1);
        let from = &*before[b].images(input, n);
        let to = after[0].images(output, n);
        match block.path {
            Path::Identity => to.copy_from_slice(from),
            Path::Padding { stride, .. } => pad(from, input, stride, output, to),
            Path::Layer(l) => {
                let to = (output, &mut *to);
                forward.layer(l, n, (input, from), to, Finish::default(), work);
            }
        }
        let (last, inner) = block.layers.split_last().unwrap_or((&0, &[]));
        let mut source = (input, from);
        let mut layers = kept.layers.as_mut_slice();
        let mut first = 0;
        for &l in inner {
            // Layers of a block are numbered in their order.
            let (here, rest) = layers.split_at_mut(l + 1 - first);
            let map = self.maps.outputs[l].bordered(1);
            let y = here[l - first].images(map, n);
            forward.layer(l, n, source, (map, &mut *y), RELU, work);
            source = (map, y);
            (layers, first) = (rest, l + 1);
        }
        let finish = Finish {
            accumulate: true,
            ..RELU
        };
        forward.layer(*last, n, source, (output, to), finish, work);
    }

    /// The gradient by the output of block `last`, masked by its rectifier.
    fn features(&self, last: usize, room: &mut Room, slope: &impl Fn(&[f32], &mut [f32])) {
        let map = self.maps.blocks[last + 1];
        let output = room.kept.blocks[last + 1].images(map.bordered(1), self.n);
        let mut features = vec![0.0; self.n * map.channels];
        average(output, map.bordered(1), &mut features);
        let mut by_features = vec![0.0; features.len()];
        slope(&features, &mut by_features);
        let outer = &mut room.gradients.outer;
        outer.resize(self.n * map.len(), 0.0);
        spread(&by_features, map, outer);
        close(outer, output, map);
    }

    /// From the gradient by a block's output to that by its input, each masked by its rectifier.
    fn block_back(&self, b: usize, room: &mut Room) {
        let (n, maps) = (self.n, self.maps);
        let block = &self.resnet().blocks[b];
        let Room {
            kept,
            gradients,
            work,
        } = room;
        let Gradients {
            outer,
            inner,
            other,
            bordered,
        } = gradients;
        inner.clone_from(outer);
        for pair in block.layers.windows(2).rev() {
            let (below, l) = (pair[0], pair[1]);
            let map = maps.inputs[l];
            other.resize(n * map.len(), 0.0);
            self.layer_back(l, inner, bordered, other, false, work);
            close(other, kept.layers[below].images(map.bordered(1), n), map);
            std::mem::swap(inner, other);
        }
        let map = maps.blocks[b];
        match block.path {
            Path::Identity => {}
            Path::Padding { stride, .. } => {
                let out = maps.blocks[b + 1];
                other.resize(n * map.len(), 0.0);
                let images = other.chunks_exact_mut(map.len());
                for (to, from) in images.zip(outer.chunks_exact(out.len())) {
                    unpad(from, out, map, stride, to);
                }
                std::mem::swap(outer, other);
            }
            Path::Layer(l) => {
                other.resize(n * map.len(), 0.0);
                self.layer_back(l, outer, bordered, other, false, work);
                std::mem::swap(outer, other);
            }
        }
        self.layer_back(block.layers[0], inner, bordered, outer, true, work);
        // What was pooled is masked by the rectifier before the pooling.
        if b > 0 || !self.resnet().pools {
            close(outer, kept.blocks[b].images(map.bordered(1), n), map);
        }
    }

    /// From the gradient by the first block's input to that by the images.
    fn stem_back(&self, room: &mut Room, gradient: &mut [f32]) {
        let (n, maps) = (self.n, self.maps);
        let Room {
            kept,
            gradients,
            work,
        } = room;
        let Gradients {
            outer,
            other,
            bordered,
            ..
        } = gradients;
        if self.resnet().pools {
            let (map, pooled) = (maps.outputs[0], maps.blocks[0]);
            let outputs = &*kept.layers[0].images(map.bordered(1), n);
            let mut plain = Vec::new();
            strip(outputs, map, &mut plain);
            other.resize(n * map.len(), 0.0);
            let images = plain.chunks_exact(map.len());
            let images = images.zip(outer.chunks_exact(pooled.len()));
            for ((image, from), to) in images.zip(other.chunks_exact_mut(map.len())) {
                max_pool_gradient(image, map, from, to);
            }
            close(other, outputs, map);
            std::mem::swap(outer, other);
        }
        let wide = Map {
            channels: BLOCK,
            ..maps.inputs[0]
        };
        other.resize(n * wide.len(), 0.0);
        let stem = (self.network.stem, wide);
        self.convolution_back(0, stem, outer, bordered, other, false, work);
        for (to, from) in gradient.chunks_exact_mut(3).zip(other.chunks_exact(BLOCK)) {
            to.copy_from_slice(&from[..3]);
        }
    }

    /// A layer, back: to the gradient by its input, which is added to what is there if `add`.
    fn layer_back(
        &self,
        l: usize,
        gradients: &[f32],
        bordered: &mut Bordered,
        to: &mut [f32],
        add: bool,
        work: &mut Transformed,
    ) {
        let layer = (self.resnet().layers[l].convolution, self.maps.inputs[l]);
        self.convolution_back(l, layer, gradients, bordered, to, add, work);
    }

    #[expect(clippy::too_many_arguments, reason = "a layer and its buffers")]
    fn convolution_back(
        &self,
        l: usize,
        (convolution, input): (Convolution, Map),
        gradients: &[f32],
        bordered: &mut Bordered,
        to: &mut [f32],
        add: bool,
        work: &mut Transformed,
    ) {
        let out = self.maps.outputs[l].bordered(convolution.gradient_border());
        let g = bordered.images(out, self.n);
        Source::Plain(gradients).fill(out, g);
        let packed = &self.network.backward[l];
        convolution.run_back(self.n, (out, g), packed, (input, to), add, work);
    }
}
