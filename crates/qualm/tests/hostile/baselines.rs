//! Model files of the baselines whose tensors hold numbers of rows, columns and nodes, made to
//! lie: each is refused by name, without a panic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::common::{baseline, blob_matrix, sealed};
use proptest::prelude::*;
use qualm::{Error, Fitted, Spec};
use serde_json::{Value, json};

const D: usize = 4;

/// A model file taken apart.
struct Parts {
    header: Value,
    body: Vec<u8>,
}

impl Parts {
    /// Fits a small model.
    fn of(spec: &Spec) -> Self {
        let fitted = spec.fit(blob_matrix(1, 60, D).rows(), 0, &mut ()).unwrap();
        let bytes = fitted.to_bytes().unwrap();
        let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        Self {
            header: serde_json::from_slice(&bytes[8..8 + len]).unwrap(),
            body: bytes[8 + len..].to_vec(),
        }
    }

    /// Where value `i` of a tensor lies in the body.
    fn at(&self, name: &str, i: usize) -> std::ops::Range<usize> {
        let start = self.header[name]["data_offsets"][0].as_u64().unwrap() as usize;
        start + 4 * i..start + 4 * i + 4
    }

    /// The file with value `i` of a tensor of integers replaced.
    fn with(&self, name: &str, i: usize, change: impl Fn(u32) -> u32) -> Vec<u8> {
        let mut body = self.body.clone();
        let value = &mut body[self.at(name, i)];
        let before = u32::from_le_bytes((&*value).try_into().unwrap());
        value.copy_from_slice(&change(before).to_le_bytes());
        sealed(self.header.clone(), &body)
    }

    /// The file with a hyper-parameter replaced.
    fn with_key(&self, key: &str, value: Value) -> Vec<u8> {
        let mut header = self.header.clone();
        let text = header["__metadata__"]["qualm"].as_str().unwrap();
        let mut json: Value = serde_json::from_str(text).unwrap();
        json["spec"][key] = value;
        header["__metadata__"]["qualm"] = json.to_string().into();
        sealed(header, &self.body)
    }
}

fn assert_refused(what: &str, bytes: &[u8], expected: &str) {
    match Fitted::from_bytes(bytes) {
        Err(Error::CorruptModel { part, .. }) => assert_eq!(part, expected, "{what}"),
        Err(error) => panic!("{what}: {error}"),
        Ok(_) => panic!("{what}: read as a model"),
    }
}

fn forest() -> Parts {
    let keys = json!({"n_estimators": 5, "max_samples": 16});
    Parts::of(&baseline("iforest", keys))
}

#[test]
fn nodes_that_make_no_trees_are_refused() {
    let forest = forest();
    assert!(Fitted::from_bytes(&forest.with("trees.nodes", 0, |n| n)).is_ok());
    for (what, tensor, i, change) in [
        ("no sample", "trees.size", 0, (|_| 0) as fn(u32) -> u32),
        ("a sample of one", "trees.size", 0, |_| 1),
        ("a larger sample than asked for", "trees.size", 0, |_| 17),
    ] {
        assert_refused(what, &forest.with(tensor, i, change), tensor);
    }
    for (what, tensor, i, change) in [
        (
            "a smaller sample",
            "trees.size",
            0,
            (|_| 15) as fn(u32) -> u32,
        ),
        ("an empty node", "trees.size", 1, |_| 0),
        ("sizes that overflow", "trees.size", 1, |_| u32::MAX),
        ("a feature past the columns", "trees.feature", 0, |_| {
            D as u32
        }),
        ("a huge feature", "trees.feature", 0, |_| u32::MAX - 1),
        ("a root without children", "trees.feature", 0, |_| u32::MAX),
        ("a tree without nodes", "trees.nodes", 0, |_| 0),
        ("a node less", "trees.nodes", 0, |n| n - 1),
        ("a node more", "trees.nodes", 0, |n| n + 1),
        ("more nodes than there are", "trees.nodes", 4, |n| n + 2),
        ("four thousand million nodes", "trees.nodes", 2, |_| {
            u32::MAX
        }),
    ] {
        assert_refused(what, &forest.with(tensor, i, change), "trees");
    }
    assert_refused(
        "a tree more",
        &forest.with_key("n_estimators", json!(6)),
        "trees.nodes",
    );
    assert_refused(
        "a million trees",
        &forest.with_key("n_estimators", json!(1_000_000)),
        "trees.nodes",
    );
    assert_refused(
        "a smaller max_samples",
        &forest.with_key("max_samples", json!(15)),
        "trees.size",
    );
    let mut infinite = forest.body.clone();
    infinite[forest.at("trees.threshold", 0)].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert_refused(
        "an infinite threshold",
        &sealed(forest.header.clone(), &infinite),
        "trees.threshold",
    );
}

