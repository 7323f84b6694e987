//! `.npz`: an archive of NumPy arrays, one of them images.
//!
//! `numpy.savez` stores arrays as they are, and the images are streamed from inside the archive.
//! Those of `numpy.savez_compressed` are held in memory.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use arrow_array::cast::AsArray;
use qualm::Location;
use qualm::error::Names;
use qualm_data::{NpyHeader, npy_column};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::error::{Error, Result};

use super::ReadOptions;
use super::array::{ArrayImages, Bytes, EXPECTED, Shape, described, read_error, whole};
use super::column::{LABEL, text};

/// An array of an archive.
struct Member {
    index: usize,
    name: String,
    header: NpyHeader,
}

/// An opened archive.
struct Archive<'a> {
    path: &'a Path,
    at: Location,
    zip: ZipArchive<BufReader<File>>,
}

/// Opens the images of an archive, and their labels.
pub(super) fn open(path: &Path, options: &ReadOptions) -> Result<ArrayImages> {
    let at = Location::file(path);
    let file = qualm_data::open_file(path)?;
    if file.metadata().is_ok_and(|data| data.len() == 0) {
        return Err(qualm_data::Error::EmptyFile { at }.into());
    }
    let zip = ZipArchive::new(BufReader::new(file)).map_err(|e| archive_error(&at, e))?;
    let mut archive = Archive { path, at, zip };
    let members = archive.members()?;
    let images = images(&members, options.column.as_deref(), &archive.at)?;
    let label = match &options.label {
        Some(name) => Some(asked(&members, name, &archive.at)?),
        None => members.iter().find(|member| member.name == LABEL),
    };
    let label = match label {
        Some(label) => Some((label.name.clone(), archive.labels(label, images)?)),
        None => None,
    };
    let mut array = archive.images(images, options.max_pixels)?;
    array.label = label;
    Ok(array)
}

fn archive_error(at: &Location, source: ZipError) -> Error {
    let (at, source) = (at.clone(), Box::new(source));
    qualm_data::Error::Archive { at, source }.into()
}

fn asked<'a>(members: &'a [Member], name: &str, at: &Location) -> Result<&'a Member> {
    let found = members.iter().find(|member| member.name == name);
    found.ok_or_else(|| Error::NoSuchPart {
        at: at.clone().column(name),
        kind: "array",
        known: names(members),
    })
}

fn names<'a>(members: impl IntoIterator<Item = &'a Member>) -> Names {
    Names(members.into_iter().map(|m| m.name.clone()).collect())
}

/// The array of images: that asked for, or the only one that fits.
fn images<'a>(members: &'a [Member], asked_for: Option<&str>, at: &Location) -> Result<&'a Member> {
    if let Some(name) = asked_for {
        return asked(members, name, at);
    }
    let fitting = members.iter().filter(|m| Shape::of(&m.header).is_some());
    match fitting.collect::<Vec<_>>()[..] {
        [only] => Ok(only),
        [] => {
            let found = members.iter();
            let found = found.map(|m| format!("'{}' of {}", m.name, described(&m.header)));
            Err(Error::ArrayShape {
                at: at.clone(),
                found: match found.collect::<Vec<_>>() {
                    none if none.is_empty() => "numbers in no file of the archive".to_owned(),
                    some => some.join("; "),
                },
                expected: EXPECTED,
            })
        }
        ref several => Err(Error::SeveralArrays {
            at: at.clone(),
            names: names(several.iter().copied()),
        }),
    }
}

impl Archive<'_> {
    fn members(&mut self) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        for index in 0..self.zip.len() {
            let failed = |source| archive_error(&self.at, source);
            let mut entry = self.zip.by_index(index).map_err(failed)?;
            let name = entry.name().map_err(failed)?;
            let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else {
                continue;
            };
            match NpyHeader::read(&mut entry, &self.at.clone().column(&name)) {
                Ok(header) => members.push(Member {
                    index,
                    name,
                    header,
                }),
                // Objects and the like are neither images nor labels.
                Err(qualm_data::Error::NpyType { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(members)
    }

    /// One array file, in memory.
    fn read(&mut self, member: &Member, at: &Location) -> Result<Vec<u8>> {
        let promised = member.header.total_bytes();
        qualm::memory::check(promised, || {
            vec!["save the array with numpy.savez or numpy.save".into()]
        })?;
        let entry = self.zip.by_index(member.index);
        let entry = entry.map_err(|e| archive_error(at, e))?;
        // The declared size is not trusted: memory grows with what is there.
        let mut bytes = Vec::new();
        let read = entry.take(promised).read_to_end(&mut bytes);
        read.map_err(|source| read_error(at, source))?;
        whole(&member.header, bytes.len() as u64, at)?;
        Ok(bytes)
    }

    fn labels(&mut self, label: &Member, images: &Member) -> Result<Vec<Option<String>>> {
        let at = self.at.clone().column(&label.name);
        let shape = &label.header.shape;
        if !matches!(shape[..], [_] | [_, 1]) {
            return Err(Error::ArrayShape {
                at,
                found: described(&label.header),
                expected: "labels of shape (n,) or (n, 1)",
            });
        }
        let (found, expected) = (shape.first(), images.header.shape.first());
        if found != expected {
            return Err(qualm_data::Error::RowsDiffer {
                at,
                found: found.copied().unwrap_or_default(),
                expected: expected.copied().unwrap_or_default(),
            }
            .into());
        }
        let bytes = self.read(label, &at)?;
        let column = npy_column(&at, bytes)?;
        let lists = column.as_fixed_size_list_opt();
        let values = lists.map_or(&column, |lists| lists.values());
        Ok((0..values.len()).map(|row| text(values, row)).collect())
    }

    fn images(&mut self, images: &Member, max_pixels: u64) -> Result<ArrayImages> {
        let at = self.at.clone().column(&images.name);
        let entry = self.zip.by_index(images.index);
        let entry = entry.map_err(|e| archive_error(&at, e))?;
        let stored = entry.compression() == CompressionMethod::Stored && !entry.encrypted();
        let start = entry.data_start().filter(|_| stored);
        let size = entry.size();
        drop(entry);
        let (values, start): (Box<dyn Bytes>, u64) = if let Some(start) = start {
            whole(&images.header, size, &at)?;
            let file = qualm_data::open_file(self.path)?;
            (Box::new(BufReader::new(file)), start)
        } else {
            (Box::new(Cursor::new(self.read(images, &at)?)), 0)
        };
        ArrayImages::new(at, &images.header, values, start, max_pixels)
    }
}
