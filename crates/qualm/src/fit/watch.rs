//! Long work on many threads that can be stopped from wherever it is.
//!
//! A [`Meter`] belongs to one thread. A [`Watch`] lends it to all that share the work: whichever
//! comes by asks the listener, a few times a second, and after an answer to stop all of them
//! leave their loops.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::progress::Meter;
use crate::error::{Error, Result};

/// Milliseconds between two questions to the listener.
const EVERY: u64 = 50;

/// Work that a thread does between two looks at the clock, in products: under a millisecond.
const UNSEEN: u64 = 1 << 20;

/// The listener wants the work to stop; [`Meter::watch`] knows the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Halt;

/// What the listener is told while the work goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extent {
    /// Always the same: so much is done, of so much.
    At(u64, u64),
    /// Per cent of this many products.
    Products(u64),
}

/// Work on many threads, and its listener.
pub(crate) struct Watch<'a> {
    what: &'static str,
    extent: Extent,
    done: AtomicU64,
    start: Instant,
    /// When the listener was asked last, in milliseconds from the start.
    asked: AtomicU64,
    halted: AtomicBool,
    listener: Mutex<Listener<'a>>,
}

struct Listener<'a> {
    meter: Meter<'a>,
    error: Option<Error>,
}

impl Meter<'_> {
    /// Does work that asks this listener whether to go on, from any of its threads.
    ///
    /// # Errors
    /// As [`Meter::work`].
    pub(crate) fn watch<T>(
        &mut self,
        what: &'static str,
        extent: Extent,
        work: impl FnOnce(&Watch<'_>) -> Result<T, Halt>,
    ) -> Result<T> {
        let watch = Watch {
            what,
            extent,
            done: AtomicU64::new(0),
            start: Instant::now(),
            asked: AtomicU64::new(0),
            halted: AtomicBool::new(false),
            listener: Mutex::new(Listener {
                meter: self.reborrow(),
                error: None,
            }),
        };
        let found = watch.ask().and_then(|()| work(&watch));
        let listener = watch.listener.into_inner();
        let error = listener.unwrap_or_else(PoisonError::into_inner).error;
        match (found, error) {
            (_, Some(error)) => Err(error),
            (Ok(found), None) => Ok(found),
            // Only an answer to stop halts the work, and it is kept.
            (Err(Halt), None) => Err(Error::Stopped {
                what,
                done: 0,
                total: 0,
            }),
        }
    }
}

impl<'a> Watch<'a> {
    /// A counter for one thread.
    pub(crate) fn ticks(&self) -> Ticks<'_, 'a> {
        Ticks {
            watch: self,
            unseen: 0,
        }
    }

    /// Counts products, and asks the listener if it is time to.
    fn count(&self, products: u64) -> Result<(), Halt> {
        self.done.fetch_add(products, Ordering::Relaxed);
        let now = self.start.elapsed().as_millis() as u64;
        if now.saturating_sub(self.asked.load(Ordering::Relaxed)) >= EVERY {
            return self.ask();
        }
        self.go_on()
    }

    fn go_on(&self) -> Result<(), Halt> {
        if self.halted.load(Ordering::Relaxed) {
            return Err(Halt);
        }
        Ok(())
    }

    /// Asks the listener, unless another thread is doing so.
    ///
    /// # Errors
    /// [`Halt`] when it wants the work to stop.
    #[cold]
    pub(crate) fn ask(&self) -> Result<(), Halt> {
        // After an answer to stop it is not asked again.
        if let Ok(mut listener) = self.listener.try_lock()
            && listener.error.is_none()
        {
            let (done, total) = match self.extent {
                Extent::At(done, total) => (done, total),
                Extent::Products(total) => {
                    let share = self.done.load(Ordering::Relaxed) as f64 / total.max(1) as f64;
                    ((100.0 * share).min(99.0) as u64, 100)
                }
            };
            if let Err(error) = listener.meter.work(self.what, done, total) {
                listener.error = Some(error);
                self.halted.store(true, Ordering::Relaxed);
            }
            let now = self.start.elapsed().as_millis() as u64;
            self.asked.store(now, Ordering::Relaxed);
        }
        self.go_on()
    }
}

/// Counts the work of one thread.
pub(crate) struct Ticks<'w, 'a> {
    watch: &'w Watch<'a>,
    unseen: u64,
}

impl Ticks<'_, '_> {
    /// Counts so many products.
    ///
    /// # Errors
    /// [`Halt`] when the listener wants the work to stop.
    #[expect(clippy::inline_always, reason = "see `vectorised`")]
    #[inline(always)]
    pub(crate) fn add(&mut self, products: usize) -> Result<(), Halt> {
        self.unseen += products as u64;
        if self.unseen < UNSEEN {
            return Ok(());
        }
        self.watch.count(std::mem::take(&mut self.unseen))
    }
}

impl Drop for Ticks<'_, '_> {
    fn drop(&mut self) {
        self.watch.done.fetch_add(self.unseen, Ordering::Relaxed);
    }
}

/// Does work to which nobody listens.
#[expect(clippy::expect_used, reason = "only a listener stops work")]
pub(crate) fn unwatched<T>(work: impl FnOnce(&Watch<'_>) -> Result<T, Halt>) -> T {
    let done = Meter::new(&mut ()).watch("work", Extent::At(0, 1), work);
    done.expect("nobody stops it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::{Progress, Signal, Work};
    use rayon::prelude::*;

    struct Asked {
        seen: Vec<Work>,
        most: usize,
    }

    impl Progress for Asked {
        fn work(&mut self, work: &Work) -> Signal {
            self.seen.push(*work);
            if self.seen.len() > self.most {
                Signal::Stop
            } else {
                Signal::Continue
            }
        }
    }

    #[test]
    fn every_thread_leaves_its_loop_when_one_hears_the_stop() {
        let mut listener = Asked {
            seen: Vec::new(),
            most: 2,
        };
        let for_ever = |watch: &Watch<'_>| {
            (0..4).into_par_iter().try_for_each(|_| {
                let mut ticks = watch.ticks();
                loop {
                    ticks.add(1 << 20)?;
                }
            })
        };
        let mut meter = Meter::new(&mut listener);
        let stopped = meter.watch("sums", Extent::Products(u64::MAX), for_ever);
        assert!(matches!(stopped, Err(Error::Stopped { what: "sums", .. })));
        assert_eq!(listener.seen.len(), 3);
        assert!(listener.seen.iter().all(|work| work.total == 100));
    }

    #[test]
    fn work_that_is_not_stopped_gives_its_result() {
        assert_eq!(unwatched(|watch| watch.ticks().add(3).map(|()| 7)), 7);
    }
}
