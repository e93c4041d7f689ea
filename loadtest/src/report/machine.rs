//! Where a run took place, so that its figures can be compared.

use serde::Serialize;

/// The machine of the load tester.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Processors that may be used.
    pub cores: usize,
    /// Operating system and its version.
    pub system: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let model = info.lines().find_map(|line| line.strip_prefix("model name"));
        let cpu = model.map_or(std::env::consts::ARCH, |model| model.trim_start_matches([' ', '\t', ':']));
        Self {
            cpu: cpu.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, read("/proc/sys/kernel/osrelease").trim())
                .trim()
                .to_owned(),
        }
    }
}
