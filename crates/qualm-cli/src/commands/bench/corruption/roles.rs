//! What each image is for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use qualm::rng::{self, Purpose};
use qualm_vision::read::{ImageSource, Item, ReadOptions};
use rand::seq::SliceRandom;

use crate::args::BenchCorruption;
use crate::pipeline::{self, ReadAhead};

/// The fewest images of a part.
const FEWEST: usize = 20;

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Unused,
    /// Its embedding is fitted.
    Fit,
    /// It stays clean.
    Reference,
    /// It is damaged.
    Damaged,
}

/// The images of an input, and what each is for.
#[derive(Debug, Clone)]
pub(super) struct Images {
    path: PathBuf,
    options: ReadOptions,
    roles: Arc<[Role]>,
}

impl Images {
    /// All of them are fitted, or as many as the limit allows.
    pub(super) fn all(path: &Path, args: &BenchCorruption, seed: u64) -> Result<Self> {
        Self::new(path, args, seed, |_, _| Role::Fit)
    }

    /// One half is the reference and the other one is damaged; with `fits`, of those that are left
    /// when every second one is fitted.
    pub(super) fn split(
        path: &Path,
        args: &BenchCorruption,
        fits: bool,
        seed: u64,
    ) -> Result<Self> {
        Self::new(path, args, seed, |place, n| {
            let fitted = if fits { n / 2 } else { 0 };
            match place.checked_sub(fitted) {
                None => Role::Fit,
                Some(place) if place < (n - fitted) / 2 => Role::Reference,
                Some(_) => Role::Damaged,
            }
        })
    }

    /// Each of the first images of a random order has the role of its place among them.
    fn new(
        path: &Path,
        args: &BenchCorruption,
        seed: u64,
        role: impl Fn(usize, usize) -> Role,
    ) -> Result<Self> {
        let options = ReadOptions {
            column: args.column.clone(),
            exact: true,
            ..ReadOptions::default()
        };
        let all = ImageSource::open(path, &options)?.n_images_hint() as usize;
        let n = args.limit_images.map_or(all, |limit| limit.min(all));
        let mut order: Vec<usize> = (0..all).collect();
        order.shuffle(&mut rng::stream(seed, Purpose::HALVES, [0, 0]));
        let mut roles = vec![Role::Unused; all];
        for (place, image) in order.into_iter().take(n).enumerate() {
            if let Some(of_image) = roles.get_mut(image) {
                *of_image = role(place, n);
            }
        }
        let images = Self {
            path: path.to_owned(),
            options,
            roles: roles.into(),
        };
        for part in [Role::Fit, Role::Reference, Role::Damaged] {
            let n_part = images.count(part);
            if n_part < FEWEST && (images.roles.contains(&part) || part == role(0, n)) {
                bail!(
                    "{}: {n} images are too few: {n_part} of them are {}, and at least {FEWEST} \
                     are needed",
                    path.display(),
                    match part {
                        Role::Fit => "to be fitted",
                        Role::Reference => "the reference",
                        _ => "to be damaged",
                    }
                );
            }
        }
        Ok(images)
    }

    /// How many there are.
    pub(super) fn n(&self) -> usize {
        self.roles.len()
    }

    /// How many have a role.
    pub(super) fn count(&self, role: Role) -> usize {
        self.roles.iter().filter(|other| **other == role).count()
    }

    /// Reads those of some roles ahead, so many at a time.
    pub(super) fn read(&self, wanted: &[Role], n: usize) -> Result<ReadAhead<Vec<(Role, Item)>>> {
        let (path, options) = (self.path.clone(), self.options.clone());
        let (roles, wanted) = (Arc::clone(&self.roles), wanted.to_vec());
        let mut place = 0;
        let mut waiting = Vec::new();
        let next = move |source: &mut ImageSource| {
            while waiting.len() < n {
                let Some(items) = source.next_batch(n)? else {
                    break;
                };
                for item in items {
                    let role = roles.get(place).copied().unwrap_or(Role::Unused);
                    place += 1;
                    if wanted.contains(&role) {
                        waiting.push((role, item));
                    }
                }
            }
            let rest = waiting.split_off(n.min(waiting.len()));
            let batch = std::mem::replace(&mut waiting, rest);
            Ok((!batch.is_empty()).then_some(batch))
        };
        let open = move || Ok(((), ImageSource::open(&path, &options)?));
        let ((), images) = pipeline::read(open, next)?;
        Ok(images)
    }
}
