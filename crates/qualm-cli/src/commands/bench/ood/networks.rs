//! The networks, and which detectors see what of each.

use std::path::Path;

use anyhow::{Result, bail};
use qualm::ood::{Activations, OodInput, Perturbation};
use qualm::reports::{OodBenchNetwork, OodNetworkKind};
use qualm::{EncoderIdentity, Rows};
use qualm_vision::encoder::{self, Encoder, EncoderOptions, FileEncoder};
use qualm_vision::ood::{Arrays, Classifier, Extractor, Panel};
use qualm_vision::read::Item;

use super::asked::{Preprocessings, Wanted};
use crate::args::BenchOod;
use crate::output::Output;

/// A network, and its detectors in groups that see the same of it.
#[derive(Debug)]
pub(super) struct Net {
    pub(super) name: String,
    pub(super) kind: OodNetworkKind,
    pub(super) identity: EncoderIdentity,
    pub(super) groups: Vec<Group>,
}

/// Detectors that share what the network makes of an image.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) source: Source,
    /// Places of the detectors among those asked for.
    pub(super) members: Vec<usize>,
}

/// What a network makes of images.
#[derive(Debug)]
pub(super) enum Source {
    /// Layers and logits, for several detectors.
    Panel(Box<Panel>),
    /// What one detector alone sees: gradients, rotations.
    Alone(Box<Extractor>),
    /// Embeddings.
    Encoder(Box<FileEncoder>),
}

impl Source {
    /// The classifier, for labels.
    pub(super) fn classifier(&self) -> Option<&Classifier> {
        match self {
            Self::Panel(panel) => Some(panel.classifier()),
            Self::Alone(extractor) => Some(extractor.classifier()),
            Self::Encoder(_) => None,
        }
    }

    /// Values that are held of an image.
    pub(super) fn values(&self) -> usize {
        match self {
            Self::Panel(panel) => panel.values(),
            Self::Alone(extractor) => {
                let inputs = extractor.inputs();
                let all = inputs.features.iter().chain(&inputs.logits);
                all.map(|input| input.width).sum()
            }
            Self::Encoder(encoder) => encoder.identity().width,
        }
    }

    /// The arrays of images.
    pub(super) fn arrays(
        &self,
        items: Vec<Item>,
        perturbation: Option<&dyn Perturbation>,
    ) -> Result<Arrays> {
        Ok(match self {
            Self::Panel(panel) => panel.arrays(items)?,
            Self::Alone(extractor) => extractor.arrays_of(items, perturbation)?,
            Self::Encoder(encoder) => {
                let images: Vec<_> = items.into_iter().map(|item| item.image).collect();
                let mut rows = vec![0.0; images.len() * encoder.identity().width];
                encoder.embed_into(&images, &mut rows)?;
                Arrays {
                    features: vec![rows],
                    logits: Vec::new(),
                }
            }
        })
    }

    /// What a member of the group, counted from 0, sees of arrays.
    pub(super) fn activations<'a>(
        &self,
        member: usize,
        arrays: &'a Arrays,
    ) -> Result<Activations<'a>> {
        let rows = |values: &'a [f32], width: usize| Rows::new(values, width);
        Ok(match self {
            Self::Panel(panel) => panel.activations(member, arrays)?,
            Self::Alone(extractor) => {
                let inputs = extractor.inputs();
                let each = |(values, input): (&'a Vec<f32>, &OodInput)| rows(values, input.width);
                let features = arrays.features.iter().zip(&inputs.features).map(each);
                let all = Activations::of_layers(features.collect::<qualm::Result<_>>()?);
                match &inputs.logits {
                    Some(input) => all.with_logits(rows(&arrays.logits, input.width)?),
                    None => all,
                }
            }
            Self::Encoder(encoder) => {
                let values = arrays.features.first().map_or(&[][..], Vec::as_slice);
                Activations::of_features(rows(values, encoder.identity().width)?)
            }
        })
    }
}

/// Opens networks for the detectors asked for.
#[derive(Debug)]
pub(super) struct Opener<'a> {
    args: &'a BenchOod,
    wanted: &'a [Wanted],
    preprocessings: Preprocessings,
}

impl<'a> Opener<'a> {
    /// # Errors
    /// Without a network, and as [`Preprocessings::of`].
    pub(super) fn new(args: &'a BenchOod, wanted: &'a [Wanted]) -> Result<Self> {
        let networks = [&args.classifier, &args.rotation, &args.encoder];
        let networks: Vec<&Path> = networks.into_iter().flatten().map(AsRef::as_ref).collect();
        if networks.is_empty() {
            bail!("no network: --classifier FILE, --encoder FILE or --rotation FILE");
        }
        Ok(Self {
            args,
            wanted,
            preprocessings: Preprocessings::of(&args.preprocessing, &networks)?,
        })
    }

    /// All networks.
    ///
    /// # Errors
    /// On one that cannot be opened or lacks what a detector needs, and on one without any detector.
    pub(super) fn all(&self, output: Output) -> Result<Vec<Net>> {
        let mut all = Vec::new();
        for file in &self.args.classifier {
            all.push(self.classifier(file)?);
        }
        for file in &self.args.rotation {
            all.push(self.rotation(file)?);
        }
        for file in &self.args.encoder {
            all.push(self.encoder(file)?);
        }
        self.check_rotation(&all, output)?;
        name(&mut all, self.args);
        for (place, net) in all.iter().enumerate() {
            let earlier = all.iter().take(place);
            if earlier.clone().any(|other| same(other, net)) {
                bail!("{}: given twice", net.name);
            }
        }
        Ok(all)
    }

