//! Where a room's participants are: which workers a command of the control plane is for.
//!
//! Owned by whoever holds a room's way to its workers. Knows neither threads nor loads: where a newcomer goes is asked of
//! the caller, and what a worker does with a command is the worker's. A room begins on one worker and grows onto others;
//! it leaves one only when the room ends or the worker does, because a participant cannot move: its keys, its sockets and
//! its numbers are where it is.

use std::collections::{BTreeMap, HashMap};

use crate::{Command, ParticipantId, RoomId, RoomLimits, TrackId, WorkerId};

/// A worker of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Populated {
    /// Which.
    pub worker: WorkerId,
    /// Participants of the room there.
    pub participants: usize,
}

/// A room over one worker or several. See the module's documentation.
#[derive(Debug)]
pub struct RoomSpan {
    room: RoomId,
    /// The first is the room's home.
    parts: Vec<(u16, Populated)>,
    /// Number of the next worker.
    next_part: u16,
    places: HashMap<ParticipantId, WorkerId>,
    limits: RoomLimits,
    /// What each of its workers was told to borrow, by the tracks' ids here.
    borrowed: BTreeMap<TrackId, Command>,
}

impl RoomSpan {
    /// A room that begins on a worker.
    #[must_use]
    pub fn new(room: RoomId, worker: WorkerId) -> Self {
        Self {
            room,
            parts: vec![(0, Populated { worker, participants: 0 })],
            next_part: 1,
            places: HashMap::new(),
            limits: RoomLimits::default(),
            borrowed: BTreeMap::new(),
        }
    }

    /// Its workers, in the order it came to them.
    pub fn workers(&self) -> impl Iterator<Item = Populated> + Clone {
        self.parts.iter().map(|(_, populated)| *populated)
    }

    /// Where a participant is.
    #[must_use]
    pub fn place_of(&self, participant: &ParticipantId) -> Option<WorkerId> {
        self.places.get(participant).copied()
    }

    /// Hands a command to the workers it is for. A newcomer goes to the worker that `place` names; a worker that the
    /// room was not on before first hears where else it is. What concerns nobody who is there goes nowhere.
    pub fn route(
        &mut self,
        command: Command,
        place: impl FnOnce(&Self) -> WorkerId,
        mut to: impl FnMut(WorkerId, Command),
    ) {
        match command {
            Command::AddParticipant { participant, .. } if self.places.contains_key(&participant) => {
                tracing::warn!(%participant, "added twice");
            }
            Command::AddParticipant { room, participant, client } => {
                let worker = place(self);
                self.reach(worker, &mut to);
                self.places.insert(participant.clone(), worker);
                self.count(worker, |count| count + 1);
                to(worker, Command::AddParticipant { room, participant, client });
            }
            Command::RemoveParticipant { participant } => {
                if let Some(worker) = self.places.remove(&participant) {
                    self.count(worker, |count| count.saturating_sub(1));
                    to(worker, Command::RemoveParticipant { participant });
                }
            }
            Command::Offer { ref participant, .. }
            | Command::Answer { ref participant, .. }
            | Command::ExpectTrack { ref participant, .. }
            | Command::Explain { ref participant, .. }
            | Command::Resume { ref participant }
            | Command::Subscribe { subscriber: ref participant, .. }
            | Command::Unsubscribe { subscriber: ref participant, .. }
            | Command::Demand { subscriber: ref participant, .. } => {
                if let Some(worker) = self.place_of(participant) {
                    to(worker, command);
                }
            }
            // Where its publisher is; of a track that is borrowed, where the room began.
            Command::Tap { ref publisher, ref track, .. } => {
                let home = self.parts.first().map(|(_, part)| part.worker);
                let mirrored = home.filter(|_| self.borrowed.contains_key(track));
                if let Some(worker) = self.place_of(publisher).or(mirrored) {
                    to(worker, command);
                }
            }
            Command::SendData { to: receivers, channel, payload } => {
                if let [(_, only)] = &*self.parts {
                    return to(only.worker, Command::SendData { to: receivers, channel, payload });
                }
                for (_, part) in &self.parts {
                    let here = receivers.iter().filter(|who| self.places.get(*who) == Some(&part.worker));
                    let here: Vec<ParticipantId> = here.cloned().collect();
                    if !here.is_empty() {
                        to(part.worker, Command::SendData { to: here, channel, payload: payload.clone() });
                    }
                }
            }
            Command::LimitRoom { limits, .. } => {
                self.limits = limits;
                self.tell_all(&command, &mut to);
            }
            // Each has a mirror of its own.
            Command::BorrowTrack { ref track, .. } => {
                self.tell_all(&command, &mut to);
                self.borrowed.insert(track.clone(), command);
            }
            Command::RemoveTrack { ref track } => {
                self.borrowed.remove(track);
                self.tell_all(&command, &mut to);
            }
            // Who publishes or taps the track acts, others pass it over: that is cheaper than to know who does.
            Command::MuteTrack { .. }
            | Command::Untap { .. }
            | Command::TapKeyframe { .. }
            | Command::CloseRoom { .. } => {
                self.tell_all(&command, &mut to);
            }
            // Said by this one, to nobody's order.
            Command::SpanRoom { .. } => {}
        }
    }

