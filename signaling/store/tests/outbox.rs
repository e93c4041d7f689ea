//! Webhooks through generated lives: receivers that fail, die and come back, processes that are killed between any two
//! steps. Nothing is lost, the order within a room holds, and both databases do what the model does.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, unreachable_pub, reason = "tests")]

mod databases;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use databases::Database;
use proptest::prelude::*;
use sluice_store::outbox::{Answer, Bounds, Courier, CourierOptions, Delivery, Receiver, Settlement, Step};
use sluice_store::{Event, LeaseId, NewEvent, ReceiverId, Store, StoreError, StoreOptions, UnixMillis};

const ROOMS: [&str; 3] = ["alpha", "beta", "gamma"];

fn crm() -> ReceiverId {
    ReceiverId::from("crm")
}

fn receiver() -> Receiver {
    Receiver { id: crm(), url: "https://crm.example/hook".to_owned(), api_key: "key".to_owned() }
}

fn new_event(room: &str, at: UnixMillis) -> NewEvent {
    NewEvent {
        kind: "participant_joined".into(),
        at,
        room: Some(room.into()),
        session: None,
        subjects: Vec::new(),
        payload: "{}".to_owned(),
        webhook: true,
    }
}

/// What a courier needs of a store.
trait Ledger {
    async fn append(&mut self, room: &str, now: UnixMillis) -> u64;
    async fn claim(&mut self, lease: &LeaseId, now: UnixMillis, until: UnixMillis, limit: u32) -> Vec<Delivery>;
    async fn settle(&mut self, delivery: &Delivery, settlement: Settlement, now: UnixMillis) -> bool;
    async fn sweep(&mut self, bounds: &Bounds, now: UnixMillis) -> u64;
    /// Pending and dropped.
    async fn standing(&mut self) -> (u64, u64);
}

impl Ledger for Store {
    async fn append(&mut self, room: &str, now: UnixMillis) -> u64 {
        Store::append(self, &new_event(room, now)).await.unwrap()
    }

    async fn claim(&mut self, lease: &LeaseId, now: UnixMillis, until: UnixMillis, limit: u32) -> Vec<Delivery> {
        Store::claim(self, &crm(), lease, now, until, limit).await.unwrap()
    }

    async fn settle(&mut self, delivery: &Delivery, settlement: Settlement, now: UnixMillis) -> bool {
        Store::settle(self, delivery, settlement, now).await.unwrap()
    }

    async fn sweep(&mut self, bounds: &Bounds, now: UnixMillis) -> u64 {
        self.sweep_outbox(&crm(), bounds, now).await.unwrap()
    }

    async fn standing(&mut self) -> (u64, u64) {
        let standing = self.outbox().await.unwrap().remove(0);
        (standing.pending, standing.dropped)
    }
}

/// The same in memory, in as few words as possible.
#[derive(Default)]
struct Model {
    last: u64,
    lanes: BTreeMap<String, Lane>,
    dropped: u64,
}

#[derive(Default)]
struct Lane {
    /// Numbers, and when they were queued.
    queue: BTreeMap<u64, (UnixMillis, u64)>,
    sequence: u64,
    attempts: u32,
    due: UnixMillis,
    lease: Option<LeaseId>,
    until: UnixMillis,
}

impl Ledger for Model {
    async fn append(&mut self, room: &str, now: UnixMillis) -> u64 {
        self.last += 1;
        let lane = self.lanes.entry(room.to_owned()).or_default();
        if lane.queue.is_empty() {
            (lane.attempts, lane.due, lane.lease, lane.until) = (0, now, None, UnixMillis(0));
        }
        lane.sequence += 1;
        lane.queue.insert(self.last, (now, lane.sequence));
        self.last
    }

