//! A network in training: batch statistics, what a forward pass keeps, and the passes that both
//! directions are made of.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::architecture::{Architecture, Path};
use super::backward::Gradients;
use super::network::{Maps, Network, Segment, Tensors};
use super::norm::{Moments, Norm};
use super::pixels::{Bypass, Source, average, join};
use super::pool::max_pool;
use super::{ImageSize, check_images};
use crate::error::{Error, Result};
use crate::nn::conv::{Buffer, Convolution, Finish, Kept as Tiles, Map, Transformed};

/// A residual network with its parameters and running statistics, for training.
///
/// The same images and parameters give the same bits at any number of threads, forward and
/// backward. What a forward pass keeps for the backward pass is in [`Activations`], so that one
/// network can be run on several batches, and one network's momentum copy needs no second set.
///
/// ```
/// use qualm::nn::resnet::{Activations, Architecture, ImageSize, TrainableResNet};
///
/// let architecture: Architecture = "resnet8".parse()?;
/// let mut network = TrainableResNet::new(architecture, 0);
/// let size = ImageSize { rows: 8, cols: 8 };
/// let images: Vec<f32> = (0..4 * 8 * 8 * 3).map(|i| (i as f32).sin()).collect();
///
/// let mut activations = Activations::default();
/// network.forward(&images, size, &mut activations)?;
/// assert_eq!(activations.features().len(), 4 * architecture.width());
///
/// // A step against the gradient of half the sum of squares.
/// let by_features = activations.features().to_vec();
/// let mut gradient = vec![0.0; network.parameters().len()];
/// network.backward(&images, &by_features, &mut activations, &mut gradient)?;
/// for (p, g) in network.parameters_mut().iter_mut().zip(&gradient) {
///     *p -= 0.01 * g;
/// }
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TrainableResNet {
    architecture: Architecture,
    pub(super) network: Network,
    pub(super) parameters: Vec<f32>,
    running: Vec<f32>,
}

impl TrainableResNet {
    /// A network before its first step: weights from N(0, 2 / (rows x columns x out)) (He et
    /// al., 2015), batch norm the identity. The numbers depend on the architecture and the seed
    /// alone.
    #[must_use]
    pub fn new(architecture: Architecture, seed: u64) -> Self {
        let network = Network::new(architecture);
        let (parameters, running) = network.initial(seed);
        Self {
            architecture,
            network,
            parameters,
            running,
        }
    }

    /// A network with the numbers of named tensors; those that it does not know are left alone.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] and [`Error::TensorShape`].
    pub fn from_tensors(architecture: Architecture, tensors: &Tensors) -> Result<Self> {
        let network = Network::new(architecture);
        let (parameters, running) = network.read(&architecture.parameters(), tensors)?;
        Ok(Self {
            architecture,
            network,
            parameters,
            running,
        })
    }

    /// Parameters and running statistics as named tensors, in the shapes of
    /// [`Architecture::parameters`].
    #[must_use]
    pub fn to_tensors(&self) -> Tensors {
        let infos = self.architecture.parameters();
        self.network.write(&infos, &self.parameters, &self.running)
    }

    /// Which network it is.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// All that is trained, in one buffer; [`TrainableResNet::segments`] says what is where.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The same, to be changed.
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Running means and variances of batch norm, in one buffer.
    #[must_use]
    pub fn running(&self) -> &[f32] {
        &self.running
    }

    /// The same, to be changed.
    pub fn running_mut(&mut self) -> &mut [f32] {
        &mut self.running
    }

    /// The tensors of [`TrainableResNet::parameters`], in order, without gaps.
    #[must_use]
    pub fn segments(&self) -> Vec<Segment> {
        self.network.segments(&self.architecture.parameters()).0
    }

    /// The tensors of [`TrainableResNet::running`], in order, without gaps.
    #[must_use]
    pub fn running_segments(&self) -> Vec<Segment> {
        self.network.segments(&self.architecture.parameters()).1
    }

    /// Features of a batch, with batch norm by the statistics of the batch; moves the running
    /// statistics a tenth of the way to them.
    ///
    /// # Shapes
    /// `images`: `(n, rows, columns, 3)`. The features, `(n, width)`, are then in
    /// [`Activations::features`].
    ///
    /// # Errors
    /// [`Error::ImageValues`] when the values are no whole images, [`Error::BatchTooSmall`] when
    /// a layer's output is a single pixel in the whole batch, which has no variance.
    pub fn forward(
        &mut self,
        images: &[f32],
        size: ImageSize,
        activations: &mut Activations,
    ) -> Result<()> {
        let n = check_images(images.len(), size)?;
        activations.prepare(&self.network, size, n);
        let Activations {
            maps,
            kept,
            scratch,
            packed,
            ..
        } = activations;
        let least = maps.outputs.iter().map(Map::n_pixels).min().unwrap_or(0);
        if n * least < 2 {
            return Err(Error::BatchTooSmall { found: n });
        }
        let mut pass = Forward {
            network: &self.network,
            parameters: &self.parameters,
            running: &mut self.running,
            n,
            maps,
            kept,
            scratch,
            packed,
        };
        pass.layer(0, Input::Images(images));
        pass.stem();
        for b in 0..self.network.blocks.len() {
            pass.block(b);
        }
        pass.features();
        Ok(())
    }
}

