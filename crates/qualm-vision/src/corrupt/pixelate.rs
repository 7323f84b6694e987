//! `pixelate`: the image made smaller, and its pixels large.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions};

use super::parameters::{ParameterSet, Table};
use super::picture::Scene;
use super::random::Random;
use super::tools::resized;

/// Each pixel the mean of what it covers, as `PIL.Image.BOX`.
const BOX: ResizeAlg = ResizeAlg::Convolution(FilterType::Box);

/// What is left of each side.
const LEFT: Table<f64> = Table {
    cifar: [0.95, 0.9, 0.85, 0.75, 0.65],
    tiny: [0.9, 0.8, 0.7, 0.6, 0.5],
    imagenet: [0.6, 0.5, 0.4, 0.3, 0.25],
};

pub(super) fn apply(scene: &Scene<'_>, _: &mut Random, out: &mut [u8]) {
    let left = scene.pick(&LEFT);
    let options = ResizeOptions::new().resize_alg(BOX);
    let size = [scene.width(), scene.height()];
    let small = size.map(|n| ((n as f64 * left) as usize).max(1));
    let reduced = resized(scene.pixels.values, size, small, scene.channels(), &options);
    if scene.set == ParameterSet::Imagenet {
        enlarge(&reduced, small, size, scene.channels(), out);
    } else {
        out.copy_from_slice(&resized(&reduced, small, size, scene.channels(), &options));
    }
}

/// Each pixel that of the nearest one.
fn enlarge(
    pixels: &[u8],
    [width, height]: [usize; 2],
    [new_width, new_height]: [usize; 2],
    channels: usize,
    out: &mut [u8],
) {
    // Added up step by step as Pillow does it: where a place falls between two pixels, rounding
    // decides.
    let places = |n: usize, new: usize| -> Vec<usize> {
        let step = n as f64 / new as f64;
        let places = std::iter::successors(Some(0.5 * step), |place| Some(place + step));
        places
            .take(new)
            .map(|place| (place as usize).min(n - 1))
            .collect()
    };
    let columns = places(width, new_width);
    let mut last = usize::MAX;
    let stride = new_width * channels;
    for (y, from) in places(height, new_height).into_iter().enumerate() {
        let (before, rest) = out.split_at_mut(y * stride);
        let to = &mut rest[..stride];
        if from == last {
            to.copy_from_slice(&before[(y - 1) * stride..]);
            continue;
        }
        last = from;
        let row = &pixels[from * width * channels..(from + 1) * width * channels];
        for (to, &x) in to.chunks_exact_mut(channels).zip(&columns) {
            to.copy_from_slice(&row[x * channels..(x + 1) * channels]);
        }
    }
}
