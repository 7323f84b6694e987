//! Opens whatever a path names: the one place where formats are told apart.

use std::io::{BufReader, Read, stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qualm::Location;

use crate::compressed::{self, Compression};
use crate::csv::{CsvTable, TextOptions};
use crate::error::{Error, Result};
use crate::file::{open_file, sniff};
use crate::follow::{Cut, Pieces, TextBytes};
use crate::format::Format;
use crate::inputs::{Part, parts};
use crate::ipc::IpcTable;
use crate::ipc_pipe;
use crate::json_lines::JsonTable;
use crate::npy::NpyTable;
use crate::npz::NpzTable;
use crate::parquet::ParquetTable;
use crate::parts::{PartsTable, together};
use crate::remote;
use crate::table::Table;

/// Opens whatever the path names.
pub(crate) fn open_table(path: &Path, text: &TextOptions) -> Result<Box<dyn Table>> {
    if path.as_os_str() == "-" {
        return open_pipe(path, text, None);
    }
    let has_header = || Error::NoHeaderHere {
        path: path.to_owned(),
    };
    if remote::scheme(path).is_some() && is_parquet(path) && !text.no_header {
        // Only what is needed of it is fetched.
        return Ok(Box::new(ParquetTable::open(path)?));
    }
    let at = Location::file(path);
    // A path that is not there is the commoner mistake: say that before its extension.
    let mut file = open_file(path)?;
    let format = Format::of(path)?;
    if text.no_header && !matches!(format, Format::Csv | Format::Tsv) {
        return Err(has_header());
    }
    let compression = Compression::of(path);
    let bytes = |file| match compression {
        Some((compression, _)) => compressed::open(path, compression),
        None => Ok(compressed::plain(file)),
    };
    Ok(match format {
        Format::Csv | Format::Tsv => {
            Box::new(CsvTable::open(path, format, text.clone(), bytes(file)?)?)
        }
        Format::Json => Box::new(JsonTable::open(path, text.clone(), bytes(file)?)?),
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

/// Opens all that some paths name as one table, and says how messages call it.
pub(crate) fn open_tables(
    paths: &[PathBuf],
    text: &TextOptions,
) -> Result<(Box<dyn Table>, Location)> {
    let parts = parts(paths)?;
    let at = together(paths);
    if text.no_header && paths.iter().any(|path| path.is_dir()) && parts.iter().any(is_binary) {
        return Err(Error::NoHeaderHere {
            path: paths.first().cloned().unwrap_or_default(),
        });
    }
    let table: Box<dyn Table> = match &parts[..] {
        [only] if only.partitions.is_empty() => open_table(&only.path, text)?,
        all if all
            .iter()
            .all(|part| part.partitions.is_empty() && is_parquet(&part.path)) =>
        {
            let paths: Vec<PathBuf> = all.iter().map(|part| part.path.clone()).collect();
            Box::new(ParquetTable::open_files(&paths)?)
        }
        _ => Box::new(PartsTable::open(parts, text)?),
    };
    Ok((table, at))
}

fn is_parquet(path: &Path) -> bool {
    Format::of(path).is_ok_and(|format| format == Format::Parquet)
}

fn is_binary(part: &Part) -> bool {
    !Format::of(&part.path).is_ok_and(|f| matches!(f, Format::Csv | Format::Tsv))
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

/// What is on standard input, told by its first bytes. With `stop` it is read as it comes.
fn open_pipe(
    path: &Path,
    text: &TextOptions,
    stop: Option<fn() -> bool>,
) -> Result<Box<dyn Table>> {
    let fail = |source| unreadable(path, source);
    let head = pipe_head().map_err(fail)?;
    let bytes = std::io::Cursor::new(head.clone()).chain(stdin());
    let has_header = || Error::NoHeaderHere {
        path: path.to_owned(),
    };
    if ipc_pipe::is_stream(&head) {
        if text.no_header {
            return Err(has_header());
        }
        return Ok(match stop {
            Some(stop) => {
                let pieces = Pieces::of_pipe(bytes, Cut::Anywhere, stop).map_err(fail)?;
                Box::new(ipc_pipe::open(path, pieces, stop)?)
            }
            None => Box::new(ipc_pipe::open(path, bytes, || false)?),
        });
    }
    if WHOLE.iter().any(|magic| head.starts_with(magic)) {
        if text.no_header {
            return Err(has_header());
        }
        // These are read from their end: keep them in a file without a name.
        let mut kept = tempfile::tempfile().map_err(fail)?;
        let mut bytes = bytes;
        std::io::copy(&mut bytes, &mut kept).map_err(fail)?;
        let kept = Some(Arc::new(kept));
        return Ok(if head.starts_with(b"PAR1") {
            Box::new(ParquetTable::open_kept(path, kept)?)
        } else {
            Box::new(IpcTable::open_kept(path, kept)?)
        });
    }
    // Rows that are scored are given out as they come.
    let stop = stop.or_else(|| (!text.count).then_some(never as fn() -> bool));
    let bytes: Box<dyn TextBytes> = match stop {
        Some(stop) => Box::new(Pieces::of_pipe(bytes, Cut::Lines, stop).map_err(fail)?),
        None => Box::new(BufReader::with_capacity(1 << 16, bytes)),
    };
    if head.trim_ascii_start().starts_with(b"{") {
        return Ok(Box::new(JsonTable::open(path, text.clone(), bytes)?));
    }
    Ok(Box::new(CsvTable::open(
        path,
        Format::Csv,
        text.clone(),
        bytes,
    )?))
}

/// How files begin that cannot be read bit by bit.
const WHOLE: [&[u8]; 2] = [b"PAR1", b"ARROW1"];

fn never() -> bool {
    false
}

/// The first bytes of standard input: two, which tell an Arrow stream from text, or as many as tell what
/// else begins like them.
fn pipe_head() -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let may_be = |head: &[u8]| WHOLE.iter().any(|magic| magic.starts_with(head));
    while head.len() < 2 || (may_be(&head) && !WHOLE.contains(&head.as_slice())) {
        let mut byte = [0];
        match stdin().read(&mut byte) {
            Ok(0) => break,
            Ok(_) => head.extend(byte),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(head)
}

fn unreadable(path: &Path, source: std::io::Error) -> Error {
    Error::Read {
        at: Location::file(path),
        source,
    }
}
