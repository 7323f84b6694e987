//! Reading, working and writing at the same time, in constant memory.
//!
//! Three stages, joined by queues that hold one batch: while a batch is worked on, the next is
//! read and the previous one is written. The outcome is that of a single thread: results are
//! written in the order of the input, and an error travels down the queues in the place of
//! its batch, so that the first one ends the command after everything before it has been
//! written.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use arrow_schema::Field;
use qualm::Fitted;
use qualm_data::{Batch, Batches, ColumnNotes, Rejects, Selection, Source};

use crate::interrupt;

/// Batches that may wait between two stages. A second one made nothing faster, and the
/// batches of wide rows take 32 MiB each.
const QUEUE: usize = 1;

/// How often a stage that waits for input checks whether its results are still wanted.
const PATIENCE: Duration = Duration::from_millis(50);

const NO_THREAD: &str = "cannot start a thread";

/// What is read of an input, ahead of the work, by a thread of its own.
///
/// After an error the thread is not joined: it may be blocked in a read from a pipe.
#[derive(Debug)]
pub(crate) struct ReadAhead<R> {
    queue: Receiver<Result<R>>,
    reader: JoinHandle<()>,
}

/// What is known of an input before its rows are read.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) id_fields: Vec<Field>,
    pub(crate) n_rows_hint: Option<u64>,
    /// What there is to say of the rows, once they are read.
    pub(crate) notes: ColumnNotes,
    /// Those that are left out.
    pub(crate) rejects: Rejects,
}

/// Opens rows that a model is to score.
pub(crate) fn open_for(
    fitted: &Fitted,
    paths: &[PathBuf],
    selection: Selection,
) -> impl FnOnce() -> qualm_data::Result<Source> + Send + 'static {
    let (paths, features) = (paths.to_owned(), fitted.features().clone());
    let rounding = fitted.rounding().clone();
    move || Ok(Source::open_all(&paths, &selection, Some(&features))?.with_rounding(&rounding))
}

/// Opens rows that a model is to score and that come bit by bit, until the user asks to stop.
pub(crate) fn follow_for(
    fitted: &Fitted,
    path: &Path,
    selection: Selection,
) -> impl FnOnce() -> qualm_data::Result<Source> + Send + 'static {
    let (path, features) = (path.to_owned(), fitted.features().clone());
    let rounding = fitted.rounding().clone();
    move || {
        let source = Source::follow(&path, &selection, Some(&features), interrupt::asked)?;
        Ok(source.with_rounding(&rounding))
    }
}

/// Opens an input and begins to read its batches, as [`read`] does.
///
/// # Errors
/// Those of `open`; when no thread can be started.
pub(crate) fn open<B: Batches>(
    open: impl FnOnce() -> qualm_data::Result<B> + Send + 'static,
) -> Result<(Input, ReadAhead<Batch>)> {
    let open = || {
        let batches = open()?;
        let input = Input {
            id_fields: batches.id_fields(),
            n_rows_hint: batches.n_rows_hint(),
            notes: batches.notes(),
            rejects: batches.rejects(),
        };
        Ok((input, batches))
    };
    read(open, |batches| Ok(batches.next_batch()?))
}

/// Opens an input and begins to read it, both on one new thread: what opening allocates is
/// freed and used again where it is read. `open` also gives what the caller wants to know of
/// the input, `next` the next batch or nothing at the end.
///
/// # Errors
/// Those of `open`; when no thread can be started.
pub(crate) fn read<I, H, R>(
    open: impl FnOnce() -> Result<(H, I)> + Send + 'static,
    next: impl FnMut(&mut I) -> Result<Option<R>> + Send + 'static,
) -> Result<(H, ReadAhead<R>)>
where
    H: Send + 'static,
    R: Send + 'static,
{
    let (to_caller, head) = sync_channel(1);
    let (to_work, queue) = sync_channel(QUEUE);
    let reader = Builder::new().name("read".into());
    let reader = reader.spawn(move || {
        let (head, input) = match open() {
            Ok((head, input)) => (Ok(head), Some(input)),
            Err(error) => (Err(error), None),
        };
        // Sending fails only if the caller has panicked.
        if let (Ok(()), Some(input)) = (to_caller.send(head), input) {
            send_all(input, next, &to_work);
        }
    });
    let reader = reader.context(NO_THREAD)?;
    match head.recv() {
        Ok(head) => Ok((head?, ReadAhead { queue, reader })),
        Err(ended) => {
            // The thread ended without a message: it has panicked.
            reader.join().unwrap_or_else(|panic| resume_unwind(panic));
            Err(ended).context("the input was not opened")
        }
    }
}

/// Reads until the end, an error, or until the receiver is gone.
fn send_all<I, R>(
    mut input: I,
    mut next: impl FnMut(&mut I) -> Result<Option<R>>,
    to_work: &SyncSender<Result<R>>,
) {
    while let Some(batch) = next(&mut input).transpose() {
        let failed = batch.is_err();
        if to_work.send(batch).is_err() || failed {
            return;
        }
    }
}

