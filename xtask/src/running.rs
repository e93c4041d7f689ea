//! Programs that run beside this one. None outlives it: each ends with the value that stands for it, and all of them at
//! once when this program is told to end. It ends by that as by an error, so that whatever was set up is put back.

use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Between two looks whether a program has ended.
pub(crate) const LOOK: Duration = Duration::from_millis(20);
/// Exit code when told to end a second time: what shells give a process ended by SIGINT.
const IMPATIENT: i32 = 130;

static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);
static RUNNING: Mutex<Vec<Weak<Mutex<Child>>>> = Mutex::new(Vec::new());
static LISTENING: Once = Once::new();

/// A program that was started. It is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Arc<Mutex<Child>>,
    pid: u32,
}

/// An error, once this program was told to end.
pub(crate) fn ensure_wanted() -> anyhow::Result<()> {
    if IS_INTERRUPTED.load(Ordering::SeqCst) {
        bail!("interrupted");
    }
    Ok(())
}

/// Lets time pass, in a loop that looks for something.
pub(crate) fn pause(time: Duration) -> anyhow::Result<()> {
    ensure_wanted()?;
    #[expect(clippy::disallowed_methods, reason = "a condition is polled, with a deadline")]
    std::thread::sleep(time);
    ensure_wanted()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A child, or a list of them, is whole after every step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ctrl-C, SIGTERM or SIGHUP: everything that runs is ended, and nothing more is started.
fn listen() {
    let heard = ctrlc::set_handler(|| {
        if IS_INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(IMPATIENT);
        }
        end_all();
    });
    if let Err(error) = heard {
        eprintln!("cannot listen for Ctrl-C ({error}): what is started may then go on alone");
    }
}

fn end_all() {
    for child in lock(&RUNNING).drain(..).filter_map(|child| child.upgrade()) {
        // It may have ended by itself.
        let _ = lock(&child).kill();
    }
}

impl Running {
    /// Starts a program.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        LISTENING.call_once(listen);
        // Held meanwhile: who is started now is in the list before it is gone through.
        let mut running = lock(&RUNNING);
        ensure_wanted()?;
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let pid = child.id();
        let child = Arc::new(Mutex::new(child));
        running.retain(|child| child.strong_count() > 0);
        running.push(Arc::downgrade(&child));
        Ok(Self { child, pid })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// What it says on standard error, when that is a pipe. Once.
    pub(crate) fn take_stderr(&self) -> Option<std::process::ChildStderr> {
        lock(&self.child).stderr.take()
    }

    /// What it prints, when that is a pipe. Once.
    pub(crate) fn take_stdout(&self) -> Option<std::process::ChildStdout> {
        lock(&self.child).stdout.take()
    }

    /// How it ended, when it has.
    pub(crate) fn ended(&self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(lock(&self.child).try_wait()?)
    }

    /// Until it ends by itself.
    pub(crate) fn wait(&self) -> anyhow::Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended()? {
                ensure_wanted()?;
                return Ok(status);
            }
            pause(LOOK)?;
        }
    }

    /// Ends it, now and without a word.
    pub(crate) fn end(&self) {
        let mut child = lock(&self.child);
        // It may have ended by itself.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn sleeper() -> Running {
        Running::start(Command::new("sleep").arg("600")).unwrap()
    }

    fn is_alive(pid: u32) -> bool {
        Command::new("kill").args(["-0", &pid.to_string()]).output().unwrap().status.success()
    }

    /// One test: what is told to end is the whole process.
    #[test]
    fn a_program_ends_with_what_stands_for_it_and_all_when_told_to_end() {
        let dropped = sleeper();
        let pid = dropped.pid();
        assert!(is_alive(pid));
        drop(dropped);
        assert!(!is_alive(pid));

        let brief = Running::start(Command::new("sh").args(["-c", "exit 3"])).unwrap();
        assert_eq!(brief.wait().unwrap().code(), Some(3));

        let (first, second) = (sleeper(), sleeper());
        IS_INTERRUPTED.store(true, Ordering::SeqCst);
        end_all();
        assert_eq!(first.wait().unwrap_err().to_string(), "interrupted");
        for running in [&first, &second] {
            while running.ended().unwrap().is_none() {
                std::thread::yield_now();
            }
        }
        assert!(Running::start(&mut Command::new("true")).is_err(), "nothing more is started");
        IS_INTERRUPTED.store(false, Ordering::SeqCst);
    }
}
