//! Opens whatever a path names: the one place where formats are told apart.

use std::io::{BufReader, Read, stdin};
use std::path::Path;

use qualm::Location;

use crate::csv::{CsvTable, TextOptions};
use crate::error::{Error, Result};
use crate::file::{open_file, sniff};
use crate::follow::{Cut, Pieces, TextBytes};
use crate::format::Format;
use crate::ipc::IpcTable;
use crate::ipc_pipe;
use crate::npy::NpyTable;
use crate::npz::NpzTable;
use crate::parquet::ParquetTable;
use crate::table::Table;

/// Opens whatever the path names.
pub(crate) fn open_table(path: &Path, text: &TextOptions) -> Result<Box<dyn Table>> {
    if path.as_os_str() == "-" {
        return open_pipe(path, text, None);
    }
    let has_header = || Error::NoHeaderHere {
        path: path.to_owned(),
    };
    if path.is_dir() {
        if text.no_header {
            return Err(has_header());
        }
        return Ok(Box::new(ParquetTable::open_folder(path)?));
    }
    let at = Location::file(path);
    // A path that is not there is the commoner mistake: say that before its extension.
    let mut file = open_file(path)?;
    let format = Format::of(path)?;
    if text.no_header && !matches!(format, Format::Csv | Format::Tsv) {
        return Err(has_header());
    }
    Ok(match format {
        Format::Csv | Format::Tsv => {
            let bytes = Box::new(BufReader::with_capacity(1 << 16, file));
            Box::new(CsvTable::open(path, format, text.clone(), bytes)?)
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

/// Opens text that grows, or standard input, to be read as it comes until `stop` says so.
pub(crate) fn open_growing(
    path: &Path,
    text: &TextOptions,
    stop: fn() -> bool,
) -> Result<Box<dyn Table>> {
    if path.as_os_str() == "-" {
        return open_pipe(path, text, Some(stop));
    }
    let file = open_file(path)?;
    let format = Format::of(path)
        .ok()
        .filter(|f| matches!(f, Format::Csv | Format::Tsv));
    let Some(format) = format.filter(|_| !path.is_dir()) else {
        return Err(Error::CannotFollow {
            path: path.to_owned(),
        });
    };
    let pieces = Pieces::of_file(path, file, stop);
    let pieces = pieces.map_err(|source| unreadable(path, source))?;
    Ok(Box::new(CsvTable::open(
        path,
        format,
        text.clone(),
        Box::new(pieces),
    )?))
}

/// CSV or an Arrow stream on standard input, told apart by the first bytes. With `stop` it is read as it comes.
fn open_pipe(
    path: &Path,
    text: &TextOptions,
    stop: Option<fn() -> bool>,
) -> Result<Box<dyn Table>> {
    let fail = |source| unreadable(path, source);
    // The marker of a stream begins with two bytes that no text begins with.
    let mut head = [0; 2];
    let mut n = 0;
    while let Some(rest) = head.get_mut(n..).filter(|rest| !rest.is_empty()) {
        match stdin().read(rest) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(fail(error)),
        }
    }
    let head = head.get(..n).unwrap_or_default();
    let bytes = std::io::Cursor::new(head.to_vec()).chain(stdin());
    if ipc_pipe::is_stream(head) {
        if text.no_header {
            return Err(Error::NoHeaderHere {
                path: path.to_owned(),
            });
        }
        return Ok(match stop {
            Some(stop) => {
                let pieces = Pieces::of_pipe(bytes, Cut::Anywhere, stop).map_err(fail)?;
                Box::new(ipc_pipe::open(path, pieces, stop)?)
            }
            None => Box::new(ipc_pipe::open(path, bytes, || false)?),
        });
    }
    let bytes: Box<dyn TextBytes> = match stop {
        Some(stop) => Box::new(Pieces::of_pipe(bytes, Cut::Lines, stop).map_err(fail)?),
        None => Box::new(BufReader::with_capacity(1 << 16, bytes)),
    };
    Ok(Box::new(CsvTable::open(
        path,
        Format::Csv,
        text.clone(),
        bytes,
    )?))
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::Read {
        at: Location::file(path),
        source,
    }
}
