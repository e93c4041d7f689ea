//! Instructions of an operation, where valgrind is installed. `--once`, `--save`, `--diff`, `--only PART`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use sluice_benches::instructions::{PARTS, can_count, count};
use sluice_benches::measure::Effort;
use sluice_benches::report::{Options, Report};

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = arguments.as_slice()
        && flag == "--part"
    {
        // Callgrind runs this.
        let part = PARTS.iter().find(|part| part.name == name).context("no part of this name")?;
        write!(std::io::stdout(), "{}", (part.run)(Effort::COUNTED))?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options::read(arguments)?;
    let mut report = Report::new("instructions", options.clone());
    let program = std::env::current_exe().context("where am I?")?;
    if !options.is_trial && !can_count() {
        eprintln!("instructions are not counted: valgrind is not installed (apt-get install valgrind)");
        return Ok(ExitCode::SUCCESS);
    }
    for part in PARTS.iter().filter(|part| options.wants(part.name)) {
        let counted = if options.is_trial {
            (part.run)(Effort::ONCE);
            None
        } else {
            Some(count(&program, part)?)
        };
        report.add(part.name, counted);
    }
    report.finish()
}
