//! Our side of `bench/vision`: a residual network that trains and infers as it is told, line by
//! line.
//!
//! ```text
//! setup DIR NETWORK BATCH    writes the first weights and the images to DIR
//! train N                    N steps: mean cross-entropy of a 10-way head, SGD
//! infer N                    N times the batch
//! ```
//!
//! Each answer is a line of JSON with the seconds that it took. `QUALM_CONV_ISA=avx2` asks for
//! the kernels of an older processor.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement: its output is its result, and what fails should stop it"
)]

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use qualm::nn::resnet::{
    Activations, Architecture, ImageSize, ResNet, Role, Tensor, TrainableResNet,
};
use serde_json::{Value, json};

const CLASSES: usize = 10;
const SIZE: ImageSize = ImageSize { rows: 32, cols: 32 };
const RATE: f32 = 0.05;
const MOMENTUM: f32 = 0.9;
const DECAY: f32 = 5e-4;

/// The network, its head and the optimiser's memory.
struct Run {
    network: TrainableResNet,
    activations: Activations,
    images: Vec<f32>,
    /// `(classes, width)`, then the bias.
    head: Vec<f32>,
    gradient: Vec<f32>,
    by_head: Vec<f32>,
    velocity: Vec<f32>,
    head_velocity: Vec<f32>,
    /// For inference with the weights as they are.
    inference: Option<ResNet>,
}

impl Run {
    fn new(folder: &Path, name: &str, batch: usize) -> Self {
        let architecture: Architecture = name.parse().unwrap();
        let network = TrainableResNet::new(architecture, 0);
        let noise = |i: usize| ((i as f32) * 12.9898).sin() * 1.7;
        let n_values = batch * SIZE.rows * SIZE.cols * 3;
        let images: Vec<f32> = (0..n_values).map(noise).collect();
        let n_weights = CLASSES * architecture.width();
        let mut head: Vec<f32> = (0..n_weights).map(|i| 0.05 * noise(i + 7)).collect();
        head.resize(n_weights + CLASSES, 0.0);
        let run = Self {
            gradient: vec![0.0; network.parameters().len()],
            velocity: vec![0.0; network.parameters().len()],
            by_head: vec![0.0; head.len()],
            head_velocity: vec![0.0; head.len()],
            activations: Activations::default(),
            inference: None,
            network,
            images,
            head,
        };
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (name, tensor) in run.tensors() {
            names.push(json!([name, tensor.shape]));
            values.extend(tensor.values);
        }
        std::fs::write(folder.join("tensors.json"), json!(names).to_string()).unwrap();
        write(&folder.join("tensors.f32"), &values);
        write(&folder.join("images.f32"), &run.images);
        run
    }

    fn tensors(&self) -> qualm::nn::resnet::Tensors {
        let mut tensors = self.network.to_tensors();
        let width = self.network.architecture().width();
        let (weight, bias) = self.head.split_at(CLASSES * width);
        for (name, shape, values) in [
            ("fc.weight", vec![CLASSES, width], weight),
            ("fc.bias", vec![CLASSES], bias),
        ] {
            let values = values.to_vec();
            tensors.insert(name.to_owned(), Tensor { shape, values });
        }
        tensors
    }

    fn step(&mut self) -> f64 {
        self.network
            .forward(&self.images, SIZE, &mut self.activations)
            .unwrap();
        let features = self.activations.features();
        let width = self.network.architecture().width();
        let n = features.len() / width;
        let (weight, bias) = self.head.split_at(CLASSES * width);
        let mut by_features = vec![0.0; features.len()];
        self.by_head.fill(0.0);
        let (by_weight, by_bias) = self.by_head.split_at_mut(CLASSES * width);
        let mut loss = 0.0;
        for (i, features) in features.chunks(width).enumerate() {
            let logits: Vec<f32> = weight
                .chunks(width)
                .zip(bias)
                .map(|(w, b)| w.iter().zip(features).map(|(w, f)| w * f).sum::<f32>() + b)
                .collect();
            let most = logits.iter().fold(f32::MIN, |a, b| a.max(*b));
            let sum: f32 = logits.iter().map(|l| (l - most).exp()).sum();
            let label = i % CLASSES;
            loss += f64::from(sum.ln() + most - logits[label]) / n as f64;
            for (class, logit) in logits.iter().enumerate() {
                let hit = if class == label { 1.0 } else { 0.0 };
                let d = ((logit - most).exp() / sum - hit) / n as f32;
                by_bias[class] += d;
                for j in 0..width {
                    by_weight[class * width + j] += d * features[j];
                    by_features[i * width + j] += d * weight[class * width + j];
                }
            }
        }
        self.network
            .backward(
                &self.images,
                &by_features,
                &mut self.activations,
                &mut self.gradient,
            )
            .unwrap();
        for segment in self.network.segments() {
            let decay = if segment.tensor.role == Role::Convolution {
                DECAY
            } else {
                0.0
            };
            let range = segment.range;
            sgd(
                &mut self.network.parameters_mut()[range.clone()],
                &self.gradient[range.clone()],
                &mut self.velocity[range],
                decay,
            );
        }
        let (weight, bias) = self.head.split_at_mut(CLASSES * width);
        let (weight_velocity, bias_velocity) = self.head_velocity.split_at_mut(weight.len());
        sgd(weight, by_weight, weight_velocity, DECAY);
        sgd(bias, by_bias, bias_velocity, 0.0);
        self.inference = None;
        loss
    }

    fn infer(&mut self, n: usize) -> Vec<f32> {
        if self.inference.is_none() {
            let tensors = self.tensors();
            let network = ResNet::from_tensors(self.network.architecture(), &tensors).unwrap();
            self.inference = Some(network);
        }
        let batch = self.images.len() / (SIZE.rows * SIZE.cols * 3);
        let mut logits = vec![0.0; batch * CLASSES];
        for _ in 0..n {
            let network = self.inference.as_ref().unwrap();
            network
                .logits_into(&self.images, SIZE, &mut logits)
                .unwrap();
        }
        logits[..3].to_vec()
    }
}

fn sgd(parameters: &mut [f32], gradient: &[f32], velocity: &mut [f32], decay: f32) {
    for ((p, g), v) in parameters.iter_mut().zip(gradient).zip(velocity) {
        *v = MOMENTUM * *v + g + decay * *p;
        *p -= RATE * *v;
    }
}

fn write(path: &Path, values: &[f32]) {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(path, bytes).unwrap();
}

fn main() {
    let mut run = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let started = Instant::now();
        let mut answer: Value = match words.as_slice() {
            ["setup", folder, name, batch] => {
                run = Some(Run::new(Path::new(folder), name, batch.parse().unwrap()));
                json!({})
            }
            ["train", n] => {
                let run: &mut Run = run.as_mut().unwrap();
                let n: usize = n.parse().unwrap();
                json!({ "losses": (0..n).map(|_| run.step()).collect::<Vec<_>>() })
            }
            ["infer", n] => json!({ "logits": run.as_mut().unwrap().infer(n.parse().unwrap()) }),
            _ => json!({ "error": format!("not understood: {line}") }),
        };
        answer["seconds"] = json!(started.elapsed().as_secs_f64());
        println!("{answer}");
    }
}
