//! Media sections that carry tracks to the client: which subscription has which, and what must be
//! negotiated next. Pure bookkeeping; SDP and str0m are edited by the transport that owns it.
//!
//! A section is idle, given to a subscription, or closing: a section must be seen inactive in one round
//! before another track gets it, since browsers fire `track` only when the direction changes.
//!
//! A receiver outlives the subscription it was made for: what an application still holds of it hears whatever
//! comes next on the section. So a section goes to tracks of the participant it showed first, and to others
//! only when there are so many that descriptions would grow without end.

use str0m::media::Mid;

use crate::{Kind, SubscriptionKey, TrackId};

/// Sections of one kind beyond which a freed one may go to another participant's track: a description of so
/// many is a few hundred kilobytes.
const MAX_UNMIXED: usize = 64;

/// What the client shall see in `a=msid`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    /// Stream id; tracks with the same one play in sync.
    pub(crate) stream: String,
    /// Track id.
    pub(crate) track: TrackId,
}

impl Label {
    /// Whose track it is: the stream's name begins with the participant's id.
    fn publisher(&self) -> &str {
        self.stream.split_once('|').map_or(self.stream.as_str(), |(publisher, _)| publisher)
    }

    /// For a section that showed another track before, on a connection the server offers. Clients keep the id a
    /// receiver was born with, and so can tell the track by the stream's name only: they read a stream
    /// `PA_…|TR_…` as that track. The price is that the track no longer plays in sync with its siblings.
    fn naming_the_track(mut self) -> Self {
        self.stream = format!("{}|{}", self.publisher(), self.track);
        self
    }
}

#[derive(Debug, Clone)]
struct Waiting {
    subscription: SubscriptionKey,
    kind: Kind,
    label: Label,
}

#[derive(Debug, Clone)]
enum State {
    /// Inactive on the wire.
    Idle,
    /// In an offer of ours that is not answered yet.
    Offered(SubscriptionKey, Label),
    /// Carries the subscription.
    Open(SubscriptionKey, Label),
    /// The subscription is gone, the client does not know yet.
    Closing,
}

#[derive(Debug, Clone)]
struct Section {
    mid: Mid,
    kind: Kind,
    state: State,
    /// Whose track it showed last; `None` while it is fresh.
    publisher: Option<String>,
    /// Both sides have agreed on it.
    negotiated: bool,
}

/// A section that now carries a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) subscription: SubscriptionKey,
    pub(crate) mid: Mid,
}

/// What to do with a receiving section of the client's offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Send(Label),
    Deactivate,
}

/// More receiving sections the client must offer; zeros ask for a plain re-offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) audio: u32,
    pub(crate) video: u32,
}

/// What an offer of ours changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Sections to make inactive.
    pub(super) deactivated: Vec<Mid>,
    /// Inactive sections to make sending.
    pub(super) reused: Vec<Mid>,
    /// Subscriptions that need a new section.
    pub(super) new: Vec<(SubscriptionKey, Kind, Label)>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Sections {
    sections: Vec<Section>,
    waiting: Vec<Waiting>,
    /// The client has offered: until then its first offer is awaited, not asked for.
    has_offer: bool,
    /// What the client was asked for and has not answered with an offer.
    asked: Option<Need>,
}

impl Sections {
    /// A subscription wants a section.
    pub(super) fn want(&mut self, subscription: SubscriptionKey, kind: Kind, label: Label) {
        self.waiting.push(Waiting { subscription, kind, label });
    }

    /// A subscription is over.
    pub(super) fn release(&mut self, subscription: SubscriptionKey) {
        self.waiting.retain(|w| w.subscription != subscription);
        for section in &mut self.sections {
            if matches!(&section.state, State::Open(s, _) | State::Offered(s, _) if *s == subscription) {
                section.state = State::Closing;
            }
        }
    }

    /// Sections that carry tracks, for the client to look tracks up by mid.
    pub(super) fn mid_to_track(&self) -> impl Iterator<Item = (Mid, &Label)> {
        self.sections.iter().filter_map(|s| match &s.state {
            State::Open(_, label) | State::Offered(_, label) => Some((s.mid, label)),
            State::Idle | State::Closing => None,
        })
    }

