//! A few images of a large input, by what names them.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{BATCH, ImageSource, Item, OnError, Reject, with_causes};
use crate::error::{Error, Result};

/// What is made of an image with its id, or why it cannot be read.
type Made<T> = Result<(String, T), Box<(String, Error)>>;

/// The images that were asked for, as far as they are there, or what was made of them.
#[derive(Debug, Clone)]
pub struct Picked<T = Item> {
    /// By their ids; of several images with one id, the first.
    pub items: BTreeMap<String, T>,
    /// Those that could not be read, where such are skipped.
    pub rejects: Vec<Reject>,
    /// The id of the first image of the input, to tell what ids look like.
    pub first_id: Option<String>,
}

impl<T> Default for Picked<T> {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            rejects: Vec::new(),
            first_id: None,
        }
    }
}

impl ImageSource {
    /// The images with these ids, from those that are left; the others are not decoded.
    ///
    /// # Errors
    /// As [`next_batch`](Self::next_batch), of the images that are asked for.
    pub fn pick(&mut self, ids: &BTreeSet<String>) -> Result<Picked> {
        self.pick_as(ids, |item| item)
    }

    /// What `make` makes of each image with one of these ids: as [`pick`](Self::pick), but at most
    /// a batch of images is in memory at once.
    ///
    /// # Errors
    /// As [`pick`](Self::pick).
    pub fn pick_as<T: Send>(
        &mut self,
        ids: &BTreeSet<String>,
        make: impl Fn(Item) -> T + Sync,
    ) -> Result<Picked<T>> {
        let mut picked = Picked::default();
        let mut wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        while !wanted.is_empty() {
            let entries = self.next_entries(BATCH)?;
            let Some(first) = entries.first() else { break };
            picked.first_id.get_or_insert_with(|| first.id.clone());
            // In the order of the input, so that of two images with one id the first is taken.
            let chosen: Vec<_> = entries
                .into_iter()
                .filter(|entry| wanted.remove(entry.id.as_str()))
                .collect();
            let accepted = self.accepted;
            let decoded: Vec<Made<T>> = chosen
                .into_par_iter()
                .map(|entry| {
                    let item = entry.item(accepted)?;
                    Ok((item.id.clone(), make(item)))
                })
                .collect();
            for item in decoded {
                match item {
                    Ok((id, made)) => {
                        picked.items.insert(id, made);
                    }
                    Err(refused) => {
                        let (id, error) = *refused;
                        if self.on_error == OnError::Stop {
                            return Err(error);
                        }
                        let reason = with_causes(&error);
                        picked.rejects.push(Reject { id, reason });
                    }
                }
            }
        }
        Ok(picked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;
    use crate::read::ReadOptions;
    use crate::write::ImageFormat;

    #[test]
    fn only_the_images_asked_for_are_decoded() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..5_u8 {
            let image = Image::new(1, 1, vec![n; 3]).unwrap();
            let bytes = ImageFormat::Png.encode(&image).unwrap();
            std::fs::write(folder.path().join(format!("{n}.png")), bytes).unwrap();
        }
        std::fs::write(folder.path().join("9.png"), b"no image").unwrap();
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let open = |on_error| {
            let options = ReadOptions {
                on_error,
                ..ReadOptions::default()
            };
            ImageSource::open(folder.path(), &options).unwrap()
        };
        // The broken image is not among them.
        let mut source = open(OnError::Stop);
        let picked = source.pick(&ids(&["3.png", "1.png", "none.png"])).unwrap();
        let found: Vec<&String> = picked.items.keys().collect();
        assert_eq!(found, ["1.png", "3.png"]);
        assert_eq!(picked.items["3.png"].image.pixel(0, 0), [3; 3]);
        assert_eq!(picked.first_id.as_deref(), Some("0.png"));
        assert!(open(OnError::Stop).pick(&ids(&["9.png"])).is_err());
        let picked = open(OnError::Skip).pick(&ids(&["9.png"])).unwrap();
        assert_eq!(picked.rejects[0].id, "9.png");
        // What is made of them, and the files that they are.
        let mut source = open(OnError::Stop);
        let red = |item: Item| item.image.pixel(0, 0)[0];
        let picked = source.pick_as(&ids(&["4.png"]), red).unwrap();
        assert_eq!(picked.items["4.png"], 4);
        let files: Vec<_> = source.files().unwrap().collect();
        assert_eq!(files[4], ("4.png", folder.path().join("4.png").as_path()));

        // Files in an order of their own have numbers.
        let files = [3, 9, 0].map(|n| folder.path().join(format!("{n}.png")));
        let options = ReadOptions {
            on_error: OnError::Skip,
            ..ReadOptions::default()
        };
        let mut source = ImageSource::of_files(files.to_vec(), &options);
        assert_eq!((source.id_name(), source.n_images_hint()), ("id", 3));
        let picked = source.pick(&ids(&["0", "1"])).unwrap();
        assert_eq!(picked.items["0"].image.pixel(0, 0), [3; 3]);
        assert_eq!(picked.rejects[0].id, "1");
    }
}
