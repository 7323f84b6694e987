//! A network's layers with the places of their parameters, and tensors by name.

use std::collections::BTreeMap;
use std::ops::Range;

use rand_distr::{Distribution, Normal};

use super::architecture::{Architecture, Block, Named, Path, Role, TensorInfo};
use crate::error::{Error, Result};
use crate::nn::conv::{Convolution, Map};
use crate::rng::{Purpose, stream};

/// A tensor with its shape, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Such as `(out, in, rows, columns)`.
    pub shape: Vec<usize>,
    /// As many as the shape says.
    pub values: Vec<f32>,
}

/// Tensors by their names.
pub type Tensors = BTreeMap<String, Tensor>;

/// Where a tensor lives in a flat buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The tensor.
    pub tensor: TensorInfo,
    /// Its values in the buffer. Weights of convolutions are kept as `(rows, columns, in, out)`
    /// there, whatever the shape that files have.
    pub range: Range<usize>,
}

/// A convolution and its batch norm: where their numbers live.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) convolution: Convolution,
    /// In the buffer of parameters.
    pub(super) weight: Range<usize>,
    pub(super) scale: Range<usize>,
    pub(super) shift: Range<usize>,
    /// In the buffer of running statistics.
    pub(super) mean: Range<usize>,
    pub(super) variance: Range<usize>,
}

/// Layers in the order in which they run, but for shortcuts, which run before the layers that
/// they lead around.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) layers: Vec<Layer>,
    pub(super) blocks: Vec<Block>,
    pub(super) pools: bool,
    pub(super) width: usize,
    pub(super) n_parameters: usize,
    pub(super) n_running: usize,
}

/// The map of each layer's input and output, and of each block's input, for images of one size;
/// none has a border.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Maps {
    pub(super) inputs: Vec<Map>,
    pub(super) outputs: Vec<Map>,
    /// The last one is the last block's output.
    pub(super) blocks: Vec<Map>,
}

/// Batch norm adds it to the variance (PyTorch's default).
pub(super) const EPSILON: f32 = 1e-5;

impl Network {
    pub(super) fn new(architecture: Architecture) -> Self {
        let (named, blocks) = architecture.layers();
        Self::of_layers(&named, blocks, architecture.pools())
    }

    pub(super) fn of_layers(named: &[Named], blocks: Vec<Block>, pools: bool) -> Self {
        let (mut n_parameters, mut n_running) = (0, 0);
        let take = |from: &mut usize, n: usize| {
            *from += n;
            *from - n..*from
        };
        let layers: Vec<_> = named
            .iter()
            .map(|named| Layer {
                convolution: named.convolution,
                weight: take(&mut n_parameters, named.convolution.n_weights()),
                scale: take(&mut n_parameters, named.convolution.n_out),
                shift: take(&mut n_parameters, named.convolution.n_out),
                mean: take(&mut n_running, named.convolution.n_out),
                variance: take(&mut n_running, named.convolution.n_out),
            })
            .collect();
        let mut network = Self {
            width: 0,
            layers,
            blocks,
            pools,
            n_parameters,
            n_running,
        };
        network.width = network.channels(network.blocks.len().saturating_sub(1));
        network
    }

    /// The last block of each stage.
    pub(super) fn stage_ends(&self) -> Vec<usize> {
        let next = |b: usize| self.blocks.get(b + 1).map(|block| block.stage);
        let blocks = self.blocks.iter().enumerate();
        let ends = blocks.filter(|(b, block)| next(*b) != Some(block.stage));
        ends.map(|(b, _)| b).collect()
    }

    /// Channels of a block's output.
    pub(super) fn channels(&self, b: usize) -> usize {
        let last = self.blocks.get(b).and_then(|block| block.layers.last());
        last.map_or(0, |&l| self.layers[l].convolution.n_out)
    }

    /// Maps for images of so many rows and columns.
    pub(super) fn maps(&self, [rows, cols]: [usize; 2]) -> Maps {
        let image = Map {
            rows,
            cols,
            channels: 3,
            border: 0,
        };
        let mut inputs = vec![image; self.layers.len()];
        let mut outputs = inputs.clone();
        let stem = self.layers[0].convolution.output(image, 0);
        outputs[0] = stem;
        let mut map = if self.pools { pooled(stem) } else { stem };
        let mut blocks = vec![map];
        for block in &self.blocks {
            if let Path::Layer(l) = block.path {
                inputs[l] = map;
                outputs[l] = self.layers[l].convolution.output(map, 0);
            }
            for &l in &block.layers {
                inputs[l] = map;
                map = self.layers[l].convolution.output(map, 0);
                outputs[l] = map;
            }
            blocks.push(map);
        }
        Maps {
            inputs,
            outputs,
            blocks,
        }
    }

