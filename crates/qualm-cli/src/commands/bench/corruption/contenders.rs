//! The detectors that look at damaged images.

use std::path::Path;

use anyhow::{Context, Result, bail};
use qualm::{Fitted, Matrix, Rows, Spec};
use qualm_vision::encoder::{Encoder, FileEncoder};
use qualm_vision::read::Item;

use super::AT_ONCE;
use super::roles::{Images, Role};
use crate::config;
use crate::interrupt;
use crate::output::Output;
use crate::pipeline;
use crate::progress;

/// A detector to fit, or one that is fitted.
#[derive(Debug)]
pub(super) struct Contender {
    /// As it was asked for, and as results call it.
    pub(super) name: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Spec(Box<Spec>),
    Fitted(Box<Fitted>),
}

impl Contender {
    /// A model that is there.
    pub(super) fn model(fitted: Fitted) -> Self {
        Self {
            name: fitted.spec().detector().to_owned(),
            what: What::Fitted(Box::new(fitted)),
        }
    }

    /// `NAME`, `NAME:PRESET`, either with `+KEY=VALUE`. The rows of a fit are clean, unless it says
    /// otherwise.
    fn parse(called: &str) -> Result<Self> {
        let mut parts = called.split('+');
        let name = parts.next().unwrap_or_default();
        let (detector, preset) = name.split_once(':').unwrap_or((name, "default"));
        let settings: Vec<String> = parts.map(str::to_owned).collect();
        let mut keys = config::pairs("+", &settings)?;
        keys.entry("reference").or_insert_with(|| "clean".into());
        let spec = Spec::preset(detector, preset)?.with(keys)?;
        Ok(Self {
            name: called.to_owned(),
            what: What::Spec(Box::new(spec)),
        })
    }

    /// The model.
    ///
    /// # Errors
    /// As [`Spec::fit`].
    pub(super) fn fit(self, rows: Rows<'_>, seed: u64) -> Result<Fitted> {
        let spec = match self.what {
            What::Spec(spec) => spec,
            What::Fitted(fitted) => return Ok(*fitted),
        };
        let fitted = spec.fit(rows, seed, &mut ());
        fitted.with_context(|| format!("{}: cannot be fitted", self.name))
    }

    /// The model that it began with.
    pub(super) fn fitted(self) -> Result<Fitted> {
        match self.what {
            What::Fitted(fitted) => Ok(*fitted),
            What::Spec(_) => bail!("{}: not fitted", self.name),
        }
    }
}

/// The detectors asked for.
///
/// # Errors
/// On an unknown detector, preset or key, and on one named twice.
pub(super) fn of(asked: &[String]) -> Result<Vec<Contender>> {
    let mut contenders: Vec<Contender> = Vec::new();
    for called in asked {
        if contenders.iter().any(|other| other.name == *called) {
            bail!("--detectors names {called} twice");
        }
        let contender = Contender::parse(called);
        contenders.push(contender.with_context(|| format!("--detectors {called}"))?);
    }
    Ok(contenders)
}

/// What results call them.
pub(super) fn names(contenders: &[Contender]) -> Vec<String> {
    contenders.iter().map(|c| c.name.clone()).collect()
}

/// Tells one file of a model from another.
pub(super) fn digest(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    Ok(qualm::digest::sha256([bytes.as_slice()]))
}

/// The clean images that detectors are fitted to.
#[derive(Debug)]
pub(super) struct Training(pub(super) Images);

impl Training {
    /// Their embeddings.
    pub(super) fn embed(&self, encoder: &FileEncoder, output: Output) -> Result<Matrix> {
        let n = self.0.count(Role::Fit);
        let template = "embed {wide_bar} {human_pos}/{human_len} images, {per_sec}, {eta} left";
        let bar = progress::bar(output, Some(n as u64), template);
        let width = encoder.identity().width;
        let mut rows = Vec::with_capacity(n * width);
        pipeline::run(
            self.0.read(&[Role::Fit], AT_ONCE)?,
            |images: Vec<(Role, Item)>| {
                if interrupt::asked() {
                    bail!("interrupted");
                }
                let images: Vec<_> = images.into_iter().map(|(_, item)| item.image).collect();
                let mut out = vec![0.0; images.len() * width];
                encoder.embed_into(&images, &mut out)?;
                Ok(out)
            },
            |embedded| {
                bar.inc((embedded.len() / width) as u64);
                rows.extend(embedded);
                Ok(())
            },
        )?;
        bar.finish_and_clear();
        Ok(Matrix::new(rows, width)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_presets_and_settings() {
        let asked = [
            "dum",
            "knn:paper",
            "ecod+space=robust",
            "knn+n_neighbors=3+reference=mixed",
        ];
        let contenders = of(&asked.map(str::to_owned)).expect("known");
        assert_eq!(names(&contenders), asked);
        let keys = |i: usize| match &contenders[i].what {
            What::Spec(spec) => spec.keys(),
            What::Fitted(fitted) => fitted.spec().keys(),
        };
        assert_eq!(keys(0)["reference"], "clean");
        assert_eq!(keys(2)["space"], "robust");
        assert_eq!(keys(3)["reference"], "mixed");
        assert_eq!(keys(3)["n_neighbors"], 3);
        for (asked, word) in [
            (&["magic"][..], "unknown detector 'magic'"),
            (&["knn+k"], "KEY=VALUE"),
            (&["knn+kk=2"], "kk"),
            (&["knn", "knn"], "twice"),
        ] {
            let asked: Vec<String> = asked.iter().map(|&a| a.to_owned()).collect();
            let error = format!("{:#}", of(&asked).expect_err("refused"));
            assert!(error.contains(word), "{error}");
        }
    }
}
