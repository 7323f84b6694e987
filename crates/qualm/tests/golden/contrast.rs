//! Losses, heads and optimisers against PyTorch in float64: `contrast.py` writes the numbers.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use qualm::nn::losses::{ByolLoss, InfoNce, KeyQueue, NtXent, cross_entropy};
use qualm::nn::{Head, HeadLayout, HeadPass, Part, Sgd};
use qualm::rng::{Purpose, stream};
use safetensors::SafeTensors;

const FORWARD: f64 = 1e-5;
const GRADIENT: f64 = 1e-4;

struct Golden(SafeTensors<'static>);

impl Golden {
    fn read() -> Self {
        let bytes = include_bytes!("contrast.safetensors");
        Self(SafeTensors::deserialize(bytes).unwrap())
    }

    fn shape(&self, name: &str) -> Vec<usize> {
        self.0.tensor(name).unwrap().shape().to_vec()
    }

    fn f32(&self, name: &str) -> Vec<f32> {
        let tensor = self.0.tensor(name).unwrap();
        let values = tensor.data().as_chunks().0.iter();
        values.map(|b| f32::from_le_bytes(*b)).collect()
    }

    fn f64(&self, name: &str) -> Vec<f64> {
        let tensor = self.0.tensor(name).unwrap();
        let values = tensor.data().as_chunks().0.iter();
        values.map(|b| f64::from_le_bytes(*b)).collect()
    }

    /// Compares with what PyTorch found, in units of its largest value.
    #[track_caller]
    fn check(&self, name: &str, found: &[f32], tolerance: f64) {
        let expected = self.f64(name);
        assert_eq!(found.len(), expected.len(), "{name}");
        let size = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        let apart = found
            .iter()
            .zip(&expected)
            .map(|(f, e)| (f64::from(*f) - e).abs());
        let apart = apart.fold(0.0f64, f64::max) / size;
        assert!(apart < tolerance, "{name}: {apart:e}");
    }

    /// The input of a loss, its width, and room for the gradient.
    fn input(&self, key: &str) -> (Vec<f32>, usize, Vec<f32>) {
        let x = self.f32(&format!("{key}.x"));
        let gradient = vec![f32::NAN; x.len()];
        (x, self.shape(&format!("{key}.x"))[1], gradient)
    }

    #[track_caller]
    fn check_loss(&self, key: &str, loss: f64, gradient: &[f32]) {
        let expected = self.f64(&format!("{key}.loss"))[0];
        assert!(
            (loss - expected).abs() < FORWARD * expected,
            "{key}: {loss}"
        );
        self.check(&format!("{key}.gradient"), gradient, GRADIENT);
    }

    fn temperature(&self, key: &str) -> f32 {
        self.f64(&format!("{key}.temperature"))[0] as f32
    }
}

#[test]
fn losses_and_their_gradients_agree_with_autograd() {
    let golden = Golden::read();
    for case in 0..3 {
        let key = format!("nt_xent.{case}");
        let (x, width, mut gradient) = golden.input(&key);
        let mut loss = NtXent::new(golden.temperature(&key));
        // Twice: the buffers of the first time leave no trace.
        for _ in 0..2 {
            let loss = loss.loss(&x, width, &mut gradient).unwrap();
            golden.check_loss(&key, loss, &gradient);
        }
    }
    for case in 0..2 {
        let key = format!("info_nce.{case}");
        let (x, width, mut gradient) = golden.input(&key);
        let keys = golden.f32(&format!("{key}.keys"));
        let queue = KeyQueue::from_rows(golden.f32(&format!("{key}.queue")), width, 0);
        let mut loss = InfoNce::new(golden.temperature(&key));
        let loss = loss.loss(&x, &keys, &queue, &mut gradient).unwrap();
        golden.check_loss(&key, loss, &gradient);
    }
    let (x, width, mut gradient) = golden.input("byol");
    let targets = golden.f32("byol.targets");
    let loss = ByolLoss::new().loss(&x, &targets, width, &mut gradient);
    golden.check_loss("byol", loss.unwrap(), &gradient);

    let (x, classes, mut gradient) = golden.input("cross_entropy");
    let labels = golden.0.tensor("cross_entropy.labels").unwrap();
    let labels = labels.data().as_chunks().0.iter();
    let labels: Vec<u32> = labels.map(|b| u32::from_le_bytes(*b)).collect();
    let loss = cross_entropy(&x, classes, &labels, &mut gradient);
    golden.check_loss("cross_entropy", loss.unwrap(), &gradient);
}

#[test]
fn heads_agree_with_pytorch_in_both_directions() {
    let golden = Golden::read();
    let heads = [
        ("linear", vec![6, 4], false, false),
        ("plain", vec![9, 20, 5], false, false),
        ("projection", vec![20, 33, 17], true, true),
        ("prediction", vec![8, 40, 70, 6], true, false),
    ];
    for (name, sizes, hidden_norm, last_norm) in heads {
        let key = format!("head.{name}");
        let layout = HeadLayout {
            sizes,
            hidden_norm,
            last_norm,
        };
        let mut head = Head::new(&layout, &mut stream(0, Purpose::INIT, [0, 0]));
        let params = golden.f32(&format!("{key}.params"));
        head.params_mut().copy_from_slice(&params);
        let x = golden.f32(&format!("{key}.x"));
        let d_output = golden.f32(&format!("{key}.d_output"));
        let mut grads = vec![f32::NAN; params.len()];
        let mut pass = HeadPass::default();
        head.forward(&x, &mut pass).unwrap();
        head.backward(&x, &d_output, &mut pass, &mut grads).unwrap();
        golden.check(&format!("{key}.output"), pass.output(), FORWARD);
        golden.check(&format!("{key}.d_input"), pass.d_input(), GRADIENT);
        golden.check(&format!("{key}.grads"), &grads, GRADIENT);
        if hidden_norm {
            golden.check(&format!("{key}.running"), head.running(), FORWARD);
        }
        // The parts cover the parameters; only matrices decay.
        let parts = head.parts();
        let ends = parts.iter().map(|part| part.range.end);
        assert!(
            parts
                .iter()
                .map(|part| part.range.start)
                .skip(1)
                .eq(ends.take(parts.len() - 1))
        );
        let decaying: usize = (parts.iter().filter(|part| part.decays))
            .map(|part| part.range.len())
            .sum();
        let matrices = head.tensors();
        let matrices = matrices.iter().filter(|(_, shape, _)| shape.len() == 2);
        let values: usize = matrices.map(|(_, _, values)| values.len()).sum();
        assert_eq!(decaying, values);
    }
}

#[test]
fn three_steps_of_each_optimiser() {
    let golden = Golden::read();
    let sizes = [(270, true), (30, false), (120, true), (4, false)];
    let mut end = 0;
    let parts: Vec<Part> = (sizes.into_iter())
        .map(|(n, decays)| {
            end += n;
            Part {
                range: end - n..end,
                decays,
            }
        })
        .collect();
    let grads = golden.f32("optimiser.grads");
    for (name, eta) in [("sgd", None), ("lars", Some(0.02))] {
        let mut params = golden.f32("optimiser.params");
        let mut optimiser = Sgd::new(0.9, 5e-2, eta, parts.clone());
        for (grads, rate) in grads.chunks(end).zip([0.1, 0.3, 0.2]) {
            optimiser.step(&mut params, grads, rate).unwrap();
        }
        golden.check(&format!("optimiser.{name}"), &params, 1e-6);
    }
}
