//! Models that hold the fitted rows: counts, densities and rows made to lie.

use std::sync::LazyLock;

use qualm::Error;
use serde_json::{Value, json};

use crate::common::{baseline, blob_matrix, sealed};
use crate::{D, extent, fill, parts_of, read, read_and_score};

/// Small models of neighbours, whole.
static NEIGHBOURS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let changes = [
        ("knn", json!({})),
        ("lof", json!({})),
        ("abod", json!({})),
        ("abod", json!({"method": "exact"})),
        ("knn", json!({"metric": "mahalanobis"})),
        ("lof", json!({"metric": "cosine"})),
    ];
    let fit = |(detector, changes)| {
        let fitted = baseline(detector, changes).fit(blob_matrix(1, 60, D).rows(), 0, &mut ());
        fitted.unwrap().to_bytes().unwrap()
    };
    changes.into_iter().map(fit).collect()
});

/// A model with the values of one tensor replaced.
fn altered(model: &[u8], name: &str, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let (header, mut body) = parts_of(model);
    change(&mut body[extent(&header, name)]);
    sealed(header, &body)
}

#[test]
fn counts_and_densities_that_no_fit_leaves_are_refused() {
    for model in NEIGHBOURS.iter() {
        let fewer = |name: &str, by: u64| {
            let (mut header, body) = parts_of(model);
            // The bytes that are left go to a tensor that nobody asks for.
            let tensor = header[name].clone();
            let at = |i: usize| tensor["data_offsets"][i].as_u64().unwrap();
            let len = tensor["shape"][0].as_u64().unwrap();
            let middle = at(1) - (at(1) - at(0)) / len * by;
            header[name]["shape"][0] = (len - by).into();
            header[name]["data_offsets"][1] = middle.into();
            header["zzz"] = json!({"dtype": "U8", "shape": [at(1) - middle],
                "data_offsets": [middle, at(1)]});
            sealed(header, &body)
        };
        let mut cases = vec![
            ("counts", altered(model, "counts", fill([0; 4]))),
            (
                "counts",
                altered(model, "counts", |bytes| bytes[..4].fill(0)),
            ),
            ("counts", fewer("counts", 1)),
            ("counts", fewer("rows", 1)),
            ("rows", altered(model, "rows", fill(f32::NAN.to_le_bytes()))),
        ];
        let lof = parts_of(model).0.get("density").is_some();
        if lof {
            let fill = |name, value: f64| altered(model, name, fill(value.to_le_bytes()));
            cases.extend([
                ("density", fill("density", 0.0)),
                ("density", fill("density", -1.0)),
                ("density", fill("density", 1e300)),
                ("density", fill("density", f64::NAN)),
                ("density", fewer("density", 1)),
                ("reach", fill("reach", -1.0)),
                ("reach", fewer("reach", 60)),
            ]);
        }
        for (name, bytes) in cases {
            let error = read(&bytes).unwrap_err();
            let right = matches!(&error, Error::CorruptModel { part, .. } if part == name);
            assert!(right, "{name}: {error}");
        }
    }
}

#[test]
fn more_neighbours_than_rows_are_refused() {
    for model in &NEIGHBOURS[..3] {
        let (mut header, body) = parts_of(model);
        let text = header["__metadata__"]["qualm"].as_str().unwrap();
        let mut json: Value = serde_json::from_str(text).unwrap();
        json["spec"]["n_neighbors"] = (1u64 << 40).into();
        header["__metadata__"]["qualm"] = json.to_string().into();
        let error = read(&sealed(header, &body)).unwrap_err();
        assert!(error.to_string().contains("1099511627776"), "{error}");
    }
}

/// Counts and values far from any fit: they score, finitely, or are refused.
#[test]
fn rows_at_the_ends_of_the_range_are_no_panic() {
    for model in NEIGHBOURS.iter() {
        read_and_score(&altered(model, "counts", fill(u32::MAX.to_le_bytes())));
        read_and_score(&altered(model, "rows", fill(1f32.to_le_bytes())));
        read_and_score(&altered(model, "rows", fill(f32::MAX.to_le_bytes())));
        read_and_score(&altered(model, "rows", |bytes| {
            for (i, value) in bytes.chunks_exact_mut(4).enumerate() {
                let x = [f32::MAX, f32::MIN, 0.0, f32::MIN_POSITIVE, 1e20][i % 5];
                value.copy_from_slice(&x.to_le_bytes());
            }
        }));
    }
}