    /// Weights from N(0, 2 / fan out), `fan out = rows x columns x out` (He, Zhang, Ren & Sun,
    /// "Delving Deep into Rectifiers", 2015, eq. 14; torchvision's choice); batch norm is the
    /// identity. Returns parameters and running statistics.
    pub(super) fn initial(&self, seed: u64) -> (Vec<f32>, Vec<f32>) {
        let mut parameters = vec![0.0; self.n_parameters];
        let mut running = vec![0.0; self.n_running];
        for (l, layer) in self.layers.iter().enumerate() {
            let conv = layer.convolution;
            let fan_out = conv.kernel * conv.kernel * conv.n_out;
            let mut rng = stream(seed, Purpose::CONVOLUTIONS, [l as u64, 0]);
            if let Ok(normal) = Normal::new(0.0, (2.0 / fan_out as f64).sqrt()) {
                for weight in &mut parameters[layer.weight.clone()] {
                    *weight = normal.sample(&mut rng) as f32;
                }
            }
            parameters[layer.scale.clone()].fill(1.0);
            running[layer.variance.clone()].fill(1.0);
        }
        (parameters, running)
    }

    /// A tensor's place: in the parameters, or else in the running statistics.
    pub(super) fn segments(&self, tensors: &[TensorInfo]) -> (Vec<Segment>, Vec<Segment>) {
        let (mut parameters, mut running) = (Vec::new(), Vec::new());
        for (tensors, layer) in tensors.chunks(5).zip(&self.layers) {
            for tensor in tensors {
                let (list, range) = match tensor.role {
                    Role::Convolution => (&mut parameters, &layer.weight),
                    Role::Scale => (&mut parameters, &layer.scale),
                    Role::Shift => (&mut parameters, &layer.shift),
                    Role::RunningMean => (&mut running, &layer.mean),
                    Role::RunningVariance => (&mut running, &layer.variance),
                };
                list.push(Segment {
                    tensor: tensor.clone(),
                    range: range.clone(),
                });
            }
        }
        (parameters, running)
    }

    /// Parameters and running statistics from named tensors.
    pub(super) fn read(
        &self,
        infos: &[TensorInfo],
        tensors: &Tensors,
    ) -> Result<(Vec<f32>, Vec<f32>)> {
        let (in_parameters, in_running) = self.segments(infos);
        let mut parameters = vec![0.0; self.n_parameters];
        let mut running = vec![0.0; self.n_running];
        for (segments, buffer) in [(in_parameters, &mut parameters), (in_running, &mut running)] {
            for Segment { tensor, range } in segments {
                let found = find(tensors, &tensor.name, &tensor.shape)?;
                reorder(&tensor, &found.values, &mut buffer[range], Order::FromFile);
            }
        }
        Ok((parameters, running))
    }

    /// Named tensors of parameters and running statistics.
    pub(super) fn write(
        &self,
        infos: &[TensorInfo],
        parameters: &[f32],
        running: &[f32],
    ) -> Tensors {
        let (in_parameters, in_running) = self.segments(infos);
        let mut tensors = Tensors::new();
        for (segments, buffer) in [(in_parameters, parameters), (in_running, running)] {
            for Segment { tensor, range } in segments {
                let mut values = vec![0.0; range.len()];
                reorder(&tensor, &buffer[range], &mut values, Order::ToFile);
                let shape = tensor.shape;
                tensors.insert(tensor.name, Tensor { shape, values });
            }
        }
        tensors
    }
}

/// The map after 3x3 max pooling with stride 2 and padding 1.
pub(super) fn pooled(map: Map) -> Map {
    Map {
        rows: map.rows.div_ceil(2),
        cols: map.cols.div_ceil(2),
        ..map
    }
}

/// A tensor that must be there, with a shape that it must have.
pub(super) fn find<'t>(tensors: &'t Tensors, name: &str, shape: &[usize]) -> Result<&'t Tensor> {
    let found = tensors.get(name).ok_or_else(|| Error::MissingTensor {
        tensor: name.to_owned(),
        expected: shape.to_vec(),
    })?;
    if found.shape != shape || found.values.len() != shape.iter().product::<usize>() {
        return Err(Error::TensorShape {
            tensor: name.to_owned(),
            found: found.shape.clone(),
            expected: shape.to_vec(),
        });
    }
    Ok(found)
}

#[derive(Clone, Copy, PartialEq)]
enum Order {
    FromFile,
    ToFile,
}

/// Copies a tensor; weights from `(out, in, rows, columns)` to `(rows, columns, in, out)` or back.
fn reorder(tensor: &TensorInfo, from: &[f32], to: &mut [f32], order: Order) {
    let [n_out, n_in, rows, cols] = *tensor.shape.as_slice() else {
        return to.copy_from_slice(from);
    };
    let mut file = 0;
    for o in 0..n_out {
        for i in 0..n_in {
            for place in 0..rows * cols {
                let ours = (place * n_in + i) * n_out + o;
                match order {
                    Order::FromFile => to[ours] = from[file],
                    Order::ToFile => to[file] = from[ours],
                }
                file += 1;
            }
        }
    }
}
