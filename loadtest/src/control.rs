//! The control plane under load: many clients with an open signal connection and no media, and beside them the native API
//! and the signaling itself, timed one request at a time.
//!
//! Knows rooms and requests, and no media: whoever has none is sent away after a minute by the server, so a run ends before.

use std::time::{Duration, Instant};

use livekit_protocol::{Ping, signal_request as ask, signal_response as told};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::api;
use crate::error::{LoadError, PeerError};
use crate::histogram::Histogram;
use crate::livekit::Connection;
use crate::process;
use crate::server::Server;

/// In each room.
const ROOM: usize = 10;
/// For one answer on a signal connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two requests of the same kind: a user is not a flood, and the server's bounds on those stay out of sight.
const PAUSE: Duration = Duration::from_millis(20);

/// What clients have told and nobody has counted yet; who finds no place waits, and was timed before.
const HEARD: usize = 1024;

/// What to load.
#[derive(Debug, Clone, Copy)]
pub struct Control {
    /// Clients with a signal connection.
    pub clients: usize,
    /// So many join in a second.
    pub join_rate: f64,
    /// How long requests are timed once all are there; at most half a minute.
    pub duration: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct ControlReport {
    /// Clients that were there while it was timed.
    pub clients: usize,
    /// Who did not get in, or lost the connection before the end.
    pub lost: usize,
    /// From opening a connection to the answer that lets a client in, while all came.
    pub join: Times,
    /// From a ping on a signal connection to its answer.
    pub ping: Times,
    /// `POST /api/rooms`.
    pub api_create: Times,
    /// `POST /api/rooms/{id}/join`.
    pub api_join: Times,
    /// `GET /api/rooms/{id}`.
    pub api_look: Times,
    /// Requests to the API that were not answered as hoped.
    pub api_failed: u64,
    /// Resident memory of the server's process for each client, where its process is known.
    pub memory_bytes_each: Option<u64>,
}

/// Durations in microseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Times {
    /// How many.
    pub count: u64,
    /// Half are shorter.
    pub p50_us: Option<u64>,
    /// All but one in a hundred are shorter.
    pub p99_us: Option<u64>,
    /// The longest.
    pub max_us: Option<u64>,
}

