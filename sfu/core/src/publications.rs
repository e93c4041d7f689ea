//! Which media section carries which track the client announced.
//!
//! The announcement (`add_track`) and the offer travel apart and may come in either order. A section's
//! `a=msid` names the client's track id; where it does not, the first announced track of the kind is meant. A second
//! codec goes by its name alone: clients may announce one and never send it, and the next section of the kind is
//! somebody else's.

use sluice_sdp::Sdp;
use str0m::media::Mid;

use crate::transport::kind;
use crate::{CodecRole, ExpectedTrack, Kind, TrackKey};

/// Sections that send without an announced track, remembered; a client announces what it sends within one
/// round trip.
const MAX_UNCLAIMED: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Publications {
    expected: Vec<ExpectedTrack>,
    unclaimed: Vec<Unclaimed>,
    bound: Vec<(Mid, TrackKey)>,
    /// Sections of tracks the server took away, until the client stops sending them.
    retired: Vec<Mid>,
}

#[derive(Debug, Clone)]
struct Unclaimed {
    mid: Mid,
    kind: Kind,
    msid_track: Option<String>,
    is_simulcast: bool,
    mime_type: Option<String>,
}

impl Unclaimed {
    /// It brings what was announced: so its name says, or where that need not be, its kind.
    fn may_be(&self, expected: &ExpectedTrack, by_name: bool) -> bool {
        let is_named = || self.msid_track.as_ref().is_some_and(|track| expected.cids.contains(track));
        self.kind == expected.kind && (is_named() || !by_name && expected.role != CodecRole::Backup)
    }
}

/// A track that met its section.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) mid: Mid,
    pub(crate) expected: ExpectedTrack,
    pub(crate) is_simulcast: bool,
    /// First codec of the section as it was offered.
    pub(crate) mime_type: Option<String>,
}

/// What an offer changes, before it is accepted.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) bindings: Vec<Binding>,
    pub(crate) removed: Vec<TrackKey>,
    unclaimed: Vec<Unclaimed>,
    retired: Vec<Mid>,
}

impl Publications {
    /// The track behind a section.
    pub(crate) fn track(&self, mid: Mid) -> Option<TrackKey> {
        self.bound.iter().find(|(m, _)| *m == mid).map(|(_, track)| *track)
    }

