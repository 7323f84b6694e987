//! Bytes that come bit by bit: a file that grows, or a pipe.
//!
//! A thread reads them, so that whoever wants them can wait for a while instead of for ever.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

/// Between two looks at a file that has not grown, and at whether to stop.
const PATIENCE: Duration = Duration::from_millis(50);
/// Read at a time.
const BLOCK: usize = 64 << 10;
/// Blocks that may wait.
const QUEUE: usize = 4;

/// The bytes of a text table.
pub(crate) trait TextBytes: BufRead + Send {
    /// Whether text can be read by then without more waiting; so it can of a file that does not grow.
    fn ready(&mut self, until: Instant) -> bool {
        let _ = until;
        true
    }

    /// Whether they come bit by bit, so that there may be nothing to read yet.
    fn grows(&self) -> bool {
        false
    }
}

impl<R: Read + Send> TextBytes for io::BufReader<R> {}

/// Pieces of an input as they come. It ends where the input does, or once it is told to stop.
#[derive(Debug)]
pub(crate) struct Pieces {
    blocks: Receiver<io::Result<Vec<u8>>>,
    stop: fn() -> bool,
    ended: bool,
    /// What went wrong, until it is read.
    failed: Option<io::Error>,
    block: Vec<u8>,
    /// Of the block, what has been read.
    at: usize,
}

/// Where pieces are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After whole lines: a last one without an end may be half of one.
    WholeLines,
    /// After lines, of which the last one needs no end.
    Lines,
    /// Anywhere.
    Anywhere,
}

impl Pieces {
    /// Of a file that grows until it is told to stop, from its beginning.
    pub(crate) fn of_file(path: &Path, mut file: File, stop: fn() -> bool) -> io::Result<Self> {
        let path = path.to_owned();
        let mut n_read = 0;
        Self::start(Cut::WholeLines, stop, move |buffer| {
            loop {
                let n = file.read(buffer)?;
                n_read += n as u64;
                if n > 0 {
                    return Ok(n);
                }
                // By its name: a file that was replaced under it has another length.
                if std::fs::metadata(&path).is_ok_and(|found| found.len() < n_read) {
                    return Err(io::Error::other(
                        "it has become shorter while it was followed",
                    ));
                }
                if stop() {
                    return Ok(0);
                }
                thread::sleep(PATIENCE);
            }
        })
    }

    /// Of a pipe, until it is closed.
    pub(crate) fn of_pipe(
        mut pipe: impl Read + Send + 'static,
        cut: Cut,
        stop: fn() -> bool,
    ) -> io::Result<Self> {
        Self::start(cut, stop, move |buffer| pipe.read(buffer))
    }

    fn start(
        cut: Cut,
        stop: fn() -> bool,
        read: impl FnMut(&mut [u8]) -> io::Result<usize> + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, blocks) = sync_channel(QUEUE);
        // It may be blocked in a read when the process ends, so that nobody waits for it.
        Builder::new()
            .name("follow".into())
            .spawn(move || send_all(read, cut, &sender))?;
        Ok(Self {
            blocks,
            stop,
            ended: false,
            failed: None,
            block: Vec::new(),
            at: 0,
        })
    }

    /// Waits for another block until then, or for ever. False where there is none.
    fn receive(&mut self, until: Option<Instant>) -> bool {
        while !self.ended {
            let patience = match until {
                Some(until) => until
                    .saturating_duration_since(Instant::now())
                    .min(PATIENCE),
                None => PATIENCE,
            };
            match self.blocks.recv_timeout(patience) {
                Ok(Ok(block)) => {
                    self.block.drain(..self.at);
                    self.at = 0;
                    self.block.extend(block);
                    return true;
                }
                Ok(Err(error)) => {
                    self.failed = Some(error);
                    self.ended = true;
                }
                Err(RecvTimeoutError::Disconnected) => self.ended = true,
                Err(RecvTimeoutError::Timeout) => {
                    self.ended = (self.stop)();
                    if until.is_some_and(|until| Instant::now() >= until) {
                        return false;
                    }
                }
            }
        }
        false
    }

    fn rest(&self) -> &[u8] {
        self.block.get(self.at..).unwrap_or_default()
    }
}

