//! How a figure is taken: many short stretches of the same work, each timed in the thread's processor time; the figure
//! is their median for one operation.
//!
//! Under callgrind the same stretches are counted instead: `instructions.rs` knows two functions here by their names.

use nix::time::{ClockId, clock_gettime};
use stats_alloc::INSTRUMENTED_SYSTEM;

/// How much work goes into a figure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Stretches before anything counts.
    pub warm_up: usize,
    /// Stretches that count.
    pub samples: usize,
}

impl Effort {
    /// For figures that mean something.
    pub const FULL: Self = Self { warm_up: 60, samples: 300 };
    /// Under callgrind, which is slow and has nothing to average out.
    pub const COUNTED: Self = Self { warm_up: 20, samples: 40 };
    /// To see that a bench still runs.
    pub const ONCE: Self = Self { warm_up: 1, samples: 2 };
    /// True when the figures mean nothing.
    #[must_use]
    pub fn is_trial(self) -> bool {
        self.samples < Self::COUNTED.samples
    }
}

/// Processor time of this thread, nanoseconds. By way of the C library: what asks the kernel's page of code itself does
/// not run under valgrind, which hides that page.
fn processor_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    u64::try_from(std::time::Duration::from(time).as_nanos()).unwrap()
}

/// All work that is measured is done in here, so that callgrind counts it and nothing else.
#[inline(never)]
fn counted<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// What callgrind counted until now was warm-up.
#[inline(never)]
pub(crate) fn counting_begins() {
    // Something of its own, so that no two functions are taken for one.
    std::hint::black_box("counting begins");
}

/// How often memory was asked for, or for more of it, since the program began. Nothing is counted, and this is nought,
/// in a program that does not make the instrumented heap its own.
fn heap_requests() -> usize {
    let stats = INSTRUMENTED_SYSTEM.stats();
    stats.allocations + stats.reallocations
}

/// Adds up the time of pieces of work, less what looking at the clock takes, and how often they asked for memory.
#[derive(Debug)]
pub struct Stopwatch {
    ns: u64,
    overhead_ns: u64,
    heap_requests: usize,
}

/// Stretches of one kind of work.
#[derive(Debug, Default)]
pub struct Samples {
    ns_per_operation: Vec<f64>,
    operations: usize,
    stopwatch: Stopwatch,
}

impl Default for Stopwatch {
    fn default() -> Self {
        let mut reads: Vec<u64> = (0..64)
            .map(|_| {
                let begin = processor_ns();
                processor_ns() - begin
            })
            .collect();
        reads.sort_unstable();
        Self { ns: 0, overhead_ns: reads[reads.len() / 2], heap_requests: 0 }
    }
}

impl Stopwatch {
    /// Does the work, and counts its time with what was counted before.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let requests = heap_requests();
        let begin = processor_ns();
        let result = counted(work);
        self.ns += (processor_ns() - begin).saturating_sub(self.overhead_ns);
        self.heap_requests += heap_requests() - requests;
        result
    }

    /// How often memory was asked for since this was last asked.
    pub fn take_heap_requests(&mut self) -> usize {
        std::mem::take(&mut self.heap_requests)
    }

    /// Nanoseconds counted since this was last asked.
    pub fn take_ns(&mut self) -> u64 {
        std::mem::take(&mut self.ns)
    }
}

impl Samples {
    /// Times a stretch of work that says how many operations it was.
    pub fn time(&mut self, work: impl FnOnce() -> usize) {
        let operations = self.stopwatch.time(work);
        let ns = self.stopwatch.take_ns();
        self.add(ns, operations);
    }

    /// A stretch timed by somebody else. One without operations does not count.
    pub fn add(&mut self, ns: u64, operations: usize) {
        self.operations += operations;
        if operations > 0 {
            self.ns_per_operation.push(ns as f64 / operations as f64);
        }
    }

    /// What came before was warm-up.
    pub fn forget(&mut self) {
        counting_begins();
        self.ns_per_operation.clear();
        self.operations = 0;
    }

    /// How many operations all stretches had together.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.operations
    }

    /// The median of one operation, nanoseconds; `None` when nothing was timed.
    #[must_use]
    pub fn median_ns(&self) -> Option<f64> {
        let mut sorted = self.ns_per_operation.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }
}

/// A figure of work that needs no preparation: stretches of so many calls.
pub fn repeat<T>(effort: Effort, calls: usize, mut call: impl FnMut() -> T) -> Option<f64> {
    let mut samples = Samples::default();
    for sample in 0..effort.warm_up + effort.samples {
        if sample == effort.warm_up {
            samples.forget();
        }
        samples.time(|| {
            for _ in 0..calls {
                std::hint::black_box(call());
            }
            calls
        });
    }
    samples.median_ns()
}
