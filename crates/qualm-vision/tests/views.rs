//! Views: pure functions of seed, image and number; refused by name.

use proptest::prelude::*;
use qualm_vision::Image;
use qualm_vision::views::{Crop, View, ViewParams, ViewSpec, Views, apply};

fn picture(n: u32, width: u32, height: u32) -> Image {
    let values = 3 * width * height;
    let pixels = (0..values).map(|i| ((i + n) * 7919 % 251) as u8);
    Image::new(width, height, pixels.collect()).unwrap()
}

/// Views of images of several sizes, with their bits.
fn bits(threads: usize, size: u32, seed: u64) -> Vec<u32> {
    let images: Vec<Image> = (0..9).map(|n| picture(n, 20 + 7 * n, 70 - 6 * n)).collect();
    let requests: Vec<View> = (0..)
        .zip(&images)
        .flat_map(|(id, image)| [0, 1].map(|index| View { image, id, index }))
        .collect();
    let mut spec = ViewSpec::simclr(size);
    spec.blur = 0.5;
    let views = Views::new(spec, seed).unwrap();
    let mut out = vec![0.0; requests.len() * views.values()];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool.build().unwrap();
    pool.install(|| views.views_into(&requests, &mut out))
        .unwrap();
    // One alone is the same as among the others, and as its parameters make it.
    let params = views.params(&requests[7]);
    let alone = apply(requests[7].image, &params, size).unwrap();
    assert_eq!(alone, out[7 * views.values()..8 * views.values()]);
    assert!(out.iter().all(|v| (0.0..=1.0).contains(v)));
    out.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn the_bits_depend_on_seed_image_and_number_alone() {
    for size in [1, 17, 32, 100] {
        let one = bits(1, size, 0);
        assert_eq!(one, bits(2, size, 0));
        assert_eq!(one, bits(3, size, 0));
        assert_ne!(one, bits(1, size, 1));
        let values = 3 * (size as usize).pow(2);
        let (first, second) = (&one[..values], &one[values..2 * values]);
        assert_ne!(first, second, "two views of one image");
    }
}

#[test]
fn images_are_the_rounded_values() {
    let image = picture(0, 40, 30);
    let views = Views::new(ViewSpec::simclr(16), 0).unwrap();
    let requests = [View {
        image: &image,
        id: 1,
        index: 2,
    }];
    let mut values = vec![0.0; views.values()];
    let params = views.views_into(&requests, &mut values).unwrap();
    let images = views.images(&requests).unwrap();
    assert_eq!(images[0].1, params[0]);
    let rounded: Vec<u8> = values.iter().map(|v| (v * 255.0).round() as u8).collect();
    assert_eq!(images[0].0.pixels(), rounded);
}

#[test]
fn the_whole_of_an_image_of_the_right_size_is_the_image() {
    let image = picture(0, 24, 24);
    let params = ViewParams::whole(24, 24);
    let values = apply(&image, &params, 24).unwrap();
    for (value, pixel) in values.iter().zip(image.pixels()) {
        assert_eq!((value * 255.0).round(), f32::from(*pixel));
    }
    let flipped = apply(
        &image,
        &ViewParams {
            flip: true,
            ..params
        },
        24,
    )
    .unwrap();
    for (row, flipped) in values.chunks_exact(72).zip(flipped.chunks_exact(72)) {
        assert!(row.chunks_exact(3).eq(flipped.chunks_exact(3).rev()));
    }
}

#[test]
fn tiny_and_thin_images_have_views() {
    let views = Views::new(ViewSpec::simclr(96), 0).unwrap();
    for (width, height) in [(1, 1), (1, 500), (500, 1), (2, 3)] {
        let image = picture(0, width, height);
        let requests = [0, 1, 2, 3].map(|index| View {
            image: &image,
            id: 0,
            index,
        });
        for (_, params) in views.images(&requests).unwrap() {
            let crop = params.crop;
            assert!(crop.left + crop.width <= width && crop.top + crop.height <= height);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let image = picture(0, 10, 8);
    let views = Views::new(ViewSpec::simclr(4), 0).unwrap();
    let requests = [View {
        image: &image,
        id: 0,
        index: 0,
    }];
    let refused = views.views_into(&requests, &mut [0.0; 47]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "room for 47 values, but the views have 48"
    );
    let inside = Crop {
        left: 3,
        top: 2,
        width: 7,
        height: 6,
    };
    for crop in [
        Crop { left: 4, ..inside },
        Crop { top: 3, ..inside },
        Crop { width: 0, ..inside },
        Crop {
            left: u32::MAX,
            ..inside
        },
    ] {
        let params = ViewParams {
            crop,
            ..ViewParams::whole(10, 8)
        };
        let refused = apply(&image, &params, 4).unwrap_err().to_string();
        assert!(
            refused.ends_with("expected one inside the image of 10 x 8"),
            "{refused}"
        );
    }
    let mut spec = ViewSpec::simclr(32);
    spec.grey = f64::NAN;
    assert!(
        Views::new(spec, 0)
            .unwrap_err()
            .to_string()
            .starts_with("grey = NaN")
    );
}

proptest! {
    /// An image of one grey stays as it is under every step but the change of brightness.
    #[test]
    fn one_grey_is_seen_as_one_grey(
        grey in 0u8..=255, width in 1u32..60, height in 1u32..60, size in 1u32..50, seed: u64,
    ) {
        let pixels = vec![grey; 3 * (width * height) as usize];
        let image = Image::new(width, height, pixels).unwrap();
        let mut spec = ViewSpec::simclr(size);
        (spec.brightness, spec.blur, spec.blur_kernel) = (0.0, 0.5, 0.5);
        let views = Views::new(spec, seed).unwrap();
        let requests = [0, 1, 2].map(|index| View { image: &image, id: 0, index });
        let mut out = vec![0.0; 3 * views.values()];
        for params in views.views_into(&requests, &mut out).unwrap() {
            let crop = params.crop;
            prop_assert!(crop.left + crop.width <= width && crop.top + crop.height <= height);
        }
        let expected = f32::from(grey) / 255.0;
        // Red, green and blue weigh 0.9999 in grey.
        prop_assert!(out.iter().all(|v| (v - expected).abs() < 4e-4));
    }
}
