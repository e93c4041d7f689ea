//! `sluice`: the composition root. Reads the command line, wires configuration, media plane and signaling
//! together, and shuts them down. It holds no logic of theirs.

mod addresses;
mod audit;
mod backup;
mod cli;
mod deeds;
mod keys;
mod logging;
mod people;
mod serve;
mod shutdown;
mod storage;
mod tls;
mod token;
mod trail;
mod user;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What went wrong and why, on purpose without the backtrace `Debug` would add: these are messages for
            // operators, each says what to do.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