    async fn claim(&mut self, lease: &LeaseId, now: UnixMillis, until: UnixMillis, limit: u32) -> Vec<Delivery> {
        let mut due: Vec<(&String, &mut Lane)> = self
            .lanes
            .iter_mut()
            .filter(|(_, lane)| !lane.queue.is_empty() && lane.due <= now && lane.until <= now)
            .collect();
        due.sort_by_key(|(room, lane)| (lane.due, (*room).clone()));
        let mut deliveries: Vec<Delivery> = due
            .into_iter()
            .take(limit as usize)
            .map(|(room, lane)| {
                (lane.lease, lane.until) = (Some(lease.clone()), until);
                let (number, (at, sequence)) = lane.queue.first_key_value().unwrap();
                let new = new_event(room, *at);
                let event = Event {
                    number: *number,
                    room_sequence: Some(*sequence),
                    kind: new.kind,
                    at: new.at,
                    room: new.room,
                    session: None,
                    payload: new.payload,
                    erased: false,
                };
                Delivery { receiver: crm(), event, attempts: lane.attempts, lease: lease.clone(), until }
            })
            .collect();
        deliveries.sort_by_key(|delivery| delivery.event.number);
        deliveries
    }

    async fn settle(&mut self, delivery: &Delivery, settlement: Settlement, now: UnixMillis) -> bool {
        let lane = self.lanes.get_mut(delivery.event.room.as_ref().unwrap().as_str()).unwrap();
        if lane.lease.as_ref() != Some(&delivery.lease) {
            return false;
        }
        (lane.lease, lane.until) = (None, UnixMillis(0));
        if let Settlement::Again { at } = settlement {
            (lane.attempts, lane.due) = (delivery.attempts + 1, at);
        } else {
            (lane.attempts, lane.due) = (0, now);
            lane.queue.remove(&delivery.event.number);
            self.dropped += u64::from(settlement == Settlement::Dropped);
        }
        true
    }

    async fn sweep(&mut self, bounds: &Bounds, now: UnixMillis) -> u64 {
        let mut numbers: Vec<u64> = self.lanes.values().flat_map(|lane| lane.queue.keys().copied()).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let cut = numbers.get(bounds.events as usize).copied().unwrap_or(0);
        let mut dropped = 0;
        for lane in self.lanes.values_mut() {
            let before = lane.queue.len();
            lane.queue.retain(|number, (queued, _)| *number > cut && *queued >= now.minus(bounds.age));
            if lane.queue.len() < before {
                (lane.attempts, lane.due, lane.lease, lane.until) = (0, now, None, UnixMillis(0));
            }
            dropped += (before - lane.queue.len()) as u64;
        }
        self.dropped += dropped;
        dropped
    }

    async fn standing(&mut self) -> (u64, u64) {
        (self.lanes.values().map(|lane| lane.queue.len() as u64).sum(), self.dropped)
    }
}

/// One life of a receiver and of those who post to it.
struct Life<L> {
    ledger: L,
    random: fastrand::Rng,
    options: CourierOptions,
    courier: Courier,
    now: UnixMillis,
    leases: u32,
    /// Posted, and not answered yet.
    posted: Vec<Delivery>,
    /// By room, what was written, in order.
    written: BTreeMap<String, Vec<u64>>,
    /// By room, how many of those were received. What is poisoned counts when it is given up.
    received: BTreeMap<String, usize>,
    repeats: usize,
    kills: usize,
    /// What the receiver never takes.
    poisoned: BTreeSet<u64>,
    /// How likely the receiver takes something, in percent.
    health: u32,
    trace: Vec<String>,
}

impl<L: Ledger> Life<L> {
    fn new(ledger: L, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let now = UnixMillis(1_000_000);
        let options = CourierOptions { at_once: random.u32(1..5), ..CourierOptions::default() };
        Self {
            ledger,
            options,
            courier: Courier::new(options, now),
            now,
            leases: 0,
            posted: Vec::new(),
            written: BTreeMap::new(),
            received: BTreeMap::new(),
            repeats: 0,
            kills: 0,
            poisoned: BTreeSet::new(),
            health: 70,
            trace: Vec::new(),
            random,
        }
    }

