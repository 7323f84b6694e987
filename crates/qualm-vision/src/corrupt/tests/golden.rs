//! Corruptions against `imagecorruptions`, with the random numbers that it drew (see
//! `tests/golden/corrupt.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde::Deserialize;

use super::super::picture::{Pixels, Scene};
use super::super::{
    Corruption, ParameterSet, Severity, elastic_transform, fog, glass_blur, motion_blur, snow,
    spatter,
};
use super::distance;
use crate::read::{ImageSource, ReadOptions};

/// The mean distance from the reference that rounding may make: none where Pillow counts in whole
/// numbers.
fn allowed(name: &str) -> f64 {
    match name {
        "jpeg_compression" | "pixelate" => 0.0,
        _ => 0.5,
    }
}

struct Golden(Vec<u8>);

impl Golden {
    fn read() -> Self {
        Self(std::fs::read(folder().join("corrupt.safetensors")).unwrap())
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).unwrap()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn floats(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let tensor = tensors.tensor(name).unwrap();
    let words = tensor.data().as_chunks::<4>().0;
    words.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

fn scene(values: &[u8], width: usize, severity: Severity) -> Scene<'_> {
    Scene {
        pixels: Pixels {
            values,
            width,
            height: values.len() / 3 / width,
            channels: 3,
        },
        set: ParameterSet::Imagenet,
        severity,
        compat: true,
        frost: None,
    }
}

/// The corruption with given random numbers.
fn with_numbers(name: &str, scene: &Scene<'_>, drawn: &[f32], out: &mut [u8]) {
    let n = scene.n();
    match name {
        "elastic_transform" => {
            let shifts = [drawn[..n].to_vec(), drawn[n..].to_vec()];
            elastic_transform::stretch(scene, &[[0.0; 2]; 3], shifts, out);
        }
        "motion_blur" => motion_blur::move_along(scene, f64::from(drawn[0]), out),
        "snow" => snow::fall(scene, &drawn[..n], f64::from(drawn[n]), out),
        "spatter" => spatter::splash(scene, drawn.to_vec(), out),
        "glass_blur" => {
            let mut pairs = drawn.chunks_exact(2);
            glass_blur::distort(scene, out, |offsets| {
                for offset in offsets {
                    let pair = pairs.next().unwrap();
                    *offset = [pair[0] as i32, pair[1] as i32];
                }
            });
        }
        "fog" => {
            let mut at = 0;
            let (_, decay) = scene.pick(&fog::FOG);
            let mut calls = 0;
            // The published numbers are as large as the octave; three calls make one.
            fog::cover(scene, out, |values| {
                let wibble = 100.0 / decay.powi(calls / 3);
                for v in values.iter_mut() {
                    *v = drawn[at] / wibble;
                    at += 1;
                }
                calls += 1;
            });
        }
        other => panic!("{other} draws nothing"),
    }
}

#[test]
fn the_same_as_the_published_code() {
    let golden = Golden::read();
    let tensors = golden.tensors();
    let image = tensors.tensor("image").unwrap().data().to_vec();
    let names = tensors.names();
    let mut seen = 0;
    for corruption in Corruption::ALL {
        for severity in Severity::ALL {
            let name = format!("{corruption}.{severity}");
            if !names.contains(&name.as_str()) {
                continue;
            }
            let scene = scene(&image, 33, severity);
            let mut out = vec![0; image.len()];
            let numbers = format!("{name}.random");
            if names.contains(&numbers.as_str()) {
                let drawn = floats(&tensors, &numbers);
                with_numbers(corruption.name(), &scene, &drawn, &mut out);
            } else {
                apply(corruption, &scene, &mut out);
            }
            let expected = tensors.tensor(&name).unwrap();
            let found = distance(expected.data(), &out);
            assert!(found <= allowed(corruption.name()), "{name}: {found}");
            seen += 1;
        }
    }
    assert_eq!(seen, 14 * 5);
    let odd = &image[..37 * 33 * 3];
    let mut out = vec![0; odd.len()];
    let scene = scene(odd, 33, Severity::ALL[2]);
    apply(Corruption::JpegCompression, &scene, &mut out);
    let expected = tensors.tensor("jpeg_compression.odd").unwrap();
    assert_eq!(expected.data(), out);
}

/// A corruption that draws nothing.
fn apply(corruption: Corruption, scene: &Scene<'_>, out: &mut [u8]) {
    let rng = qualm::rng::stream(0, super::super::CORRUPTION, [0, 0]);
    (corruption.function())(scene, &mut super::super::Random::new(rng), out);
}

#[derive(Deserialize)]
struct Index {
    kept: usize,
    real: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    file: String,
    row: usize,
}

#[test]
#[expect(clippy::print_stderr, reason = "says what is skipped")]
fn the_same_as_the_published_code_on_real_images() {
    let Some(data) = std::env::var_os("QUALM_DATA") else {
        eprintln!("skipped: QUALM_DATA names no folder of real images");
        return;
    };
    let golden = Golden::read();
    let tensors = golden.tensors();
    let index = std::fs::read_to_string(folder().join("corrupt.json")).unwrap();
    let index: Index = serde_json::from_str(&index).unwrap();
    // Some of these files are JPEGs, which Pillow's decoder and ours round differently: means.
    let mut sums: BTreeMap<(String, Corruption), [f64; 2]> = BTreeMap::new();
    for Entry { file, row } in index.real {
        let path = Path::new(&data).join("images").join(&file);
        let mut source = ImageSource::open(&path, &ReadOptions::default()).unwrap();
        let items = source.next_batch(row + 1).unwrap().unwrap();
        let image = &items[row].image;
        for corruption in Corruption::ALL {
            for severity in Severity::ALL {
                let name = format!("{file}.{row}.{corruption}.{severity}");
                let Ok(expected) = tensors.tensor(&name) else {
                    continue;
                };
                let scene = scene(image.pixels(), image.width() as usize, severity);
                let mut out = vec![0; image.pixels().len()];
                apply(corruption, &scene, &mut out);
                let kept: Vec<u8> = out.into_iter().step_by(index.kept).collect();
                let found = distance(expected.data(), &kept);
                let sums = sums.entry((file.clone(), corruption)).or_insert([0.0; 2]);
                *sums = [sums[0] + found, sums[1] + 1.0];
            }
        }
    }
    assert!(!sums.is_empty());
    for ((file, corruption), [sum, n]) in sums {
        let allowed = if corruption == Corruption::JpegCompression {
            3.0
        } else {
            1.0
        };
        assert!(sum / n < allowed, "{file} {corruption}: {}", sum / n);
    }
}