    /// The client offers. `receiving` are its sections that would take media from us, in order.
    pub(super) fn handle_offer(&mut self, receiving: &[(Mid, Kind)]) -> (Vec<(Mid, Verdict)>, Vec<Opened>) {
        self.has_offer = true;
        self.asked = None;
        let mut closing = Vec::new();
        for &(mid, kind) in receiving {
            match self.sections.iter_mut().find(|s| s.mid == mid) {
                None => {
                    self.sections
                        .push(Section { mid, kind, state: State::Idle, publisher: None, negotiated: true });
                }
                Some(section) if matches!(section.state, State::Closing) => {
                    section.state = State::Idle;
                    closing.push(mid);
                }
                Some(_) => {}
            }
        }
        let usable = |s: &Section| {
            matches!(s.state, State::Idle)
                && !closing.contains(&s.mid)
                && receiving.iter().any(|(mid, _)| *mid == s.mid)
        };
        let opened = give(&mut self.sections, &mut self.waiting, usable, State::Open);
        let verdicts = receiving
            .iter()
            .map(|&(mid, _)| {
                let open = self.sections.iter().find_map(|s| match &s.state {
                    State::Open(_, label) if s.mid == mid => Some(label.clone()),
                    _ => None,
                });
                (mid, open.map_or(Verdict::Deactivate, Verdict::Send))
            })
            .collect();
        (verdicts, opened)
    }

    /// What to ask the client for, once per need. Clients add up what they are asked for until they offer, so what
    /// comes on top is asked for alone.
    pub(super) fn poll_need(&mut self) -> Option<Need> {
        // Who would still wait if what is idle were given away.
        let mut waiting = self.waiting.clone();
        give(&mut self.sections.clone(), &mut waiting, |s| matches!(s.state, State::Idle), State::Open);
        let lacking = |kind| u32::try_from(waiting.iter().filter(|w| w.kind == kind).count()).unwrap_or(u32::MAX);
        let need = Need { audio: lacking(Kind::Audio), video: lacking(Kind::Video) };
        let closing = self.sections.iter().any(|s| matches!(s.state, State::Closing));
        if !self.has_offer || (self.waiting.is_empty() && !closing) {
            return None;
        }
        let Some(asked) = self.asked else {
            self.asked = Some(need);
            return Some(need);
        };
        let more =
            Need { audio: need.audio.saturating_sub(asked.audio), video: need.video.saturating_sub(asked.video) };
        if more.audio == 0 && more.video == 0 {
            return None;
        }
        self.asked = Some(Need { audio: asked.audio + more.audio, video: asked.video + more.video });
        Some(more)
    }

    /// True when an offer of ours would change something.
    pub(super) fn wants_offer(&self) -> bool {
        !self.waiting.is_empty() || self.sections.iter().any(|s| matches!(s.state, State::Closing))
    }

    /// Our offer, first part: idle sections are given away, closing ones named for deactivation.
    pub(super) fn begin_offer(&mut self) -> Changes {
        let closing: Vec<Mid> = self
            .sections
            .iter()
            .filter(|s| matches!(s.state, State::Closing))
            .map(|s| s.mid)
            .collect();
        let offered = |subscription, label: Label| State::Offered(subscription, label.naming_the_track());
        let reused = give(&mut self.sections, &mut self.waiting, |s| matches!(s.state, State::Idle), offered);
        let new = self.waiting.drain(..).map(|w| (w.subscription, w.kind, w.label)).collect();
        Changes { deactivated: closing, reused: reused.into_iter().map(|o| o.mid).collect(), new }
    }

    /// Our offer, second part: a new section got its mid.
    pub(super) fn add_offered(&mut self, mid: Mid, subscription: SubscriptionKey, kind: Kind, label: Label) {
        let publisher = label.publisher().to_owned();
        self.sections.push(Section {
            mid,
            kind,
            state: State::Offered(subscription, label),
            publisher: Some(publisher),
            negotiated: false,
        });
    }

    /// Our offer was answered. `deactivated` are the sections it closed.
    pub(super) fn handle_answer(&mut self, deactivated: &[Mid]) -> Vec<Opened> {
        let mut opened = Vec::new();
        for section in &mut self.sections {
            section.negotiated = true;
            if let State::Offered(subscription, label) = &section.state {
                opened.push(Opened { subscription: *subscription, mid: section.mid });
                section.state = State::Open(*subscription, label.clone());
            } else if deactivated.contains(&section.mid) && matches!(section.state, State::Closing) {
                section.state = State::Idle;
            }
        }
        opened
    }

    /// Our offer came to nothing: who was promised a section waits again. Sections that were never agreed on are
    /// gone, those given away again are closed (str0m has them sending by now).
    pub(super) fn roll_back(&mut self) {
        for section in &mut self.sections {
            if let State::Offered(subscription, label) = &section.state {
                let (subscription, label) = (*subscription, label.clone());
                self.waiting.push(Waiting { subscription, kind: section.kind, label });
                section.state = State::Closing;
            }
        }
        self.sections.retain(|section| section.negotiated);
    }
}