    /// What the courier says, for so many steps: a process can be killed after any of them.
    async fn drive(&mut self, steps: u32) {
        for _ in 0..steps {
            let step = self.courier.poll(self.now);
            self.trace.push(format!("{} {step:?}", self.now.0));
            match step {
                Step::Claim { limit, until } => {
                    self.leases += 1;
                    let lease = LeaseId::from(format!("L{}", self.leases));
                    let claimed = self.ledger.claim(&lease, self.now, until, limit).await;
                    if self.random.u8(..100) < 5 {
                        // Killed before it heard what it got.
                        return self.kill();
                    }
                    self.courier.handle_claimed(claimed, self.now);
                }
                Step::Post(delivery) => self.posted.push(delivery),
                Step::Settle(delivery, settlement) => {
                    if self.random.u8(..100) < 5 {
                        // The database was busy: the claim ends by itself.
                        continue;
                    }
                    let settled = self.ledger.settle(&delivery, settlement, self.now).await;
                    if settled && settlement == Settlement::Dropped {
                        assert!(self.poisoned.contains(&delivery.event.number), "only what is never taken is given up");
                        self.receive(&delivery);
                    }
                }
                Step::Sweep(bounds) => assert_eq!(self.ledger.sweep(&bounds, self.now).await, 0, "within the bounds"),
                Step::Wait(until) => {
                    assert!(until > self.now, "a wait that is none is a loop");
                    return;
                }
            }
        }
    }

    /// The receiver has it, whether or not anybody hears that it does.
    fn receive(&mut self, delivery: &Delivery) {
        let room = delivery.event.room.as_ref().unwrap().as_str();
        let number = delivery.event.number;
        let position = self.written[room].iter().position(|written| *written == number).unwrap();
        let received = self.received.entry(room.to_owned()).or_default();
        self.trace.push(format!("received {number}"));
        if position == *received {
            *received += 1;
        } else {
            // At least once: it may be the newest again, never one before it or after a gap.
            assert_eq!(position + 1, *received, "{room}: {number} after {received} of {:?}", self.written[room]);
            self.repeats += 1;
        }
    }

    fn answer(&mut self) {
        if self.posted.is_empty() {
            return;
        }
        let delivery = self.posted.swap_remove(self.random.usize(..self.posted.len()));
        let number = delivery.event.number;
        let answer = if self.random.u32(..100) >= self.health {
            Answer::Failed
        } else if self.poisoned.contains(&number) {
            Answer::Refused
        } else {
            Answer::Taken
        };
        // A receiver may have it and fail to say so.
        let has = answer == Answer::Taken || (answer == Answer::Failed && self.random.u8(..100) < 20);
        if has && !self.poisoned.contains(&number) {
            self.receive(&delivery);
        }
        self.courier.handle_answer(number, answer, self.now, self.random.u64(..));
    }

