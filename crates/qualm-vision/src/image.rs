//! A picture in memory.

use crate::error::{Error, Result};

/// An image: eight bits each of red, green and blue, row after row from the top left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Image {
    /// An image of some pixels.
    ///
    /// # Shapes
    /// `pixels`: `(height, width, 3)`, none of them 0.
    ///
    /// # Errors
    /// [`Error::PixelCount`] when there are not as many values as the size says, or none.
    ///
    /// ```
    /// use qualm_vision::Image;
    ///
    /// let image = Image::new(2, 1, vec![255, 0, 0, 0, 0, 255])?;
    /// assert_eq!(image.pixel(1, 0), [0, 0, 255]);
    /// # Ok::<(), qualm_vision::Error>(())
    /// ```
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self> {
        let expected = (width as usize)
            .saturating_mul(height as usize)
            .saturating_mul(3);
        if expected == 0 || pixels.len() != expected {
            return Err(Error::PixelCount {
                width,
                height,
                found: pixels.len(),
                expected,
            });
        }
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Columns of pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows of pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All values, `(height, width, 3)`.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Red, green and blue of a pixel, counted from 0; black outside the image.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let place = (y as usize * self.width as usize + x as usize) * 3;
        let inside = x < self.width && y < self.height;
        let pixel = self.pixels.get(place..).filter(|_| inside);
        pixel
            .and_then(|p| p.first_chunk())
            .copied()
            .unwrap_or_default()
    }

    /// The values of [`Image::pixels`], without a copy.
    #[must_use]
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }
}
