//! The sets of images: which of them are used, and in what form they are seen.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use indicatif::{HumanCount, ProgressBar};
use qualm::reports::{OodBenchSet, OodGroup};
use qualm::rng::{self, Purpose};
use qualm_vision::read::{ImageSource, Item, ReadOptions};
use qualm_vision::uniform::{Uniform, pixel_digest};

use super::asked::Named;
use crate::interrupt;
use crate::output::{self, Output};
use crate::pipeline::{self, ReadAhead};

/// The fewest images of a set.
const FEWEST: usize = 20;
/// Images that an error names.
const NAMED: usize = 3;
/// Images in memory at once, of usual size.
const AT_ONCE: usize = 1024;

/// The images of an input, and which of them are used.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub(super) name: String,
    pub(super) group: Option<OodGroup>,
    path: PathBuf,
    options: ReadOptions,
    /// Whether each image of the input is used.
    keep: Arc<[bool]>,
    n_dropped: usize,
    uniform: Arc<Uniform>,
}

impl Set {
    /// Opens an input; of more images than the limit some are drawn.
    pub(super) fn open(
        named: Named,
        options: &ReadOptions,
        limit: Option<usize>,
        uniform: &Arc<Uniform>,
        seed: u64,
    ) -> Result<Self> {
        let Named { name, path, group } = named;
        let n = ImageSource::open(&path, options)?.n_images_hint() as usize;
        let mut keep = vec![limit.is_none(); n];
        if let Some(limit) = limit {
            let mut rng = rng::stream(seed, Purpose::LIMIT, [0, 0]);
            for place in rng::sample(&mut rng, n, limit) {
                if let Some(keep) = keep.get_mut(place) {
                    *keep = true;
                }
            }
        }
        let set = Self {
            name,
            group,
            path,
            options: options.clone(),
            keep: keep.into(),
            n_dropped: 0,
            uniform: Arc::clone(uniform),
        };
        set.check_count()?;
        Ok(set)
    }

    /// How many images are used.
    pub(super) fn n(&self) -> usize {
        self.keep.iter().filter(|keep| **keep).count()
    }

    /// How many images there are.
    pub(super) fn n_all(&self) -> usize {
        self.keep.len()
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    fn check_count(&self) -> Result<()> {
        let n = self.n();
        if n < FEWEST {
            bail!(
                "{}: {} to be used, and at least {FEWEST} are needed",
                self.path.display(),
                output::counted(n as u64, "image")
            );
        }
        Ok(())
    }

    /// As a report describes it.
    pub(super) fn report(&self) -> OodBenchSet {
        OodBenchSet {
            name: self.name.clone(),
            images: self.path.display().to_string(),
            group: self.group,
            n: self.n() as u64,
            n_dropped: self.n_dropped as u64,
        }
    }

    /// Reads the used images ahead, in the one form; with each batch goes the place of each image
    /// in the input.
    fn read_placed(&self) -> Result<ReadAhead<Vec<(usize, Item)>>> {
        let (path, options) = (self.path.clone(), self.options.clone());
        let (keep, uniform) = (Arc::clone(&self.keep), Arc::clone(&self.uniform));
        let mut place = 0;
        let next = move |source: &mut ImageSource| {
            while let Some(items) = source.next_batch(AT_ONCE)? {
                let places = place..place + items.len();
                place = places.end;
                let used = places.zip(items);
                let used = used.filter(|(place, _)| keep.get(*place) == Some(&true));
                let (places, items): (Vec<usize>, Vec<Item>) = used.unzip();
                if !items.is_empty() {
                    let items = uniform.items(items)?;
                    return Ok(Some(places.into_iter().zip(items).collect()));
                }
            }
            Ok(None)
        };
        let open = move || Ok(((), ImageSource::open(&path, &options)?));
        let ((), images) = pipeline::read(open, next)?;
        Ok(images)
    }

    /// Reads the used images, works on each batch and takes what comes of it; Ctrl-C ends it.
    pub(super) fn each<W: Send>(
        &self,
        bar: &ProgressBar,
        mut work: impl FnMut(Vec<Item>) -> Result<W>,
        take: impl FnMut(W) -> Result<()> + Send,
    ) -> Result<()> {
        let work = |items: Vec<(usize, Item)>| {
            if interrupt::asked() {
                bail!("interrupted");
            }
            let items: Vec<Item> = items.into_iter().map(|(_, item)| item).collect();
            let n = items.len();
            let done = work(items).with_context(|| self.path.display().to_string())?;
            bar.inc(n as u64);
            Ok(done)
        };
        pipeline::run(self.read_placed()?, work, take)
    }

    /// Digest, place and id of every used image.
    fn digests(&self, bar: &ProgressBar) -> Result<Vec<([u8; 16], usize, String)>> {
        let mut all = Vec::with_capacity(self.n());
        let work = |items: Vec<(usize, Item)>| {
            if interrupt::asked() {
                bail!("interrupted");
            }
            bar.inc(items.len() as u64);
            let each = items.into_iter();
            let each = each.map(|(place, item)| (pixel_digest(&item.image), place, item.id));
            Ok(each.collect::<Vec<_>>())
        };
        pipeline::run(self.read_placed()?, work, |digests| {
            all.extend(digests);
            Ok(())
        })?;
        Ok(all)
    }

    fn without(&mut self, places: &[usize]) {
        let mut keep = self.keep.to_vec();
        for place in places {
            if let Some(keep) = keep.get_mut(*place) {
                *keep = false;
            }
        }
        self.keep = keep.into();
        self.n_dropped = places.len();
    }
}

/// The set in distribution, those out of distribution, and the one that is fitted.
#[derive(Debug)]
pub(super) struct Sets {
    pub(super) inside: Set,
    pub(super) outside: Vec<Set>,
    pub(super) train: Set,
}

impl Sets {
    /// How many images are read by [`Sets::keep_apart`].
    pub(super) fn n(&self) -> usize {
        let outside: usize = self.outside.iter().map(Set::n).sum();
        self.train.n() + self.inside.n() + outside
    }

