//! Two people in a room while all the rest goes on. They ask the server for a sign of life five times a second, and remember how
//! long it took. Now and then they come anew: who sends no media is let go after a minute, and who joins must get in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::wire::{PATIENCE, PING, Socket, Target};

/// Between two questions.
const PERIOD: Duration = Duration::from_millis(200);

/// A person stays so long.
const STAY: Duration = Duration::from_secs(20);

/// What they had since they were asked last.
#[derive(Debug, Default, Clone)]
pub(crate) struct Had {
    pub(crate) answers: u32,
    pub(crate) slowest: Duration,
    pub(crate) broken: Option<String>,
}

/// The call. It ends when this is dropped.
pub(crate) struct Honest {
    had: Arc<Mutex<Had>>,
    is_over: Arc<AtomicBool>,
    people: Vec<JoinHandle<()>>,
}

impl Honest {
    pub(crate) fn begin(target: &Target) -> anyhow::Result<Self> {
        let had = Arc::new(Mutex::new(Had::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let people = ["ada", "bob"].iter().map(|name| {
            // An address of its own.
            let own = target.same();
            let socket = own.join("honest", name).context("the honest call cannot begin")?;
            let (had, is_over) = (had.clone(), is_over.clone());
            Ok(std::thread::spawn(move || stay(&own, name, socket, &had, &is_over)))
        });
        let people = people.collect::<anyhow::Result<_>>()?;
        Ok(Self { had, is_over, people })
    }

    /// Since the last time.
    pub(crate) fn had(&self) -> Had {
        let mut had = self.had.lock().unwrap_or_else(PoisonError::into_inner);
        let broken = had.broken.clone();
        std::mem::replace(&mut *had, Had { broken, ..Had::default() })
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for person in self.people.drain(..) {
            let _ = person.join();
        }
    }
}

fn stay(target: &Target, name: &str, mut socket: Socket, had: &Mutex<Had>, is_over: &AtomicBool) {
    let mut came = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        let mut took = ask(&mut socket);
        if took.is_ok() && came.elapsed() > STAY {
            took = again(target, name, &mut socket);
            came = Instant::now();
        }
        let mut had = had.lock().unwrap_or_else(PoisonError::into_inner);
        match took {
            Ok(took) => {
                had.answers += 1;
                had.slowest = had.slowest.max(took);
            }
            Err(error) => {
                had.broken = Some(format!("{error:#}"));
                return;
            }
        }
        drop(had);
        std::thread::park_timeout(PERIOD);
    }
}

/// Takes the place of the one before.
fn again(target: &Target, name: &str, socket: &mut Socket) -> anyhow::Result<Duration> {
    let began = Instant::now();
    *socket = target.join("honest", name).context("an honest client does not get in")?;
    Ok(began.elapsed())
}

fn ask(socket: &mut Socket) -> anyhow::Result<Duration> {
    let began = Instant::now();
    socket.say(PING).context("an honest client cannot send")?;
    match socket.wait_for("pongResp", PATIENCE)? {
        Some(_) => Ok(began.elapsed()),
        None => bail!("an honest client gets no answer any more"),
    }
}
