//! The images of the rows that are shown, as thumbnails inside the page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qualm::error::Names;
use qualm_vision::Image;
use qualm_vision::read::{ImageSource, Item, OnError, Picked, ReadOptions, Resize, image_id};
use qualm_vision::views::View;
use qualm_vision::write::ImageFormat;
use rayon::prelude::*;

use super::{Gallery, Missing};
use crate::error::{Error, Result};
use crate::rows::Shown;

/// The longer side of a thumbnail, in pixels: of a row that is shown, and of one beside it.
const LARGE: u32 = 144;
const SMALL: u32 = 64;
const QUALITY: u8 = 72;
/// Of images so small that each of their pixels is seen.
const TINY: u32 = 72;
const TINY_QUALITY: u8 = 92;

/// Thumbnails by row, from 1: large, and small.
#[derive(Debug, Clone, Default)]
pub struct Pictures {
    large: BTreeMap<usize, Picture>,
    small: BTreeMap<usize, Picture>,
}

/// A thumbnail.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    /// A data URL.
    pub(crate) url: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Pictures {
    pub(crate) fn large(&self, row: usize) -> Option<&Picture> {
        self.large.get(&row)
    }

    pub(crate) fn small(&self, row: usize) -> Option<&Picture> {
        self.small.get(&row)
    }
}

/// Reads the images of a gallery and makes thumbnails of them; of views, as the encoder saw them.
/// Images that are not there are added to the gallery's list.
///
/// # Errors
/// [`Error::NoImageIds`] where the rows name no images, [`Error::OtherImages`] where none is there,
/// and those of opening the images.
pub fn find(
    path: &Path,
    options: &ReadOptions,
    shown: &Shown,
    gallery: &mut Gallery,
) -> Result<Pictures> {
    let mut source = ImageSource::open(
        path,
        &ReadOptions {
            on_error: OnError::Skip,
            ..options.clone()
        },
    )?;
    // Images of an array, or of a table without paths, are called by their numbers from 0.
    let by = if shown.layout.item.is_some() {
        By::Id
    } else {
        By::Number
    };
    if by == By::Number
        && (source.id_name() != "id" || source.n_images_hint() != shown.scores.len() as u64)
    {
        return Err(Error::NoImageIds {
            known: Names(shown.layout.beside().to_vec()),
        });
    }
    let rows = gallery.rows();
    let ids: BTreeSet<String> = rows.iter().filter_map(|row| by.id(shown, *row)).collect();
    let picked = source.pick(&ids)?;
    if picked.items.is_empty() && picked.rejects.is_empty() {
        return Err(Error::OtherImages {
            path: path.to_owned(),
            n: ids.len(),
            row: ids.first().cloned().unwrap_or_default(),
            image: picked.first_id.unwrap_or_default(),
        });
    }
    of_picked(&picked, by, shown, gallery)
}

/// The same for image files, one for each row of the input.
///
/// # Shapes
/// `files`: `(n,)`.
///
/// # Errors
/// [`Error::NotOneEach`] for another number of files; those of encoding a thumbnail.
pub fn of_files(files: &[PathBuf], shown: &Shown, gallery: &mut Gallery) -> Result<Pictures> {
    check_one_each(files.len(), shown)?;
    let options = ReadOptions {
        on_error: OnError::Skip,
        ..ReadOptions::default()
    };
    let rows = gallery.rows();
    let ids = rows.iter().filter_map(|row| By::Number.id(shown, *row));
    let picked = ImageSource::of_files(files.to_vec(), &options).pick(&ids.collect())?;
    of_picked(&picked, By::Number, shown, gallery)
}

/// The same for images in memory: those of the rows of [`Gallery::rows`], by their numbers from 1. `n`
/// is how many images there are in all.
///
/// # Errors
/// [`Error::NotOneEach`] where they are not one for each row; those of encoding a thumbnail.
pub fn of_images(
    images: BTreeMap<usize, Image>,
    n: usize,
    shown: &Shown,
    gallery: &mut Gallery,
) -> Result<Pictures> {
    check_one_each(n, shown)?;
    let items = images.into_iter().filter_map(|(row, image)| {
        let id = By::Number.id(shown, row)?;
        let item = Item {
            id: id.clone(),
            label: None,
            image,
        };
        Some((id, item))
    });
    let picked = Picked {
        items: items.collect(),
        ..Picked::default()
    };
    of_picked(&picked, By::Number, shown, gallery)
}

fn check_one_each(found: usize, shown: &Shown) -> Result<()> {
    let expected = shown.scores.len();
    if found == expected {
        Ok(())
    } else {
        Err(Error::NotOneEach { found, expected })
    }
}

/// What names the image of a row among those that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The id of the row.
    Id,
    /// Its number, from 0.
    Number,
}

