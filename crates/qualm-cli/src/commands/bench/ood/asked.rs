//! What the flags ask for: sets, detectors, preprocessings.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use qualm::ood::{Layers, Network, OodSpec};
use qualm::reports::{OodBenchReport, OodGroup};

use crate::config;

/// The detectors that run unless others are asked for.
const DEFAULT: [&str; 14] = [
    "msp",
    "odin",
    "mahalanobis",
    "mahalanobis+normalise=true",
    "rmds",
    "residual_flow",
    "gram",
    "rotation",
    "gen",
    "energy",
    "vim",
    "knn",
    "dum",
    "dum_circ",
];

/// A set of images with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) group: Option<OodGroup>,
}

impl Named {
    /// `IMAGES` or `NAME=IMAGES`; without a name it is that of the file.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let named = text.split_once('=');
        // A path may have an equals sign of its own, such as `date=1/images`.
        let named = named.filter(|(name, _)| !name.contains(['/', '\\']));
        let (name, path) = if let Some((name, path)) = named {
            (name.trim().to_owned(), path)
        } else {
            let stem = Path::new(text).file_stem().unwrap_or_default();
            (stem.to_string_lossy().into_owned(), text)
        };
        if name.is_empty() || path.is_empty() {
            bail!("'{text}': expected IMAGES or NAME=IMAGES");
        }
        Ok(Self {
            name,
            path: PathBuf::from(path),
            group: None,
        })
    }

    /// The sets of `--out`: `near:` or `far:` in front of each, if either.
    ///
    /// # Errors
    /// On a name that two of them have, or that means something else in results.
    pub(super) fn outside(all: &[String]) -> Result<Vec<Self>> {
        let mut sets: Vec<Self> = Vec::new();
        for text in all {
            let grouped = |group: OodGroup| {
                let rest = text.strip_prefix(group.name())?.strip_prefix(':')?;
                Some((Some(group), rest))
            };
            let (group, rest) = grouped(OodGroup::Near)
                .or_else(|| grouped(OodGroup::Far))
                .unwrap_or((None, text));
            let set = Self {
                group,
                ..Self::parse(rest).context("--out")?
            };
            let taken = [OodGroup::Near.name(), OodGroup::Far.name()];
            if taken.contains(&set.name.as_str()) || set.name == OodBenchReport::ALL {
                bail!(
                    "--out: a set is called '{}', which results call a mean; give it another name: \
                     NAME={}",
                    set.name,
                    set.path.display()
                );
            }
            if sets.iter().any(|other| other.name == set.name) {
                bail!(
                    "--out: two sets are called '{}'; give each a name: NAME={}",
                    set.name,
                    set.path.display()
                );
            }
            sets.push(set);
        }
        Ok(sets)
    }
}

/// A detector that was asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// As it was asked for, and as results call it.
    pub(super) called: String,
    pub(super) spec: OodSpec,
    /// The layers that it sees; none for its own.
    pub(super) layers: Vec<String>,
}

impl Wanted {
    /// `NAME`, `NAME@LAYER:LAYER`, either with `+KEY=VALUE`.
    fn parse(called: &str) -> Result<Self> {
        let mut parts = called.split('+');
        let head = parts.next().unwrap_or_default();
        let settings: Vec<String> = parts.map(str::to_owned).collect();
        let (name, layers) = match head.split_once('@') {
            Some((name, layers)) => (name, layers.split(':').map(str::to_owned).collect()),
            None => (head, Vec::new()),
        };
        if layers.iter().any(String::is_empty) {
            bail!("expected NAME@LAYER:LAYER");
        }
        let spec = OodSpec::new(name)?.with(config::pairs("+", &settings)?)?;
        Ok(Self {
            called: called.to_owned(),
            spec,
            layers,
        })
    }

    /// The detectors asked for, or all.
    ///
    /// # Errors
    /// On an unknown detector or key, and on one named twice.
    pub(super) fn all(asked: &[String]) -> Result<Vec<Self>> {
        let default = DEFAULT.map(str::to_owned);
        let asked = if asked.is_empty() { &default } else { asked };
        let mut all: Vec<Self> = Vec::new();
        for called in asked {
            if all.iter().any(|other| other.called == *called) {
                bail!("--detectors names {called} twice");
            }
            let wanted = Self::parse(called);
            all.push(wanted.with_context(|| format!("--detectors {called}"))?);
        }
        Ok(all)
    }

    /// Whether it runs over the heads of rotations.
    pub(super) fn rotates(&self) -> bool {
        self.spec.needs().network == Network::Rotations
    }

    /// Whether it sees gradients or rotations, which no other detector can share.
    pub(super) fn is_alone(&self) -> bool {
        matches!(
            self.spec.needs().network,
            Network::Gradient | Network::Rotations
        )
    }

    /// Whether the embeddings of an encoder are all that it needs.
    pub(super) fn takes_embeddings(&self) -> bool {
        let needs = self.spec.needs();
        needs.features != Layers::None
            && !needs.logits
            && !needs.labels
            && needs.network == Network::None
            && self.layers.is_empty()
    }
}

