//! What the parent of the process said about signals, and the signals that would end it without
//! a word: the one place of this crate with `unsafe`.
#![expect(
    unsafe_code,
    reason = "the system's signal functions; no handler does more than write and exit"
)]

use libc::{SIG_IGN, SIGABRT, SIGHUP, SIGINT, SIGTERM, SIGXFSZ, c_int};

use crate::FAILED;

/// The signals that mean: stop.
const STOPS: [c_int; 3] = [SIGINT, SIGTERM, SIGHUP];

const ENDED: &[u8] =
    b"error: the process cannot go on: too little memory, unless the line above says \
otherwise; no output file was written; use fewer rows or columns, or raise the limit (ulimit -v)\n";

/// Signals to stop that whoever started the process wants ignored, as `nohup` does for SIGHUP
/// and a shell without job control for SIGINT of what it runs in the background.
pub(crate) fn ignored() -> Vec<c_int> {
    let is_ignored = |&signal: &c_int| {
        // SAFETY: the call only writes the present action to `now`, for which all zeros are a
        // valid value.
        let now = unsafe {
            let mut now: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut now);
            now
        };
        now.sa_sigaction == SIG_IGN
    };
    STOPS.into_iter().filter(is_ignored).collect()
}

/// Ignores signals.
pub(crate) fn ignore(signals: &[c_int]) {
    for &signal in signals {
        // SAFETY: no handler of ours is set.
        unsafe { libc::signal(signal, SIG_IGN) };
    }
}

/// Makes an error of a limit on the size of files, and an exit with a message of the abort that
/// follows an allocation that fails: Rust has no other way to hear of that.
pub(crate) fn survive_limits() {
    // A write beyond the limit then returns an error.
    ignore(&[SIGXFSZ]);
    let handler: extern "C" fn(c_int) = aborted;
    // SAFETY: the handler only calls what is allowed in one.
    unsafe { libc::signal(SIGABRT, handler as libc::sighandler_t) };
}

extern "C" fn aborted(_: c_int) {
    // SAFETY: `write` and `_exit` are async-signal-safe; the bytes are static.
    unsafe {
        libc::write(2, ENDED.as_ptr().cast(), ENDED.len());
        libc::_exit(c_int::from(FAILED));
    }
}
