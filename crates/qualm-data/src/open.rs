//! Opens whatever a path names: the one place where formats are told apart.

use std::path::Path;

use qualm::Location;

use crate::csv::CsvTable;
use crate::error::Result;
use crate::file::{open_file, sniff};
use crate::format::Format;
use crate::ipc::IpcTable;
use crate::npy::NpyTable;
use crate::npz::NpzTable;
use crate::parquet::ParquetTable;
use crate::table::Table;

/// Opens whatever the path names.
pub(crate) fn open_table(path: &Path) -> Result<Box<dyn Table>> {
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
