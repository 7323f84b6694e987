//! `rescale`: the image made smaller with one filter, and larger again with another, as when a
//! pipeline changes its resizer.

use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions};

use super::parameters::Table;
use super::picture::Scene;
use super::random::Random;
use super::tools::resized;

/// What is left of each side in between.
const LEFT: Table<f64> = Table::same([0.9, 0.75, 0.6, 0.5, 0.4]);

/// Filters for smaller and larger images. Not widened ones alias, which is the commonest mistake.
const FILTERS: [(ResizeAlg, ResizeAlg); 4] = [
    (
        ResizeAlg::Interpolation(FilterType::Bilinear),
        ResizeAlg::Convolution(FilterType::Bilinear),
    ),
    (
        ResizeAlg::Convolution(FilterType::Bilinear),
        ResizeAlg::Convolution(FilterType::CatmullRom),
    ),
    (
        ResizeAlg::Convolution(FilterType::Lanczos3),
        ResizeAlg::Convolution(FilterType::Bilinear),
    ),
    (
        ResizeAlg::Convolution(FilterType::Box),
        ResizeAlg::Convolution(FilterType::Lanczos3),
    ),
];

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let left = scene.pick(&LEFT);
    let filters = FILTERS[random.below(FILTERS.len())];
    let [down, up] = [filters.0, filters.1].map(|alg| ResizeOptions::new().resize_alg(alg));
    let size = [scene.width(), scene.height()];
    let small = size.map(|n| ((n as f64 * left).round() as usize).max(1));
    let reduced = resized(scene.pixels.values, size, small, scene.channels(), &down);
    out.copy_from_slice(&resized(&reduced, small, size, scene.channels(), &up));
}
