//! A bad network, for tests of browsers and servers on one machine: two TUN devices, and between them whatever rate,
//! delay, jitter, loss and queue is asked for. It exists because not every kernel has netem.
//!
//! `sluice-link NEAR FAR SEED` makes the two devices, says `ready`, and takes one command a line on its standard input,
//! each answered by one line:
//!
//! - `to-far rate=500000 delay=25 queue=30000`, `to-near …`: how one direction is from now on ([`settings`]).
//! - `counts`: what became of the packets so far, for each direction.
//!
//! Who started it moves the devices into their namespaces and gives them addresses; the link knows no namespaces. It
//! ends with its standard input, and the devices go with it. It needs the right to make network devices.

mod loss;
mod path;
mod settings;

use std::io::{BufRead as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{env, io, thread};

use anyhow::{Context as _, bail};
use path::Path;
use settings::Settings;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

/// The largest IP packet.
const LARGEST_PACKET_BYTES: usize = 65_535;
/// How long to look away from a device that is down.
const DOWN_PAUSE: Duration = Duration::from_millis(10);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [near, far, seed] = &arguments[..] else { bail!("usage: sluice-link NEAR FAR SEED") };
    let mut seeds = fastrand::Rng::with_seed(seed.parse().context("SEED is a number")?);
    let (near, far) = (device(near)?, device(far)?);
    let to_far = Direction::start(&near, &far, seeds.fork())?;
    let to_near = Direction::start(&far, &near, seeds.fork())?;

    answer("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let outcome = match command {
            "to-far" => to_far.set(rest),
            "to-near" => to_near.set(rest),
            "counts" => Ok(format!("to-far {} to-near {}", to_far.counts(), to_near.counts())),
            _ => Err(anyhow::anyhow!("unknown command {command}: there are to-far, to-near, counts")),
        };
        answer(&outcome.unwrap_or_else(|error| format!("error: {error:#}")))?;
    }
    // The threads read devices for ever; they end with the process.
    Ok(())
}

fn answer(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// A device of IP packets that goes when this process ends.
fn device(name: &str) -> anyhow::Result<Arc<SyncDevice>> {
    let device = DeviceBuilder::new().name(name).layer(Layer::L3).enable(false).build_sync();
    Ok(Arc::new(device.with_context(|| format!("cannot make the device {name}"))?))
}

/// A path between two devices, and the two threads that work for it: one waits for packets, one for time.
struct Direction {
    path: Mutex<Path>,
    /// Something was done to the path: the time to wait for may be another.
    changed: Condvar,
}

impl Direction {
    fn start(from: &Arc<SyncDevice>, to: &Arc<SyncDevice>, random: fastrand::Rng) -> io::Result<Arc<Self>> {
        let direction = Arc::new(Self { path: Mutex::new(Path::new(random)), changed: Condvar::new() });
        let (reader, device) = (Arc::clone(&direction), Arc::clone(from));
        thread::Builder::new().name("reader".to_owned()).spawn(move || reader.read(&device))?;
        let (writer, device) = (Arc::clone(&direction), Arc::clone(to));
        thread::Builder::new().name("writer".to_owned()).spawn(move || writer.write(&device))?;
        Ok(direction)
    }

    fn set(&self, words: &str) -> anyhow::Result<String> {
        let settings = Settings::parse(words)?;
        self.path().set(settings, Instant::now());
        self.changed.notify_one();
        Ok("ok".to_owned())
    }

    fn counts(&self) -> String {
        let counts = self.path().counts();
        format!(
            "delivered={} bytes={} lost={} overflowed={}",
            counts.delivered, counts.delivered_bytes, counts.lost, counts.overflowed
        )
    }

    /// Takes packets from a device, for ever.
    fn read(&self, device: &SyncDevice) {
        let mut buffer = vec![0; LARGEST_PACKET_BYTES];
        loop {
            match device.recv(&mut buffer) {
                Ok(length) => {
                    self.path().handle_packet(&buffer[..length], Instant::now());
                    self.changed.notify_one();
                }
                // A device that is down, as all are at first and while they are moved, cannot be waited for.
                Err(_) => thread::park_timeout(DOWN_PAUSE),
            }
        }
    }

    /// Gives packets to a device as they arrive, for ever.
    fn write(&self, device: &SyncDevice) {
        let mut path = self.path();
        loop {
            let now = Instant::now();
            if let Some(packet) = path.poll_packet(now) {
                drop(path);
                // A device that is down takes nothing: that packet is lost, as on any cable.
                let _ = device.send(&packet);
                path = self.path();
                continue;
            }
            path = match path.poll_timeout() {
                Some(at) => {
                    let waited = self.changed.wait_timeout(path, at.saturating_duration_since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(path).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// A thread that panicked has left a path as good as any.
    fn path(&self) -> MutexGuard<'_, Path> {
        self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
