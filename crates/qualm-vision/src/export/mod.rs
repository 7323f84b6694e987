//! Trained encoders as ONNX, so that they run anywhere.
//!
//! The network takes float32 images in \[0, 1\], `(batch, 3, size, size)` red, green, blue (NCHW): the
//! layout that every runtime takes. Mean and standard deviation of the preprocessing are part of
//! the graph, so that nobody has to know them, and batch norm is folded into the convolutions.
//! Operators: `Sub`, `Div`, `Conv`, `Relu`, `Add`, `MaxPool`, `Slice`, `Pad`, `GlobalAveragePool`,
//! `Flatten`, `Gemm`;
//! opset 17, which onnxruntime has read since 1.12.

mod proto;

use qualm::nn::resnet::{Architecture, Role, Tensors};

use self::proto::Message;

/// What batch norm adds to a variance.
const EPSILON: f64 = 1e-5;
/// `ModelProto.ir_version` of opset 17.
const IR_VERSION: u64 = 8;
const OPSET: u64 = 17;

/// The name of the input.
pub const INPUT: &str = "images";
/// The name of the output of embeddings, `(batch, width)`.
pub const FEATURES: &str = "features";
/// The name of the output of a classifier, `(batch, classes)`, where there is one.
pub const LOGITS: &str = "logits";

/// What is exported.
#[derive(Debug)]
pub struct Export<'a> {
    /// The network.
    pub architecture: Architecture,
    /// All of [`Architecture::parameters`] by their names; `fc.weight` and `fc.bias`, where there
    /// are any, become a second output.
    pub tensors: &'a Tensors,
    /// The side of the images.
    pub size: u32,
    /// Subtracted from red, green and blue in \[0, 1\].
    pub mean: [f32; 3],
    /// By what the differences are divided.
    pub std: [f32; 3],
    /// Metadata of the file.
    pub metadata: &'a [(&'a str, String)],
}

/// The graph under way.
#[derive(Default)]
struct Graph {
    nodes: Vec<Message>,
    weights: Vec<Message>,
}

impl Graph {
    fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: impl IntoIterator<Item = Message>,
    ) -> String {
        let node = proto::node(operator, inputs, output, attributes);
        self.nodes.push(node);
        output.to_owned()
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        self.weights.push(proto::floats(name, shape, values));
        name.to_owned()
    }

    fn integers(&mut self, name: &str, values: &[u64]) -> String {
        self.weights.push(proto::integers(name, values));
        name.to_owned()
    }
}

