//! A core for each worker, where there are enough.

/// Keeps the calling thread, that of worker `index` of so many, on a core of its own. A worker that is alone goes
/// wherever the system likes, and so do workers that are more than there are cores. False when it was not done.
#[cfg(target_os = "linux")]
pub(crate) fn pin(index: usize, workers: usize) -> bool {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return false };
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    if workers < 2 || usize::try_from(allowed.count()).unwrap_or(0) < workers {
        return false;
    }
    let Some(core) = cores.nth(index) else { return false };
    let mut own = CpuSet::new();
    own.set(core);
    sched_setaffinity(None, &own).is_ok()
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin(_: usize, _: usize) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use rustix::thread::sched_getaffinity;

    use super::pin;

    #[test]
    fn workers_have_cores_of_their_own_where_there_are_enough() {
        let cores = usize::try_from(sched_getaffinity(None).unwrap().count()).unwrap();
        let pinned = |index, workers| {
            let thread = std::thread::spawn(move || (pin(index, workers), sched_getaffinity(None).unwrap().count()));
            thread.join().unwrap()
        };
        if cores > 1 {
            assert_eq!(pinned(0, cores), (true, 1));
            assert_eq!(pinned(cores - 1, cores), (true, 1));
        }
        assert!(!pinned(0, 1).0);
        assert!(!pinned(0, cores + 1).0);
    }
}
