//! The objective, three training steps and the statistics against PyTorch in float64:
//! `tests/golden/objective.py` writes the numbers, its README says what is what.

use safetensors::{Dtype, SafeTensors};

use super::choices::BagSize;
use super::engine::{Cpu, Engine};
use super::objective::{Covariance, Objective, Similarity};
use super::plan::Plan;
use super::spec::DumSpec;
use super::statistic::Statistic;
use crate::nn::{Mlp, TrainingState};

const COVARIANCES: [(&str, Covariance); 2] = [
    ("diagonal", Covariance::Diagonal),
    ("circular", Covariance::Circular),
];

/// The golden file, parsed.
struct Golden(SafeTensors<'static>);

impl Golden {
    fn read() -> Self {
        let bytes = include_bytes!("objective.safetensors");
        Self(SafeTensors::deserialize(bytes).unwrap())
    }

    fn shape(&self, name: &str) -> Vec<usize> {
        self.0.tensor(name).unwrap().shape().to_vec()
    }

    fn f32(&self, name: &str) -> Vec<f32> {
        let tensor = self.0.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
        let values = tensor.data().as_chunks().0.iter();
        values.map(|b| f32::from_le_bytes(*b)).collect()
    }

    fn f64(&self, name: &str) -> Vec<f64> {
        let tensor = self.0.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), Dtype::F64, "{name}");
        let values = tensor.data().as_chunks().0.iter();
        values.map(|b| f64::from_le_bytes(*b)).collect()
    }
}

/// `(out, in)` row-major, as PyTorch keeps a weight, to `(in, out)`, as we do.
fn transposed<T: Copy>(weight: &[T], shape: &[usize]) -> Vec<T> {
    let [n_out, n_in] = *shape else {
        panic!("a weight of shape {shape:?}");
    };
    let at = |i: usize, o: usize| weight[o * n_in + i];
    (0..n_in)
        .flat_map(|i| (0..n_out).map(move |o| (i, o)))
        .map(|(i, o)| at(i, o))
        .collect()
}

#[test]
fn loss_and_gradient_agree_with_autograd() {
    let golden = Golden::read();
    for (covariance_name, covariance) in COVARIANCES {
        for (similarity_name, similarity) in
            [("dot", Similarity::Dot), ("cosine", Similarity::Cosine)]
        {
            for m in [2, 8, 128] {
                let key = format!("objective.{covariance_name}.{similarity_name}.m{m}");
                let z = golden.f32(&format!("{key}.z"));
                let s = golden.f32(&format!("{key}.s"));
                let d = golden.shape(&format!("{key}.z"))[1];
                let mut objective = Objective::new(similarity, covariance, m, z.len() / d, d);
                let mut gradient = vec![f32::NAN; s.len()];
                let value = objective.value_and_gradient(&z, &s, &mut gradient);

                let loss = golden.f64(&format!("{key}.loss"))[0];
                let error = (value.loss - loss).abs() / loss.abs();
                assert!(error < 1e-5, "{key}: loss {}, expected {loss}", value.loss);

                let expected = golden.f64(&format!("{key}.grad"));
                assert_eq!(gradient.len(), expected.len(), "{key}");
                let largest = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
                for (i, (found, expected)) in gradient.iter().zip(&expected).enumerate() {
                    let error = (f64::from(*found) - expected).abs() / largest;
                    assert!(error < 1e-5, "{key}, {i}: {found}, expected {expected}");
                }
            }
        }
    }
}

/// The network, its backward pass, the objective and Adam together.
#[test]
fn three_adam_steps_agree_with_pytorch() {
    const LAYERS: [usize; 3] = [0, 2, 4];
    const BAG: usize = 4;
    let golden = Golden::read();
    for (name, covariance) in COVARIANCES {
        let key = format!("adam.{name}");
        let [steps, n, d] = *golden.shape(&format!("{key}.z")) else {
            panic!("batches are (steps, rows, d)");
        };
        let mut sizes = vec![d];
        let mut params = Vec::new();
        for layer in LAYERS {
            let name = format!("{key}.init.net.{layer}");
            let shape = golden.shape(&format!("{name}.weight"));
            sizes.push(shape[0]);
            params.extend(transposed(&golden.f32(&format!("{name}.weight")), &shape));
            params.extend(golden.f32(&format!("{name}.bias")));
        }
        let network = Mlp::from_params(&sizes, params).unwrap();
        let state = TrainingState::of_network(network);
        let spec = DumSpec {
            objective: Similarity::Dot,
            covariance,
            bag_size: BagSize::Rows(BAG),
            batch_size: n,
            log_variance_bound: 0.0,
            learning_rate: 1e-3,
            ..DumSpec::preset("mlp").unwrap()
        };
        let mut engine = Cpu::new(&spec, Plan::new(&spec, n).unwrap(), state);

        let batches = golden.f32(&format!("{key}.z"));
        let losses = golden.f64(&format!("{key}.losses"));
        assert_eq!(losses.len(), steps);
        for (z, loss) in batches.chunks_exact(n * d).zip(losses) {
            let value = engine.step(z).unwrap();
            let error = (value.loss - loss).abs();
            assert!(error < 1e-4, "{key}: loss {}, expected {loss}", value.loss);
        }

        let state = engine.state().unwrap();
        let mut found = state.network.params();
        for layer in LAYERS {
            let name = format!("{key}.final.net.{layer}");
            let shape = golden.shape(&format!("{name}.weight"));
            let weight = transposed(&golden.f64(&format!("{name}.weight")), &shape);
            let bias = golden.f64(&format!("{name}.bias"));
            // The last bias has no gradient but rounding, which Adam may turn into whole
            // steps: it can only be held to the learning rate times the steps.
            let loose = 1e-4 + if layer == 4 { 1e-3 * steps as f64 } else { 0.0 };
            for (expected, tolerance) in [(weight, 1e-4), (bias, loose)] {
                let (here, rest) = found.split_at(expected.len());
                found = rest;
                for (found, expected) in here.iter().zip(expected) {
                    let error = (f64::from(*found) - expected).abs();
                    assert!(error < tolerance, "{name}: {found}, expected {expected}");
                }
            }
        }
        assert!(found.is_empty(), "every parameter was compared");
    }
}

#[test]
fn statistics_agree_with_the_covariance_matrix() {
    let golden = Golden::read();
    for (name, _) in COVARIANCES {
        let key = format!("statistic.{name}");
        let s = golden.f32(&format!("{key}.s"));
        let width = golden.shape(&format!("{key}.s"))[1];
        for (statistic, name) in [
            (Statistic::Norm, "log_norm"),
            (Statistic::Trace, "log_trace"),
            (Statistic::Entropy, "entropy"),
        ] {
            let expected = golden.f64(&format!("{key}.{name}"));
            assert_eq!(expected.len(), s.len() / width);
            for (s, expected) in s.chunks_exact(width).zip(expected) {
                let found = statistic.of(s, 6);
                let error = (found - expected).abs() / expected.abs().max(1.0);
                assert!(error < 1e-6, "{key}.{name}: {found}, expected {expected}");
            }
        }
    }
}
