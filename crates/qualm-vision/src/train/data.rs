//! Images in memory, with the labels that a training or its measurement needs.

use std::collections::BTreeMap;

use qualm::digest::hex;
use qualm::rng::{Purpose, sample, stream};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::read::{ImageSource, Item, Resize, image_id};

/// Which labelled images are kept from training.
const HELD_OUT: Purpose = Purpose::of_crate(2, 10);

/// Images of at most this side are taken as they are.
const SMALL: u32 = 64;

/// The side of the network's input for larger images, as everywhere in the field.
const LARGE_INPUT: u32 = 224;

/// Images to train on, or to measure on.
#[derive(Debug, Clone)]
pub struct TrainImages {
    images: Vec<Image>,
    /// See [`image_id`].
    ids: Vec<u64>,
    labels: Option<Labels>,
    digest: String,
}

/// Classes by number, and each image's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The classes' names: numbers in their order, words in that of the alphabet.
    pub classes: Vec<String>,
    /// The class of each image.
    pub of: Vec<u32>,
}

/// What becomes of an input's labels.
#[derive(Debug, Clone, Copy)]
pub enum LabelUse<'a> {
    /// They are not looked at.
    Ignore,
    /// Every image must have one.
    Read,
    /// The same, and each must be one of these classes.
    Of(&'a [String]),
}

/// Images of an input that fit a network's input of some side, and a margin for cropping.
fn resize(side: u32) -> Resize {
    Resize::Shorter(if side <= SMALL { side } else { side * 8 / 7 })
}

/// The side of the network's input that suits images of this size: their own where it is small.
#[must_use]
pub fn input_side(image: &Image) -> u32 {
    let shorter = image.width().min(image.height());
    if shorter <= SMALL {
        shorter
    } else {
        LARGE_INPUT
    }
}

/// How much of the shorter side of an image the network sees when it embeds.
pub(super) fn crop_fraction(side: u32) -> f64 {
    if side <= SMALL { 1.0 } else { 0.875 }
}

impl TrainImages {
    /// Reads all images of an input, reduced to about the side of the network's input.
    ///
    /// # Errors
    /// As [`ImageSource::read_all`] and [`TrainImages::new`].
    pub fn read(source: &mut ImageSource, side: u32, labels: LabelUse<'_>) -> Result<Self> {
        Self::new(source.read_all(resize(side))?, labels)
    }

    /// Images that were read.
    ///
    /// # Errors
    /// [`Error::NoLabel`] for an image without a label where they are used,
    /// [`Error::UnknownLabel`] for one of no known class.
    pub fn new(items: Vec<Item>, labels: LabelUse<'_>) -> Result<Self> {
        let labels = match labels {
            LabelUse::Ignore => None,
            LabelUse::Read => Some(Labels::new(&items, None)?),
            LabelUse::Of(classes) => Some(Labels::new(&items, Some(classes))?),
        };
        let parts: Vec<[u8; 32]> = (items.par_iter())
            .map(|item| {
                let mut hash = Sha256::new();
                for part in [
                    item.id.as_bytes(),
                    item.label.as_deref().unwrap_or("").as_bytes(),
                ] {
                    hash.update((part.len() as u64).to_le_bytes());
                    hash.update(part);
                }
                hash.update(item.image.width().to_le_bytes());
                hash.update(item.image.pixels());
                hash.finalize().into()
            })
            .collect();
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        let (ids, images) = items
            .into_iter()
            .map(|i| (image_id(&i.id), i.image))
            .unzip();
        Ok(Self {
            images,
            ids,
            labels,
            digest: hex(&hash.finalize()),
        })
    }

