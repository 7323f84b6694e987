//! A network for inference: batch norm folded into the convolutions.
//!
//! With `factor = scale / sqrt(variance + 1e-5)`, a convolution's weights are multiplied by the
//! factor of their output, and `shift - mean factor` is added to its sums. Rectifier and shortcut
//! are applied to a sum before it is written: the last convolution of a block adds to the
//! shortcut, which lies in its output already.

use rayon::prelude::*;

use super::architecture::{Architecture, Path};
use super::linear::LinearClassifier;
use super::network::{EPSILON, Layer, Maps, Network, Tensors};
use super::pixels::{Source, average, pad, strip};
use super::pool::max_pool;
use super::training::{Bordered, Pool};
use super::{ImageSize, check_images};
use crate::error::{Error, Result};
use crate::nn::conv::{Buffer, Finish, Map, Transformed};

/// A residual network that turns images into features, and into logits if it has a classifier.
///
/// An image's features have the same bits whatever other images it comes with, and at any number
/// of threads.
///
/// ```
/// use qualm::nn::resnet::{Architecture, ImageSize, ResNet};
///
/// let architecture: Architecture = "resnet20".parse()?;
/// let network = ResNet::new(architecture, 0);
/// let images = vec![0.5; 2 * 32 * 32 * 3];
/// let size = ImageSize { rows: 32, cols: 32 };
/// let mut features = vec![0.0; 2 * network.width()];
/// network.features_into(&images, size, &mut features)?;
/// assert_eq!(features[..64], features[64..]);
/// # Ok::<(), qualm::Error>(())
/// ```
#[derive(Debug)]
pub struct ResNet {
    architecture: Architecture,
    pub(super) network: Network,
    /// Packed weights and bias of each layer.
    layers: Vec<(Buffer, Vec<f32>)>,
    classifier: Option<LinearClassifier>,
    rooms: Pool<Room>,
}

/// A layer's weights and bias with its batch norm folded into them.
pub(super) fn folded(layer: &Layer, parameters: &[f32], running: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (scale, shift) = (
        &parameters[layer.scale.clone()],
        &parameters[layer.shift.clone()],
    );
    let (mean, variance) = (
        &running[layer.mean.clone()],
        &running[layer.variance.clone()],
    );
    let factors: Vec<f64> = scale
        .iter()
        .zip(variance)
        .map(|(s, v)| f64::from(*s) / (f64::from(*v) + f64::from(EPSILON)).sqrt())
        .collect();
    let n_out = layer.convolution.n_out;
    let bias = (0..n_out)
        .map(|o| (f64::from(shift[o]) - f64::from(mean[o]) * factors[o]) as f32)
        .collect();
    let weights = parameters[layer.weight.clone()]
        .chunks_exact(n_out)
        .flat_map(|row| row.iter().zip(&factors))
        .map(|(w, f)| (f64::from(*w) * f) as f32)
        .collect();
    (weights, bias)
}

/// Images that a thread takes through a layer at a time.
const GROUP: usize = 8;

/// Images that each thread takes at a time, of so many.
pub(super) fn group(n: usize) -> usize {
    GROUP.min(n.div_ceil(rayon::current_num_threads())).max(1)
}

/// The end of a layer within a block.
pub(super) const RELU: Finish<'static> = Finish {
    accumulate: false,
    bias: None,
    relu: true,
};

/// Buffers of a thread.
#[derive(Debug, Default)]
struct Room {
    /// A block's input, and its output.
    front: Bordered,
    back: Bordered,
    /// Between the layers of a block.
    inner: [Bordered; 2],
    work: Transformed,
}

impl ResNet {
    /// An untrained network: weights drawn as [`super::TrainableResNet::new`] does.
    #[must_use]
    pub fn new(architecture: Architecture, seed: u64) -> Self {
        let network = Network::new(architecture);
        let (parameters, running) = network.initial(seed);
        Self::of(architecture, network, &parameters, &running)
    }

    /// A network from named tensors, with the names and shapes of [`Architecture::parameters`];
    /// with `fc.weight`, `(classes, width)`, and `fc.bias`, `(classes,)`, if there is the
    /// former. Other tensors are left alone.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] and [`Error::TensorShape`], which name the tensor.
    pub fn from_tensors(architecture: Architecture, tensors: &Tensors) -> Result<Self> {
        let network = Network::new(architecture);
        let (parameters, running) = network.read(&architecture.parameters(), tensors)?;
        let mut resnet = Self::of(architecture, network, &parameters, &running);
        if let Some(weight) = tensors.get("fc.weight") {
            let n_classes = weight.shape.first().copied().unwrap_or(0);
            let names = ["fc.weight", "fc.bias"];
            resnet.classifier = Some(LinearClassifier::from_tensors(
                tensors,
                names,
                [n_classes, resnet.width()],
            )?);
        }
        Ok(resnet)
    }