    /// All tracks.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = TrackKey> {
        self.bound.iter().map(|(_, track)| *track)
    }

    /// A track is announced; announced again, the last word counts. The binding, when its section was offered already.
    pub(crate) fn expect(&mut self, expected: ExpectedTrack) -> Option<Binding> {
        self.forget_expected(&expected.track);
        let find = |by_name| self.unclaimed.iter().position(|section| section.may_be(&expected, by_name));
        let place = find(true).or_else(|| find(false));
        let Some(place) = place else {
            self.expected.push(expected);
            return None;
        };
        let section = self.unclaimed.remove(place);
        Some(Binding { mid: section.mid, expected, is_simulcast: section.is_simulcast, mime_type: section.mime_type })
    }

    /// What the client's offer says of its own sections.
    pub(crate) fn plan(&self, offer: &Sdp) -> Plan {
        let sending: Vec<Unclaimed> = offer
            .sections
            .iter()
            .filter(|s| s.direction().is_sending())
            .filter_map(|s| {
                Some(Unclaimed {
                    mid: s.mid().into(),
                    kind: kind(s)?,
                    msid_track: s.msid_track().map(str::to_owned),
                    is_simulcast: s.is_simulcast(),
                    mime_type: s.first_mime_type(),
                })
            })
            .collect();
        let still_sends = |mid: &Mid| sending.iter().any(|s| s.mid == *mid);
        let mut plan = Plan {
            removed: self.bound.iter().filter(|(mid, _)| !still_sends(mid)).map(|(_, track)| *track).collect(),
            retired: self.retired.iter().copied().filter(still_sends).collect(),
            ..Default::default()
        };
        let mut free: Vec<&Unclaimed> = sending
            .iter()
            .filter(|s| self.track(s.mid).is_none() && !self.retired.contains(&s.mid))
            .collect();
        let mut expected: Vec<&ExpectedTrack> = self.expected.iter().collect();
        for by_name in [true, false] {
            free.retain(|section| {
                let found = expected.iter().position(|e| section.may_be(e, by_name));
                let Some(found) = found else { return true };
                plan.bindings.push(Binding {
                    mid: section.mid,
                    expected: expected.remove(found).clone(),
                    is_simulcast: section.is_simulcast,
                    mime_type: section.mime_type.clone(),
                });
                false
            });
        }
        plan.unclaimed = free.into_iter().take(MAX_UNCLAIMED).cloned().collect();
        plan
    }

    /// The offer was accepted.
    pub(crate) fn apply(&mut self, plan: &Plan) {
        self.bound.retain(|(_, track)| !plan.removed.contains(track));
        self.expected.retain(|e| !plan.bindings.iter().any(|b| b.expected.track == e.track));
        self.unclaimed.clone_from(&plan.unclaimed);
        self.retired.clone_from(&plan.retired);
    }

    /// A binding became a track.
    pub(crate) fn bind(&mut self, mid: Mid, track: TrackKey) {
        self.bound.push((mid, track));
    }

    /// The server takes a track away.
    pub(crate) fn retire(&mut self, track: TrackKey) {
        if let Some(place) = self.bound.iter().position(|(_, t)| *t == track) {
            let (mid, _) = self.bound.swap_remove(place);
            self.retired.push(mid);
        }
    }

    /// A track that was announced will not come.
    pub(crate) fn forget_expected(&mut self, track: &crate::TrackId) {
        self.expected.retain(|e| e.track != *track);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use slotmap::SlotMap;

    use super::*;

    fn expected(track: &str, cid: &str, kind: Kind) -> ExpectedTrack {
        ExpectedTrack {
            track: track.into(),
            cids: vec![cid.into()],
            kind,
            codecs: vec![],
            source: crate::Source::Unknown,
            layers: vec![],
            stereo: false,
            dtx: false,
            red: false,
            has_trailers: false,
            role: crate::CodecRole::Only,
        }
    }

    fn offer(sections: &[(&str, &str, &str, &str)]) -> Sdp {
        let sections = sections.iter().map(|(kind, mid, direction, cid)| {
            format!("m={kind} 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:{mid}\r\na={direction}\r\na=msid:- {cid}\r\n")
        });
        Sdp::parse(&format!("v=0\r\n{}", sections.collect::<String>())).unwrap()
    }

    fn bound(plan: &Plan) -> Vec<(String, String)> {
        plan.bindings.iter().map(|b| (b.mid.to_string(), b.expected.track.to_string())).collect()
    }

    #[test]
    fn names_decide_before_order_does() {
        let mut publications = Publications::default();
        publications.expect(expected("TR_screen", "cid-screen", Kind::Video));
        publications.expect(expected("TR_camera", "cid-camera", Kind::Video));
        let plan = publications.plan(&offer(&[
            ("video", "1", "sendonly", "renamed-by-the-browser"),
            ("video", "2", "sendonly", "cid-screen"),
        ]));
        assert_eq!(bound(&plan), [("2".into(), "TR_screen".into()), ("1".into(), "TR_camera".into())]);
    }

    fn expected_backup(track: &str, cid: &str) -> ExpectedTrack {
        ExpectedTrack { role: CodecRole::Backup, ..expected(track, cid, Kind::Video) }
    }

    #[test]
    fn a_backup_that_never_came_takes_no_other_section() {
        let mut publications = Publications::default();
        assert!(publications.expect(expected_backup("TR_camera", "cid-vp8")).is_none());
        let strange = offer(&[("video", "2", "sendonly", "renamed-by-the-browser")]);
        assert!(publications.plan(&strange).bindings.is_empty(), "nor one that nobody announced");
        publications.expect(expected("TR_screen", "cid-screen", Kind::Video));
        assert_eq!(bound(&publications.plan(&strange)), [("2".into(), "TR_screen".into())]);

        // The other way round: the section first.
        let mut publications = Publications::default();
        publications.apply(&publications.plan(&strange));
        assert!(publications.expect(expected_backup("TR_camera", "cid-vp8")).is_none());
        assert_eq!(publications.expect(expected("TR_screen", "cid-screen", Kind::Video)).unwrap().mid, Mid::from("2"));
    }

    #[test]
    fn a_backup_announced_again_goes_by_its_new_name_alone() {
        let mut publications = Publications::default();
        publications.expect(expected_backup("TR_camera", "first"));
        publications.expect(expected_backup("TR_camera", "second"));
        assert!(publications.plan(&offer(&[("video", "2", "sendonly", "first")])).bindings.is_empty());
        let plan = publications.plan(&offer(&[("video", "3", "sendonly", "second")]));
        assert_eq!(bound(&plan), [("3".into(), "TR_camera".into())]);
        publications.apply(&plan);
        assert!(publications.expected.is_empty());
    }

    #[test]
    fn the_announcement_may_come_after_the_offer() {
        let mut publications = Publications::default();
        let plan = publications.plan(&offer(&[("audio", "0", "sendonly", "mic")]));
        assert!(plan.bindings.is_empty());
        publications.apply(&plan);
        assert!(publications.expect(expected("TR_camera", "cam", Kind::Video)).is_none());
        assert_eq!(publications.expect(expected("TR_mic", "mic", Kind::Audio)).unwrap().mid, Mid::from("0"));
    }

    #[test]
    fn a_section_that_stops_sending_ends_its_track_and_can_carry_another() {
        let mut keys = SlotMap::<TrackKey, ()>::with_key();
        let track = keys.insert(());
        let mut publications = Publications::default();
        publications.bind("0".into(), track);
        let plan = publications.plan(&offer(&[("audio", "0", "inactive", "mic")]));
        assert_eq!(plan.removed, [track]);
        publications.apply(&plan);
        publications.expect(expected("TR_2", "mic2", Kind::Audio));
        assert_eq!(bound(&publications.plan(&offer(&[("audio", "0", "sendonly", "mic2")]))).len(), 1);
    }

    #[test]
    fn a_section_the_server_took_away_is_not_given_to_the_next_announcement() {
        let mut keys = SlotMap::<TrackKey, ()>::with_key();
        let track = keys.insert(());
        let mut publications = Publications::default();
        publications.bind("0".into(), track);
        publications.retire(track);
        publications.expect(expected("TR_2", "mic2", Kind::Audio));
        let plan = publications.plan(&offer(&[("audio", "0", "sendonly", "mic"), ("audio", "1", "sendonly", "mic2")]));
        assert_eq!(bound(&plan), [("1".into(), "TR_2".into())]);
    }
}
