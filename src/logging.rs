//! What the server writes about itself: to standard error, as text for people or JSON for machines.

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use anyhow::Context as _;
use sluice_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Modules whose warnings say nothing to an operator: str0m warns at every offer of a codec parameter that we do
/// not negotiate. A filter of the operator's that names the module wins.
const QUIET: [&str; 1] = ["str0m::format=error"];

/// Installs the log for the whole process, and sends panics there as well: a bug contained to one participant
/// must still be one line that machines can read.
pub(crate) fn init(log: &Log) -> anyhow::Result<()> {
    let filter = format!("{},{}", QUIET.join(","), log.filter);
    let filter = EnvFilter::try_new(filter).with_context(|| {
        format!(
            "`log.filter` cannot be \"{}\"\n  accepted: levels by module, such as \"info,sluice_server=debug\"",
            log.filter
        )
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        // Spans carry the room, the participant and the request; all of them belong to the line.
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).init(),
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    let backtrace = std::backtrace::Backtrace::capture();
    tracing::error!(
        location,
        thread = std::thread::current().name(),
        %backtrace,
        "panic: {}",
        panic.payload_as_str().unwrap_or("(no message)")
    );
}