/// Reads until the end, an error, or until the receiver is gone.
fn send_all(
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    cut: Cut,
    sender: &SyncSender<io::Result<Vec<u8>>>,
) {
    let mut buffer = vec![0; BLOCK];
    // What is no whole line yet.
    let mut open = Vec::new();
    loop {
        let n = match read(&mut buffer) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                // Nobody may listen any more.
                let _ = sender.send(Err(error));
                return;
            }
        };
        open.extend_from_slice(buffer.get(..n).unwrap_or_default());
        let whole = match cut {
            Cut::Lines if n == 0 => open.len(),
            Cut::Anywhere => open.len(),
            Cut::WholeLines | Cut::Lines => {
                open.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1)
            }
        };
        let rest = open.split_off(whole);
        let block = std::mem::replace(&mut open, rest);
        if (!block.is_empty() && sender.send(Ok(block)).is_err()) || n == 0 {
            return;
        }
    }
}

/// Reads what a buffer holds, for a reader that is one.
pub(crate) fn read_buffered(reader: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    let from = reader.fill_buf()?;
    let n = from.len().min(buffer.len());
    if let (Some(to), Some(from)) = (buffer.get_mut(..n), from.get(..n)) {
        to.copy_from_slice(from);
    }
    reader.consume(n);
    Ok(n)
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest().is_empty()
            && !self.receive(None)
            && let Some(error) = self.failed.take()
        {
            return Err(error);
        }
        Ok(self.rest())
    }

    fn consume(&mut self, n: usize) {
        self.at = (self.at + n).min(self.block.len());
    }
}

impl TextBytes for Pieces {
    fn grows(&self) -> bool {
        true
    }

    fn ready(&mut self, until: Instant) -> bool {
        // An empty line is no record.
        while self.rest().iter().all(|b| matches!(b, b'\r' | b'\n')) {
            if !self.receive(Some(until)) {
                return self.ended;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// A pipe whose writer sends pieces of any size.
    struct Pipe(Receiver<&'static str>);

    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Ok(piece) = self.0.recv() else {
                return Ok(0);
            };
            buffer[..piece.len()].copy_from_slice(piece.as_bytes());
            Ok(piece.len())
        }
    }

    fn pipe(cut: Cut) -> (Sender<&'static str>, Pieces) {
        let (sender, receiver) = channel();
        (
            sender,
            Pieces::of_pipe(Pipe(receiver), cut, || false).unwrap(),
        )
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(30)
    }

    #[test]
    fn lines_are_whole_and_idle_is_noticed() {
        let (writer, mut pieces) = pipe(Cut::Lines);
        writer.send("a,b\n1,2\n3").unwrap();
        assert_eq!(pieces.fill_buf().unwrap(), b"a,b\n1,2\n");
        pieces.consume(4);
        assert!(pieces.ready(soon()));
        assert_eq!(pieces.fill_buf().unwrap(), b"1,2\n");
        pieces.consume(4);
        // Half a line, and an empty one, are nothing to read.
        assert!(!pieces.ready(soon()));
        writer.send(",4\n\n").unwrap();
        let later = Instant::now() + Duration::from_secs(10);
        assert!(pieces.ready(later));
        assert_eq!(pieces.fill_buf().unwrap(), b"3,4\n\n");
        pieces.consume(4);
        assert!(!pieces.ready(soon()));
        // The last line needs no end.
        writer.send("5,6").unwrap();
        drop(writer);
        assert!(pieces.ready(later));
        let mut rest = String::new();
        pieces.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "\n5,6");
        assert!(pieces.ready(soon()));
    }

    #[test]
    fn bytes_come_at_once_where_they_may_be_cut_anywhere() {
        let (writer, mut pieces) = pipe(Cut::Anywhere);
        writer.send("abc").unwrap();
        assert_eq!(pieces.fill_buf().unwrap(), b"abc");
        drop(writer);
    }

    #[test]
    fn a_file_is_read_as_it_grows_and_may_not_become_shorter() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"a\n1\n2").unwrap();
        let opened = File::open(&path).unwrap();
        let mut pieces = Pieces::of_file(&path, opened, || false).unwrap();
        for (line, then) in [("a\n1\n", "7\n"), ("27\n", "")] {
            assert_eq!(pieces.fill_buf().unwrap(), line.as_bytes());
            pieces.consume(line.len());
            file.write_all(then.as_bytes()).unwrap();
        }
        assert!(!pieces.ready(soon()));
        file.set_len(2).unwrap();
        let error = pieces.fill_buf().unwrap_err();
        assert!(error.to_string().contains("shorter"), "{error}");
    }

    #[test]
    fn it_stops_when_told_to_and_leaves_half_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "a\n1\n2").unwrap();
        let opened = File::open(&path).unwrap();
        let mut pieces = Pieces::of_file(&path, opened, || true).unwrap();
        let mut text = String::new();
        pieces.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a\n1\n");
    }
}
