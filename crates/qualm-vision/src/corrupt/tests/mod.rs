//! All corruptions: what holds for every one.

mod golden;

use rayon::prelude::*;

use super::*;

/// A picture with edges, gradients and colours.
fn picture(width: u32, height: u32) -> Image {
    let pixels = (0..width * height).flat_map(|i| {
        let (x, y) = (i % width, i / width);
        let square = if (x / 5 + y / 7) % 2 == 0 { 90 } else { 10 };
        [
            (square + 150 * x / width) as u8,
            (40 + 180 * y / height) as u8,
            (200 - 100 * x / width - square / 2) as u8,
        ]
    });
    Image::new(width, height, pixels.collect()).unwrap()
}

fn all() -> impl ParallelIterator<Item = (Corruption, Severity)> {
    let pairs = Corruption::ALL.into_iter();
    let pairs: Vec<_> = pairs.flat_map(|c| Severity::ALL.map(|s| (c, s))).collect();
    pairs.into_par_iter()
}

/// The mean distance of two images.
fn distance(a: &[u8], b: &[u8]) -> f64 {
    let sum: u64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / a.len() as f64
}

#[test]
fn every_corruption_damages_images_of_every_size_and_repeats() {
    for (width, height) in [(8, 8), (9, 31), (32, 32), (64, 50), (130, 101)] {
        let image = picture(width, height);
        all().for_each(|(corruption, severity)| {
            let corrupter = Corrupter::new(CorruptSpec::default(), 5);
            let once = corrupter.corrupt(&image, 3, corruption, severity).unwrap();
            let again = corrupter.corrupt(&image, 3, corruption, severity).unwrap();
            assert_eq!(once, again, "{corruption}");
            assert_eq!((once.width(), once.height()), (width, height));
            if width >= 32 && severity.get() == 5 {
                let distance = distance(image.pixels(), once.pixels());
                assert!(distance > 1.0, "{corruption}: {distance}");
            }
        });
    }
}

#[test]
fn grey_images_stay_grey_and_are_damaged() {
    let image = picture(40, 33);
    let grey: Vec<u8> = image.pixels().iter().step_by(3).copied().collect();
    let pixels = Pixels {
        values: &grey,
        width: 40,
        height: 33,
        channels: 1,
    };
    all().for_each(|(corruption, severity)| {
        let corrupter = Corrupter::new(CorruptSpec::default(), 5);
        let mut out = vec![0; grey.len()];
        corrupter
            .corrupt_into(pixels, 3, corruption, severity, &mut out)
            .unwrap();
        let colours = [Corruption::Saturate, Corruption::WhiteBalance];
        let damaged = distance(&grey, &out) > 0.5;
        assert_eq!(
            damaged || severity.get() < 5,
            !colours.contains(&corruption) || severity.get() < 5,
            "{corruption} {severity}"
        );
    });
}

#[test]
fn seeds_images_and_severities_have_random_numbers_of_their_own() {
    let image = picture(32, 32);
    let damaged = |seed, id, severity| {
        let corrupter = Corrupter::new(CorruptSpec::default(), seed);
        let severity = Severity::new(severity).unwrap();
        corrupter.corrupt(&image, id, Corruption::GaussianNoise, severity)
    };
    let base = damaged(0, 0, 1).unwrap();
    for other in [damaged(1, 0, 1), damaged(0, 1, 1), damaged(0, 0, 2)] {
        assert_ne!(base, other.unwrap());
    }
}

#[test]
fn severities_grow_worse() {
    let image = picture(64, 64);
    // What some severities do to few pixels, or to the frame, is no distance.
    let not = [
        "saturate",
        "elastic_transform",
        "glass_blur",
        "spatter",
        "snow",
        "rotate",
    ];
    Corruption::ALL.into_par_iter().for_each(|corruption| {
        if not.contains(&corruption.name()) {
            return;
        }
        let of = |severity| {
            let distances = (0..8).map(|id| {
                let corrupter = Corrupter::new(CorruptSpec::default(), 1);
                let damaged = corrupter.corrupt(&image, id, corruption, severity).unwrap();
                distance(image.pixels(), damaged.pixels())
            });
            distances.sum::<f64>()
        };
        assert!(of(Severity::ALL[4]) > of(Severity::ALL[0]), "{corruption}");
    });
}

#[test]
fn too_small_images_are_refused() {
    let corrupter = Corrupter::new(CorruptSpec::default(), 0);
    let image = picture(1, 1);
    let error = corrupter.corrupt(&image, 0, Corruption::Fog, Severity::ALL[0]);
    assert!(error.unwrap_err().to_string().contains("1 x 1"));
}

#[test]
fn names_are_read_back() {
    for corruption in Corruption::ALL {
        assert_eq!(corruption.name().parse::<Corruption>().unwrap(), corruption);
    }
    assert_eq!(Corruption::select("all").unwrap().len(), 34);
    assert_eq!(Corruption::select("common").unwrap().len(), 15);
    assert_eq!(Corruption::select("bar, fog").unwrap().len(), 11);
    let error = Corruption::select("gausian_noise").unwrap_err().to_string();
    assert!(error.contains("gaussian_noise"), "{error}");
    assert!(Severity::new(6).is_err() && Severity::new(0).is_err());
}
