//! Opens whatever a path names: the one place where formats are told apart.

use std::path::Path;

use qualm::Location;

use crate::csv::CsvTable;
use crate::error::{Error, Result};
use crate::file::{open_file, sniff};
use crate::format::Format;
use crate::ipc::IpcTable;
use crate::npy::NpyTable;
use crate::npz::NpzTable;
use crate::parquet::ParquetTable;
use crate::table::Table;

/// Opens whatever the path names. Text `no_header` begins with its first row.
pub(crate) fn open_table(path: &Path, no_header: bool) -> Result<Box<dyn Table>> {
    if path.as_os_str() == "-" {
        let stdin = Box::new(std::io::stdin());
        let table = CsvTable::open(path, Format::Csv, no_header, stdin)?;
        return Ok(Box::new(table));
    }
    let has_header = || Error::NoHeaderHere {
        path: path.to_owned(),
    };
    if path.is_dir() {
        if no_header {
            return Err(has_header());
        }
        return Ok(Box::new(ParquetTable::open_folder(path)?));
    }
    let at = Location::file(path);
    // A path that is not there is the commoner mistake: say that before its extension.
    let mut file = open_file(path)?;
    let format = Format::of(path)?;
    if no_header && !matches!(format, Format::Csv | Format::Tsv) {
        return Err(has_header());
    }
    Ok(match format {
        Format::Csv | Format::Tsv => {
            Box::new(CsvTable::open(path, format, no_header, Box::new(file))?)
        }
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
