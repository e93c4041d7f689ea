//! Rows of the catalogue that this command does not play: which tests do, what there is not yet to attack, and what nobody plays.
//! Data; the tests that are named must be there.

use super::rows::{Play, Row, row};

const fn by(id: &'static str, input: &'static str, tests: &'static [(&'static str, &'static str)]) -> Row {
    row(id, input, Play::Elsewhere(tests))
}

const fn missing(id: &'static str, input: &'static str, what: &'static str) -> Row {
    row(id, input, Play::Missing(what))
}

const fn by_nobody(id: &'static str, input: &'static str, why: &'static str) -> Row {
    row(id, input, Play::NotPlayed(why))
}

pub(crate) const NOT_HERE: &[Row] = &[
    missing("S-resumes", "two resumes at two nodes", "a second node"),
    by(
        "W-e2ee",
        "frames with another key",
        &[("tests/sdk/python/tests/test_e2ee.py", "test_with_another_key_nothing_is")],
    ),
    by_nobody(
        "W-e2ee-frames",
        "frames replayed, cut off, not encrypted; trailers by the thousand; ratchets in bursts",
        "decrypting is livekit-client's, which we do not change",
    ),
    by(
        "O-panic",
        "a bug in one participant's handler, and in a whole worker",
        &[
            ("sfu/sim/tests/hostile.rs", "a_bug_in_one_participant_ends_that_participant"),
            ("signaling/server/tests/server/operations.rs", "readiness_ends_with_the_last_worker_and_not_before"),
        ],
    ),
    missing("O-bus", "the bus between nodes is down, slow, wiped, wrong, forged", "a bus, and a second node"),
    missing("O-stale", "a node that says that it has nothing to do", "a second node"),
    missing("O-load", "processors at their end", "an order in which load is shed"),
    missing(
        "O-memory",
        "memory at its end: 10,000 joins in 512 MB",
        "a bound on memory beside those on rooms and people",
    ),
    by(
        "U-ports",
        "checks with the right credentials from a thousand ports",
        &[("sfu/core/src/demux.rs", "a_thousand_ports_with_right_credentials_leave_eight_paths")],
    ),
    by_nobody(
        "U-dtls-race",
        "a handshake that races the honest one from an address that was checked",
        "needs a peer that is a client twice",
    ),
    by(
        "U-fingerprints",
        "fingerprints by sha-1 and md5, or none",
        &[
            ("sfu/sdp/src/lib.rs", "hostile_descriptions_are_refused_by_name"),
            ("sfu/sim/tests/hostile.rs", "a_bad_first_offer_harms_nobody_else"),
        ],
    ),
    by(
        "U-srtp",
        "payload shorter than its tag, altered, reflected",
        &[
            ("sfu/rtp/src/srtp/tests.rs", "what_was_altered_cut_or_reflected_is_not_read_and_does_no_harm"),
            ("sfu/rtp/src/srtp/tests.rs", "never_panics"),
        ],
    ),
    by(
        "U-replay",
        "packets that come five times",
        &[
            ("sfu/rtp/src/rewrite.rs", "what_is_left_out_leaves_no_hole_and_nothing_goes_out_twice"),
            ("sfu/rtp/src/renumber.rs", "never_panics_and_never_gives_a_number_twice"),
        ],
    ),
    by(
        "U-header",
        "fifteen sources, extensions of 65,535 words, padding longer than the packet",
        &[
            ("sfu/rtp/src/header.rs", "never_panics"),
            ("sfu/rtp/src/packet.rs", "padding_is_counted_and_taken_off"),
            ("fuzz/src/bin/rtp_packet.rs", "main"),
        ],
    ),
    by(
        "U-forged",
        "forged packets that claim a section, a layer, a stream",
        &[
            ("sfu/sim/tests/hostile.rs", "a_forged_packet_does_not_disturb_a_live_track"),
            ("sfu/sim/tests/hostile.rs", "a_claim_on_a_layer_before_it_lives_does_not_keep_it_out"),
            ("sfu/core/src/transport/guard.rs", "another_ssrc_cannot_claim_a_live_stream"),
        ],
    ),
    by(
        "U-unknown",
        "payload types, sections and layers nobody announced, from a peer's own address",
        &[("sfu/sim/tests/hostile.rs", "noise_is_neither_answered_nor_fatal")],
    ),
    by_nobody(
        "U-dtls-old",
        "DTLS 1.0, or another handshake in the middle",
        "what speaks so is left to str0m; no test of ours does",
    ),
    by_nobody(
        "U-ssrc",
        "another SSRC with every packet, by a participant with good keys",
        "the guard lets one SSRC in for a section while it lives; no test counts what str0m keeps of the others",
    ),
    by(
        "U-jump",
        "sequence numbers and timestamps that jump",
        &[
            ("sfu/rtp/src/renumber.rs", "never_panics_and_never_gives_a_number_twice"),
            ("fuzz/src/bin/rewriter.rs", "main"),
        ],
    ),
    by(
        "U-pli",
        "requests for key frames by the thousand, of one and of many viewers",
        &[
            ("sfu/core/src/keyframe.rs", "a_flood_of_requests_becomes_two_a_second"),
            ("sfu/sim/tests/calls.rs", "fifty_screaming_decoders_cost_the_publisher_two_key_frames_a_second"),
        ],
    ),
    by_nobody(
        "U-nack",
        "the same packet asked for a thousand times",
        "no test asks so; repairs come out of the viewer's own budget",
    ),
    by(
        "U-estimate",
        "feedback that claims any bandwidth",
        &[("sfu/bwe/tests/hostile.rs", "whatever_is_reported_the_estimate_keeps_its_bounds")],
    ),
    by(
        "U-rtcp",
        "compound packets of a thousand parts, parts that lie about their length",
        &[
            ("sfu/rtp/src/rtcp/tests.rs", "what_is_malformed_is_left_out_and_broken_framing_ends_the_walk"),
            ("sfu/rtp/src/rtcp/tests.rs", "a_few_bytes_that_claim_many_packets_yield_what_is_there"),
            ("sfu/rtp/src/rtcp/tests.rs", "never_panics_and_never_yields_more_than_the_bytes_can_hold"),
        ],
    ),
    by_nobody("U-bye", "a BYE for somebody else's stream", "no test sends one"),
    by(
        "U-payload",
        "payload descriptors that lie",
        &[("fuzz/src/bin/rtp_payload.rs", "main"), ("fuzz/src/bin/dependency_descriptor.rs", "main")],
    ),
    by(
        "U-depacketizer",
        "fragments of pictures that never end, units that lie about their length",
        &[
            ("sfu/recorder/src/assembler.rs", "a_frame_that_never_ends_is_dropped"),
            ("sfu/recorder/src/depacketize/mod.rs", "no_payloads_make_any_builder_panic_or_grow_beyond_what_came"),
        ],
    ),
    by(
        "U-flood",
        "200 Mbit/s of one participant",
        &[
            ("sfu/sim/tests/hostile.rs", "a_flood_is_cut_and_hurts_nobody_else"),
            ("sfu/sim/tests/hostile.rs", "a_forged_flood_cuts_nobody"),
        ],
    ),
    by_nobody(
        "U-sctp",
        "chunks of no length, gaps and streams by the thousand",
        "SCTP is str0m's, behind DTLS; its own fuzzing is all there is",
    ),
    by_nobody("U-channels", "65,535 data channels, opened and closed", "no test opens more than clients do"),
    by(
        "U-data",
        "data packets of any bytes, and a receiver that reads none",
        &[
            ("signaling/rooms/src/data.rs", "any_bytes_are_stamped_or_refused"),
            ("sfu/sim/tests/data.rs", "who_never_reads_is_given_up"),
        ],
    ),
    by(
        "U-credentials",
        "the next peer's password foretold from one's own",
        &[("sfu/sim/tests/networks.rs", "credentials_come_from_the_injected_randomness_alone")],
    ),
    by(
        "R-killed",
        "the server is killed while it records",
        &[
            ("tests/recorded/killed.rs", "fifty_recordings_of_a_killed_server_play_to_within_two_seconds_of_the_kill"),
            (
                "sfu/recorder/tests/files/killed.rs",
                "fifty_files_of_killed_writers_play_to_within_two_seconds_of_the_kill",
            ),
        ],
    ),
    by(
        "R-disk",
        "a disk that is full, one that takes nothing, a file or a link that is there already",
        &[
            ("tests/recorded/disks.rs", "a_full_disk_ends_the_recording_with_its_reason_and_what_was_written_plays"),
            ("tests/recorded/disks.rs", "a_disk_that_cannot_be_written_refuses_the_recording_and_the_call_goes_on"),
            (
                "sfu/node/tests/threads/recording.rs",
                "a_file_that_cannot_be_written_ends_with_its_reason_and_others_go_on",
            ),
        ],
    ),
    by(
        "R-slow-disk",
        "a disk that stands still",
        &[
            (
                "tests/recorded/disks.rs",
                "a_disk_that_stands_still_leaves_a_marked_gap_in_the_file_and_nobody_waits_for_it",
            ),
            ("sfu/sim/tests/taps.rs", "nobody_drains_a_tap_and_the_call_loses_nothing"),
        ],
    ),
    by(
        "R-often",
        "recordings begun and stopped a thousand times",
        &[("tests/recorded/many.rs", "begun_and_stopped_a_thousand_times_nothing_is_left_of_it_but_what_was_recorded")],
    ),
    by(
        "R-media",
        "other codecs, sizes and streams, ten minutes of nothing, two days, clocks that jump",
        &[
            ("sfu/sim/tests/recordings/encodings.rs", "pictures_change_their_size"),
            (
                "sfu/sim/tests/recordings/encodings.rs",
                "a_publisher_whose_encoder_begins_anew_under_another_ssrc_goes_on",
            ),
            ("sfu/recorder/tests/files/times.rs", "pictures_that_are_sent_in_another_order_are_shown_in_theirs"),
            ("sfu/recorder/tests/files/long.rs", "ten_minutes_in_which_nothing_comes_are_ten_minutes"),
            ("sfu/recorder/tests/files/long.rs", "two_days_are_two_days_though_timestamps_wrap_every_half"),
            ("sfu/recorder/tests/files/long.rs", "a_clock_that_jumps_does_not_move_what_comes_behind_it"),
            ("sfu/recorder/tests/files/track.rs", "another_codec_begins_another_file"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn tests_that_are_named_are_there() {
        for row in NOT_HERE {
            let Play::Elsewhere(tests) = &row.play else { continue };
            for (file, test) in *tests {
                let text = std::fs::read_to_string(crate::workspace::root().join(file)).unwrap();
                let is_there = match *test {
                    "main" => text.contains("fuzz"),
                    test => text.contains(&format!("fn {test}(")) || text.contains(&format!("def {test}(")),
                };
                assert!(is_there, "{}: no {test} in {file}", row.id);
            }
        }
    }
}
