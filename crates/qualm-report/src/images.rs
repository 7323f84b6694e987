//! The images that rows are of: where they are, which is a row's, and their thumbnails.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use qualm::error::Names;
use qualm_vision::Image;
use qualm_vision::read::{ImageSource, Item, OnError, ReadOptions, Resize, image_id};
use qualm_vision::views::View;
use qualm_vision::write::ImageFormat;

use crate::error::{Error, Result};
use crate::rows::Shown;

/// The longer side of a large thumbnail, in pixels.
pub(crate) const LARGE: u32 = 144;
const QUALITY: u8 = 72;
/// Of images so small that each of their pixels is seen.
const TINY: u32 = 72;
const TINY_QUALITY: u8 = 92;

/// Where the images of rows are.
#[derive(Debug, Clone)]
pub enum RowImages {
    /// A folder, or a file that lists or holds them, read with these options; the ids of the rows say
    /// which is a row's.
    In(PathBuf, ReadOptions),
    /// A file for each row, `(n,)`.
    Each(Vec<PathBuf>),
}

/// What names the image of a row among those that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The id of the row.
    Id,
    /// Its number, from 0.
    Number,
}

impl By {
    /// That of a row, which is counted from 1.
    pub(crate) fn id(self, shown: &Shown, row: usize) -> Option<String> {
        match self {
            Self::Id => shown.ids.get(row - 1).cloned(),
            Self::Number => Some((row - 1).to_string()),
        }
    }
}

impl RowImages {
    /// Opens them; broken images are skipped.
    ///
    /// # Errors
    /// [`Error::NoImageIds`] where the rows name no images, [`Error::NotOneEach`] for another number
    /// of files than rows, and those of opening the images.
    pub(crate) fn open(&self, shown: &Shown) -> Result<(ImageSource, By)> {
        let skip = |options: &ReadOptions| ReadOptions {
            on_error: OnError::Skip,
            ..options.clone()
        };
        let n = shown.scores.len();
        match self {
            Self::In(path, options) => {
                let source = ImageSource::open(path, &skip(options))?;
                if shown.layout.item.is_some() {
                    return Ok((source, By::Id));
                }
                // Images of an array, or of a table without paths, are called by their numbers.
                if source.id_name() != "id" || source.n_images_hint() != n as u64 {
                    return Err(Error::NoImageIds {
                        known: Names(shown.layout.beside().to_vec()),
                    });
                }
                Ok((source, By::Number))
            }
            Self::Each(files) => {
                check_one_each(files.len(), shown)?;
                let source = ImageSource::of_files(files.clone(), &skip(&ReadOptions::default()));
                Ok((source, By::Number))
            }
        }
    }

    /// The rows of each image, from 1, by what names it.
    pub(crate) fn rows_of(by: By, shown: &Shown) -> BTreeMap<String, Vec<usize>> {
        let mut rows_of: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for row in 1..=shown.scores.len() {
            if let Some(id) = by.id(shown, row) {
                rows_of.entry(id).or_default().push(row);
            }
        }
        rows_of
    }

    /// What is said where none of the images asked for is there.
    pub(crate) fn others<'a>(
        &self,
        mut asked: impl ExactSizeIterator<Item = &'a String>,
        first: Option<String>,
    ) -> Error {
        let path = match self {
            Self::In(path, _) => path.clone(),
            Self::Each(files) => files.first().cloned().unwrap_or_default(),
        };
        Error::OtherImages {
            path,
            n: asked.len(),
            row: asked.next().cloned().unwrap_or_default(),
            image: first.unwrap_or_default(),
        }
    }
}

/// Refuses another number of images than rows.
pub(crate) fn check_one_each(found: usize, shown: &Shown) -> Result<()> {
    let expected = shown.scores.len();
    if found == expected {
        Ok(())
    } else {
        Err(Error::NotOneEach { found, expected })
    }
}

