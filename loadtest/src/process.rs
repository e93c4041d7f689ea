//! What a process uses: processor time in nanoseconds, and resident memory. Linux only; elsewhere every reading is an
//! error, which the report passes on.

use std::io;

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Processor time of all threads there ever were.
    pub(crate) cpu_ns: u64,
    /// Resident memory.
    pub(crate) rss_bytes: u64,
}

/// Reads a process now. An error when there is none of this id.
#[cfg(target_os = "linux")]
pub(crate) fn read(pid: u32) -> io::Result<Reading> {
    use nix::time::{clock_getcpuclockid, clock_gettime};
    use nix::unistd::Pid;

    /// On every machine this runs on; `statm` counts in pages.
    const PAGE_BYTES: u64 = 4096;

    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?))?;
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    Ok(Reading { cpu_ns: nanos(clock_gettime(clock)?), rss_bytes: pages * PAGE_BYTES })
}

/// Processor time of the calling thread, in nanoseconds.
#[cfg(target_os = "linux")]
pub(crate) fn thread_cpu_ns() -> u64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0, nanos)
}

/// The clock behind `Instant`, in nanoseconds.
#[cfg(target_os = "linux")]
pub(crate) fn monotonic_ns() -> u64 {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(0, nanos)
}

#[cfg(target_os = "linux")]
fn nanos(time: nix::sys::time::TimeSpec) -> u64 {
    u64::try_from(std::time::Duration::from(time).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn read(_pid: u32) -> io::Result<Reading> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux tells"))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn thread_cpu_ns() -> u64 {
    0
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn monotonic_ns() -> u64 {
    0
}

/// Every participant needs two or three descriptors: takes all that the system allows.
pub(crate) fn raise_open_files() {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, getrlimit, setrlimit};
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
            // Where it is refused, opening a socket fails later and says why.
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_own_process_can_be_read() {
        let first = read(std::process::id()).unwrap();
        let mut again = first;
        // Work of a thread that has ended still counts.
        while again.cpu_ns <= first.cpu_ns {
            std::thread::spawn(|| std::hint::black_box((0..100_000_u64).map(|n| n ^ 7).sum::<u64>()))
                .join()
                .unwrap();
            again = read(std::process::id()).unwrap();
        }
        assert!(again.rss_bytes > 100_000);
        assert!(read(u32::MAX).is_err());
    }
}
