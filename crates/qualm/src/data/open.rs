//! Opens whatever a path names: the one place where formats are told apart.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use super::csv::CsvTable;
use super::format::{Format, SNIFF};
use super::ipc::IpcTable;
use super::npy::NpyTable;
use super::npz::NpzTable;
use super::parquet::ParquetTable;
use super::table::Table;
use crate::error::{Error, Location, Result};

/// Opens whatever the path names.
pub(super) fn open_table(path: &Path) -> Result<Box<dyn Table>> {
    if path.as_os_str() == "-" {
        let stdin = Box::new(std::io::stdin());
        return Ok(Box::new(CsvTable::open(path, Format::Csv, stdin)?));
    }
    if path.is_dir() {
        return Ok(Box::new(ParquetTable::open_folder(path)?));
    }
    let at = Location::file(path);
    // A path that is not there is the commoner mistake: say that before its extension.
    let mut file = open_file(path)?;
    let format = Format::of(path)?;
    Ok(match format {
        Format::Csv | Format::Tsv => Box::new(CsvTable::open(path, format, Box::new(file))?),
        Format::Parquet => Box::new(ParquetTable::open(path)?),
        Format::Ipc => Box::new(IpcTable::open(path)?),
        Format::Npy | Format::Npz => {
            format.check(&sniff(&mut file, &at)?, &at)?;
            match format {
                Format::Npy => Box::new(NpyTable::open(path, file)?),
                _ => Box::new(NpzTable::open(path, file)?),
            }
        }
    })
}

/// Opens a file for reading.
pub(super) fn open_file(path: &Path) -> Result<File> {
    File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound {
            path: path.to_owned(),
        },
        _ => Error::Read {
            at: Location::file(path),
            source,
        },
    })
}

/// The first bytes of a file, which is then back at its start.
pub(super) fn sniff(file: &mut File, at: &Location) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let read = Read::by_ref(file).take(SNIFF as u64).read_to_end(&mut head);
    read.and_then(|_| file.rewind())
        .map_err(|source| Error::Read {
            at: at.clone(),
            source,
        })?;
    Ok(head)
}
