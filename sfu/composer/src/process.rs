//! A process of somebody else's program, under supervision.
//!
//! It is started without a shell, with as little of our environment as it needs. What it says on its standard error is
//! kept to its last 4 KiB, for the reason when it fails. It never outlives its owner: dropped, it is killed and reaped.
//! Knows nothing of ffmpeg.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Most bytes of its standard error that are kept: the end, where the reason is.
const LAST_WORDS: usize = 4096;

/// What a program may see of our environment. Secrets of ours are in the rest, and it reads what strangers sent.
const ENVIRONMENT: &[&str] =
    &["PATH", "HOME", "LD_LIBRARY_PATH", "FONTCONFIG_FILE", "FONTCONFIG_PATH", "XDG_CACHE_HOME"];

/// Which of the program's ends we hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// We write what it reads.
    pub(crate) stdin: bool,
    /// We read what it writes.
    pub(crate) stdout: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Process {
    child: Arc<Mutex<Child>>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    last_words: Arc<Mutex<VecDeque<u8>>>,
    /// Closed when the program has closed its standard error: when it has ended.
    ended: Receiver<()>,
}

/// Ends a process from elsewhere, such as from a thread that watches whether it moves.
#[derive(Debug, Clone)]
pub(crate) struct Killer(Arc<Mutex<Child>>);

/// A process that did not end in time. It has been killed.
#[derive(Debug, thiserror::Error)]
#[error("the process did not end in time")]
pub(crate) struct Unfinished;

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// When the system does not start it.
    pub(crate) fn spawn(mut command: Command, ends: Ends) -> io::Result<Self> {
        let end = |held: bool| if held { Stdio::piped() } else { Stdio::null() };
        command.stdin(end(ends.stdin)).stdout(end(ends.stdout)).stderr(Stdio::piped());
        command.env_clear();
        for name in ENVIRONMENT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        // Nothing is ever sent: what counts is that it closes.
        let (ends_here, ended) = sync_channel::<()>(1);
        // From here on the child is reaped by drop, also when no thread can be had.
        let process = Self { child: Arc::new(Mutex::new(child)), stdin, stdout, last_words, ended };
        if let Some(stderr) = stderr {
            let last_words = Arc::clone(&process.last_words);
            thread::Builder::new()
                .name("ffmpeg-words".to_owned())
                .spawn(move || listen(stderr, &last_words, &ends_here))?;
        }
        Ok(process)
    }

    /// What it reads from, once.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// What it writes to, once.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.stdout.take()
    }

    /// Something that ends it.
    pub(crate) fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.child))
    }

    /// How it ended, if it does so within this time.
    pub(crate) fn ended(&self, within: Duration) -> Option<ExitStatus> {
        // Waiting for the end of its words rather than for the process leaves the child free to be killed meanwhile.
        // Behind them it ends at once.
        if self.has_ended_within(within) { lock(&self.child).wait().ok() } else { None }
    }

    /// Waits until it ends by itself. After `within` it is killed. Its standard input is closed before, if we hold it.
    ///
    /// # Errors
    /// [`Unfinished`] when it was killed, or the system does not say how it ended.
    pub(crate) fn wait(&mut self, within: Duration) -> Result<ExitStatus, Unfinished> {
        drop(self.stdin.take());
        self.ended(within).ok_or_else(|| {
            self.killer().kill();
            Unfinished
        })
    }

    /// Waits so long for its end. True when it has ended.
    pub(crate) fn has_ended_within(&self, within: Duration) -> bool {
        !matches!(self.ended.recv_timeout(within), Err(RecvTimeoutError::Timeout))
    }

    /// The end of what it said on its standard error, in one line. It may name files and addresses.
    pub(crate) fn last_words(&self) -> String {
        let bytes: Vec<u8> = lock(&self.last_words).iter().copied().collect();
        let words = String::from_utf8_lossy(&bytes);
        let words: Vec<&str> = words.split_whitespace().collect();
        words.join(" ")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.killer().kill();
        // It was killed: this does not last.
        if let Err(error) = lock(&self.child).wait() {
            tracing::warn!(%error, "a process that was ended could not be reaped");
        }
    }
}

impl Killer {
    /// Ends it at once. One that has ended already is left alone.
    pub(crate) fn kill(&self) {
        let mut child = lock(&self.0);
        if let Ok(None) = child.try_wait()
            && let Err(error) = child.kill()
        {
            tracing::warn!(%error, "a process could not be ended");
        }
    }
}

/// Keeps the end of what is said, until nothing more is.
fn listen(mut stderr: impl Read, last_words: &Mutex<VecDeque<u8>>, _ends_here: &SyncSender<()>) {
    let mut buffer = [0; 1024];
    loop {
        match stderr.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                let mut words = lock(last_words);
                words.extend(buffer.iter().take(count));
                let excess = words.len().saturating_sub(LAST_WORDS);
                words.drain(..excess);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// A value behind a lock. Nothing here leaves one half changed when it panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn of_many_words_the_last_are_kept() {
        let mut process = Process::spawn(
            shell("i=0; while [ $i -lt 2000 ]; do echo word $i >&2; i=$((i+1)); done; exit 3"),
            Ends { stdin: false, stdout: false },
        )
        .unwrap();
        assert_eq!(process.wait(LONG).unwrap().code(), Some(3));
        let words = process.last_words();
        assert!(words.len() <= LAST_WORDS && words.ends_with("word 1998 word 1999"), "{words}");
    }

    #[test]
    fn who_does_not_end_in_time_is_ended() {
        let mut process = Process::spawn(shell("exec cat"), Ends { stdin: true, stdout: true }).unwrap();
        let stdin = process.take_stdin();
        assert!(process.wait(Duration::ZERO).is_err());
        assert!(process.wait(LONG).unwrap().code().is_none(), "by a signal");
        drop(stdin);
    }

    #[test]
    fn a_dropped_process_is_gone_and_reaped() {
        let process = Process::spawn(shell("exec cat"), Ends { stdin: true, stdout: true }).unwrap();
        let id = lock(&process.child).id();
        let entry = std::path::PathBuf::from(format!("/proc/{id}"));
        if !std::path::Path::new("/proc/self").exists() {
            return;
        }
        assert!(entry.exists());
        drop(process);
        assert!(!entry.exists(), "neither running nor a zombie");
    }

    #[test]
    fn little_of_our_environment_is_seen() {
        let mut process = Process::spawn(shell("env >&2"), Ends { stdin: false, stdout: false }).unwrap();
        process.wait(LONG).unwrap();
        assert!(!process.last_words().contains("CARGO"), "{}", process.last_words());
    }
}
