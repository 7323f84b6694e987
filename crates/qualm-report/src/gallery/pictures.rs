//! The images of the rows that are shown, as thumbnails inside the page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qualm_vision::Image;
use qualm_vision::read::{Item, Picked, ReadOptions};
use rayon::prelude::*;

use super::{Gallery, Missing};
use crate::error::Result;
use crate::images::{By, LARGE, NOT_GIVEN, RowImages, Thumbnail, check_one_each};
use crate::rows::Shown;

/// The longer side of the thumbnail of a row beside another one, in pixels.
const SMALL: u32 = 64;

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
/// [`crate::Error::NoImageIds`] where the rows name no images, [`crate::Error::OtherImages`] where none is there,
/// and those of opening the images.
pub fn find(
    path: &Path,
    options: &ReadOptions,
    shown: &Shown,
    gallery: &mut Gallery,
) -> Result<Pictures> {
    let images = RowImages::In(path.to_owned(), options.clone());
    let (mut source, by) = images.open(shown)?;
    let rows = gallery.rows();
    let ids: BTreeSet<String> = rows.iter().filter_map(|row| by.id(shown, *row)).collect();
    let picked = source.pick(&ids)?;
    if picked.items.is_empty() && picked.rejects.is_empty() {
        return Err(images.others(ids.iter(), picked.first_id));
    }
    of_picked(&picked, by, shown, gallery)
}

/// The same for image files, one for each row of the input.
///
/// # Shapes
/// `files`: `(n,)`.
///
/// # Errors
/// [`crate::Error::NotOneEach`] for another number of files; those of encoding a thumbnail.
pub fn of_files(files: &[PathBuf], shown: &Shown, gallery: &mut Gallery) -> Result<Pictures> {
    let (mut source, by) = RowImages::Each(files.to_vec()).open(shown)?;
    let rows = gallery.rows();
    let ids = rows.iter().filter_map(|row| by.id(shown, *row));
    let picked = source.pick(&ids.collect())?;
    of_picked(&picked, by, shown, gallery)
}

/// The same for images in memory: those of the rows of [`Gallery::rows`], by their numbers from 1. `n`
/// is how many images there are in all.
///
/// # Errors
/// [`crate::Error::NotOneEach`] where they are not one for each row; those of encoding a thumbnail.
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
            let reason = reason.unwrap_or(NOT_GIVEN);
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
            .map(|(row, item)| {
                let made = Thumbnail::of_row(shown, *row, item, side)?;
                Ok(made.map(|thumbnail| picture(&thumbnail)))
            })
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

/// A thumbnail as a data URL.
fn picture(thumbnail: &Thumbnail) -> Picture {
    Picture {
        url: format!(
            "data:image/webp;base64,{}",
            STANDARD.encode(&thumbnail.bytes)
        ),
        width: thumbnail.width,
        height: thumbnail.height,
    }
}
