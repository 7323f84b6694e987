//! A contact sheet: a few images, each corruption a row and each severity a column.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use font8x8::legacy::BASIC_LEGACY;
use rayon::prelude::*;

use super::{Corrupter, Corruption, Severity};
use crate::error::Result;
use crate::image::Image;
use crate::read::{Item, image_id};
use crate::write::ImageFormat;

/// Side of a cell of a drawn sheet, and what lies between cells, in pixels.
const CELL: usize = 96;
const GAP: usize = 4;
/// Side of a letter; the names of corruptions stand in a column this wide.
const LETTER: usize = 8;
const NAMES: usize = 27 * LETTER;
/// Shades of paper and ink.
const PAPER: u8 = 250;
const INK: u8 = 30;

/// Damaged images of a few images, for people to look at.
#[derive(Debug)]
pub struct Sheet<'a> {
    images: &'a [Item],
    corruptions: &'a [Corruption],
    severities: &'a [Severity],
    /// Image after image, corruption after corruption, severity after severity.
    cells: Vec<Image>,
}

impl<'a> Sheet<'a> {
    /// Damages some images.
    ///
    /// # Errors
    /// As [`Corrupter::corrupt`].
    pub fn new(
        corrupter: &Corrupter,
        images: &'a [Item],
        corruptions: &'a [Corruption],
        severities: &'a [Severity],
    ) -> Result<Self> {
        let places: Vec<_> = images
            .iter()
            .flat_map(|item| corruptions.iter().map(move |&c| (item, c)))
            .flat_map(|(item, c)| severities.iter().map(move |&s| (item, c, s)))
            .collect();
        let cells = places.into_par_iter().map(|(item, corruption, severity)| {
            corrupter.corrupt(&item.image, image_id(&item.id), corruption, severity)
        });
        Ok(Self {
            images,
            corruptions,
            severities,
            cells: cells.collect::<Result<_>>()?,
        })
    }

    /// The cells of an image: rows of a corruption.
    fn rows(&self, image: usize) -> impl Iterator<Item = (Corruption, &[Image])> {
        let n = self.severities.len();
        let own = self.cells.chunks(n * self.corruptions.len()).nth(image);
        let rows = own.unwrap_or_default().chunks(n);
        self.corruptions.iter().copied().zip(rows)
    }

    /// A page that holds everything it shows.
    ///
    /// # Errors
    /// As [`ImageFormat::encode`].
    pub fn html(&self) -> Result<String> {
        let mut page = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Corruptions</title>\n\
             <style>body{font:14px sans-serif;margin:2em}td,th{padding:2px 6px;text-align:left}\
             img{width:96px;image-rendering:pixelated;display:block}</style>\n"
            .to_owned();
        for (i, item) in self.images.iter().enumerate() {
            let id = escaped(&item.id);
            let original = picture(&item.image)?;
            // Writing to a string cannot fail, here and below.
            let _ = write!(page, "<h2>{id}</h2>\n{original}\n<table>\n<tr><th></th>");
            for severity in self.severities {
                let _ = write!(page, "<th>{severity}</th>");
            }
            page.push_str("</tr>\n");
            for (corruption, cells) in self.rows(i) {
                let _ = write!(page, "<tr><th>{corruption}</th>");
                for cell in cells {
                    let _ = write!(page, "<td>{}</td>", picture(cell)?);
                }
                page.push_str("</tr>\n");
            }
            page.push_str("</table>\n");
        }
        Ok(page)
    }

    /// The same as one picture.
    ///
    /// # Errors
    /// None for pictures of its size.
    pub fn picture(&self) -> Result<Image> {
        let step = CELL + GAP;
        let n_rows = self.images.len() * (self.corruptions.len() + 1);
        let width = NAMES + step * self.severities.len().max(1) + GAP;
        let mut canvas = Canvas::new(width, n_rows * step + GAP);
        let mut top = GAP;
        for (i, item) in self.images.iter().enumerate() {
            canvas.text(GAP, top, &item.id);
            canvas.image(NAMES, top, &item.image);
            top += step;
            for (corruption, cells) in self.rows(i) {
                canvas.text(GAP, top, corruption.name());
                for (column, cell) in cells.iter().enumerate() {
                    canvas.image(NAMES + column * step, top, cell);
                }
                top += step;
            }
        }
        Image::new(width as u32, (n_rows * step + GAP) as u32, canvas.pixels)
    }
}

/// An image within a page.
fn picture(image: &Image) -> Result<String> {
    let data = STANDARD.encode(ImageFormat::Png.encode(image)?);
    Ok(format!("<img src=\"data:image/png;base64,{data}\">"))
}

/// Text that a page shows as it is.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

struct Canvas {
    width: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            pixels: vec![PAPER; 3 * width * height],
        }
    }

    fn dot(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.width {
            let at = 3 * (y * self.width + x);
            if let Some(pixel) = self.pixels.get_mut(at..at + 3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }

    /// An image in a cell, its longer side as long as the cell.
    fn image(&mut self, left: usize, top: usize, image: &Image) {
        let longer = image.width().max(image.height()) as usize;
        let place = |i: usize| ((2 * i + 1) * longer / (2 * CELL)) as u32;
        for y in 0..CELL {
            for x in 0..CELL {
                if place(x) < image.width() && place(y) < image.height() {
                    self.dot(left + x, top + y, image.pixel(place(x), place(y)));
                }
            }
        }
    }

    fn text(&mut self, left: usize, top: usize, text: &str) {
        for (i, letter) in text.chars().take(NAMES / LETTER - 1).enumerate() {
            // What the font lacks is a question mark.
            let glyph = BASIC_LEGACY
                .get(letter as usize)
                .unwrap_or(&BASIC_LEGACY[63]);
            for (y, row) in glyph.iter().enumerate() {
                for x in (0..LETTER).filter(|x| row >> x & 1 == 1) {
                    self.dot(left + i * LETTER + x, top + y, [INK; 3]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::CorruptSpec;
    use super::*;

    #[test]
    fn a_sheet_shows_every_cell() {
        let image = Image::new(10, 8, (0..240).map(|i| i as u8).collect()).unwrap();
        let id = "a<b>".to_owned();
        let items = [Item {
            id,
            label: None,
            image,
        }];
        let corrupter = Corrupter::new(CorruptSpec::default(), 0);
        let kinds = [Corruption::Fog, Corruption::Contrast];
        let sheet = Sheet::new(&corrupter, &items, &kinds, &Severity::ALL[..3]).unwrap();
        let page = sheet.html().unwrap();
        assert_eq!(page.matches("<img").count(), 1 + 2 * 3);
        assert!(page.contains("a&lt;b&gt;") && page.contains("contrast"));
        let picture = sheet.picture().unwrap();
        assert_eq!(picture.height() as usize, 3 * (CELL + GAP) + GAP);
        // A pixel of the last cell is not paper.
        let (x, y) = (NAMES + 2 * (CELL + GAP) + 5, 2 * (CELL + GAP) + GAP + 5);
        assert_ne!(picture.pixel(x as u32, y as u32), [PAPER; 3]);
    }
}
