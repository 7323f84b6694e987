//! Path lengths, distances to subsamples and single training steps against scikit-learn,
//! `NumPy` and `PyTorch`: `tests/golden/ensembles.py` and `networks.py` write the numbers.

use serde::Deserialize;

use super::ae::reconstruct;
use super::iforest::average_path;
use super::repen::rank;
use super::subsamples::Subsamples;
use crate::nn::{Adam, Mlp, TrainingState, Workspace};

#[derive(Deserialize)]
struct Ensembles {
    average_path: Vec<(usize, f64)>,
    lesinn: Lesinn,
}

#[derive(Deserialize)]
struct Lesinn {
    rows: Vec<Vec<f32>>,
    subsamples: Vec<Vec<usize>>,
    scores: Vec<f64>,
}

#[derive(Deserialize)]
struct Networks {
    ae: Step,
    repen: Step,
}

#[derive(Deserialize)]
struct Step {
    sizes: Vec<usize>,
    margin: Option<f64>,
    params: Vec<f32>,
    batch: Vec<f32>,
    loss: f64,
    gradient: Vec<f64>,
}

fn ensembles() -> Ensembles {
    let text = include_str!("ensembles.json");
    serde_json::from_str(text).unwrap()
}

fn networks() -> Networks {
    serde_json::from_str(include_str!("networks.json")).unwrap()
}

#[test]
fn the_average_path_is_that_of_scikit_learn() {
    let golden = ensembles().average_path;
    assert_eq!(golden.len(), 11);
    for (n, expected) in golden {
        let error = (average_path(n) - expected).abs();
        assert!(error < 1e-12, "c({n}) is {}", average_path(n));
    }
}

#[test]
fn given_the_same_subsamples_lesinn_scores_as_numpy_does() {
    let golden = ensembles().lesinn;
    let d = golden.rows[0].len();
    let size = golden.subsamples[0].len();
    let picked = golden.subsamples.iter().flatten();
    let values: Vec<f32> = picked.flat_map(|i| golden.rows[*i].clone()).collect();
    let mut scores = vec![0.0; golden.rows.len()];
    Subsamples::pack(&values, size, d).mean_distances(&golden.rows.concat(), &mut scores);
    for (found, expected) in scores.iter().zip(&golden.scores) {
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }
}

/// Takes a golden step and holds its loss and its gradient against autograd's.
fn check(golden: &Step, step: impl Fn(&mut TrainingState, &mut Workspace, Adam) -> f64) {
    let network = Mlp::from_params(&golden.sizes, golden.params.clone()).unwrap();
    let mut state = TrainingState::of_network(network);
    let n_rows = golden.batch.len() / golden.sizes[0];
    let mut work = Workspace::new(&golden.sizes, n_rows);
    let adam = Adam {
        learning_rate: 1e-3,
        weight_decay: 0.0,
    };
    let loss = step(&mut state, &mut work, adam);
    assert!((loss - golden.loss).abs() < 1e-6, "{loss} {}", golden.loss);
    let largest = golden.gradient.iter().fold(0.0f64, |a, g| a.max(g.abs()));
    assert_eq!(state.adam.m.len(), golden.gradient.len());
    for (m, expected) in state.adam.m.iter().zip(&golden.gradient) {
        // After the first step the running mean is a tenth of the gradient.
        let found = f64::from(*m) / f64::from(1.0 - Adam::BETA1);
        assert!(
            (found - expected).abs() < 1e-5 * largest,
            "{found} {expected}"
        );
    }
}

#[test]
fn a_step_of_the_autoencoder_has_the_gradient_of_pytorch() {
    let golden = networks().ae;
    check(&golden, |state, work, adam| {
        reconstruct(state, &golden.batch, work, adam)
    });
}

#[test]
fn a_step_of_repen_has_the_gradient_of_pytorch() {
    let golden = networks().repen;
    let margin = golden.margin.unwrap();
    check(&golden, |state, work, adam| {
        rank(state, &golden.batch, work, margin, adam)
    });
}