#[test]
fn subsamples_that_do_not_add_up_are_refused() {
    let keys = json!({"n_estimators": 5, "max_samples": 6});
    let lesinn = Parts::of(&baseline("lesinn", keys));
    for (key, value) in [
        ("n_estimators", 4),
        ("n_estimators", 31),
        ("n_estimators", 1_000_000),
        ("max_samples", 5),
        ("max_samples", 1),
    ] {
        let what = format!("{key} = {value}");
        assert_refused(&what, &lesinn.with_key(key, json!(value)), "subsamples");
    }
    // Thirty rows are also ten subsamples of three: another model, but a sound one.
    assert!(Fitted::from_bytes(&lesinn.with_key("n_estimators", json!(10))).is_ok());

    let keys = json!({"n_components": 3, "epochs": 2, "n_estimators": 5});
    let repen = Parts::of(&baseline("repen", keys));
    for (key, value, part) in [
        ("n_estimators", 3, "subsamples"),
        ("max_samples", 7, "subsamples"),
        ("n_components", 2, "network.0.weight"),
        ("n_components", 65_536, "network.0.weight"),
    ] {
        let what = format!("{key} = {value}");
        assert_refused(&what, &repen.with_key(key, json!(value)), part);
    }
}

#[test]
fn columns_out_of_order_are_refused() {
    let ecod = Parts::of(&baseline("ecod", json!({})));
    assert!(Fitted::from_bytes(&ecod.with("sorted", 0, |bits| bits)).is_ok());
    let bits = |x: f32| move |_| x.to_bits();
    for (what, i, value) in [
        ("a first value that is not the least", 0, f32::MAX),
        ("a value below those before it", 7 * D + 2, f32::MIN),
        ("a last value that is not the largest", 59 * D + 3, f32::MIN),
        ("no number", 5, f32::NAN),
        ("an infinite value", 59 * D, f32::INFINITY),
    ] {
        assert_refused(what, &ecod.with("sorted", i, bits(value)), "sorted");
    }
}

#[test]
fn layers_of_another_shape_are_refused() {
    let ae = Parts::of(&baseline("ae", json!({"hidden": [5, 2]})));
    for (what, hidden, part) in [
        ("no layers", json!([]), "spec"),
        ("a wider layer", json!([6, 2]), "network.0.weight"),
        ("another bottleneck", json!([5, 3]), "network.1.weight"),
        ("a layer more", json!([5, 2, 2]), "network.2.weight"),
        (
            "the widest layers",
            json!([5, 65_536, 65_536]),
            "network.1.weight",
        ),
    ] {
        assert_refused(what, &ae.with_key("hidden", hidden), part);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever still makes trees must also score.
    #[test]
    fn any_bytes_in_place_of_a_forest_are_no_panic(
        changes in prop::collection::vec((0usize..3, any::<prop::sample::Index>(), 0u32..40), 1..4)
    ) {
        let forest = forest();
        let mut body = forest.body.clone();
        for (tensor, index, value) in changes {
            let name = ["trees.nodes", "trees.feature", "trees.size"][tensor];
            let len = forest.header[name]["shape"][0].as_u64().unwrap() as usize;
            let value = if value == 39 { u32::MAX } else { value };
            body[forest.at(name, index.index(len))].copy_from_slice(&value.to_le_bytes());
        }
        if let Ok(fitted) = Fitted::from_bytes(&sealed(forest.header, &body)) {
            let scores = fitted.score(blob_matrix(2, 20, D).rows()).unwrap();
            prop_assert!(scores.iter().all(|s| (0.0..=1.0).contains(s)));
        }
    }
}
