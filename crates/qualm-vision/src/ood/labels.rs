//! The classes of images, as numbers.

use super::classifier::Classifier;
use crate::error::{Error, Result};

/// Labels as a detector takes them, with a name for each number.
#[derive(Debug)]
pub struct Labels {
    /// `(n,)`; below 0 for a known outlier.
    pub numbers: Vec<i64>,
    /// The names of the classes from 0; none where the labels were numbers.
    pub names: Vec<String>,
}

impl Labels {
    /// The numbers of labels.
    ///
    /// A negative whole number marks a known outlier. Other labels are names of the classifier's
    /// classes, where its file says them. Where it does not, they are whole numbers, or names that
    /// count from 0 in their order, as torchvision's folders of images do.
    ///
    /// # Errors
    /// [`Error::NoClass`], [`Error::UnknownClass`]; [`Error::ClassCount`] where there are other
    /// names than the classifier has classes.
    pub fn new(labels: &[Option<String>], ids: &[String], classifier: &Classifier) -> Result<Self> {
        let missing = ids.iter().zip(labels).find(|(_, label)| label.is_none());
        if let Some((id, _)) = missing {
            return Err(Error::NoClass { id: id.clone() });
        }
        let labels = || labels.iter().flatten().map(String::as_str);
        let number = |label: &str| label.parse::<i64>().ok();
        let outlier = |label: &&str| number(label).is_some_and(|n| n < 0);
        let known = classifier.classes();
        if known.is_empty() && labels().all(|label| number(label).is_some()) {
            return Ok(Self {
                numbers: labels().filter_map(number).collect(),
                names: Vec::new(),
            });
        }
        let names = if known.is_empty() {
            let mut names: Vec<&str> = labels().filter(|label| !outlier(label)).collect();
            names.sort_unstable();
            names.dedup();
            let expected = classifier.n_classes().unwrap_or(names.len());
            if names.len() != expected {
                return Err(Error::ClassCount {
                    found: names.len(),
                    expected,
                });
            }
            names.into_iter().map(str::to_owned).collect()
        } else {
            known.to_vec()
        };
        let mut numbers = Vec::with_capacity(ids.len());
        for (label, id) in labels().zip(ids) {
            let place = names.iter().position(|name| name == label);
            let class = place.and_then(|place| i64::try_from(place).ok());
            let class = class.or_else(|| number(label).filter(|n| *n < 0));
            numbers.push(class.ok_or_else(|| Error::UnknownClass {
                id: id.clone(),
                found: label.to_owned(),
                known: names.clone(),
            })?);
        }
        Ok(Self { numbers, names })
    }

    /// The same where labels are not needed: whole numbers only, of which the negative ones mark
    /// known outliers.
    #[must_use]
    pub fn if_numbers(labels: &[Option<String>]) -> Option<Vec<i64>> {
        let number = |label: &Option<String>| label.as_ref()?.parse().ok();
        labels.iter().map(number).collect()
    }

    /// What is wrong with a class, by its name where it has one.
    #[must_use]
    pub fn explain(&self, error: qualm::Error) -> Error {
        if let qualm::Error::ClassTooSmall {
            class,
            found,
            expected,
        } = error
            && let Some(name) = self.name(class)
        {
            return Error::ClassTooSmall {
                class: name.clone(),
                found,
                expected,
            };
        }
        error.into()
    }

    /// The name of a class.
    fn name(&self, class: i64) -> Option<&String> {
        self.names.get(usize::try_from(class).ok()?)
    }
}