/// Works on each batch and writes what comes of it.
///
/// `work` stays on the calling thread; so does `write` for an input of one batch, and where
/// the pool has one thread only.
///
/// # Errors
/// The error that a single thread would have met first. A panic in a stage goes on in the
/// caller.
pub(crate) fn run<R, W: Send>(
    batches: ReadAhead<R>,
    mut work: impl FnMut(R) -> Result<W>,
    mut write: impl FnMut(W) -> Result<()> + Send,
) -> Result<()> {
    let ReadAhead { queue, reader } = batches;
    for (n_done, batch) in queue.iter().enumerate() {
        let result = work(batch?)?;
        if n_done > 0 && rayon::current_num_threads() > 1 {
            overlapped(result, &queue, work, write)?;
            break;
        }
        write(result)?;
    }
    // The queue is empty and has no sender: the thread is about to end.
    reader.join().unwrap_or_else(|panic| resume_unwind(panic));
    Ok(())
}

/// The same from one result on, with a thread that writes.
fn overlapped<R, W: Send>(
    first: W,
    queue: &Receiver<Result<R>>,
    mut work: impl FnMut(R) -> Result<W>,
    mut write: impl FnMut(W) -> Result<()> + Send,
) -> Result<()> {
    thread::scope(|scope| {
        let (to_write, results) = sync_channel::<Result<W>>(QUEUE);
        let writer = Builder::new().name("write".into());
        let writer = writer.spawn_scoped(scope, move || {
            write(first)?;
            results.iter().try_for_each(|result| write(result?))
        });
        let writer = writer.context(NO_THREAD)?;
        while let Some(batch) = receive(queue, || writer.is_finished()) {
            let result = batch.and_then(&mut work);
            let failed = result.is_err();
            if to_write.send(result).is_err() || failed {
                break;
            }
        }
        drop(to_write);
        writer.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// The next batch, or nothing after the last one or once results are unwanted.
fn receive<R>(queue: &Receiver<R>, unwanted: impl Fn() -> bool) -> Option<R> {
    loop {
        match queue.recv_timeout(PATIENCE) {
            Ok(batch) => return Some(batch),
            Err(RecvTimeoutError::Timeout) if !unwanted() => {}
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use anyhow::{anyhow, bail};
    use arrow_schema::DataType;
    use qualm::{Features, Matrix};
    use qualm_data::Origin;

    /// Runs the stages as on a machine of `threads` cores and gives back what was written.
    fn run_on(
        threads: usize,
        read: impl FnMut() -> Result<Option<usize>> + Send + 'static,
        work: impl FnMut(usize) -> Result<usize> + Send,
        mut write: impl FnMut(usize) -> Result<()> + Send,
    ) -> (Result<()>, Vec<usize>) {
        let mut written = Vec::new();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let ((), batches) = super::read(|| Ok(((), read)), |read| read()).expect("no error");
        let result = pool.expect("a pool").install(|| {
            run(batches, work, |result| {
                write(result)?;
                written.push(result);
                Ok(())
            })
        });
        (result, written)
    }

    /// The numbers below `n`.
    fn count_to(n: usize) -> impl FnMut() -> Result<Option<usize>> + Send {
        let mut numbers = 0..n;
        move || Ok(numbers.next())
    }

    /// The same stage, but for an error in one batch.
    fn failing(at: usize, text: &'static str) -> impl FnMut(usize) -> Result<usize> + Send {
        move |batch| if batch == at { bail!(text) } else { Ok(batch) }
    }

    fn uneven(batch: usize) {
        thread::sleep(Duration::from_micros((batch as u64 * 7919) % 500));
    }

    #[test]
    fn results_come_in_order_and_all_of_them() {
        for threads in [1, 2, 4] {
            for n in [0, 1, 2, 3, 100] {
                let mut numbers = 0..n;
                let read = move || {
                    uneven(numbers.start + 3);
                    Ok(numbers.next())
                };
                let work = |batch| {
                    uneven(batch);
                    Ok(10 * batch)
                };
                let (result, written) = run_on(threads, read, work, |_| Ok(()));
                assert!(result.is_ok());
                assert_eq!(written, (0..n).map(|i| 10 * i).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_first_error_wins_whatever_the_stage_and_the_rest_before_it_is_written() {
        // (batch that cannot be read, worked on, written; the error; batches written)
        for (read_at, work_at, write_at, expected, n_written) in [
            (50, 99, 99, "read", 50),
            (99, 50, 99, "work", 50),
            (99, 99, 50, "write", 50),
            (50, 49, 48, "write", 48),
            (50, 49, 99, "work", 49),
            (0, 99, 99, "read", 0),
            (1, 0, 99, "work", 0),
            (1, 1, 0, "write", 0),
            (1, 1, 1, "read", 1),
        ] {
            for threads in [1, 2] {
                let mut fail_read = failing(read_at, "read");
                let mut source = count_to(80);
                let read = move || source()?.map(&mut fail_read).transpose();
                let mut fail_write = failing(write_at, "write");
                let write = |batch| fail_write(batch).map(drop);
                let (result, written) = run_on(threads, read, failing(work_at, "work"), write);
                let error = result.expect_err("an error was planted").to_string();
                assert_eq!((error.as_str(), written.len()), (expected, n_written));
            }
        }
    }

    /// Three rows, one a batch, that no file holds.
    #[derive(Debug)]
    struct Memory(Features, u8);

    impl Batches for Memory {
        fn features(&self) -> &Features {
            &self.0
        }
        fn id_fields(&self) -> Vec<Field> {
            vec![Field::new("id", DataType::Int8, false)]
        }
        fn n_rows_hint(&self) -> Option<u64> {
            Some(3)
        }
        fn next_batch(&mut self) -> qualm_data::Result<Option<Batch>> {
            if self.1 == 3 {
                return Ok(None);
            }
            self.1 += 1;
            Ok(Some(Batch {
                rows: Matrix::new(vec![f32::from(self.1)], 1)?,
                ids: Vec::new(),
                labels: None,
                origin: Origin::memory(usize::from(self.1) - 1),
            }))
        }
    }

    #[test]
    fn batches_of_any_source_go_through() {
        let features = Features::Columns(vec!["x".to_owned()]);
        let (input, batches) = open(|| Ok(Memory(features, 0))).expect("no error");
        assert_eq!((input.id_fields.len(), input.n_rows_hint), (1, Some(3)));
        let mut seen = Vec::new();
        let work = |batch: Batch| Ok((batch.origin.at(0).row, batch.rows.into_vec()));
        let write = |row| {
            seen.push(row);
            Ok(())
        };
        run(batches, work, write).expect("no error");
        let row = |n: u8| (Some(usize::from(n)), vec![f32::from(n)]);
        assert_eq!(seen, [row(1), row(2), row(3)]);
    }

    #[test]
    fn what_opening_finds_comes_before_the_batches() {
        let next = |n: &mut usize| Ok((*n > 0).then(|| std::mem::replace(n, 0)));
        let (head, batches) = read(|| Ok(("head", 7)), next).expect("no error");
        let mut written = Vec::new();
        let write = |batch| {
            written.push(batch);
            Ok(())
        };
        run(batches, Ok, write).expect("no error");
        assert_eq!((head, written), ("head", vec![7]));

        let error = read(|| bail!("no such file"), next).map(|((), _)| ());
        assert_eq!(error.expect_err("planted").to_string(), "no such file");
        let caught = std::panic::catch_unwind(|| {
            let open = || Ok(((), "".parse().expect("planted")));
            read(open, next).is_ok()
        });
        assert!(caught.is_err());
    }

    #[test]
    fn few_batches_are_in_memory_and_a_failed_write_stops_the_reader() {
        let alive = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let n_read = Arc::new(AtomicUsize::new(0));
        let read = {
            let (alive, most, n_read) = (alive.clone(), most.clone(), n_read.clone());
            move || {
                most.fetch_max(1 + alive.fetch_add(1, Ordering::SeqCst), Ordering::SeqCst);
                Ok(Some(n_read.fetch_add(1, Ordering::SeqCst)))
            }
        };
        let write = |batch| {
            thread::sleep(Duration::from_millis(1));
            alive.fetch_sub(1, Ordering::SeqCst);
            if batch == 60 {
                bail!("full");
            }
            Ok(())
        };
        let (result, written) = run_on(2, read, Ok, write);
        assert_eq!(result.expect_err("planted").to_string(), "full");
        assert_eq!(written.len(), 60);
        // Both queues, and one batch in each of three hands.
        assert!(most.load(Ordering::SeqCst) <= 2 * QUEUE + 3);
        assert!(n_read.load(Ordering::SeqCst) <= 61 + 2 * QUEUE + 3);
    }

    #[test]
    fn a_reader_that_waits_for_ever_does_not_hold_up_the_error() {
        let mut source = count_to(3);
        let read = move || {
            let batch = source()?;
            while batch.is_none() {
                thread::park();
            }
            Ok(batch)
        };
        let write = |batch| {
            if batch == 2 {
                Err(anyhow!("closed"))
            } else {
                Ok(())
            }
        };
        let (result, written) = run_on(2, read, Ok, write);
        assert_eq!(result.expect_err("planted").to_string(), "closed");
        assert_eq!(written, [0, 1]);
    }

    #[test]
    fn a_panic_in_any_stage_reaches_the_caller() {
        for stage in ["read", "work", "write"] {
            let fail = move |batch: usize, here: &str| {
                assert!(batch < 5 || here != stage, "planted in {here}");
                batch
            };
            let caught = std::panic::catch_unwind(|| {
                let mut source = count_to(20);
                let read = move || Ok(source()?.map(|batch| fail(batch, "read")));
                let work = |batch| Ok(fail(batch, "work"));
                run_on(2, read, work, |batch| {
                    fail(batch, "write");
                    Ok(())
                })
            });
            let panic = caught.expect_err("a panic was planted");
            let text = panic.downcast_ref::<String>().map(String::as_str);
            assert_eq!(text, Some(format!("planted in {stage}").as_str()));
        }
    }
}