    /// A worker is gone. Those who were on it are named, and forgotten here; the other workers hear that it is gone.
    pub fn lose(&mut self, worker: WorkerId, mut to: impl FnMut(WorkerId, Command)) -> Vec<ParticipantId> {
        let count = self.parts.len();
        self.parts.retain(|(_, part)| part.worker != worker);
        if self.parts.len() == count {
            return Vec::new();
        }
        let mut gone: Vec<ParticipantId> =
            self.places.iter().filter(|(_, of)| **of == worker).map(|(who, _)| who.clone()).collect();
        gone.sort_unstable();
        self.places.retain(|_, of| *of != worker);
        self.tell_span(&mut to);
        gone
    }

    /// Takes a worker in, unless the room is on it.
    fn reach(&mut self, worker: WorkerId, to: &mut impl FnMut(WorkerId, Command)) {
        if self.parts.iter().any(|(_, part)| part.worker == worker) {
            return;
        }
        self.parts.push((self.next_part, Populated { worker, participants: 0 }));
        self.next_part = self.next_part.saturating_add(1);
        self.tell_span(to);
        if self.limits != RoomLimits::default() {
            to(worker, Command::LimitRoom { room: self.room.clone(), limits: self.limits });
        }
        self.borrowed.values().for_each(|borrow| to(worker, borrow.clone()));
    }

    fn tell_span(&self, to: &mut impl FnMut(WorkerId, Command)) {
        let home = self.parts.first().map(|(_, part)| part.worker);
        for (part, Populated { worker, .. }) in &self.parts {
            let others = self.parts.iter().map(|(_, other)| other.worker);
            let peers = others.filter(|other| other != worker).collect();
            let home = home.filter(|home| home != worker);
            to(*worker, Command::SpanRoom { room: self.room.clone(), part: *part, peers, home });
        }
    }

    fn tell_all(&self, command: &Command, to: &mut impl FnMut(WorkerId, Command)) {
        for (_, part) in &self.parts {
            to(part.worker, command.clone());
        }
    }