    fn of(
        architecture: Architecture,
        network: Network,
        parameters: &[f32],
        running: &[f32],
    ) -> Self {
        let layers = network.layers.iter().map(|layer| {
            let (weights, bias) = folded(layer, parameters, running);
            let mut packed = Buffer::default();
            layer.convolution.pack(&weights, &mut packed);
            (packed, bias)
        });
        Self {
            layers: layers.collect(),
            architecture,
            network,
            classifier: None,
            rooms: Pool::default(),
        }
    }

    /// Which network it is.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// How many numbers a feature vector has.
    #[must_use]
    pub fn width(&self) -> usize {
        self.network.width
    }

    /// How many classes the classifier tells apart, if there is one.
    #[must_use]
    pub fn n_classes(&self) -> Option<usize> {
        self.classifier.as_ref().map(LinearClassifier::n_classes)
    }

    /// The features of images.
    ///
    /// # Shapes
    /// `images`: `(n, rows, columns, 3)`; `out`: `(n, width)`.
    ///
    /// # Errors
    /// [`Error::ImageValues`] when the values are no whole images, [`Error::SliceLength`] when
    /// there is room for another number of rows.
    pub fn features_into(&self, images: &[f32], size: ImageSize, out: &mut [f32]) -> Result<()> {
        let n = check_images(images.len(), size)?;
        if out.len() != n * self.width() {
            return Err(Error::SliceLength {
                what: "features",
                found: out.len(),
                expected: n * self.width(),
            });
        }
        let maps = self.network.maps([size.rows, size.cols]);
        let image = images.len() / n;
        let group = group(n);
        let map = maps.blocks[self.network.blocks.len()].bordered(1);
        images
            .par_chunks(group * image)
            .zip(out.par_chunks_mut(group * self.width()))
            .for_each(|(images, out)| {
                self.rooms.with(|room| {
                    let n = out.len() / self.width();
                    self.run(images, n, &maps, room, |_, _| {});
                    average(room.front.images(map, n), map, out);
                });
            });
        Ok(())
    }

    /// Channels of the feature maps of each stage: blocks of one size. The means over the map of
    /// the last are the features.
    ///
    /// ```
    /// use qualm::nn::resnet::ResNet;
    ///
    /// let network = ResNet::new("resnet20".parse()?, 0);
    /// assert_eq!(network.stage_widths(), [16, 32, 64]);
    /// # Ok::<(), qualm::Error>(())
    /// ```
    #[must_use]
    pub fn stage_widths(&self) -> Vec<usize> {
        let ends = self.network.stage_ends().into_iter();
        ends.map(|b| self.network.channels(b)).collect()
    }

    /// What `read` makes of the feature maps of each image, from those of the first stage to those
    /// of the last; only the maps of a few images exist at a time.
    ///
    /// # Shapes
    /// `images`: `(n, rows, columns, 3)`. `read` is given one map a stage, `(rows, columns,
    /// channels)` with the channels of [`ResNet::stage_widths`], after the last rectifier. Returns
    /// one result an image.
    ///
    /// # Errors
    /// [`Error::ImageValues`] when the values are no whole images.
    pub fn read_stages<T: Send>(
        &self,
        images: &[f32],
        size: ImageSize,
        read: impl Fn(&[&[f32]]) -> T + Sync,
    ) -> Result<Vec<T>> {
        let n = check_images(images.len(), size)?;
        let maps = self.network.maps([size.rows, size.cols]);
        let ends = self.network.stage_ends();
        let groups = images.par_chunks(group(n) * (images.len() / n));
        let groups = groups.map_init(Vec::new, |stages: &mut Vec<Vec<f32>>, images| {
            let n = images.len() / (3 * size.rows * size.cols);
            stages.resize_with(ends.len(), Vec::new);
            self.rooms.with(|room| {
                self.run(images, n, &maps, room, |b, output| {
                    if let Some(stage) = ends.iter().position(|end| *end == b) {
                        strip(output, maps.blocks[b + 1], &mut stages[stage]);
                    }
                });
            });
            let of_image = |i: usize| {
                let stages = stages.iter().map(|stage| {
                    let len = stage.len() / n;
                    &stage[i * len..(i + 1) * len]
                });
                read(&stages.collect::<Vec<_>>())
            };
            (0..n).map(of_image).collect::<Vec<T>>()
        });
        let groups: Vec<Vec<T>> = groups.collect();
        Ok(groups.into_iter().flatten().collect())
    }

