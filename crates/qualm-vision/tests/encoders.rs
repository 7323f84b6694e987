//! Encoders from files: small ONNX graphs against onnxruntime in Python, and what is refused.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use qualm_vision::encoder::{self, Encoder, EncoderOptions, FileEncoder};
use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Whether this machine has an onnxruntime: tests of ONNX files are skipped without.
static ONNXRUNTIME: LazyLock<bool> = LazyLock::new(|| {
    let options = EncoderOptions {
        preprocessing: Some("akamaster".to_owned()),
        ..EncoderOptions::default()
    };
    match encoder::open(&golden("onnx/f32_nchw_free.onnx"), &options) {
        Ok(_) => true,
        Err(error) if error.to_string().contains("was not found") => false,
        Err(error) => panic!("{error}"),
    }
});

pub(super) fn skipped(what: &str) -> bool {
    if !*ONNXRUNTIME {
        eprintln!("{what}: skipped, no onnxruntime on this machine");
    }
    !*ONNXRUNTIME
}

/// Opens a copy of a golden graph in a folder of its own, beside a sidecar.
fn open(file: &str, sidecar: &str) -> (tempfile::TempDir, Result<FileEncoder, String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    std::fs::copy(golden("onnx").join(file), &path).unwrap();
    std::fs::write(folder.path().join("encoder.toml"), sidecar).unwrap();
    let opened = encoder::open(&path, &EncoderOptions::default());
    (folder, opened.map_err(|e| e.to_string()))
}

#[test]
fn graphs_give_what_onnxruntime_gives_in_python() {
    if skipped("ONNX graphs") {
        return;
    }
    let cases = std::fs::read_to_string(golden("onnx.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    assert_eq!(cases.len(), 13);
    for case in cases {
        let file = case["file"].as_str().unwrap();
        let mut sidecar = "preprocessing = 'akamaster'\nsize = 16\n".to_owned();
        for (key, value) in case["keys"].as_object().unwrap() {
            sidecar += &format!("{key} = {value}\n");
        }
        let (_folder, encoder) = open(file, &sidecar);
        let encoder = encoder.unwrap();
        let check = encoder::check(&encoder).unwrap();
        assert!(check.same_bits, "{file}");
        let expected: Vec<f64> = serde_json::from_value(case["row"].clone()).unwrap();
        assert_eq!((check.vector.len(), encoder.identity().width), (6, 6));
        let tolerance = if file.starts_with("f16") { 2e-3 } else { 1e-5 };
        for (found, expected) in check.vector.iter().zip(&expected) {
            assert!(
                (f64::from(*found) - expected).abs() < tolerance,
                "{file}: {:?}, expected {expected:?}",
                check.vector
            );
        }
    }
}
