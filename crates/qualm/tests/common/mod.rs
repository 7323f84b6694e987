//! What several suites need: small Specs, rows, and model files taken apart.
#![allow(dead_code, unused_imports, reason = "every suite uses its own part")]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod sealed;

use std::collections::BTreeMap;

use qualm::Matrix;
use qualm::Spec;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use safetensors::SafeTensors;
use serde_json::{Map, Value, json};

pub use sealed::{file, sealed};

/// Keys and values of a JSON object.
pub fn keys(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

/// A multilayer perceptron that trains in milliseconds, with some keys set otherwise.
pub fn small(changes: Value) -> Spec {
    let small = json!({
        "hidden": 32, "fourier_features": 128, "batch_size": 64,
        "epochs": 1, "min_steps": 400, "max_steps": 400,
    });
    let spec = Spec::preset("dum", "mlp").unwrap();
    let spec = spec.with(keys(small)).unwrap();
    spec.with(keys(changes)).unwrap()
}

/// A baseline with some keys set otherwise.
pub fn baseline(detector: &str, changes: Value) -> Spec {
    let spec = Spec::preset(detector, "default").unwrap();
    spec.with(keys(changes)).unwrap()
}

/// Standard normal numbers.
pub fn normals(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
}

/// Rows of `d` columns around one centre, each column with a scale and a shift of its own,
/// neighbours correlated.
pub fn blob(seed: u64, n: usize, d: usize) -> Vec<f32> {
    let mut rows = normals(seed, n * d);
    for row in rows.chunks_exact_mut(d) {
        for j in 1..d {
            row[j] = 0.6 * row[j - 1] + 0.8 * row[j];
        }
        for (j, x) in row.iter_mut().enumerate() {
            *x = (j + 1) as f32 * *x + 3.0 - j as f32;
        }
    }
    rows
}

/// [`blob`] as a matrix.
pub fn blob_matrix(seed: u64, n: usize, d: usize) -> Matrix {
    Matrix::new(blob(seed, n, d), d).unwrap()
}

/// The bits of scores: equal bits, not just equal numbers, is what is promised.
pub fn bits(scores: &[f64]) -> Vec<u64> {
    scores.iter().map(|s| s.to_bits()).collect()
}

/// Spearman's rank correlation; equal scores share their mean rank.
pub fn rank_correlation(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |scores: &[f64]| {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|i, j| scores[*i].total_cmp(&scores[*j]));
        let mut ranks = vec![0.0; scores.len()];
        let mut before = 0;
        for equal in order.chunk_by(|i, j| scores[*i].total_cmp(&scores[*j]).is_eq()) {
            for i in equal {
                ranks[*i] = before as f64 + equal.len() as f64 / 2.0;
            }
            before += equal.len();
        }
        ranks
    };
    let (a, b, middle) = (ranks(a), ranks(b), a.len() as f64 / 2.0);
    let product = |a: &[f64], b: &[f64]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| (x - middle) * (y - middle))
            .sum()
    };
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
}

/// A model file whose JSON document was changed, sealed again.
pub fn edited(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (length, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let (header, body) = rest.split_at(length);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    let text = header["__metadata__"]["qualm"].as_str().unwrap();
    let mut json: Value = serde_json::from_str(text).unwrap();
    change(&mut json);
    header["__metadata__"]["qualm"] = json.to_string().into();
    sealed(header, body)
}

/// A model file taken apart: each tensor with its type, shape and bytes, and the JSON
/// document without the time of fitting, the one thing that may differ between two fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    pub tensors: BTreeMap<String, (String, Vec<usize>, Vec<u8>)>,
    pub json: Value,
}

/// Takes a model file apart.
pub fn contents(bytes: &[u8]) -> Contents {
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    let json = &metadata.metadata().as_ref().unwrap()["qualm"];
    let mut json: Value = serde_json::from_str(json).unwrap();
    if let Some(provenance) = json["provenance"].as_object_mut() {
        provenance.remove("created").expect("a time of fitting");
    }
    // The digest covers the time.
    let seal = json.as_object_mut().and_then(|json| json.remove("sha256"));
    seal.expect("a digest");
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let tensors = tensors.iter().map(|(name, tensor)| {
        let kind = format!("{:?}", tensor.dtype());
        let content = (kind, tensor.shape().to_vec(), tensor.data().to_vec());
        (name.to_owned(), content)
    });
    Contents {
        tensors: tensors.collect(),
        json,
    }
}
