//! Damaged images as rows of a table that every other command reads.

use std::path::{Component, Path};
use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, StringArray, StructArray, UInt8Array};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use rayon::prelude::*;

use qualm::Location;

use super::{Corrupter, Corruption, Severity};
use crate::embed::LABEL;
use crate::error::{Error, Result};
use crate::read::{Item, image_id};
use crate::write::ImageFormat;

/// The column of the corruption's name.
const CORRUPTION: &str = "corruption";
/// The column of the severity.
const SEVERITY: &str = "severity";
/// The column of the images, as Hugging Face writes them.
const IMAGE: &str = "image";

/// Damages images in several ways and writes them.
#[derive(Debug)]
pub struct Damager {
    corrupter: Corrupter,
    variants: Vec<(Corruption, Severity)>,
    format: ImageFormat,
}

/// A damaged image.
#[derive(Debug, Clone)]
pub struct Damaged {
    /// What was done to it.
    pub corruption: Corruption,
    /// How badly.
    pub severity: Severity,
    /// Its name: corruption, severity and the name of the image, with slashes.
    pub path: String,
    /// The bytes of its file.
    pub bytes: Vec<u8>,
}

impl Damager {
    /// All corruptions with all severities.
    #[must_use]
    pub fn new(
        corrupter: Corrupter,
        corruptions: &[Corruption],
        severities: &[Severity],
        format: ImageFormat,
    ) -> Self {
        let pairs = corruptions.iter();
        let variants = pairs.flat_map(|&c| severities.iter().map(move |&s| (c, s)));
        Self {
            corrupter,
            variants: variants.collect(),
            format,
        }
    }

    /// Damaged images of each image.
    #[must_use]
    pub fn rows_per_image(&self) -> usize {
        self.variants.len()
    }

    /// All damaged images of some images, image after image, made in parallel.
    ///
    /// # Errors
    /// [`Error::CorruptOf`], which names the image that is too small.
    pub fn damage(&self, items: &[Item]) -> Result<Vec<Damaged>> {
        let pairs: Vec<(&Item, Corruption, Severity)> = items
            .iter()
            .flat_map(|item| self.variants.iter().map(move |&(c, s)| (item, c, s)))
            .collect();
        let damaged = pairs.into_par_iter().map(|(item, corruption, severity)| {
            let id = image_id(&item.id);
            let image = self
                .corrupter
                .corrupt(&item.image, id, corruption, severity);
            let bytes = image.and_then(|image| self.format.encode(&image));
            let bytes = bytes.map_err(|error| error.of_image(&item.id))?;
            Ok(Damaged {
                corruption,
                severity,
                path: self.path(&item.id, corruption, severity),
                bytes,
            })
        });
        damaged.collect()
    }

    /// The name of a damaged image: no two images have the same.
    #[must_use]
    pub fn path(&self, id: &str, corruption: Corruption, severity: Severity) -> String {
        let path = Path::new(id);
        // Nothing leads out of the folder.
        let parts = path.components().filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        });
        let name = parts.collect::<Vec<_>>().join("/");
        let extension = self.format.extension();
        let same = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case(extension));
        let dot = if same { "" } else { "." };
        let extension = if same { "" } else { extension };
        format!("{corruption}/{severity}/{name}{dot}{extension}")
    }

    /// The names of all damaged images of an image.
    pub fn paths(&self, id: &str) -> impl Iterator<Item = String> {
        self.variants.iter().map(move |&(c, s)| self.path(id, c, s))
    }

    /// The columns of [`Damager::rows`]: the name of the image, its label if there are labels, the
    /// corruption, the severity, and the image as Hugging Face writes it.
    #[must_use]
    pub fn schema(id_name: &str, labelled: bool) -> SchemaRef {
        let mut fields = vec![Field::new(id_name, DataType::Utf8, false)];
        if labelled {
            fields.push(Field::new(LABEL, DataType::Utf8, true));
        }
        fields.push(Field::new(CORRUPTION, DataType::Utf8, false));
        fields.push(Field::new(SEVERITY, DataType::UInt8, false));
        fields.push(Field::new(IMAGE, DataType::Struct(image_fields()), false));
        Arc::new(Schema::new(fields))
    }

    /// All damaged images of some images as rows.
    ///
    /// # Errors
    /// As [`Damager::damage`].
    pub fn rows(&self, items: &[Item], schema: &SchemaRef) -> Result<RecordBatch> {
        let damaged = self.damage(items)?;
        let n = self.rows_per_image();
        let of_rows = || items.iter().flat_map(|item| std::iter::repeat_n(item, n));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from_iter_values(
            of_rows().map(|item| &item.id),
        ))];
        if schema.index_of(LABEL).is_ok() {
            let labels = of_rows().map(|item| item.label.as_deref());
            columns.push(Arc::new(labels.collect::<StringArray>()));
        }
        let names = damaged.iter().map(|d| d.corruption.name());
        columns.push(Arc::new(StringArray::from_iter_values(names)));
        let severities = damaged.iter().map(|d| d.severity.get());
        columns.push(Arc::new(UInt8Array::from_iter_values(severities)));
        let bytes = BinaryArray::from_iter_values(damaged.iter().map(|d| &d.bytes));
        let paths = StringArray::from_iter_values(damaged.iter().map(|d| &d.path));
        let images: Vec<ArrayRef> = vec![Arc::new(bytes), Arc::new(paths)];
        let arrow = |source| {
            Error::Data(qualm_data::Error::Arrow {
                at: Location::default(),
                source,
            })
        };
        let images = StructArray::try_new(image_fields(), images, None).map_err(arrow)?;
        columns.push(Arc::new(images));
        RecordBatch::try_new(schema.clone(), columns).map_err(arrow)
    }
}

fn image_fields() -> Fields {
    Fields::from(vec![
        Field::new("bytes", DataType::Binary, false),
        Field::new("path", DataType::Utf8, false),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::CorruptSpec;
    use super::*;

    #[test]
    fn paths_stay_inside_and_differ() {
        let corrupter = Corrupter::new(CorruptSpec::default(), 0);
        let damager = Damager::new(
            corrupter,
            &[Corruption::Fog],
            &Severity::ALL,
            ImageFormat::Png,
        );
        let path = |id| damager.path(id, Corruption::Fog, Severity::ALL[2]);
        assert_eq!(path("cat/a.png"), "fog/3/cat/a.png");
        assert_eq!(path("cat/a.PNG"), "fog/3/cat/a.PNG");
        assert_eq!(path("cat/a.jpg"), "fog/3/cat/a.jpg.png");
        assert_eq!(path("17"), "fog/3/17.png");
        assert_eq!(path("../../etc/x"), "fog/3/etc/x.png");
    }
}
