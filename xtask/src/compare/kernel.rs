//! What the kernel alone takes to send: a yardstick taken in the same run and on the same core as the servers, so that
//! figures of a slow machine can be read on a fast one. Linux; elsewhere there is none.
//!
//! Loopback delivers within the call that sends, so that the kernel's receiving is in the figure, as it is in every
//! server's.

/// Nanoseconds of processor time to send a datagram of 1100 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kernel {
    /// One `sendto` each.
    pub(super) plain_ns: f64,
    /// Trains of eight (`UDP_SEGMENT`), for one datagram of them; `None` where the kernel has none.
    pub(super) train_ns: Option<f64>,
}

/// Samples taken at several times of a run.
#[derive(Debug, Default)]
pub(super) struct Yardstick {
    plain: Vec<f64>,
    train: Vec<f64>,
}

impl Yardstick {
    /// Sends for a moment on this core.
    pub(super) fn measure(&mut self, core: Option<usize>) -> anyhow::Result<()> {
        let (plain, train) = measure(core)?;
        self.plain.extend(plain);
        self.train.extend(train);
        Ok(())
    }

    /// The median of all samples.
    pub(super) fn kernel(&self) -> Option<Kernel> {
        Some(Kernel { plain_ns: super::table::median(&self.plain)?, train_ns: super::table::median(&self.train) })
    }
}

#[cfg(not(target_os = "linux"))]
fn measure(_core: Option<usize>) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    Ok(Default::default())
}

#[cfg(target_os = "linux")]
fn measure(core: Option<usize>) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    // A thread of its own, because it stays on its core.
    let thread = std::thread::spawn(move || linux::measure(core));
    thread.join().map_err(|_| anyhow::anyhow!("measuring the kernel panicked"))?
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::time::Duration;

    use nix::sched::{CpuSet, sched_setaffinity};
    use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
    use nix::time::{ClockId, clock_gettime};
    use nix::unistd::Pid;

    use super::super::load::PACKET_BYTES;

    const TRAIN: usize = 8;
    /// Datagrams of a sample: what a socket's buffer takes before it is read.
    const DATAGRAMS: usize = 64;
    const WARM_UP: usize = 200;
    const SAMPLES: usize = 1000;

    /// Nanoseconds for a datagram, sample by sample: plain ones, and those in trains.
    pub(super) fn measure(core: Option<usize>) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
        if let Some(core) = core {
            let mut cores = CpuSet::new();
            cores.set(core)?;
            sched_setaffinity(Pid::from_raw(0), &cores)?;
        }
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let plain = samples(&sender, 1)?;
        let segment = i32::try_from(PACKET_BYTES)?;
        let train = match setsockopt(&sender, UdpGsoSegment, &segment) {
            Ok(()) => samples(&sender, TRAIN).unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        Ok((plain, train))
    }

    fn samples(sender: &UdpSocket, train: usize) -> anyhow::Result<Vec<f64>> {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        receiver.set_nonblocking(true)?;
        let destination = receiver.local_addr()?;
        let length = usize::try_from(PACKET_BYTES)?;
        let contents = vec![0xab; length * train];
        let mut buffer = [0; 2048];
        let mut samples = Vec::with_capacity(SAMPLES);
        for sample in 0..WARM_UP + SAMPLES {
            let begin = processor_time()?;
            for _ in 0..DATAGRAMS / train {
                sender.send_to(&contents, destination)?;
            }
            let took = processor_time()?.saturating_sub(begin);
            let mut arrived = 0_u32;
            while receiver.recv_from(&mut buffer).is_ok() {
                arrived += 1;
            }
            // What a full buffer threw away was cheaper to send.
            if sample >= WARM_UP && usize::try_from(arrived)? == DATAGRAMS {
                samples.push(took.as_secs_f64() * 1e9 / f64::from(arrived));
            }
        }
        Ok(samples)
    }

    fn processor_time() -> anyhow::Result<Duration> {
        Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_kernel_takes_time_to_send() {
        let mut yardstick = Yardstick::default();
        assert_eq!(yardstick.kernel(), None);
        yardstick.measure(None).unwrap();
        assert!(yardstick.kernel().unwrap().plain_ns > 0.0);
    }
}