/// What a forward pass in training keeps for the backward pass, and both passes' buffers. Made
/// empty; sized by the first forward pass, and again when the batch's size changes.
#[derive(Debug, Default)]
pub struct Activations {
    pub(super) size: ImageSize,
    pub(super) n: usize,
    pub(super) maps: Maps,
    pub(super) kept: Kept,
    pub(super) scratch: Pool<Scratch>,
    pub(super) packed: Buffer,
    /// Gradients by layers' outputs.
    pub(super) gradients: Gradients,
    /// Gradients by a layer's weights, of each chunk of images.
    pub(super) partial: Buffer,
    /// The same layer's tiles, where they are kept instead.
    pub(super) tiles: Tiles,
}

/// What a forward pass computes.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Each convolution's output, before batch norm.
    pub(super) y: Vec<Buffer>,
    /// Each layer's batch norm.
    pub(super) norms: Vec<Norm>,
    /// Each block's input; the last is the last block's output.
    pub(super) blocks: Vec<Buffer>,
    pub(super) features: Vec<f32>,
}

impl Activations {
    /// Features of the last forward pass, `(n, width)`.
    #[must_use]
    pub fn features(&self) -> &[f32] {
        &self.kept.features
    }

    fn prepare(&mut self, network: &Network, size: ImageSize, n: usize) {
        self.size = size;
        self.n = n;
        self.maps = network.maps([size.rows, size.cols]);
        let kept = &mut self.kept;
        kept.y.resize_with(network.layers.len(), Buffer::default);
        kept.norms.resize_with(network.layers.len(), Norm::default);
        kept.blocks
            .resize_with(network.blocks.len() + 1, Buffer::default);
        for (y, map) in kept.y.iter_mut().zip(&self.maps.outputs) {
            y.resize(n * map.len());
        }
        for (block, map) in kept.blocks.iter_mut().zip(&self.maps.blocks) {
            block.resize(n * map.len());
        }
        kept.features.resize(n * network.width, 0.0);
    }
}

/// Images of a chunk: the unit that one thread works on, and that sums are made of. It depends
/// on the batch alone, so that sums do not depend on the number of threads.
pub(super) fn chunk(n: usize) -> usize {
    n.div_ceil(16).clamp(1, 8)
}

/// Bytes of images with a border that are made at a time, to stay in the second cache.
const GROUP_BYTES: usize = 256 << 10;
/// Weights that are read again for each group of images; with more, the whole chunk is one.
const SMALL_WEIGHTS: usize = 64 << 10;

/// Images of a chunk that a layer takes at a time.
pub(super) fn group(convolution: Convolution, input: Map, out: Map) -> usize {
    if convolution.n_weights() > SMALL_WEIGHTS {
        return 8;
    }
    (GROUP_BYTES / (4 * (input.len() + out.len()))).clamp(1, 8)
}

/// Images with a border of zeros.
#[derive(Debug, Default)]
pub(super) struct Bordered {
    values: Buffer,
    map: Option<Map>,
}

impl Bordered {
    /// Room for images whose border is zero; what is inside is left from before.
    pub(super) fn images(&mut self, map: Map, n: usize) -> &mut [f32] {
        let len = n * map.len();
        if self.map != Some(map) || self.values.len() < len {
            self.values.resize(len);
            self.values.fill(0.0);
            self.map = Some(map);
        }
        &mut self.values[..len]
    }
}

/// Buffers of a thread.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) input: Bordered,
    pub(super) gradient: Bordered,
    pub(super) plain: Buffer,
    pub(super) transformed: Transformed,
}

/// Buffers of all threads.
#[derive(Debug, Default)]
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    /// Runs `work` with buffers that nobody else has.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut scratch = lock().pop().unwrap_or_default();
        let result = work(&mut scratch);
        lock().push(scratch);
        result
    }
}

/// What a layer is given, by its number.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    Images(&'a [f32]),
    /// A block's input.
    Block(usize),
    /// A layer's output, after batch norm and rectifier.
    Layer(usize),
}

impl Kept {
    /// What a layer is given.
    pub(super) fn source<'a>(&'a self, input: Input<'a>) -> Source<'a> {
        match input {
            Input::Images(images) => Source::Plain(images),
            Input::Block(b) => Source::Plain(&self.blocks[b]),
            Input::Layer(l) => Source::Normalised(&self.y[l], &self.norms[l]),
        }
    }
}