/// An image reduced, as the bytes of a WebP file.
#[derive(Debug, Clone)]
pub(crate) struct Thumbnail {
    pub(crate) bytes: Vec<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Thumbnail {
    /// That of a row, from 1, or why there is none; of a view, as the encoder saw it.
    pub(crate) fn of_row(
        shown: &Shown,
        row: usize,
        item: &Item,
        side: u32,
    ) -> Result<Result<Self, String>> {
        let views = shown.views.as_ref().zip(shown.view(row - 1));
        let Some((views, index)) = views else {
            return Ok(Ok(Self::new(&item.image, side)?));
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
        Ok(Ok(Self::new(image.as_ref().unwrap_or(&item.image), side)?))
    }

    /// An image reduced until its longer side is at most `side`.
    pub(crate) fn new(image: &Image, side: u32) -> Result<Self> {
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
        Ok(Self {
            bytes: ImageFormat::LossyWebp(quality).encode(&image)?,
            width: image.width(),
            height: image.height(),
        })
    }
}

/// The images of all rows as thumbnails.
#[derive(Debug, Default)]
pub(crate) struct Thumbnails {
    /// By row, from 1.
    pub(crate) of: BTreeMap<usize, Vec<u8>>,
    /// Rows without one: how many, and the first image with the reason.
    pub(crate) missing: Missing,
}

/// Images that are not where they were.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    n: usize,
    first: Option<(String, String)>,
}

/// The reason for an image that nothing is known of.
pub(crate) const NOT_GIVEN: &str = "not among the images that were given";

impl Missing {
    pub(crate) fn add(&mut self, rows: usize, id: &str, reason: &str) {
        self.n += rows;
        self.first
            .get_or_insert_with(|| (id.to_owned(), reason.to_owned()));
    }

    /// How many rows of a file have no image and what became of them, in a sentence.
    pub(crate) fn words(&self, path: &Path, what: [&str; 2]) -> Option<String> {
        let (id, reason) = self.first.as_ref()?;
        Some(format!(
            "{}: {} {}, for want of an image; the first is '{id}': {reason}",
            path.display(),
            crate::number::counted(self.n as u64, "row"),
            what[usize::from(self.n != 1)]
        ))
    }
}

impl Thumbnails {
    /// Those of all rows. Images are read a batch at a time; their thumbnails are kept.
    ///
    /// # Errors
    /// As [`RowImages::open`]; [`Error::OtherImages`] where none is there.
    pub(crate) fn read(images: &RowImages, shown: &Shown) -> Result<Self> {
        let (mut source, by) = images.open(shown)?;
        let rows_of = RowImages::rows_of(by, shown);
        let ids: BTreeSet<String> = rows_of.keys().cloned().collect();
        let picked = source.pick_as(&ids, |item| {
            let rows = rows_of.get(&item.id).into_iter().flatten();
            let made = rows.map(|&row| {
                let made = Thumbnail::of_row(shown, row, &item, LARGE)?;
                Ok((row, made.map(|thumbnail| thumbnail.bytes)))
            });
            made.collect::<Result<Vec<_>>>()
        })?;
        if picked.items.is_empty() && picked.rejects.is_empty() {
            return Err(images.others(ids.iter(), picked.first_id));
        }
        let mut found = Self::default();
        let reasons: BTreeMap<&str, &str> = (picked.rejects.iter())
            .map(|reject| (reject.id.as_str(), reject.reason.as_str()))
            .collect();
        for (id, rows) in &rows_of {
            if !picked.items.contains_key(id) {
                let reason = reasons.get(id.as_str()).copied().unwrap_or(NOT_GIVEN);
                found.missing.add(rows.len(), id, reason);
            }
        }
        for (id, made) in picked.items {
            for (row, bytes) in made? {
                match bytes {
                    Ok(bytes) => {
                        found.of.insert(row, bytes);
                    }
                    Err(reason) => found.missing.add(1, &id, &reason),
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_are_small_and_webp() {
        let image = Image::new(400, 100, vec![90; 120_000]).unwrap();
        let made = Thumbnail::new(&image, 144).unwrap();
        assert_eq!((made.width, made.height), (144, 36));
        assert!(made.bytes.starts_with(b"RIFF"));
        // Small ones stay as they are, long ones keep a pixel.
        let small = Image::new(32, 32, vec![1; 3072]).unwrap();
        assert_eq!(Thumbnail::new(&small, 144).unwrap().width, 32);
        let long = Image::new(1000, 1, vec![1; 3000]).unwrap();
        assert_eq!(Thumbnail::new(&long, 64).unwrap().height, 1);
    }
}