    /// Sees to it that no image that is scored was fitted, pixel by pixel in the one form: such
    /// images are refused, or dropped if `drop`.
    pub(super) fn keep_apart(
        &mut self,
        drop: bool,
        bar: &ProgressBar,
        output: Output,
    ) -> Result<()> {
        let train = self.train.digests(bar)?;
        let train: HashMap<[u8; 16], String> = train
            .into_iter()
            .map(|(digest, _, id)| (digest, id))
            .collect();
        let inside = part(&mut self.inside, &train, &self.train, drop, bar, output)?;
        let inside: HashMap<[u8; 16], String> = inside.into_iter().collect();
        for set in &mut self.outside {
            let own = part(set, &train, &self.train, drop, bar, output)?;
            let both = own.iter().filter(|(digest, _)| inside.contains_key(digest));
            let n = both.count();
            if n > 0 {
                output.warn(format!(
                    "{} of '{}' {} also in distribution, in '{}': no detector can tell them apart",
                    output::counted(n as u64, "image"),
                    set.name,
                    if n == 1 { "is" } else { "are" },
                    self.inside.name
                ));
            }
        }
        Ok(())
    }
}

/// Refuses or drops the images of a set that were fitted. Gives the digests of the others.
fn part(
    set: &mut Set,
    train: &HashMap<[u8; 16], String>,
    fitted: &Set,
    drop: bool,
    bar: &ProgressBar,
    output: Output,
) -> Result<Vec<([u8; 16], String)>> {
    let digests = set.digests(bar)?;
    let (both, own): (Vec<_>, Vec<_>) = digests
        .into_iter()
        .partition(|(digest, ..)| train.contains_key(digest));
    let own = own.into_iter().map(|(digest, _, id)| (digest, id));
    let own = own.collect();
    if both.is_empty() {
        return Ok(own);
    }
    let names = both.iter().take(NAMED).map(|(digest, _, id)| {
        let twin = train.get(digest).map_or("", String::as_str);
        format!("{id} (there {twin})")
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let more = match both.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {} more", HumanCount(n as u64)),
    };
    let count = output::counted(both.len() as u64, "image");
    if !drop {
        bail!(
            "{}: {count} of the set '{}' {} also among the fitted ones of {}, pixel by pixel: \
             {names}{more}; take them out, or say --drop-overlap to leave them out here",
            set.path.display(),
            set.name,
            if both.len() == 1 { "is" } else { "are" },
            fitted.path.display(),
        );
    }
    let places: Vec<usize> = both.iter().map(|(_, place, _)| *place).collect();
    set.without(&places);
    output.note(format!(
        "note: {count} of '{}' left out, which are among the fitted ones: {names}{more}",
        set.name
    ));
    set.check_count()?;
    Ok(own)
}