    /// All is forgotten but what the store has.
    fn kill(&mut self) {
        self.kills += 1;
        self.trace.push("killed".to_owned());
        for delivery in std::mem::take(&mut self.posted) {
            if self.random.bool() && !self.poisoned.contains(&delivery.event.number) {
                self.receive(&delivery);
            }
        }
        self.courier = Courier::new(self.options, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
        // Who posts gives up before the claim ends.
        let (late, posted) = std::mem::take(&mut self.posted)
            .into_iter()
            .partition(|delivery: &Delivery| self.now >= delivery.until);
        self.posted = posted;
        let late: Vec<Delivery> = late;
        for delivery in late {
            if self.random.bool() && !self.poisoned.contains(&delivery.event.number) {
                self.receive(&delivery);
            }
        }
    }

    async fn live(&mut self, steps: u32) {
        for _ in 0..steps {
            match self.random.u8(..100) {
                0..30 => {
                    let room = ROOMS[self.random.usize(..ROOMS.len())];
                    let number = self.ledger.append(room, self.now).await;
                    self.written.entry(room.to_owned()).or_default().push(number);
                    if self.random.u8(..100) < 4 {
                        self.poisoned.insert(number);
                    }
                    if self.random.bool() {
                        self.courier.handle_queued(self.now);
                    }
                }
                30..60 => {
                    let steps = self.random.u32(1..8);
                    self.drive(steps).await;
                }
                60..85 => self.answer(),
                85..94 => {
                    let time = Duration::from_millis(self.random.u64(..20_000));
                    self.pass(time);
                }
                94..97 => self.health = [0, 30, 100][self.random.usize(..3)],
                _ => self.kill(),
            }
        }
    }

    /// The receiver is well and nobody is killed any more: everything arrives.
    async fn recover(&mut self) {
        self.health = 100;
        for _ in 0..100_000 {
            self.drive(1_000).await;
            while !self.posted.is_empty() {
                self.answer();
            }
            if self.ledger.standing().await.0 == 0 {
                break;
            }
            self.pass(Duration::from_secs(1));
        }
        let all: BTreeMap<String, usize> =
            self.written.iter().map(|(room, written)| (room.clone(), written.len())).collect();
        assert_eq!(self.received, all, "everything that was written was received");
        let (pending, dropped) = self.ledger.standing().await;
        assert_eq!((pending, dropped), (0, self.poisoned.len() as u64), "what was given up was counted");
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn killed_anywhere_nothing_is_lost_and_the_order_holds(seed in any::<u64>()) {
        block_on(async {
            let mut life = Life::new(Model::default(), seed);
            life.live(600).await;
            life.recover().await;
        });
    }
}

/// The model is worth something only if the databases do the same: one seed, one trace.
#[test]
fn both_databases_do_what_the_model_does() {
    block_on(async {
        for database in Database::all().await {
            for seed in 0..6 {
                let store = database.open().await;
                store.set_receivers(&[receiver()]).await.unwrap();
                let first = store.last_event().await.unwrap();
                let mut model = Life::new(Model { last: first, ..Model::default() }, seed);
                let mut life = Life::new(store.clone(), seed);
                for life_steps in [150, 0] {
                    model.live(life_steps).await;
                    life.live(life_steps).await;
                }
                model.recover().await;
                life.recover().await;
                assert!(life.kills > 0);
                let difference =
                    life.trace.iter().zip(&model.trace).find(|(store, model)| plain(store) != plain(model));
                assert_eq!(difference, None, "{}, seed {seed}", database.name);
                assert_eq!(store.check().await.unwrap(), [] as [String; 0], "{}", database.name);
                // Begin again: the receiver's counts are its own.
                store.set_receivers(&[]).await.unwrap();
                store.close().await;
            }
        }
    });
}

/// Sequences of rooms go on from one seed to the next; the model begins anew.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("room_sequence: Some(") {
        text.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    text + rest
}

#[tokio::test]
async fn a_lane_is_in_one_pair_of_hands() {
    for database in Database::all().await {
        let store = database.open().await;
        store.set_receivers(&[receiver()]).await.unwrap();
        let at = |seconds: i64| UnixMillis(seconds * 1_000);
        for room in ["a", "a", "b"] {
            store.append(&new_event(room, at(0))).await.unwrap();
        }
        let claim = async |lease: &str, now: i64| {
            let claimed = store.claim(&crm(), &lease.into(), at(now), at(now + 30), 9).await.unwrap();
            claimed.into_iter().collect::<Vec<_>>()
        };
        let first = claim("one", 1).await;
        assert_eq!(first.iter().map(|delivery| delivery.event.number).collect::<Vec<_>>(), [1, 3], "{}", database.name);
        assert!(claim("two", 2).await.is_empty(), "the second event of a room waits for the first");
        // The claim ends, and the lane is another's.
        let second = claim("two", 31).await;
        assert_eq!(second.len(), 2);
        assert!(!store.settle(&first[0], Settlement::Delivered, at(32)).await.unwrap(), "too late");
        assert!(store.settle(&second[0], Settlement::Delivered, at(32)).await.unwrap());
        assert!(!store.settle(&second[0], Settlement::Delivered, at(32)).await.unwrap(), "once");
        assert_eq!(claim("three", 32).await[0].event.number, 2);
        // A process that is alone frees what the one before held.
        store.free_leases().await.unwrap();
        assert_eq!(claim("four", 32).await.len(), 2);
        store.close().await;
    }
}

/// Several processes on one database: each lane is claimed by one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_at_the_same_time_do_not_overlap() {
    for database in Database::all().await {
        let store = database.open_with(&StoreOptions { connections: 6, ..StoreOptions::default() }).await;
        store.set_receivers(&[receiver()]).await.unwrap();
        for room in 0..30 {
            store.append(&new_event(&format!("room {room}"), UnixMillis(0))).await.unwrap();
        }
        let claims: Vec<_> = (0..6)
            .map(|process| {
                let store = store.clone();
                tokio::spawn(async move {
                    let mut claimed = Vec::new();
                    for turn in 0..6 {
                        let lease = LeaseId::from(format!("{process}/{turn}"));
                        claimed.extend(store.claim(&crm(), &lease, UnixMillis(1), UnixMillis(9), 2).await.unwrap());
                    }
                    claimed
                })
            })
            .collect();
        let mut numbers = Vec::new();
        for claim in claims {
            numbers.extend(claim.await.unwrap().iter().map(|delivery| delivery.event.number));
        }
        // Who skips what others hold may come away with nothing: what is left is claimed now.
        let rest = store.claim(&crm(), &"rest".into(), UnixMillis(1), UnixMillis(9), 99).await.unwrap();
        numbers.extend(rest.iter().map(|delivery| delivery.event.number));
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=30).collect::<Vec<_>>(), "{}", database.name);
        store.close().await;
    }
}