/// The preprocessings that were asked for.
#[derive(Debug)]
pub(super) struct Preprocessings(Vec<(Option<PathBuf>, String)>);

impl Preprocessings {
    /// `NAME` for all networks, `FILE=NAME` for one of them.
    ///
    /// # Errors
    /// On a file that is none of the networks, and on two for all.
    pub(super) fn of(asked: &[String], networks: &[&Path]) -> Result<Self> {
        let mut all = Vec::new();
        for text in asked {
            let (file, name) = match text.split_once('=') {
                Some((file, name)) => (Some(PathBuf::from(file)), name),
                None => (None, text.as_str()),
            };
            if let Some(file) = &file
                && !networks.iter().any(|network| is(network, file))
            {
                bail!(
                    "--preprocessing {text}: {} is none of the networks",
                    file.display()
                );
            }
            if all.iter().any(|(other, _)| *other == file) {
                bail!("--preprocessing {text}: given twice for the same network");
            }
            all.push((file, name.to_owned()));
        }
        Ok(Self(all))
    }

    /// That of a network, if any was asked for.
    pub(super) fn find(&self, network: &Path) -> Option<String> {
        let own = |file: &Option<PathBuf>| file.as_ref().is_some_and(|file| is(network, file));
        let own = self.0.iter().find(|(file, _)| own(file));
        let of_all = self.0.iter().find(|(file, _)| file.is_none());
        own.or(of_all).map(|(_, name)| name.clone())
    }
}

/// Whether a network is meant by its path or its file name.
fn is(network: &Path, meant: &Path) -> bool {
    network == meant || network.file_name() == Some(meant.as_os_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn sets_have_names_and_groups() {
        let sets = owned(&[
            "near:c100=a/b.parquet",
            "far:digits/",
            "x.npy",
            "date=1/x.npy",
        ]);
        let sets = Named::outside(&sets[..3]).expect("sets");
        let found: Vec<_> = sets.iter().map(|s| (s.name.as_str(), s.group)).collect();
        let expected = [
            ("c100", Some(OodGroup::Near)),
            ("digits", Some(OodGroup::Far)),
            ("x", None),
        ];
        assert_eq!(found, expected);
        assert_eq!(sets[0].path, Path::new("a/b.parquet"));
        let path = Named::parse("a/date=1/x.npy").expect("a path");
        assert_eq!(
            (path.name.as_str(), path.path.as_path()),
            ("x", Path::new("a/date=1/x.npy"))
        );
        for (words, said) in [
            (&["a=x", "a=y"][..], "two sets are called 'a'"),
            (&["near=x"], "which results call a mean"),
            (&["all=x"], "which results call a mean"),
            (&["=x"], "expected IMAGES"),
            (&["near:"], "expected IMAGES"),
        ] {
            let error = Named::outside(&owned(words)).expect_err("refused");
            assert!(format!("{error:#}").contains(said), "{error:#}");
        }
    }

    #[test]
    fn detectors_have_layers_and_settings() {
        let all = Wanted::all(&owned(&[
            "mahalanobis@stage_1:features+epsilon=0.01",
            "knn+k=3",
        ]));
        let all = all.expect("known");
        assert_eq!(all[0].layers, ["stage_1", "features"]);
        assert!(all[0].is_alone() && !all[0].takes_embeddings());
        assert!(!all[1].is_alone() && all[1].takes_embeddings());
        assert_eq!(all[1].spec.keys()["n_neighbors"], 3);
        let default = Wanted::all(&[]).expect("known");
        assert_eq!(default.len(), DEFAULT.len());
        let embeddings = default.iter().filter(|wanted| wanted.takes_embeddings());
        let embeddings: Vec<_> = embeddings.map(|wanted| wanted.called.as_str()).collect();
        assert_eq!(embeddings, ["knn", "dum", "dum_circ"]);
        // Every detector of the registry is among the default ones.
        for name in OodSpec::DETECTORS {
            assert!(
                default.iter().any(|wanted| wanted.called == *name),
                "{name}"
            );
        }
        for (asked, word) in [
            (&["magic"][..], "unknown detector 'magic'"),
            (&["knn+k"], "KEY=VALUE"),
            (&["knn+kk=2"], "kk"),
            (&["knn@"], "NAME@LAYER"),
            (&["knn", "knn"], "twice"),
        ] {
            let error = format!("{:#}", Wanted::all(&owned(asked)).expect_err("refused"));
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn preprocessings_are_of_all_networks_or_one() {
        let networks = [Path::new("a/r20.pth"), Path::new("sscd.onnx")];
        let of = |words: &[&str]| Preprocessings::of(&owned(words), &networks);
        let found = of(&["cifar", "sscd.onnx=sscd"]).expect("known");
        assert_eq!(found.find(networks[0]).as_deref(), Some("cifar"));
        assert_eq!(found.find(networks[1]).as_deref(), Some("sscd"));
        let one = of(&["r20.pth=cifar"]).expect("by its name");
        assert_eq!(one.find(networks[0]).as_deref(), Some("cifar"));
        assert_eq!(one.find(networks[1]), None);
        for words in [&["x.onnx=clip"][..], &["clip", "cifar"]] {
            assert!(of(words).is_err());
        }
    }
}