/// Gives usable sections to whom waits: those of the same publisher, then fresh ones, then, of many, any.
fn give(
    sections: &mut [Section],
    waiting: &mut Vec<Waiting>,
    usable: impl Fn(&Section) -> bool,
    state: fn(SubscriptionKey, Label) -> State,
) -> Vec<Opened> {
    let mut opened = Vec::new();
    waiting.retain(|w| {
        let may_mix = sections.iter().filter(|s| s.kind == w.kind).count() >= MAX_UNMIXED;
        let rank = |s: &Section| match &s.publisher {
            Some(publisher) if publisher == w.label.publisher() => Some(0),
            None => Some(1),
            Some(_) => may_mix.then_some(2),
        };
        let candidates = sections.iter_mut().filter(|s| s.kind == w.kind && usable(s));
        let best = candidates.filter_map(|s| Some((rank(s)?, s))).min_by_key(|(rank, _)| *rank);
        let Some((_, section)) = best else { return true };
        section.state = state(w.subscription, w.label.clone());
        section.publisher = Some(w.label.publisher().to_owned());
        opened.push(Opened { subscription: w.subscription, mid: section.mid });
        false
    });
    opened
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    fn label(track: &str) -> Label {
        Label { stream: "PA_a|camera".into(), track: track.into() }
    }

    fn receiving(mids: &[&str]) -> Vec<(Mid, Kind)> {
        mids.iter().map(|m| (Mid::from(*m), Kind::Audio)).collect()
    }

    #[test]
    fn a_freed_section_is_seen_inactive_before_another_track_gets_it() {
        let mut keys = SlotMap::<SubscriptionKey, ()>::with_key();
        let (first, second) = (keys.insert(()), keys.insert(()));
        let mut sections = Sections::default();
        sections.want(first, Kind::Audio, label("TR_1"));
        assert_eq!(sections.poll_need(), None, "the first offer comes by itself");
        let (verdicts, opened) = sections.handle_offer(&receiving(&["0"]));
        assert_eq!(verdicts, [(Mid::from("0"), Verdict::Send(label("TR_1")))]);
        assert_eq!(opened, [Opened { subscription: first, mid: "0".into() }]);
        assert_eq!(sections.poll_need(), None);

        sections.release(first);
        sections.want(second, Kind::Audio, label("TR_2"));
        assert_eq!(sections.poll_need(), Some(Need { audio: 1, video: 0 }), "a closing section is no free one");
        assert_eq!(sections.poll_need(), None, "asked once");
        // The client re-offers without a new section: the old one closes in this round...
        let (verdicts, opened) = sections.handle_offer(&receiving(&["0"]));
        assert_eq!((verdicts, opened), (vec![("0".into(), Verdict::Deactivate)], vec![]));
        // ...and may be given away in the next.
        assert_eq!(sections.poll_need(), Some(Need { audio: 0, video: 0 }));
        let (verdicts, _) = sections.handle_offer(&receiving(&["0"]));
        assert_eq!(verdicts, [(Mid::from("0"), Verdict::Send(label("TR_2")))]);
    }

    #[test]
    fn sections_asked_for_one_by_one_are_not_asked_for_twice() {
        let mut keys = SlotMap::<SubscriptionKey, ()>::with_key();
        let mut sections = Sections::default();
        sections.handle_offer(&[]);
        // A client that is busy adds up what it is told, and offers in the end.
        let mut added = 0;
        for _ in 0..50 {
            sections.want(keys.insert(()), Kind::Audio, label("TR_1"));
            added += sections.poll_need().map_or(0, |need| need.audio);
        }
        assert_eq!(added, 50);
        assert_eq!(sections.poll_need(), None);
        let mids: Vec<String> = (0..50).map(|mid| mid.to_string()).collect();
        let mids: Vec<&str> = mids.iter().map(String::as_str).collect();
        let (_, opened) = sections.handle_offer(&receiving(&mids));
        assert_eq!((opened.len(), sections.poll_need()), (50, None));
    }

    #[test]
    fn a_receiver_of_one_publisher_never_hears_another() {
        let mut keys = SlotMap::<SubscriptionKey, ()>::with_key();
        let (first, second, third) = (keys.insert(()), keys.insert(()), keys.insert(()));
        let other = |track: &str| Label { stream: "PA_b|camera".into(), track: track.into() };
        let mut sections = Sections::default();
        sections.want(first, Kind::Audio, label("TR_1"));
        sections.handle_offer(&receiving(&["0"]));
        sections.release(first);
        sections.handle_offer(&receiving(&["0"]));
        sections.want(second, Kind::Audio, other("TR_2"));
        assert_eq!(sections.poll_need(), Some(Need { audio: 1, video: 0 }), "an idle section of somebody else");
        let (_, opened) = sections.handle_offer(&receiving(&["0", "1"]));
        assert_eq!(opened, [Opened { subscription: second, mid: "1".into() }]);
        sections.want(third, Kind::Audio, label("TR_3"));
        let (_, opened) = sections.handle_offer(&receiving(&["0", "1"]));
        assert_eq!(opened, [Opened { subscription: third, mid: "0".into() }], "its own again");
    }

    #[test]
    fn a_room_with_much_coming_and_going_does_not_grow_for_ever() {
        let mut keys = SlotMap::<SubscriptionKey, ()>::with_key();
        let mut sections = Sections::default();
        let mut count = 0;
        for visitor in 0..200 {
            let subscription = keys.insert(());
            let stream = format!("PA_{visitor}|camera");
            sections.want(subscription, Kind::Audio, Label { stream, track: "TR_1".into() });
            for (subscription, kind, label) in sections.begin_offer().new {
                count += 1;
                sections.add_offered(format!("{count}").as_str().into(), subscription, kind, label);
            }
            sections.handle_answer(&[]);
            sections.release(subscription);
            let closing = sections.begin_offer().deactivated;
            sections.handle_answer(&closing);
        }
        assert_eq!(count, MAX_UNMIXED);
    }

    #[test]
    fn our_own_offers_reuse_sections_instead_of_growing() {
        let mut keys = SlotMap::<SubscriptionKey, ()>::with_key();
        let (first, second) = (keys.insert(()), keys.insert(()));
        let mut sections = Sections::default();
        sections.want(first, Kind::Video, label("TR_1"));
        let changes = sections.begin_offer();
        assert_eq!((changes.deactivated, changes.reused, changes.new.len()), (vec![], vec![], 1));
        sections.add_offered("v".into(), first, Kind::Video, label("TR_1"));
        assert_eq!(sections.handle_answer(&[]), [Opened { subscription: first, mid: "v".into() }]);
        assert!(!sections.wants_offer());

        sections.release(first);
        assert!(sections.wants_offer());
        let closing = sections.begin_offer().deactivated;
        assert_eq!(closing, [Mid::from("v")]);
        assert_eq!(sections.handle_answer(&closing), []);

        sections.want(second, Kind::Video, label("TR_2"));
        let changes = sections.begin_offer();
        assert_eq!((changes.deactivated, changes.reused, changes.new.len()), (vec![], vec![Mid::from("v")], 0));
        assert_eq!(sections.handle_answer(&[]), [Opened { subscription: second, mid: "v".into() }]);
        let shown: Vec<_> = sections.mid_to_track().map(|(_, label)| label.stream.as_str()).collect();
        assert_eq!(shown, ["PA_a|TR_2"], "a receiver used before tells its track by the stream's name");
    }

    #[test]
    fn an_offer_that_came_to_nothing_is_taken_back() {
        let mut keys = SlotMap::<SubscriptionKey, ()>::with_key();
        let (first, second) = (keys.insert(()), keys.insert(()));
        let mut sections = Sections::default();
        sections.want(first, Kind::Video, label("TR_1"));
        sections.begin_offer();
        sections.add_offered("v".into(), first, Kind::Video, label("TR_1"));
        sections.handle_answer(&[]);
        sections.want(second, Kind::Video, label("TR_2"));
        sections.begin_offer();
        sections.add_offered("w".into(), second, Kind::Video, label("TR_2"));
        sections.roll_back();
        let kept: Vec<Mid> = sections.mid_to_track().map(|(mid, _)| mid).collect();
        assert_eq!(kept, [Mid::from("v")]);
        assert_eq!(sections.begin_offer().new.len(), 1, "the second waits again");
    }

    #[test]
    fn a_subscription_released_while_offered_closes_after_the_answer() {
        let mut keys = SlotMap::<SubscriptionKey, ()>::with_key();
        let first = keys.insert(());
        let mut sections = Sections::default();
        sections.want(first, Kind::Video, label("TR_1"));
        sections.begin_offer();
        sections.add_offered("v".into(), first, Kind::Video, label("TR_1"));
        sections.release(first);
        assert_eq!(sections.handle_answer(&[]), []);
        assert!(sections.wants_offer());
    }
}