#[tokio::test]
async fn a_dead_receiver_is_kept_the_newest_for_a_while() {
    for database in Database::all().await {
        let store = database.open().await;
        store.set_receivers(&[receiver()]).await.unwrap();
        let at = |seconds: i64| UnixMillis(seconds * 1_000);
        for second in 0..20 {
            let room = if second % 2 == 0 { "even" } else { "odd" };
            store.append(&new_event(room, at(second))).await.unwrap();
        }
        let held = store.claim(&crm(), &"L".into(), at(20), at(50), 9).await.unwrap();
        let bounds = Bounds { events: 5, age: Duration::from_secs(100) };
        assert_eq!(store.sweep_outbox(&crm(), &bounds, at(21)).await.unwrap(), 15, "{}", database.name);
        assert_eq!(store.sweep_outbox(&crm(), &bounds, at(21)).await.unwrap(), 0);
        assert!(!store.settle(&held[0], Settlement::Delivered, at(22)).await.unwrap(), "it was dropped meanwhile");
        let standing = store.outbox().await.unwrap().remove(0);
        assert_eq!((standing.pending, standing.dropped, standing.oldest), (5, 15, Some(at(15))));
        let heads = store.claim(&crm(), &"M".into(), at(22), at(50), 9).await.unwrap();
        assert_eq!(heads.iter().map(|delivery| delivery.event.number).collect::<Vec<_>>(), [16, 17]);
        // By age.
        assert_eq!(store.sweep_outbox(&crm(), &bounds, at(118)).await.unwrap(), 3);
        assert_eq!(store.check().await.unwrap(), [] as [String; 0], "{}", database.name);
        // Gone with its receiver.
        store.set_receivers(&[]).await.unwrap();
        assert!(store.outbox().await.unwrap().is_empty());
        assert!(store.claim(&crm(), &"N".into(), at(118), at(119), 9).await.unwrap().is_empty());
        assert_eq!(store.check().await.unwrap(), [] as [String; 0], "{}", database.name);
        store.close().await;
    }
}

#[tokio::test]
async fn an_error_of_the_database_is_one_of_ours() -> Result<(), StoreError> {
    let database = Database::sqlite();
    let store = database.open().await;
    store.close().await;
    let error = store.append(&new_event("a", UnixMillis(0))).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    Ok(())
}
