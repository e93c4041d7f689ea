//! The room through our worker.

use std::net::SocketAddr;
use std::time::Instant;

use sluice_core::{
    Certificate, Client, Command, Connection, Event, Kind, ParticipantId, RoomId, TrackId, Worker, WorkerConfig,
};
use str0m::change::{SdpAnswer, SdpOffer};

use super::{Out, SERVER, Sections, Server, Shape, cid};
use crate::room::camera;
use crate::send_side::Foretold;

/// Our worker, and nothing around it.
pub struct Ours(Worker);

fn participant(guest: usize) -> ParticipantId {
    ParticipantId::from(format!("PA_{guest}"))
}

fn track(publisher: usize) -> TrackId {
    TrackId::from(format!("TR_{publisher}"))
}

impl Server for Ours {
    fn open(shape: Shape, now: Instant) -> Self {
        let mut worker = Worker::new(WorkerConfig {
            local: vec![SERVER],
            certificate: Certificate::generate().unwrap(),
            max_publish_bps: 0,
            random: Box::new(Foretold(3)),
        });
        for guest in 0..shape.guests {
            let add = Command::AddParticipant {
                room: RoomId::from("RM_bench"),
                participant: participant(guest),
                client: Client { connection: Connection::Single, takes_trailers: false, allows_pauses: true },
            };
            worker.handle_command(add, now);
        }
        for publisher in 0..shape.publishers {
            let (participant, expected) = (participant(publisher), camera(track(publisher), cid(publisher)));
            worker.handle_command(Command::ExpectTrack { participant, expected }, now);
        }
        Self(worker)
    }

    fn negotiate(&mut self, guest: usize, sections: &Sections, offer: SdpOffer, now: Instant) -> SdpAnswer {
        let Self(worker) = self;
        for (publisher, _) in &sections.takes {
            let stream = format!("{}|camera", participant(*publisher));
            let (subscriber, track) = (participant(guest), track(*publisher));
            worker.handle_command(Command::Subscribe { subscriber, track, kind: Kind::Video, stream }, now);
        }
        let offer = Command::Offer { participant: participant(guest), id: 1, sdp: offer.to_sdp_string() };
        worker.handle_command(offer, now);
        worker.flush(now);
        let events = std::iter::from_fn(|| worker.poll_event());
        let answers = events.filter_map(|(_, event)| match event {
            Event::Answer { sdp, .. } => Some(sdp),
            Event::NegotiationFailed { .. } | Event::ParticipantFailed { .. } => {
                unreachable!("nobody does anything wrong: {event:?}")
            }
            _ => None,
        });
        SdpAnswer::from_sdp_string(&answers.last().expect("every offer has its answer")).unwrap()
    }

    fn handle_datagram(&mut self, source: SocketAddr, datagram: &[u8], now: Instant) {
        self.0.handle_datagram(source, SERVER, datagram, now);
        self.0.flush(now);
        // Nobody listens.
        while self.0.poll_event().is_some() {}
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
        while self.0.poll_event().is_some() {}
    }

    fn drain(&mut self) -> Out {
        let trains = self.0.outgoing().trains();
        let sent = trains.flat_map(|train| train.datagrams().map(move |d| (train.path.remote, d.to_vec())));
        let out = sent.collect();
        self.0.handle_sent();
        out
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }
}