    fn count(&mut self, worker: WorkerId, change: impl FnOnce(usize) -> usize) {
        if let Some((_, part)) = self.parts.iter_mut().find(|(_, part)| part.worker == worker) {
            part.participants = change(part.participants);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Client, Connection};

    fn add(who: &str) -> Command {
        let client = Client { connection: Connection::Single, takes_trailers: false, allows_pauses: true };
        Command::AddParticipant { room: "RM_1".into(), participant: who.into(), client }
    }

    fn route(span: &mut RoomSpan, command: Command, place: u8) -> Vec<(u8, String)> {
        let mut said = Vec::new();
        let name = |command: &Command| match command {
            Command::SpanRoom { part, peers, home, .. } => {
                let peers: Vec<u8> = peers.iter().map(|peer| peer.0).collect();
                format!("span {part} {peers:?} {:?}", home.map(|home| home.0))
            }
            Command::SendData { to, .. } => format!("data to {}", to.len()),
            other => format!("{other:?}").split([' ', '{']).next().unwrap_or_default().to_owned(),
        };
        span.route(command, |_| WorkerId(place), |worker, command| said.push((worker.0, name(&command))));
        said
    }

    #[test]
    fn a_room_on_one_worker_is_told_nothing_of_others() {
        let mut span = RoomSpan::new("RM_1".into(), WorkerId(2));
        assert_eq!(route(&mut span, add("PA_a"), 2), [(2, "AddParticipant".into())]);
        assert_eq!(route(&mut span, add("PA_b"), 2), [(2, "AddParticipant".into())]);
        assert_eq!(route(&mut span, add("PA_b"), 2), [], "twice");
        assert_eq!(span.workers().map(|part| part.participants).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_worker_hears_where_the_room_is_before_it_hears_of_people() {
        let mut span = RoomSpan::new("RM_1".into(), WorkerId(0));
        let limits = RoomLimits { last_cameras: Some(1), loudest_microphones: None };
        route(&mut span, Command::LimitRoom { room: "RM_1".into(), limits }, 0);
        route(&mut span, add("PA_a"), 0);
        let said = route(&mut span, add("PA_b"), 3);
        let told = [
            (0, "span 0 [3] None".into()),
            (3, "span 1 [0] Some(0)".into()),
            (3, "LimitRoom".into()),
            (3, "AddParticipant".into()),
        ];
        assert_eq!(said, told);
    }

    #[test]
    fn a_worker_that_is_new_hears_what_the_others_borrowed_and_have_not_given_back() {
        let mut span = RoomSpan::new("RM_1".into(), WorkerId(0));
        route(&mut span, add("PA_a"), 0);
        for track in ["TR_given_back", "TR_kept"] {
            let (participant, of, from) = ("PA_guest".into(), format!("{track}_there").into(), WorkerId(7));
            let borrow = Command::BorrowTrack { room: "RM_1".into(), participant, track: track.into(), of, from };
            assert_eq!(route(&mut span, borrow, 0), [(0, "BorrowTrack".into())]);
        }
        route(&mut span, Command::RemoveTrack { track: "TR_given_back".into() }, 0);
        let said = route(&mut span, add("PA_b"), 1);
        let borrowed: Vec<_> = said.iter().filter(|(_, what)| what == "BorrowTrack").collect();
        assert_eq!(borrowed, [&(1, "BorrowTrack".into())]);
    }

    #[test]
    fn a_tap_is_made_where_its_publisher_is() {
        let mut span = RoomSpan::new("RM_1".into(), WorkerId(0));
        route(&mut span, add("PA_a"), 0);
        route(&mut span, add("PA_b"), 3);
        let (participant, of, from) = ("PA_guest".into(), "TR_there".into(), WorkerId(7));
        let borrow = Command::BorrowTrack { room: "RM_1".into(), participant, track: "TR_lent".into(), of, from };
        route(&mut span, borrow, 0);
        let tap = |publisher: &str, track: &str| {
            let (room, publisher, track) = ("RM_1".into(), publisher.into(), track.into());
            Command::Tap { tap: crate::TapId(1), room, publisher, track, wish: crate::TapWish::default() }
        };
        assert_eq!(route(&mut span, tap("PA_b", "TR_b"), 0), [(3, "Tap".into())]);
        assert_eq!(route(&mut span, tap("PA_guest", "TR_lent"), 0), [(0, "Tap".into())], "one mirror of several");
        assert_eq!(route(&mut span, tap("PA_guest", "TR_other"), 0), []);
        let said = route(&mut span, Command::Untap { tap: crate::TapId(1) }, 0);
        assert_eq!(said, [(0, "Untap".into()), (3, "Untap".into())], "whoever has it knows");
    }

    #[test]
    fn who_is_named_hears_it_and_data_is_sent_once_to_each_worker() {
        let mut span = RoomSpan::new("RM_1".into(), WorkerId(0));
        for (who, place) in [("PA_a", 0), ("PA_b", 1), ("PA_c", 1)] {
            route(&mut span, add(who), place);
        }
        let explain = |who: &str| Command::Explain { participant: who.into(), request: 1 };
        assert_eq!(route(&mut span, explain("PA_b"), 0), [(1, "Explain".into())]);
        assert_eq!(route(&mut span, explain("PA_nobody"), 0), []);
        let to = ["PA_a", "PA_b", "PA_c", "PA_nobody"].map(Into::into).to_vec();
        let data = Command::SendData { to, channel: crate::DataChannel::Lossy, payload: [1].into() };
        assert_eq!(route(&mut span, data, 0), [(0, "data to 1".into()), (1, "data to 2".into())]);
        assert_eq!(route(&mut span, Command::RemoveTrack { track: "TR_1".into() }, 0).len(), 2);
    }

    #[test]
    fn who_was_on_a_lost_worker_is_named_and_the_next_is_home() {
        let mut span = RoomSpan::new("RM_1".into(), WorkerId(0));
        for (who, place) in [("PA_a", 0), ("PA_b", 1), ("PA_c", 0), ("PA_d", 2)] {
            route(&mut span, add(who), place);
        }
        let mut said = Vec::new();
        let gone = span.lose(WorkerId(0), |worker, command| said.push((worker, command)));
        assert_eq!(gone, ["PA_a".into(), "PA_c".into()]);
        let homes = said.iter().map(|(worker, command)| match command {
            Command::SpanRoom { part, home, .. } => (worker.0, *part, home.map(|home| home.0)),
            other => unreachable!("{other:?}"),
        });
        assert_eq!(homes.collect::<Vec<_>>(), [(1, 1, None), (2, 2, Some(1))], "parts keep their numbers");
        assert_eq!(span.lose(WorkerId(0), |_, _| unreachable!()), []);
        let said = route(&mut span, add("PA_e"), 5);
        assert!(said.contains(&(5, "span 3 [1, 2] Some(1)".into())), "{said:?}");
    }

    proptest! {
        /// Whoever comes, goes and is lost: a command for somebody goes to the one worker it is on, data to each receiver
        /// once, and only workers that live hear anything.
        #[test]
        fn everybody_is_in_one_place(steps in prop::collection::vec((0..3_u8, 0..12_u8, 0..4_u8), 1..80)) {
            let mut span = RoomSpan::new("RM_1".into(), WorkerId(0));
            let mut model: BTreeMap<ParticipantId, WorkerId> = BTreeMap::new();
            for (what, who, place) in steps {
                let who = ParticipantId::from(format!("PA_{who}"));
                match what {
                    0 if !model.contains_key(&who) => {
                        span.route(add(who.as_str()), |_| WorkerId(place), |_, _| {});
                        model.insert(who, WorkerId(place));
                    }
                    0 | 1 => {
                        span.route(Command::RemoveParticipant { participant: who.clone() }, |_| WorkerId(0), |_, _| {});
                        model.remove(&who);
                    }
                    _ => {
                        let gone = span.lose(WorkerId(place), |to, _| assert_ne!(to, WorkerId(place)));
                        let expected: Vec<_> =
                            model.iter().filter(|(_, of)| of.0 == place).map(|(who, _)| who.clone()).collect();
                        prop_assert_eq!(&gone, &expected);
                        model.retain(|_, of| of.0 != place);
                    }
                }
                let alive: Vec<WorkerId> = span.workers().map(|part| part.worker).collect();
                prop_assert!(model.values().all(|worker| alive.contains(worker)));
                prop_assert_eq!(span.workers().map(|part| part.participants).sum::<usize>(), model.len());
                for (who, worker) in &model {
                    let mut heard = Vec::new();
                    let resume = Command::Resume { participant: who.clone() };
                    span.route(resume, |_| WorkerId(0), |to, _| heard.push(to));
                    prop_assert_eq!(heard, [*worker]);
                }
                let (mut reached, to) = (Vec::new(), model.keys().cloned().collect::<Vec<_>>());
                let data = Command::SendData { to: to.clone(), channel: crate::DataChannel::Lossy, payload: [1].into() };
                span.route(data, |_| WorkerId(0), |worker, command| {
                    let Command::SendData { to, .. } = command else { unreachable!("data stays that") };
                    reached.extend(to.into_iter().map(|who| (who, worker)));
                });
                reached.sort();
                if !alive.is_empty() {
                    prop_assert_eq!(reached, model.iter().map(|(who, of)| (who.clone(), *of)).collect::<Vec<_>>());
                }
            }
        }
    }
}