/// A forward pass under way.
struct Forward<'a> {
    network: &'a Network,
    parameters: &'a [f32],
    running: &'a mut [f32],
    n: usize,
    maps: &'a Maps,
    kept: &'a mut Kept,
    scratch: &'a Pool<Scratch>,
    packed: &'a mut Buffer,
}

impl Forward<'_> {
    /// A convolution and the statistics of its output.
    fn layer(&mut self, l: usize, input: Input<'_>) {
        let layer = &self.network.layers[l];
        let mut y = std::mem::take(&mut self.kept.y[l]);
        let conv = layer.convolution;
        conv.pack(&self.parameters[layer.weight.clone()], self.packed);
        let pass = Pass {
            conv,
            input: self.maps.inputs[l].bordered(conv.padding),
            out: self.maps.outputs[l],
            packed: self.packed,
            source: self.kept.source(input),
            scratch: self.scratch,
        };
        let chunk = chunk(self.n);
        let moments: Vec<Moments> = y
            .par_chunks_mut(chunk * pass.out.len())
            .enumerate()
            .map(|(i, y)| pass.run(i * chunk, y))
            .collect();
        let mut total = Moments::default();
        for moments in &moments {
            total.join(moments);
        }
        self.kept.y[l] = y;
        let (mean, variance) = self.running.split_at_mut(layer.variance.start);
        self.kept.norms[l] = total.finish(
            &self.parameters[layer.scale.clone()],
            &self.parameters[layer.shift.clone()],
            &mut mean[layer.mean.clone()],
            &mut variance[..layer.variance.len()],
        );
    }

    /// The first block's input.
    fn stem(&mut self) {
        let Kept {
            y, norms, blocks, ..
        } = &mut *self.kept;
        let source = Source::Normalised(&y[0], &norms[0]);
        let (map, out) = (self.maps.outputs[0], self.maps.blocks[0]);
        let (pools, scratch) = (self.network.pools, self.scratch);
        blocks[0]
            .par_chunks_mut(out.len())
            .enumerate()
            .for_each(|(i, to)| {
                let source = source.images(i, 1, map.len());
                if pools {
                    scratch.with(|scratch| {
                        scratch.plain.resize(map.len());
                        source.fill(map, &mut scratch.plain);
                        max_pool(&scratch.plain, map, out, to);
                    });
                } else {
                    source.fill(map, to);
                }
            });
    }

    fn block(&mut self, b: usize) {
        let network = self.network;
        let block = &network.blocks[b];
        if let Path::Layer(l) = block.path {
            self.layer(l, Input::Block(b));
        }
        let mut input = Input::Block(b);
        let mut last = 0;
        for &l in &block.layers {
            self.layer(l, input);
            input = Input::Layer(l);
            last = l;
        }
        let (before, after) = self.kept.blocks.split_at_mut(b + 1);
        let (from, to) = (&before[b], &mut after[0]);
        let (y, norms) = (&self.kept.y, &self.kept.norms);
        let (input, map) = (self.maps.blocks[b], self.maps.blocks[b + 1]);
        to.par_chunks_mut(map.len())
            .enumerate()
            .for_each(|(i, to)| {
                let from = &from[range(i, input.len())];
                let of = |l: usize| &y[l][range(i, map.len())];
                let bypass = match block.path {
                    Path::Identity => Bypass::Identity(from),
                    Path::Padding { stride, .. } => Bypass::Padding(from, input, stride),
                    Path::Layer(l) => Bypass::Normalised(of(l), &norms[l]),
                };
                join(of(last), &norms[last], bypass, map, to);
            });
    }

    fn features(&mut self) {
        if let (Some(map), Some(images)) = (self.maps.blocks.last(), self.kept.blocks.last()) {
            average(images, *map, &mut self.kept.features);
        }
    }
}

/// The values of an image.
pub(super) fn range(image: usize, len: usize) -> Range<usize> {
    image * len..(image + 1) * len
}

/// A convolution of a batch.
struct Pass<'a> {
    conv: Convolution,
    input: Map,
    out: Map,
    packed: &'a [f32],
    source: Source<'a>,
    scratch: &'a Pool<Scratch>,
}

impl Pass<'_> {
    /// A chunk's outputs, from image number `first` on, and their moments.
    fn run(&self, first: usize, y: &mut [f32]) -> Moments {
        let Self {
            conv, input, out, ..
        } = *self;
        let mut moments = Moments::default();
        let most = group(conv, input, out);
        self.scratch.with(|scratch| {
            for (i, y) in y.chunks_mut(most * out.len()).enumerate() {
                let n = y.len() / out.len();
                let images = scratch.input.images(input, n);
                let plain = input.bordered(0).len();
                self.source
                    .images(first + i * most, n, plain)
                    .fill(input, images);
                let work = &mut scratch.transformed;
                let (from, to) = ((input, &*images), (out, &mut *y));
                conv.run(n, from, self.packed, to, Finish::default(), work);
                for image in y.chunks_exact(out.len()) {
                    moments.add(image, out.channels);
                }
            }
        });
        moments
    }
}