    fn options(&self, file: &Path) -> EncoderOptions {
        EncoderOptions {
            preprocessing: self.preprocessings.find(file),
            onnxruntime: self.args.onnxruntime.clone(),
            ..EncoderOptions::default()
        }
    }

    /// A classifier with all detectors; without rotation where it has no head for that.
    fn classifier(&self, file: &Path) -> Result<Net> {
        let open = || Classifier::open(file, &self.options(file));
        let mut net = Net {
            name: String::new(),
            kind: OodNetworkKind::Classifier,
            identity: open()?.identity().clone(),
            groups: Vec::new(),
        };
        let places = |of: fn(&Wanted) -> bool| -> Vec<usize> {
            let all = self.wanted.iter().enumerate();
            all.filter(|(_, wanted)| of(wanted))
                .map(|(place, _)| place)
                .collect()
        };
        let members = places(|wanted| !wanted.is_alone());
        if !members.is_empty() {
            let wanted = members.iter().filter_map(|place| self.wanted.get(*place));
            let specs = wanted.map(|wanted| (wanted.spec.clone(), wanted.layers.clone()));
            let specs: Vec<_> = specs.collect();
            net.groups.push(Group {
                source: Source::Panel(Box::new(Panel::new(open()?, &specs)?)),
                members,
            });
        }
        for place in places(Wanted::is_alone) {
            net.groups.extend(self.alone(file, place, true)?);
        }
        if net.groups.is_empty() {
            bail!("{}: none of the detectors runs over it", file.display());
        }
        Ok(net)
    }

    /// A detector that shares nothing; none where it needs a rotation head that is not there, if
    /// `lenient`.
    fn alone(&self, file: &Path, place: usize, lenient: bool) -> Result<Option<Group>> {
        let Some(wanted) = self.wanted.get(place) else {
            return Ok(None);
        };
        let classifier = Classifier::open(file, &self.options(file))?;
        match Extractor::new(classifier, &wanted.spec, &wanted.layers) {
            Ok(extractor) => Ok(Some(Group {
                source: Source::Alone(Box::new(extractor)),
                members: vec![place],
            })),
            Err(qualm_vision::Error::NoRotationHead { .. }) if lenient => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A network for rotation alone.
    fn rotation(&self, file: &Path) -> Result<Net> {
        let classifier = Classifier::open(file, &self.options(file))?;
        let mut groups = Vec::new();
        for (place, wanted) in self.wanted.iter().enumerate() {
            if wanted.rotates() {
                groups.extend(self.alone(file, place, false)?);
            }
        }
        if groups.is_empty() {
            bail!(
                "--rotation {}: the detector rotation is not among --detectors",
                file.display()
            );
        }
        Ok(Net {
            name: String::new(),
            kind: OodNetworkKind::Classifier,
            identity: classifier.identity().clone(),
            groups,
        })
    }

    fn encoder(&self, file: &Path) -> Result<Net> {
        let encoder = encoder::open(file, &self.options(file))?;
        let all = self.wanted.iter().enumerate();
        let members = all.filter(|(_, wanted)| wanted.takes_embeddings());
        let members: Vec<usize> = members.map(|(place, _)| place).collect();
        if members.is_empty() {
            bail!(
                "--encoder {}: none of the detectors needs features alone, such as knn, dum and \
                 dum_circ do",
                file.display()
            );
        }
        Ok(Net {
            name: String::new(),
            kind: OodNetworkKind::Encoder,
            identity: encoder.identity().clone(),
            groups: vec![Group {
                source: Source::Encoder(Box::new(encoder)),
                members,
            }],
        })
    }

    /// Says which detectors have no network.
    fn check_rotation(&self, all: &[Net], output: Output) -> Result<()> {
        let members = all.iter().flat_map(|net| &net.groups);
        let members: Vec<usize> = members.flat_map(|group| group.members.clone()).collect();
        let missing = self.wanted.iter().enumerate();
        let missing = missing.filter(|(place, _)| !members.contains(place));
        let missing: Vec<&str> = missing.map(|(_, wanted)| wanted.called.as_str()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names = missing.join(", ");
        if self.args.detectors.is_empty() {
            output.note(format!("note: no network has what these need: {names}"));
            return Ok(());
        }
        bail!(
            "--detectors: no network has what these need: {names}; qualm ood list says what that is, \
             and qualm train --method rotation trains a rotation head"
        );
    }
}

fn same(one: &Net, other: &Net) -> bool {
    (one.kind, &one.name) == (other.kind, &other.name)
}

/// Names networks by their files, in full where two have the same name.
fn name(all: &mut [Net], args: &BenchOod) {
    let files = [&args.classifier, &args.rotation, &args.encoder];
    let files: Vec<&Path> = files.into_iter().flatten().map(AsRef::as_ref).collect();
    let short = |file: &Path| {
        let name = file.file_name().unwrap_or(file.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let names: Vec<String> = files.iter().map(|file| short(file)).collect();
    for (net, file) in all.iter_mut().zip(files.iter().copied()) {
        let name = short(file);
        let others = files.iter().zip(&names);
        let twice = others.filter(|(other, of)| **of == name && **other != file);
        net.name = if twice.count() > 0 {
            file.display().to_string()
        } else {
            name
        };
    }
}

impl Net {
    pub(super) fn report(&self) -> OodBenchNetwork {
        OodBenchNetwork {
            name: self.name.clone(),
            kind: self.kind,
            encoder: self.identity.clone(),
        }
    }
}
