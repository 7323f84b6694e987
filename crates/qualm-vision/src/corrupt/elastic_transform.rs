//! `elastic_transform`: the image stretched and shifted locally.

use super::parameters::{ParameterSet, Table};
use super::picture::Scene;
use super::random::Random;
use super::tools::{Quads, radius};
use crate::filter::{self, Border, Kernel, Room};
use crate::simd::vectorised;

/// Small images, of the side: by how much pixels are shifted, the deviation of the blur of shifts,
/// and how far the corners of the affine transform go.
const SMALL: Table<(f64, f64, f64)> = Table::small_and_large(
    [
        (0.0, 0.0, 0.08),
        (0.05, 0.2, 0.07),
        (0.08, 0.06, 0.06),
        (0.1, 0.04, 0.05),
        (0.1, 0.03, 0.03),
    ],
    [
        (0.0, 0.0, 0.08),
        (0.05, 0.3, 0.06),
        (0.1, 0.08, 0.06),
        (0.1, 0.03, 0.03),
        (0.16, 0.03, 0.02),
    ],
);

/// Large images: the factor of shifts of up to 0.005 of the height.
const LARGE: Table<f64> = Table::same([12.5, 16.25, 21.25, 25.0, 30.0]);

pub(super) fn apply(scene: &Scene<'_>, random: &mut Random, out: &mut [u8]) {
    let mut shifts = [vec![0.0; scene.n()], vec![0.0; scene.n()]];
    let mut corners = [[0.0; 2]; 3];
    if scene.set == ParameterSet::Imagenet {
        let most = scene.height() as f32 * 0.005;
        for shifts in &mut shifts {
            random.uniforms(shifts, -most, most);
        }
    } else {
        let reach = scene.pick(&SMALL).2 * scene.side() as f64;
        corners = corners.map(|corner| corner.map(|_: f64| random.uniform(-reach, reach)));
        for shifts in &mut shifts {
            random.uniforms(shifts, -1.0, 1.0);
        }
    }
    stretch(scene, &corners, shifts, out);
}

/// The same with given random numbers: what is added to the three points of the affine transform
/// (right, down), and the shifts right and down before they are blurred.
pub(super) fn stretch(
    scene: &Scene<'_>,
    corners: &[[f64; 2]; 3],
    mut shifts: [Vec<f32>; 2],
    out: &mut [u8],
) {
    let (width, height) = (scene.width(), scene.height());
    let mut image = Quads::of(scene.pixels);
    let (factor, sigmas) = if scene.set == ParameterSet::Imagenet {
        (
            scene.pick(&LARGE),
            [height as f64 * 0.01, width as f64 * 0.01],
        )
    } else {
        let (alpha, sigma, _) = scene.pick(&SMALL);
        let side = scene.side() as f64;
        image = warped(&image, &Affine::between(width, height, corners));
        (alpha * side, [sigma * side; 2])
    };
    // As `skimage.filters.gaussian`, down and across, with three deviations.
    let kernels = sigmas.map(|sigma| Kernel::gaussian(sigma, radius(sigma, 3.0)));
    let mut room = Room::default();
    for shifts in &mut shifts {
        let [down, across] = &kernels;
        filter::blur(shifts, width, [down, across], Border::Reflect, &mut room);
    }
    let factor = factor as f32;
    let [right, down] = &shifts;
    vectorised(
        #[inline(always)]
        || {
            image.move_into(
                Border::Reflect,
                #[inline(always)]
                |x, y| {
                    let i = y * width + x;
                    (x as f32 + right[i] * factor, y as f32 + down[i] * factor)
                },
                scene.channels(),
                out,
            );
        },
    );
}

/// Where in the image a pixel of the transformed one comes from: `(a, b, c)` for x and for y.
#[derive(Debug)]
struct Affine([[f64; 3]; 2]);

impl Affine {
    /// The inverse of the transform that takes three points around the middle to where the
    /// corners are shifted.
    fn between(width: usize, height: usize, corners: &[[f64; 2]; 3]) -> Self {
        // The published code takes the shape (height, width) for (x, y); its images are square.
        let middle = [(width / 2) as f64, (height / 2) as f64];
        let reach = (width.min(height) / 3) as f64;
        let from = [
            [middle[0] + reach, middle[1] + reach],
            [middle[0] + reach, middle[1] - reach],
            [middle[0] - reach, middle[1] - reach],
        ];
        let to: [[f64; 2]; 3] =
            std::array::from_fn(|i| [from[i][0] + corners[i][0], from[i][1] + corners[i][1]]);
        // Cramer's rule for a x + b y + c = v at the three points of the result.
        let [[x0, y0], [x1, y1], [x2, y2]] = to;
        let area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0);
        let solve = |axis: usize| {
            let [v0, v1, v2] = [0, 1, 2].map(|i: usize| from[i][axis]);
            let a = ((v1 - v0) * (y2 - y0) - (v2 - v0) * (y1 - y0)) / area;
            let b = ((x1 - x0) * (v2 - v0) - (x2 - x0) * (v1 - v0)) / area;
            [a, b, v0 - a * x0 - b * y0]
        };
        Self([solve(0), solve(1)])
    }
}

/// An image transformed, by straight lines between pixels; beyond its edge it is mirrored.
fn warped(image: &Quads, affine: &Affine) -> Quads {
    vectorised(
        #[inline(always)]
        || {
            image.moved_again(
                Border::Mirror,
                #[inline(always)]
                |x, y| {
                    let (x, y) = (x as f64, y as f64);
                    let [[a, b, c], [d, e, f]] = affine.0;
                    ((a * x + b * y + c) as f32, (d * x + e * y + f) as f32)
                },
            )
        },
    )
}
