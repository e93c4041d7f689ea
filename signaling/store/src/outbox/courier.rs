//! When to post which webhook: a machine for one receiver, without sockets, clock or randomness.
//!
//! Whoever runs it does what [`Courier::poll`] says (claim, settle, sweep, wait) and tells it what came of it. Each
//! receiver has a courier of its own, so one that is slow or dead costs the others nothing. Everything it knows may be
//! lost at any moment: what is owed lies in the store, and a new courier begins where the claims of the old one end.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{Bounds, Delivery, Settlement};
use crate::UnixMillis;

/// How a courier works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CourierOptions {
    /// Deliveries under way at a time, each of another room.
    pub at_once: u32,
    /// How long a delivery may take, from claim to settlement. Longer than the poster's own timeout.
    pub lease: Duration,
    /// How long to wait after the first failure; it doubles with each further one.
    pub first_wait: Duration,
    /// How long to wait at most.
    pub longest_wait: Duration,
    /// After so many failures in a row the receiver is taken for dead: one delivery at a time asks whether it is back.
    pub dead_after: u32,
    /// An event that the receiver refuses so many times (not: that it does not answer) is dropped, so that the room can
    /// go on.
    pub refusals: u32,
    /// How often to look for work nobody told of: what other processes queued, and waits that are over.
    pub look_every: Duration,
    /// How often to drop what is beyond the bounds.
    pub sweep_every: Duration,
    /// The bounds.
    pub bounds: Bounds,
}

impl Default for CourierOptions {
    fn default() -> Self {
        Self {
            at_once: 8,
            lease: Duration::from_secs(30),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(600),
            dead_after: 5,
            refusals: 5,
            look_every: Duration::from_secs(1),
            sweep_every: Duration::from_secs(60),
            bounds: Bounds::default(),
        }
    }
}

/// What a receiver answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It has it (2xx).
    Taken,
    /// It does not want this one (4xx but 408 and 429).
    Refused,
    /// It did not answer, or cannot now.
    Failed,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// [`crate::Store::claim`] so many, until then; then [`Courier::handle_claimed`], with nothing if it failed.
    Claim {
        /// Lanes at most.
        limit: u32,
        /// When the claim is to end.
        until: UnixMillis,
    },
    /// Post it; then [`Courier::handle_answer`]. What comes back after its claim has ended need not be told.
    Post(Delivery),
    /// [`crate::Store::settle`] it. If that fails, the claim ends by itself, and it is posted again.
    Settle(Delivery, Settlement),
    /// [`crate::Store::sweep_outbox`] with these bounds.
    Sweep(Bounds),
    /// Nothing until then, unless something comes in.
    Wait(UnixMillis),
}

/// The machine.
#[derive(Debug)]
pub struct Courier {
    options: CourierOptions,
    /// What is to be done at once; bounded by what was claimed, two steps for each.
    ready: VecDeque<Step>,
    /// By number of the event; at most `at_once`.
    under_way: BTreeMap<u64, Delivery>,
    claiming: bool,
    look_at: UnixMillis,
    sweep_at: UnixMillis,
    failures_in_a_row: u32,
    rest_until: UnixMillis,
}

impl Courier {
    /// One that begins now.
    #[must_use]
    pub fn new(options: CourierOptions, now: UnixMillis) -> Self {
        Self {
            options,
            ready: VecDeque::new(),
            under_way: BTreeMap::new(),
            claiming: false,
            look_at: now,
            sweep_at: now,
            failures_in_a_row: 0,
            rest_until: UnixMillis(i64::MIN),
        }
    }

    /// Something was queued: there is no need to wait for the next look.
    pub fn handle_queued(&mut self, now: UnixMillis) {
        self.look_at = self.look_at.min(now);
    }

    /// What was claimed.
    pub fn handle_claimed(&mut self, deliveries: Vec<Delivery>, now: UnixMillis) {
        self.claiming = false;
        // As much as was asked for: there is likely more, as soon as there is room.
        self.look_at = if deliveries.is_empty() { now.plus(self.options.look_every) } else { now };
        for delivery in deliveries {
            self.under_way.insert(delivery.event.number, delivery.clone());
            self.ready.push_back(Step::Post(delivery));
        }
    }

    /// What a receiver answered. `random` is fresh randomness: what failed together is not tried again together.
    pub fn handle_answer(&mut self, number: u64, answer: Answer, now: UnixMillis, random: u64) {
        self.abandon_late(now);
        // An answer to what is no longer ours changes nothing.
        let Some(delivery) = self.under_way.remove(&number) else { return };
        let again = Settlement::Again { at: now.plus(self.wait(delivery.attempts, random)) };
        let settlement = match answer {
            Answer::Taken => Settlement::Delivered,
            Answer::Refused if delivery.attempts.saturating_add(1) >= self.options.refusals => Settlement::Dropped,
            Answer::Refused | Answer::Failed => again,
        };
        if answer == Answer::Failed {
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
            if self.is_dead() {
                let beyond = self.failures_in_a_row - self.options.dead_after;
                self.rest_until = now.plus(self.wait(beyond, random));
            }
        } else {
            // Refusing is a sign of life.
            self.failures_in_a_row = 0;
            self.rest_until = UnixMillis(i64::MIN);
        }
        self.ready.push_back(Step::Settle(delivery, settlement));
        self.look_at = self.look_at.min(now);
    }

