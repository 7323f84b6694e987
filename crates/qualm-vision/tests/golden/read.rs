//! Every format, mode and orientation against Pillow (`read.py`).

use qualm_vision::read::{ImageSource, ReadOptions, Resize};
use safetensors::SafeTensors;
use serde::Deserialize;

use super::{golden, real};
use crate::files::{file, folder};

#[derive(Deserialize)]
struct Case {
    name: String,
    most: u8,
}

#[test]
fn images_are_those_of_pillow() {
    let bytes = golden("read.safetensors");
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let cases = &header.metadata().as_ref().unwrap()["cases"];
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(cases.len(), 64);
    let folder = folder();
    let mut wrong = Vec::new();
    for (i, Case { name, most }) in cases.iter().enumerate() {
        let image = tensors.tensor(&format!("{i}.file")).unwrap();
        let path = file(&folder, "image.png", image.data());
        let source = ImageSource::open(&path, &ReadOptions::default());
        let items = source.and_then(|mut s| s.read_all(Resize::Keep));
        let items = items.unwrap_or_else(|error| panic!("{name}: {error}"));
        let exact = ReadOptions {
            exact: true,
            ..ReadOptions::default()
        };
        let exact = ImageSource::open(&path, &exact).and_then(|mut s| s.next_batch(1));
        let lost = ["16 bits", "animated", "cmyk"].map(|word| name.contains(word));
        assert_eq!(exact.is_err(), lost.contains(&true), "{name}");
        for (lost, word) in lost.into_iter().zip(["16 bits", "several frames", "CMYK"]) {
            let refused = exact.as_ref().err().map(ToString::to_string);
            assert_eq!(refused.is_some_and(|r| r.contains(word)), lost, "{name}");
        }
        let found = &items[0].image;
        let expected = tensors.tensor(&format!("{i}.rgb")).unwrap();
        let size = [found.height() as usize, found.width() as usize, 3];
        assert_eq!(size, expected.shape(), "{name}");
        let pairs = found.pixels().iter().zip(expected.data());
        let off = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        if off > *most {
            wrong.push(format!("{name}: {off}, at most {most}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let image = tensors.tensor("float.file").unwrap();
    let path = file(&folder, "float.tiff", image.data());
    let mut source = ImageSource::open(&path, &ReadOptions::default()).unwrap();
    let refused = source.next_batch(1).unwrap_err().to_string();
    assert!(
        refused.contains("this kind of TIFF is not read"),
        "{refused}"
    );
}

#[test]
fn photographs_are_those_of_pillow() {
    let Some(path) = real("images/tinyimagenet_val.parquet") else {
        return;
    };
    let bytes = golden("read.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let expected = tensors.tensor("tiny").unwrap();
    let mut source = ImageSource::open(&path, &ReadOptions::default()).unwrap();
    let items = source.next_batch(40).unwrap().unwrap();
    let found = items
        .iter()
        .flat_map(|i| i.image.pixels().iter().step_by(61));
    let off: Vec<u8> = found
        .zip(expected.data())
        .map(|(a, b)| a.abs_diff(*b))
        .collect();
    assert_eq!(off.len(), expected.data().len());
    let mean = off.iter().map(|&v| f64::from(v)).sum::<f64>() / off.len() as f64;
    let most = off.iter().max().unwrap();
    println!("tinyimagenet_val: {mean:.3} in the mean, {most} at most, of 255");
    assert!(
        mean < 0.5 && *most < 6,
        "{mean} in the mean, {most} at most"
    );
}
