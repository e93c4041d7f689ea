//! Guests: synthetic participants that keep people company on a development server. Each room somebody enters gets a
//! few of them, who show a moving picture with a clock and speak in turn, so that somebody alone sees a living room.
//! They leave when nobody else is left.
//!
//! Knows the server from outside only: the list of rooms is its API's, everything else its protocol's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::attendance::{Attendance, Attendee, Phase, Venue};
use crate::clock::Clock;
use crate::error::LoadError;
use crate::media_thread::{Keeping, MediaHandle, MediaThread, Order};
use crate::participant::TrackPlan;
use crate::plan::{Arrival, Visit};
use crate::publication::Content;
use crate::server::Server;
use crate::signal::SignalVersion;
use crate::tally::Live;
use crate::uptake::Uptake;
use crate::window::Announced;

/// How often the list of rooms is looked at: a newcomer is not alone for longer.
const LOOK: Duration = Duration::from_millis(500);
/// For the list to come.
const LIST_PATIENCE: Duration = Duration::from_secs(2);
/// A list that cannot be had so often in a row is given up.
const MAX_FAILURES: u32 = 20;
/// Longest list read.
const MAX_LIST: u64 = 4 << 20;
/// Rooms with guests at once: more would be a load test.
const MAX_PARTIES: usize = 16;
/// Guests have arrived by then, and are told apart from others in the count.
const SETTLED: Duration = Duration::from_secs(5);
/// Most guests in a room.
pub const MAX_GUESTS: usize = 12;

const NAMES: [&str; MAX_GUESTS] =
    ["Ada", "Bo", "Cleo", "Dima", "Eve", "Femi", "Gita", "Hugo", "Ines", "Jun", "Kofi", "Lena"];

#[derive(Debug, Deserialize)]
struct List {
    rooms: Vec<Room>,
}

#[derive(Debug, Deserialize)]
struct Room {
    id: String,
    num_participants: usize,
}

/// The guests of one room.
struct Party {
    since: Instant,
    phase: watch::Sender<Phase>,
    guests: JoinSet<Attendance>,
}

struct Host {
    venue: Arc<Venue>,
    media: MediaHandle,
    count: usize,
    next_id: usize,
    parties: HashMap<String, Party>,
    /// On their way out of a room.
    leaving: HashMap<String, JoinSet<Attendance>>,
}

/// Fills every room of a development server with so many guests (at most [`MAX_GUESTS`]) as soon as somebody enters
/// it, until `until` is done.
///
/// # Errors
/// [`LoadError::System`] when no thread can be started for their media, [`LoadError::NoRooms`] when the server does not
/// list its rooms.
pub async fn keep_company(server: Server, count: usize, until: impl Future<Output = ()>) -> Result<(), LoadError> {
    let clock = Clock::of_machine();
    let (announced, live) = (Arc::new(Announced::default()), Arc::new(Live::default()));
    let (media, _thread) = MediaThread::start(0, clock, announced, live, Keeping::Nothing)
        .map_err(|error| LoadError::System("start a thread for the guests' media", error))?;
    let mut host = Host {
        venue: Arc::new(Venue { server, clock, version: SignalVersion::V1, has_no_v1: AtomicBool::new(false) }),
        media,
        count: count.min(MAX_GUESTS),
        next_id: 0,
        parties: HashMap::new(),
        leaving: HashMap::new(),
    };
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = 0;
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => break,
            _ = look.tick() => {
                // A server that is busy is asked again; one that stops ends this by `until`.
                if let Ok(Some(list)) = timeout(LIST_PATIENCE, host.list()).await {
                    failures = 0;
                    host.attend(&list)?;
                } else {
                    failures += 1;
                    if failures > MAX_FAILURES {
                        return Err(LoadError::NoRooms(host.venue.server.url("/api/rooms")));
                    }
                }
            }
        }
    }
    // The thread ends when it is told, or when nobody holds its orders any more.
    let _ = host.media.tell(Order::Finish).await;
    Ok(())
}

impl Host {
    async fn list(&self) -> Option<List> {
        let server = &self.venue.server;
        let (mut stream, _) = server.open().await.ok()?;
        stream.write_all(server.get("/api/rooms").as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(MAX_LIST).read_to_end(&mut answer).await.ok()?;
        let body = answer.windows(4).position(|end| end == b"\r\n\r\n")?;
        serde_json::from_slice(answer.get(body + 4..)?).ok()
    }

    fn attend(&mut self, list: &List) -> Result<(), LoadError> {
        // The list is older than their leaving: it may still count them as people to keep company.
        let just_left: HashSet<String> = self.leaving.keys().cloned().collect();
        self.leaving.retain(|_, guests| {
            while guests.try_join_next().is_some() {}
            !guests.is_empty()
        });
        for party in self.parties.values_mut() {
            while party.guests.try_join_next().is_some() {}
        }
        let people: HashMap<&str, usize> = list.rooms.iter().map(|room| (&*room.id, room.num_participants)).collect();
        let is_over = |room: &String, party: &mut Party| {
            let others = people.get(&**room).copied().unwrap_or(0).saturating_sub(party.guests.len());
            party.guests.is_empty() || others == 0 && party.since.elapsed() > SETTLED
        };
        for (room, party) in self.parties.extract_if(is_over) {
            party.phase.send_replace(Phase::Over);
            self.leaving.insert(room, party.guests);
        }
        for room in list.rooms.iter().filter(|room| room.num_participants > 0) {
            let is_known = self.parties.contains_key(&room.id) || self.leaving.contains_key(&room.id);
            if !is_known && !just_left.contains(&room.id) && self.parties.len() < MAX_PARTIES {
                let party = self.invite(&room.id)?;
                self.parties.insert(room.id.clone(), party);
            }
        }
        Ok(())
    }

    fn invite(&mut self, room: &str) -> Result<Party, LoadError> {
        let (phase, phases) = watch::channel(Phase::Gathering);
        let mut guests = JoinSet::new();
        let started_at = Instant::now();
        for place in 0..self.count {
            let id = self.next_id;
            self.next_id += 1;
            let guest = u8::try_from(place % crate::clip::COUNT).unwrap_or(0);
            let contents = [Content::GuestPicture { guest }, Content::GuestVoice { guest }];
            let number = u32::try_from(id & 0xff_ffff).unwrap_or(0);
            let tracks = contents.iter().zip(0..).map(|(content, n)| TrackPlan {
                number: number * 2 + n,
                content: *content,
                seed: u64::from(number * 2 + n),
            });
            let identity = format!("guest-{}", place + 1);
            let attendee = Attendee {
                id,
                tracks: tracks.collect(),
                token: self
                    .venue
                    .server
                    .token(room, &identity, &format!("{} (guest)", NAMES[place % NAMES.len()]))?,
                visit: Visit {
                    room: room.to_owned(),
                    identity,
                    arrival: Arrival::Before(Duration::from_millis(150) * u32::try_from(place).unwrap_or(0)),
                    stays: None,
                    publishes: contents.to_vec(),
                    subscribes: false,
                    uptake: Uptake::Whole,
                    breaks: None,
                },
                venue: self.venue.clone(),
                media: self.media.clone(),
                phase: phases.clone(),
                started_at,
            };
            guests.spawn(attendee.attend());
        }
        Ok(Party { since: started_at, phase, guests })
    }
}