    /// What to do next.
    pub fn poll(&mut self, now: UnixMillis) -> Step {
        self.abandon_late(now);
        if let Some(step) = self.ready.pop_front() {
            return step;
        }
        if now >= self.sweep_at {
            self.sweep_at = now.plus(self.options.sweep_every);
            return Step::Sweep(self.options.bounds);
        }
        let room = self.room();
        let claim_at = self.look_at.max(self.rest_until);
        if room > 0 && now >= claim_at {
            self.claiming = true;
            return Step::Claim { limit: room, until: now.plus(self.options.lease) };
        }
        let first_end = self.under_way.values().map(|delivery| delivery.until).min();
        let claim = (room > 0).then_some(claim_at);
        Step::Wait(
            [Some(self.sweep_at), first_end, claim]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(self.sweep_at),
        )
    }

    /// Whether the receiver is taken for dead.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.failures_in_a_row >= self.options.dead_after
    }

    /// How many more may be under way.
    fn room(&self) -> u32 {
        if self.claiming {
            return 0;
        }
        let most = if self.is_dead() { 1 } else { self.options.at_once };
        most.saturating_sub(u32::try_from(self.under_way.len()).unwrap_or(u32::MAX))
    }

    /// Lets go of what has taken too long: its claim has ended, and somebody else may have it.
    fn abandon_late(&mut self, now: UnixMillis) {
        self.under_way.retain(|_, delivery| now < delivery.until);
        self.ready.retain(|step| !matches!(step, Step::Post(delivery) if now >= delivery.until));
    }

    /// Doubles from `first_wait` to `longest_wait`; half of it is left to chance.
    fn wait(&self, attempts: u32, random: u64) -> Duration {
        let doubled = self.options.first_wait.saturating_mul(2_u32.saturating_pow(attempts.min(31)));
        let half = doubled.min(self.options.longest_wait) / 2;
        let half_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
        half + Duration::from_millis(random % half_ms.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]

    use super::*;
    use crate::{Event, LeaseId, ReceiverId};

    fn delivery(number: u64, attempts: u32, until: i64) -> Delivery {
        Delivery {
            receiver: ReceiverId::from("r"),
            event: Event {
                number,
                room_sequence: None,
                kind: "room_started".into(),
                at: UnixMillis(0),
                room: Some("lobby".into()),
                session: None,
                payload: "{}".to_owned(),
                erased: false,
            },
            attempts,
            lease: LeaseId::from("l"),
            until: UnixMillis(until),
        }
    }

    /// A courier that has swept and claimed.
    fn claimed(deliveries: Vec<Delivery>) -> Courier {
        let now = UnixMillis(0);
        let mut courier = Courier::new(CourierOptions::default(), now);
        assert!(matches!(courier.poll(now), Step::Sweep(_)));
        assert!(matches!(courier.poll(now), Step::Claim { limit: 8, .. }));
        courier.handle_claimed(deliveries, now);
        courier
    }

    #[test]
    fn waits_double_and_half_of_them_is_chance() {
        let courier = Courier::new(CourierOptions::default(), UnixMillis(0));
        assert_eq!(courier.wait(0, 0), Duration::from_millis(500));
        assert_eq!(courier.wait(0, 500), Duration::from_secs(1));
        assert_eq!(courier.wait(3, 0), Duration::from_secs(4));
        assert_eq!(courier.wait(u32::MAX, 0), Duration::from_secs(300));
        for random in [0, 1, u64::MAX, 77_777_777] {
            assert!((Duration::from_secs(300)..=Duration::from_secs(600)).contains(&courier.wait(40, random)));
        }
    }

    #[test]
    fn a_late_answer_changes_nothing() {
        let mut courier = claimed(vec![delivery(1, 0, 30_000)]);
        assert!(matches!(courier.poll(UnixMillis(0)), Step::Post(_)));
        courier.handle_answer(1, Answer::Taken, UnixMillis(30_000), 0);
        assert!(!matches!(courier.poll(UnixMillis(30_000)), Step::Settle(..)));
    }

    #[test]
    fn what_was_not_posted_in_time_is_not_posted() {
        let mut courier = claimed(vec![delivery(1, 0, 30_000)]);
        assert!(!matches!(courier.poll(UnixMillis(30_000)), Step::Post(_)));
    }

    #[test]
    fn a_refused_event_does_not_hold_its_room_up_for_ever() {
        let mut courier = claimed(vec![delivery(1, 4, 30_000)]);
        assert!(matches!(courier.poll(UnixMillis(0)), Step::Post(_)));
        courier.handle_answer(1, Answer::Refused, UnixMillis(9), 0);
        assert_eq!(courier.poll(UnixMillis(9)), Step::Settle(delivery(1, 4, 30_000), Settlement::Dropped));
        assert!(!courier.is_dead());
    }

    #[test]
    fn a_dead_receiver_is_asked_seldom_and_by_one_at_a_time() {
        let mut courier = claimed((1..=5).map(|number| delivery(number, 0, 30_000)).collect());
        for number in 1..=5 {
            assert!(matches!(courier.poll(UnixMillis(0)), Step::Post(_)), "{number}");
        }
        for number in 1..=5 {
            courier.handle_answer(number, Answer::Failed, UnixMillis(10), 0);
            assert!(matches!(courier.poll(UnixMillis(10)), Step::Settle(_, Settlement::Again { .. })));
        }
        assert!(courier.is_dead());
        let Step::Wait(until) = courier.poll(UnixMillis(10)) else { panic!("it rests") };
        assert_eq!(until, UnixMillis(510));
        assert!(matches!(courier.poll(until), Step::Claim { limit: 1, .. }));
        courier.handle_claimed(vec![delivery(1, 1, 40_000)], until);
        assert!(matches!(courier.poll(until), Step::Post(_)));
        courier.handle_answer(1, Answer::Taken, until, 0);
        assert!(matches!(courier.poll(until), Step::Settle(_, Settlement::Delivered)));
        assert!(matches!(courier.poll(until), Step::Claim { limit: 8, .. }), "it is back");
    }
}