impl Times {
    fn of(histogram: &Histogram) -> Self {
        let us = |duration: Option<Duration>| {
            duration.map(|duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
        };
        Self {
            count: histogram.count(),
            p50_us: us(histogram.quantile(0.5)),
            p99_us: us(histogram.quantile(0.99)),
            max_us: us(histogram.max()),
        }
    }

    fn line(&self, what: &str) -> String {
        let ms = |us: Option<u64>| us.map_or("-".to_owned(), |us| format!("{}.{:02}", us / 1000, us % 1000 / 10));
        let (p50, p99, max) = (ms(self.p50_us), ms(self.p99_us), ms(self.max_us));
        format!("{what:<28}{:>8}{p50:>12}{p99:>12}{max:>12}\n", self.count)
    }
}

impl ControlReport {
    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{} clients, {} lost\n", self.clients, self.lost);
        text.push_str(&format!("{:<28}{:>8}{:>12}{:>12}{:>12}\n", "", "count", "p50 ms", "p99 ms", "max ms"));
        text.push_str(&self.join.line("join (signal connection)"));
        text.push_str(&self.ping.line("ping (signal connection)"));
        text.push_str(&self.api_create.line("POST /api/rooms"));
        text.push_str(&self.api_join.line("POST /api/rooms/{id}/join"));
        text.push_str(&self.api_look.line("GET /api/rooms/{id}"));
        if self.api_failed > 0 {
            text.push_str(&format!("{} requests to the API failed\n", self.api_failed));
        }
        if let Some(bytes) = self.memory_bytes_each {
            text.push_str(&format!(
                "memory of the server for each client: {:.1} KiB\n",
                crate::number::float(bytes) / 1024.0
            ));
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

/// Loads a server and says what came of it.
///
/// # Errors
/// [`LoadError`] when nobody gets in, or the server's process cannot be read.
pub fn run(control: Control, server: &Server, server_pid: Option<u32>, room: &str) -> Result<ControlReport, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| LoadError::System("start a runtime", error))?;
    runtime.block_on(conduct(control, server, server_pid, room))
}

/// What a client tells of itself.
enum Heard {
    In(Duration),
    Ping(Duration),
    /// And whether it had been in.
    Lost(PeerError, bool),
}

async fn conduct(
    control: Control,
    server: &Server,
    server_pid: Option<u32>,
    room: &str,
) -> Result<ControlReport, LoadError> {
    let memory = |pid: u32| {
        let reading = process::read(pid).map_err(|error| LoadError::Process(pid, error))?;
        Ok::<_, LoadError>(reading.rss_bytes)
    };
    let before = server_pid.map(memory).transpose()?;
    let (tell, mut heard) = mpsc::channel(HEARD);
    let (stop, stopped) = watch::channel(false);
    let mut clients = JoinSet::new();
    let apart = Duration::from_secs_f64(1.0 / control.join_rate.clamp(0.1, 100_000.0));
    for place in 0..control.clients {
        let name = format!("{room}{}", place / ROOM);
        let token = server.token(&name, &format!("client-{place}"), "client")?;
        let (server, tell, stopped) = (server.clone(), tell.clone(), stopped.clone());
        let wait = apart * u32::try_from(place).unwrap_or(u32::MAX);
        clients.spawn(async move {
            tokio::time::sleep(wait).await;
            let mut was_in = false;
            if let Err(error) = stay(&server, &token, &tell, stopped, &mut was_in).await {
                let _ = tell.send(Heard::Lost(error, was_in)).await;
            }
        });
    }

    let mut joins = Histogram::default();
    let (mut present, mut lost, mut why) = (0, 0, None);
    while present + lost < control.clients {
        match heard.recv().await {
            Some(Heard::In(took)) => {
                joins.record(took);
                present += 1;
            }
            Some(Heard::Lost(error, was_in)) => {
                lost += 1;
                present -= usize::from(was_in);
                why = Some(error);
            }
            Some(Heard::Ping(_)) => {}
            None => break,
        }
    }
    if present == 0 {
        let reason = why.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
        return Err(LoadError::NobodyJoined(reason, server.url("")));
    }
    let memory_bytes_each = match (server_pid, before) {
        (Some(pid), Some(before)) => Some(memory(pid)?.saturating_sub(before) / present as u64),
        _ => None,
    };

    let mut api = Api::default();
    let (mut pings, mut lost_later) = (Histogram::default(), 0);
    {
        let calls = api.run(server, Instant::now() + control.duration);
        tokio::pin!(calls);
        loop {
            tokio::select! {
                () = &mut calls => break,
                told = heard.recv() => match told {
                    Some(Heard::Ping(took)) => pings.record(took),
                    Some(Heard::Lost(..)) => lost_later += 1,
                    Some(Heard::In(_)) => {}
                    None => break,
                },
            }
        }
    }
    stop.send_replace(true);
    // Whoever still has something to tell must not wait for a place.
    drop(heard);
    while clients.join_next().await.is_some() {}
    Ok(ControlReport {
        clients: present,
        lost: lost + lost_later,
        join: Times::of(&joins),
        ping: Times::of(&pings),
        api_create: Times::of(&api.create),
        api_join: Times::of(&api.join),
        api_look: Times::of(&api.look),
        api_failed: api.failed,
        memory_bytes_each,
    })
}

/// One client: comes in, asks every five seconds whether the server is there, as clients do, and leaves.
async fn stay(
    server: &Server,
    token: &str,
    tell: &mpsc::Sender<Heard>,
    mut stopped: watch::Receiver<bool>,
    was_in: &mut bool,
) -> Result<(), PeerError> {
    /// Clients of LiveKit are told to.
    const PING_EVERY: Duration = Duration::from_secs(5);

    let began = Instant::now();
    let mut connection = Connection::connect(server, true, token, true, None).await?;
    loop {
        match tokio::time::timeout(PATIENCE, connection.hear()).await.map_err(|_| PeerError::Late)?? {
            told::Message::Join(_) => break,
            told::Message::Leave(leave) => return Err(PeerError::Leave(leave.reason().as_str_name().to_owned())),
            _ => {}
        }
    }
    *was_in = true;
    let _ = tell.send(Heard::In(began.elapsed())).await;
    // Not all at the same moment: each at a time of its own, by when it came.
    let mut ticks = tokio::time::interval(PING_EVERY);
    let mut asked: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = ticks.tick(), if asked.is_none() => {
                asked = Some(Instant::now());
                connection.say(ask::Message::PingReq(Ping { timestamp: 0, rtt: 0 })).await?;
            }
            message = connection.hear() => match message? {
                told::Message::PongResp(_) => if let Some(asked) = asked.take() {
                    let _ = tell.send(Heard::Ping(asked.elapsed())).await;
                },
                told::Message::Leave(leave) => return Err(PeerError::Leave(leave.reason().as_str_name().to_owned())),
                _ => {}
            },
            // Only ever told to stop.
            _ = stopped.changed() => break,
        }
    }
    connection.close().await;
    Ok(())
}

/// Requests to the native API, timed.
#[derive(Default)]
struct Api {
    create: Histogram,
    join: Histogram,
    look: Histogram,
    failed: u64,
}

impl Api {
    /// Makes a room, looks at it and asks to be let in, again and again until then.
    async fn run(&mut self, server: &Server, until: Instant) {
        while Instant::now() < until {
            let (made, took) = timed(server, "POST", "/api/rooms", r#"{"name":"load"}"#).await;
            let id = made.as_ref().and_then(|room| room.get("id")?.as_str().map(str::to_owned));
            let Some(id) = id else {
                self.failed += 1;
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            self.create.record(took);
            let path = format!("/api/rooms/{id}");
            match timed(server, "GET", &path, "").await {
                (Some(_), took) => self.look.record(took),
                _ => self.failed += 1,
            }
            match timed(server, "POST", &format!("{path}/join"), r#"{"name":"Ada"}"#).await {
                (Some(answer), took) if answer.get("token").is_some() => self.join.record(took),
                _ => self.failed += 1,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A request on a connection of its own, which is part of the time it takes; `None` when it failed.
async fn timed(server: &Server, method: &str, path: &str, body: &str) -> (Option<serde_json::Value>, Duration) {
    let began = Instant::now();
    let answer = api::ask(server, method, path, None, body).await;
    (answer.ok(), began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_milliseconds() {
        let mut histogram = Histogram::default();
        assert!(Times::of(&histogram).line("ping").contains('-'));
        for us in [1_000, 2_000, 12_340] {
            histogram.record_us(us);
        }
        let line = Times::of(&histogram).line("ping");
        assert!(line.starts_with("ping") && line.trim_end().ends_with("12.34"), "{line}");
    }
}
