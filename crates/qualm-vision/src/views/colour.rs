//! Changes of colour, as `torchvision` defines them on floats from 0 to 1.

#![expect(clippy::inline_always, reason = "see `vectorised`")]

use super::params::{Jitter, JitterStep};

/// Three planes of equal length.
pub(super) type Colours<'a> = [&'a mut [f32]; 3];

/// Weights of red, green and blue in grey (ITU-R BT.601, rounded as in `torchvision`).
const GREY: [f32; 3] = [0.2989, 0.587, 0.114];
/// Running sums of a mean, so that it vectorises in a fixed order.
const LANES: usize = 16;

#[inline(always)]
fn unit(x: f32) -> f32 {
    x.clamp(0.0, 1.0)
}

#[inline(always)]
fn grey_of(r: f32, g: f32, b: f32) -> f32 {
    GREY[0] * r + GREY[1] * g + GREY[2] * b
}

/// The four changes in their order.
#[inline(always)]
pub(super) fn jitter(colours: &mut Colours, jitter: &Jitter) {
    for step in jitter.order {
        match step {
            JitterStep::Brightness => brightness(colours, jitter.brightness),
            JitterStep::Contrast => contrast(colours, jitter.contrast),
            JitterStep::Saturation => saturation(colours, jitter.saturation),
            JitterStep::Hue => hue(colours, jitter.hue),
        }
    }
}

/// `x <- factor x`, kept from 0 to 1 as in all changes.
#[inline(always)]
fn brightness(colours: &mut Colours, factor: f32) {
    for plane in colours {
        for x in plane.iter_mut() {
            *x = unit(*x * factor);
        }
    }
}

/// `x <- factor x + (1 - factor) m`, m the mean grey of the view.
#[inline(always)]
fn contrast(colours: &mut Colours, factor: f32) {
    let shift = (1.0 - factor) * mean_grey(colours);
    for plane in colours {
        for x in plane.iter_mut() {
            *x = unit(*x * factor + shift);
        }
    }
}

#[inline(always)]
fn mean_grey([red, green, blue]: &Colours) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (r_body, r_tail) = red.as_chunks::<LANES>();
    let (g_body, g_tail) = green.as_chunks::<LANES>();
    let (b_body, b_tail) = blue.as_chunks::<LANES>();
    for ((r, g), b) in r_body.iter().zip(g_body).zip(b_body) {
        for lane in 0..LANES {
            sums[lane] += grey_of(r[lane], g[lane], b[lane]);
        }
    }
    let tail = r_tail.iter().zip(g_tail).zip(b_tail);
    let tail: f64 = tail.map(|((r, g), b)| f64::from(grey_of(*r, *g, *b))).sum();
    let total = sums.iter().map(|&s| f64::from(s)).sum::<f64>() + tail;
    (total / red.len() as f64) as f32
}

/// `x <- factor x + (1 - factor) grey`, of each pixel.
#[inline(always)]
fn saturation([red, green, blue]: &mut Colours, factor: f32) {
    for ((r, g), b) in red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut()) {
        let shift = (1.0 - factor) * grey_of(*r, *g, *b);
        *r = unit(*r * factor + shift);
        *g = unit(*g * factor + shift);
        *b = unit(*b * factor + shift);
    }
}

/// Red, green and blue all as the grey of the pixel.
#[inline(always)]
pub(super) fn grey([red, green, blue]: &mut Colours) {
    for ((r, g), b) in red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut()) {
        let grey = grey_of(*r, *g, *b);
        (*r, *g, *b) = (grey, grey, grey);
    }
}

/// Turns the hue by a part of the circle, saturation and value kept.
///
/// With value v, range c = v - least and hue h in sixths of the circle, a channel is
/// `v - c max(0, min(k, 4 - k, 1))`, `k = (n + h) mod 6`, n = 5, 3, 1 for red, green, blue: the same
/// numbers as by the usual six cases, without a branch.
#[inline(always)]
fn hue([red, green, blue]: &mut Colours, turn: f32) {
    for ((r, g), b) in red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut()) {
        let (r0, g0, b0) = (*r, *g, *b);
        let value = r0.max(g0).max(b0);
        let range = value - r0.min(g0).min(b0);
        // The value is the largest: at most a channel is equal to it.
        let per_range = 1.0 / if range > 0.0 { range } else { 1.0 };
        let of_blue = 4.0 + (r0 - g0) * per_range;
        let of_green = 2.0 + (b0 - r0) * per_range;
        let of_red = (g0 - b0) * per_range;
        let h = if value <= g0 { of_green } else { of_blue };
        let h = if value <= r0 { of_red } else { h } + 6.0 * turn;
        let channel = |n: f32| {
            let k = n + h;
            let k = k - 6.0 * (k * (1.0 / 6.0)).floor();
            value - range * unit(k.min(4.0 - k))
        };
        (*r, *g, *b) = (channel(5.0), channel(3.0), channel(1.0));
    }
}