    /// Moves a share of the images, drawn at random, into a set of their own; at least one stays.
    #[must_use]
    pub fn hold_out(&mut self, share: f64, seed: u64) -> Self {
        let n = self.len();
        let most = ((share * n as f64).round() as usize).min(n.saturating_sub(1));
        let taken = sample(&mut stream(seed, HELD_OUT, [0, 0]), n, most);
        let mut is_taken = vec![false; n];
        for i in taken {
            is_taken[i] = true;
        }
        let digest = |which| format!("{} {share} {seed} {which}", self.digest);
        let empty = |which| Self {
            images: Vec::new(),
            ids: Vec::new(),
            labels: self.labels.as_ref().map(|labels| Labels {
                classes: labels.classes.clone(),
                of: Vec::new(),
            }),
            digest: digest(which),
        };
        let (mut kept, mut held_out) = (empty("kept"), empty("held out"));
        let images = std::mem::take(&mut self.images);
        for (i, image) in images.into_iter().enumerate() {
            let to = if is_taken[i] {
                &mut held_out
            } else {
                &mut kept
            };
            to.images.push(image);
            to.ids.push(self.ids[i]);
            if let (Some(to), Some(from)) = (&mut to.labels, &self.labels) {
                to.of.push(from.of[i]);
            }
        }
        *self = kept;
        held_out
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The images.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The number of each image from which its views are drawn.
    #[must_use]
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// Their labels, where they are used.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }

    /// A digest of the images, their names and their labels.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl Labels {
    fn new(items: &[Item], classes: Option<&[String]>) -> Result<Self> {
        let missing = |item: &Item| Error::NoLabel {
            id: item.id.clone(),
        };
        let named = |item: &Item| item.label.clone().ok_or_else(|| missing(item));
        let names: Vec<String> = items.iter().map(named).collect::<Result<_>>()?;
        let classes = classes.map_or_else(|| in_order(&names), <[String]>::to_vec);
        let numbers: BTreeMap<&str, u32> = (classes.iter().map(String::as_str)).zip(0..).collect();
        let of = names.iter().zip(items).map(|(name, item)| {
            let number = numbers.get(name.as_str()).copied();
            number.ok_or_else(|| Error::UnknownLabel {
                id: item.id.clone(),
                label: name.clone(),
            })
        });
        let of = of.collect::<Result<_>>()?;
        Ok(Self { classes, of })
    }
}

/// Each name once: as numbers where all are, else by the alphabet.
fn in_order(names: &[String]) -> Vec<String> {
    let mut once: Vec<String> = names.to_vec();
    once.sort_unstable();
    once.dedup();
    let numbers: Option<Vec<i64>> = once.iter().map(|name| name.parse().ok()).collect();
    if let Some(numbers) = numbers {
        let mut numbered: Vec<_> = numbers.into_iter().zip(once).collect();
        numbered.sort();
        return numbered.into_iter().map(|(_, name)| name).collect();
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(labels: &[Option<&str>]) -> Vec<Item> {
        let items = labels.iter().enumerate();
        items
            .map(|(i, label)| Item {
                id: format!("{i}.png"),
                label: label.map(str::to_owned),
                image: Image::new(1, 1, vec![i as u8; 3]).unwrap(),
            })
            .collect()
    }

    #[test]
    fn classes_are_in_the_order_of_numbers_or_of_the_alphabet() {
        let labels = |names: &[Option<&str>]| {
            let images = TrainImages::new(items(names), LabelUse::Read).unwrap();
            let labels = images.labels().unwrap();
            (labels.classes.join(" "), labels.of.clone())
        };
        let numbers = labels(&[Some("10"), Some("9"), Some("10")]);
        assert_eq!(numbers, ("9 10".to_owned(), vec![1, 0, 1]));
        let words = labels(&[Some("dog"), Some("cat"), Some("10")]);
        assert_eq!(words, ("10 cat dog".to_owned(), vec![2, 1, 0]));
    }

    #[test]
    fn missing_and_unknown_labels_are_named() {
        let items = items(&[Some("a"), None]);
        let error = TrainImages::new(items.clone(), LabelUse::Read).unwrap_err();
        assert!(error.to_string().contains("1.png"), "{error}");
        assert!(TrainImages::new(items, LabelUse::Ignore).is_ok());
        let items = self::items(&[Some("a"), Some("b")]);
        let error = TrainImages::new(items, LabelUse::Of(&["a".to_owned()])).unwrap_err();
        assert!(error.to_string().contains("'b'"), "{error}");
    }

    #[test]
    fn a_share_is_held_out_once_and_the_same_each_time() {
        let all = TrainImages::new(items(&[Some("a"); 20]), LabelUse::Read).unwrap();
        let (mut first, mut second) = (all.clone(), all.clone());
        let (held_out, again) = (first.hold_out(0.25, 3), second.hold_out(0.25, 3));
        assert_eq!((first.len(), held_out.len()), (15, 5));
        assert_eq!((first.ids(), held_out.ids()), (second.ids(), again.ids()));
        let mut together = [first.ids(), held_out.ids()].concat();
        let mut ids = all.ids().to_vec();
        together.sort_unstable();
        ids.sort_unstable();
        assert_eq!(together, ids);
        assert_eq!(all.clone().hold_out(1.0, 0).len(), 19);
        assert_ne!(first.digest(), held_out.digest());
    }
}