    /// The classifier's outputs for images, before any softmax.
    ///
    /// # Shapes
    /// `images`: `(n, rows, columns, 3)`; `out`: `(n, classes)`.
    ///
    /// # Errors
    /// As [`ResNet::features_into`], and [`Error::MissingTensor`] when there is no classifier.
    pub fn logits_into(&self, images: &[f32], size: ImageSize, out: &mut [f32]) -> Result<()> {
        let n = check_images(images.len(), size)?;
        let mut features = vec![0.0; n * self.width()];
        self.features_into(images, size, &mut features)?;
        self.classifier()?.logits_into(&features, out)
    }

    /// The classifier.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] when there is none.
    pub fn classifier(&self) -> Result<&LinearClassifier> {
        self.classifier.as_ref().ok_or(Error::MissingTensor {
            tensor: "fc.weight".to_owned(),
            expected: vec![0, self.width()],
        })
    }

    /// Some images through all layers, by one thread. `after` is given the number of each block,
    /// and its output with a border of one pixel.
    fn run(
        &self,
        images: &[f32],
        n: usize,
        maps: &Maps,
        room: &mut Room,
        mut after: impl FnMut(usize, &[f32]),
    ) {
        self.stem(images, n, maps, room);
        for b in 0..self.network.blocks.len() {
            self.block(b, n, maps, room);
            after(b, room.front.images(maps.blocks[b + 1].bordered(1), n));
        }
    }

    /// From images to the first block's input.
    fn stem(&self, images: &[f32], n: usize, maps: &Maps, room: &mut Room) {
        let padding = self.network.layers[0].convolution.padding;
        let (input, out) = (maps.inputs[0].bordered(padding), maps.blocks[0].bordered(1));
        let [x, y] = &mut room.inner;
        let x = x.images(input, n);
        Source::Plain(images).fill(input, x);
        let to = room.front.images(out, n);
        if self.network.pools {
            let map = maps.outputs[0];
            let y = y.images(map, n);
            self.layer(0, n, (input, x), (map, y), RELU, &mut room.work);
            let images = y.chunks_exact(map.len());
            for (y, to) in images.zip(to.chunks_exact_mut(out.len())) {
                max_pool(y, map, out, to);
            }
        } else {
            self.layer(0, n, (input, x), (out, to), RELU, &mut room.work);
        }
    }

    /// From a block's input, in `front`, to its output, there too.
    fn block(&self, b: usize, n: usize, maps: &Maps, room: &mut Room) {
        let block = &self.network.blocks[b];
        let (input, output) = (maps.blocks[b].bordered(1), maps.blocks[b + 1].bordered(1));
        let Room {
            front,
            back,
            inner: [one, two],
            work,
        } = room;
        // What the last layer adds to.
        match block.path {
            Path::Identity => {}
            Path::Padding { stride, .. } => {
                let from = front.images(input, n);
                pad(from, input, stride, output, back.images(output, n));
            }
            Path::Layer(l) => {
                let from = (input, &*front.images(input, n));
                let to = (output, back.images(output, n));
                self.layer(l, n, from, to, Finish::default(), work);
            }
        }
        let mut map = input;
        let (last, before) = block.layers.split_last().unwrap_or((&0, &[]));
        for (i, &l) in before.iter().enumerate() {
            let from = if i == 0 { &mut *front } else { &mut *two };
            let from = (map, &*from.images(map, n));
            map = maps.outputs[l].bordered(1);
            self.layer(l, n, from, (map, one.images(map, n)), RELU, work);
            std::mem::swap(one, two);
        }
        if block.path != Path::Identity {
            std::mem::swap(front, back);
        }
        let finish = Finish {
            accumulate: true,
            ..RELU
        };
        let from = (map, &*two.images(map, n));
        self.layer(
            *last,
            n,
            from,
            (output, front.images(output, n)),
            finish,
            work,
        );
    }

    /// A convolution with what was folded into it.
    pub(super) fn layer(
        &self,
        l: usize,
        n: usize,
        from: (Map, &[f32]),
        to: (Map, &mut [f32]),
        finish: Finish<'_>,
        work: &mut Transformed,
    ) {
        let (weights, bias) = &self.layers[l];
        let finish = Finish {
            bias: Some(bias),
            ..finish
        };
        let convolution = self.network.layers[l].convolution;
        convolution.run(n, from, weights, to, finish, work);
    }
}
