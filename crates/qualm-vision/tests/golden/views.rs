//! Each transform of a view against `torchvision`, on floats and on uint8 (`views.py`).

use qualm_vision::Image;
use qualm_vision::read::{ImageSource, ReadOptions};
use qualm_vision::views::{ViewParams, apply};
use safetensors::SafeTensors;
use serde::Deserialize;

use super::{golden, real};

#[derive(Deserialize)]
struct Case {
    image: String,
    name: String,
    params: ViewParams,
    size: u32,
    /// Only every so manieth value is kept.
    every: usize,
    /// Whether it is one transform: on uint8, each rounds.
    single: bool,
}

/// Compares the cases whose image `find` knows; returns how many there were.
fn compare(find: impl Fn(&str) -> Option<Image>) -> usize {
    let bytes = golden("views.safetensors");
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let cases = &header.metadata().as_ref().unwrap()["cases"];
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut n = 0;
    for (i, case) in cases.iter().enumerate() {
        let Some(image) = find(&case.image) else {
            continue;
        };
        n += 1;
        let what = format!("{} of {}", case.name, case.image);
        let view = apply(&image, &case.params, case.size).unwrap();
        let view: Vec<f32> = view.into_iter().step_by(case.every).collect();
        let exact = tensors.tensor(&format!("{i}.f32")).unwrap();
        let (exact, _) = exact.data().as_chunks::<4>();
        assert_eq!(view.len(), exact.len(), "{what}");
        for (found, expected) in view.iter().zip(exact) {
            let expected = f32::from_le_bytes(*expected);
            assert!(
                (found - expected).abs() < 1e-5,
                "{what}: {found}, expected {expected}"
            );
        }
        let rounded = tensors.tensor(&format!("{i}.u8")).unwrap();
        for (found, expected) in view.iter().zip(rounded.data()) {
            let off = (found * 255.0).round() - f32::from(*expected);
            let most = if case.single { 1.0 } else { 4.0 };
            assert!(off.abs() <= most, "{what}: {off} from uint8");
        }
    }
    n
}

#[test]
fn transforms_are_those_of_torchvision() {
    let bytes = golden("views.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let n = compare(|name| {
        let tensor = tensors.tensor(name).ok()?;
        let (height, width) = (tensor.shape()[0] as u32, tensor.shape()[1] as u32);
        Some(Image::new(width, height, tensor.data().to_vec()).unwrap())
    });
    assert_eq!(n, 26);
}

#[test]
fn so_they_are_on_real_images() {
    let Some(path) = real("images/cifar10_test.parquet") else {
        return;
    };
    let mut source = ImageSource::open(&path, &ReadOptions::default()).unwrap();
    let items = source.next_batch(4).unwrap().unwrap();
    let n = compare(|name| {
        let row: usize = name.strip_prefix("cifar ")?.parse().unwrap();
        Some(items[row].image.clone())
    });
    assert_eq!(n, 4 * 18);
}
