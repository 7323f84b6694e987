//! Threads that stay awake while there is work in small parts.
//!
//! A step of a small network takes some hundred microseconds in a dozen parallel parts.
//! Between two of them the pool's threads would go to sleep and have to be woken by the
//! operating system, which can take as long as the part itself.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::Yield;

/// Runs `work` on a thread of the pool, while the other threads wait for its parts awake.
///
/// They take any other work of the pool as well, and give way to other processes.
pub(crate) fn keep_pool_awake<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let done = AtomicBool::new(false);
    rayon::scope(|scope| {
        let home = rayon::current_thread_index();
        let done = &done;
        scope.spawn_broadcast(move |_, context| {
            while Some(context.index()) != home && !done.load(Ordering::Acquire) {
                if rayon::yield_now() != Some(Yield::Executed) {
                    std::thread::yield_now();
                }
            }
        });
        let _until = Until(done);
        work()
    })
}

/// Says so when it is dropped, be it by a panic: nobody waits for what does not come.
struct Until<'a>(&'a AtomicBool);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    #[test]
    fn work_is_done_by_however_many_threads_there_are() {
        for threads in [1, 2, 4] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let sum: u64 = pool.unwrap().install(|| {
                keep_pool_awake(|| {
                    (0..100)
                        .map(|_| (0..1000u64).into_par_iter().sum::<u64>())
                        .sum()
                })
            });
            assert_eq!(sum, 100 * 499_500);
        }
    }

    #[test]
    fn several_at_once_do_not_wait_for_each_other_for_ever() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build();
        let pool = pool.unwrap();
        let total: u64 = std::thread::scope(|scope| {
            let one =
                || pool.install(|| keep_pool_awake(|| (0..10_000u64).into_par_iter().sum::<u64>()));
            let handles: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            handles.into_iter().map(|h| h.join().unwrap()).sum()
        });
        assert_eq!(total, 8 * 49_995_000);
    }

    #[test]
    fn a_panic_comes_through() {
        let caught = std::panic::catch_unwind(|| keep_pool_awake(|| panic!("as it should")));
        assert!(caught.is_err());
    }
}