impl Export<'_> {
    /// The bytes of an ONNX file; `None` when a tensor of the architecture is missing or of
    /// another size.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let mut graph = Graph::default();
        let colours = [1, 3, 1, 1];
        let mean = graph.floats("mean", &colours, &self.mean);
        let std = graph.floats("std", &colours, &self.std);
        let x = graph.node("Sub", &[INPUT, &mean], "centred", []);
        let x = graph.node("Div", &[&x, &std], "normalised", []);
        let mut x = self.convolution(&mut graph, &x, "conv1", "bn1", None)?;
        x = graph.node("Relu", &[&x], "stem", []);
        if self.shape("conv1.weight")?.get(2) == Some(&7) {
            let pool = [
                proto::ints("kernel_shape", &[3, 3]),
                proto::ints("pads", &[1; 4]),
                proto::ints("strides", &[2, 2]),
            ];
            x = graph.node("MaxPool", &[&x], "pooled", pool);
        }
        for block in self.blocks() {
            x = self.block(&mut graph, &block, &x)?;
        }
        let x = graph.node("GlobalAveragePool", &[&x], "average", []);
        graph.node("Flatten", &[&x], FEATURES, []);
        let width = self.architecture.width();
        let mut outputs = vec![proto::value(FEATURES, &[width])];
        if let Some(classifier) = self.tensors.get("fc.weight") {
            let classes = *classifier.shape.first()?;
            let weight = graph.floats("fc.weight", &classifier.shape, &classifier.values);
            let bias = graph.floats("fc.bias", &[classes], self.values("fc.bias", classes)?);
            let turned = [proto::int("transB", 1)];
            graph.node("Gemm", &[FEATURES, &weight, &bias], LOGITS, turned);
            outputs.push(proto::value(LOGITS, &[classes]));
        }
        let size = self.size as usize;
        Some(self.model(graph, &proto::value(INPUT, &[3, size, size]), outputs))
    }

    fn model(&self, graph: Graph, input: &Message, outputs: Vec<Message>) -> Vec<u8> {
        let graph = Message::default()
            .all(1, graph.nodes)
            .text(2, &self.architecture.to_string())
            .all(5, graph.weights)
            .message(11, input)
            .all(12, outputs);
        let opset = Message::default().text(1, "").int(2, OPSET);
        let metadata = self.metadata.iter();
        let metadata = metadata.map(|(key, value)| Message::default().text(1, key).text(2, value));
        Message::default()
            .int(1, IR_VERSION)
            .text(2, "qualm")
            .text(3, env!("CARGO_PKG_VERSION"))
            .message(7, &graph)
            .message(8, &opset)
            .all(14, metadata)
            .into_bytes()
    }

    /// The names of all blocks, in order: `layer1.0` and so on.
    fn blocks(&self) -> Vec<String> {
        let mut blocks: Vec<String> = Vec::new();
        for tensor in self.architecture.parameters() {
            let conv = tensor.role == Role::Convolution;
            if let Some(block) = tensor.name.strip_suffix(".conv1.weight").filter(|_| conv) {
                blocks.push(block.to_owned());
            }
        }
        blocks
    }

    /// A residual block.
    fn block(&self, graph: &mut Graph, name: &str, x: &str) -> Option<String> {
        let [_, n_in, ..] = *self.shape(&format!("{name}.conv1.weight"))? else {
            return None;
        };
        let bottleneck = self.tensors.contains_key(&format!("{name}.conv3.weight"));
        let n_layers = if bottleneck { 3 } else { 2 };
        // The first block of every stage but the first halves the image.
        let halves = name.ends_with(".0") && !name.starts_with("layer1.");
        let stride = if halves { 2 } else { 1 };
        let mut y = x.to_owned();
        for l in 1..=n_layers {
            let (conv, norm) = (format!("{name}.conv{l}"), format!("{name}.bn{l}"));
            let here = (halves && l == n_layers - 1).then_some(stride);
            y = self.convolution(graph, &y, &conv, &norm, here)?;
            if l < n_layers {
                y = graph.node("Relu", &[&y], &format!("{conv}.relu"), []);
            }
        }
        let last = format!("{name}.conv{n_layers}.weight");
        let n_out = *self.shape(&last)?.first()?;
        let (conv, norm) = (
            format!("{name}.downsample.0"),
            format!("{name}.downsample.1"),
        );
        let short = if self.tensors.contains_key(&format!("{conv}.weight")) {
            self.convolution(graph, x, &conv, &norm, Some(stride))?
        } else if halves || n_in != n_out {
            padding_shortcut(graph, name, x, stride, n_out.checked_sub(n_in)? / 2)
        } else {
            x.to_owned()
        };
        let sum = graph.node("Add", &[&y, &short], &format!("{name}.sum"), []);
        Some(graph.node("Relu", &[&sum], &format!("{name}.out"), []))
    }

    /// A convolution with its batch norm folded in.
    fn convolution(
        &self,
        graph: &mut Graph,
        x: &str,
        conv: &str,
        norm: &str,
        stride: Option<u64>,
    ) -> Option<String> {
        let tensor = self.tensors.get(&format!("{conv}.weight"))?;
        let (shape, weight) = (&tensor.shape, &tensor.values);
        let [n_out, _, kernel, _] = shape[..] else {
            return None;
        };
        let of = |part| self.values(&format!("{norm}.{part}"), n_out);
        let (scale, shift) = (of("weight")?, of("bias")?);
        let (mean, variance) = (of("running_mean")?, of("running_var")?);
        let factors = scale.iter().zip(variance);
        let factors = factors.map(|(s, v)| f64::from(*s) / (f64::from(*v) + EPSILON).sqrt());
        let factors: Vec<f64> = factors.collect();
        let bias = shift.iter().zip(mean).zip(&factors);
        let bias = bias.map(|((b, m), f)| (f64::from(*b) - f64::from(*m) * f) as f32);
        let bias: Vec<f32> = bias.collect();
        let rows = weight
            .chunks_exact(weight.len() / n_out.max(1))
            .zip(&factors);
        let weight = rows.flat_map(|(row, &f)| row.iter().map(move |w| (f64::from(*w) * f) as f32));
        let weight: Vec<f32> = weight.collect();
        let weight = graph.floats(&format!("{conv}.weight"), shape, &weight);
        let bias = graph.floats(&format!("{conv}.bias"), &[n_out], &bias);
        let stem = if kernel == 7 { 2 } else { 1 };
        let stride = stride.unwrap_or(stem);
        let border = (kernel / 2) as u64;
        let attributes = [
            proto::ints("kernel_shape", &[kernel as u64; 2]),
            proto::ints("pads", &[border; 4]),
            proto::ints("strides", &[stride; 2]),
        ];
        Some(graph.node(
            "Conv",
            &[x, &weight, &bias],
            &format!("{conv}.out"),
            attributes,
        ))
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| tensor.shape.as_slice())
    }

    fn values(&self, name: &str, n: usize) -> Option<&[f32]> {
        let values = &self.tensors.get(name)?.values;
        (values.len() == n).then_some(values)
    }
}

/// Every second pixel, between channels of zeros (option A of He et al., 2016).
fn padding_shortcut(graph: &mut Graph, name: &str, x: &str, stride: u64, zeros: usize) -> String {
    let of = |part: &str| format!("{name}.shortcut.{part}");
    let starts = graph.integers(&of("starts"), &[0, 0]);
    let ends = graph.integers(&of("ends"), &[i64::MAX.cast_unsigned(); 2]);
    let axes = graph.integers(&of("axes"), &[2, 3]);
    let steps = graph.integers(&of("steps"), &[stride; 2]);
    let inputs = [x, &starts, &ends, &axes, &steps];
    let pixels = graph.node("Slice", &inputs, &of("pixels"), []);
    let zeros = zeros as u64;
    let pads = graph.integers(&of("pads"), &[0, zeros, 0, 0, 0, zeros, 0, 0]);
    graph.node("Pad", &[&pixels, &pads], &of("out"), [])
}