impl By {
    /// That of a row, which is counted from 1.
    fn id(self, shown: &Shown, row: usize) -> Option<String> {
        match self {
            Self::Id => shown.ids.get(row - 1).cloned(),
            Self::Number => Some((row - 1).to_string()),
        }
    }
}

/// The thumbnails of the images that are there; the others are added to the gallery's list.
fn of_picked(picked: &Picked, by: By, shown: &Shown, gallery: &mut Gallery) -> Result<Pictures> {
    let (large, small) = (gallery.large(), gallery.small());
    let reasons: BTreeMap<&str, &str> = (picked.rejects.iter())
        .map(|r| (r.id.as_str(), r.reason.as_str()))
        .collect();
    let mut missing = BTreeMap::new();
    for row in large.union(&small) {
        let Some(id) = by.id(shown, *row) else {
            continue;
        };
        if !picked.items.contains_key(&id) {
            let reason = reasons.get(id.as_str()).copied();
            let reason = reason.unwrap_or("not among the images that were given");
            missing.insert(id, reason.to_owned());
        }
    }
    let mut make = |rows: &BTreeSet<usize>, side: u32| -> Result<BTreeMap<usize, Picture>> {
        let items = rows
            .iter()
            .filter_map(|&row| Some((row, picked.items.get(&by.id(shown, row)?)?)));
        let items: Vec<(usize, &Item)> = items.collect();
        let made: Vec<Result<Picture, String>> = items
            .par_iter()
            .map(|(row, item)| of_row(shown, *row, item, side))
            .collect::<Result<_>>()?;
        let mut pictures = BTreeMap::new();
        for ((row, item), made) in items.into_iter().zip(made) {
            match made {
                Ok(picture) => {
                    pictures.insert(row, picture);
                }
                Err(reason) => {
                    missing.insert(item.id.clone(), reason);
                }
            }
        }
        Ok(pictures)
    };
    let pictures = Pictures {
        large: make(&large, LARGE)?,
        small: make(&small, SMALL)?,
    };
    let missing = missing
        .into_iter()
        .map(|(id, reason)| Missing { id, reason });
    gallery.missing.extend(missing);
    Ok(pictures)
}

/// The thumbnail of a row, or why there is none.
fn of_row(shown: &Shown, row: usize, item: &Item, side: u32) -> Result<Result<Picture, String>> {
    let views = shown.views.as_ref().zip(shown.view(row - 1));
    let Some((views, index)) = views else {
        return Ok(Ok(thumbnail(&item.image, side)?));
    };
    // Views are drawn by what names the image, which its place in a list does not.
    let id = shown.ids.get(row - 1).filter(|_| shown.named());
    let view = View {
        image: &item.image,
        id: image_id(id.unwrap_or(&item.id)),
        index,
    };
    // The crop is drawn by the size of the image: another crop tells that it is another image.
    let params = views.params(&view);
    if shown.crop(row - 1).is_some_and(|crop| crop != params.crop) {
        let (width, height) = (item.image.width(), item.image.height());
        return Ok(Err(format!(
            "has now {width} x {height} pixels, of which its views would be other ones"
        )));
    }
    let drawn = views.images(&[view])?.into_iter().next();
    let image = drawn.map(|(image, _)| image);
    Ok(Ok(thumbnail(image.as_ref().unwrap_or(&item.image), side)?))
}

/// An image reduced until its longer side is at most `side`, as a data URL.
pub(crate) fn thumbnail(image: &Image, side: u32) -> Result<Picture> {
    let (width, height) = (image.width(), image.height());
    let (shorter, longer) = (width.min(height), width.max(height));
    let resize = if longer > side {
        let shorter = u64::from(shorter) * u64::from(side) / u64::from(longer);
        Resize::Shorter(u32::try_from(shorter).unwrap_or(side).max(1))
    } else {
        Resize::Keep
    };
    let image = resize.image(image.clone())?;
    let quality = if longer <= TINY {
        TINY_QUALITY
    } else {
        QUALITY
    };
    let bytes = ImageFormat::LossyWebp(quality).encode(&image)?;
    Ok(Picture {
        url: format!("data:image/webp;base64,{}", STANDARD.encode(bytes)),
        width: image.width(),
        height: image.height(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_are_small_and_webp() {
        let image = Image::new(400, 100, vec![90; 120_000]).unwrap();
        let made = thumbnail(&image, 144).unwrap();
        assert_eq!((made.width, made.height), (144, 36));
        assert!(
            made.url.starts_with("data:image/webp;base64,UklGR"),
            "{}",
            made.url
        );
        // Small ones stay as they are, long ones keep a pixel.
        let small = Image::new(32, 32, vec![1; 3072]).unwrap();
        assert_eq!(thumbnail(&small, 144).unwrap().width, 32);
        let long = Image::new(1000, 1, vec![1; 3000]).unwrap();
        assert_eq!(thumbnail(&long, 64).unwrap().height, 1);
    }
}
