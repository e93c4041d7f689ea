//! How every peer connection is set up: codecs, header extensions, buffers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::config::{CryptoProvider, DtlsCert};
use str0m::format::Codec;
use str0m::rtp::Extension;
use str0m::{IceCreds, Rtc};

use super::dependency_descriptor;
use crate::WorkerId;

/// Packets kept per outgoing video stream for retransmission: two seconds of 2.5 Mbit/s.
const VIDEO_RETRANSMISSION_PACKETS: usize = 512;
/// The engine sends no sound; it wants a size all the same.
const AUDIO_RETRANSMISSION_PACKETS: usize = 50;
/// Bytes in flight on all data channels of a connection: 1 MiB carries 80 Mbit/s over 100 ms.
const DATA_IN_FLIGHT_LEN: usize = 1 << 20;
/// How often str0m sums up loss and round trip; the room reports quality in the same beat.
pub(crate) const STATS_INTERVAL: Duration = Duration::from_secs(5);

/// What all connections of a worker share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) certificate: DtlsCert,
    pub(crate) crypto: Arc<CryptoProvider>,
    /// Whose connections these are: goes into every fragment.
    pub(crate) worker: WorkerId,
}

pub(super) fn build(shared: &Shared, credentials: IceCreds, now: Instant) -> Rtc {
    let mut config = Rtc::builder()
        .set_rtp_mode(true)
        .set_ice_lite(true)
        .set_local_ice_credentials(credentials)
        .set_dtls_cert(shared.certificate.clone())
        .set_crypto_provider(Arc::clone(&shared.crypto))
        .set_send_buffer_video(VIDEO_RETRANSMISSION_PACKETS)
        .set_send_buffer_audio(AUDIO_RETRANSMISSION_PACKETS)
        .set_sctp_max_buffered_amount(DATA_IN_FLIGHT_LEN)
        .set_stats_interval(Some(STATS_INTERVAL))
        .clear_codecs()
        .enable_opus(true, true)
        .enable_g722(true, false)
        .enable_pcmu(true, false)
        .enable_vp8(true)
        .enable_vp9(true)
        .enable_h264(true)
        .enable_h265(true)
        .enable_av1(true)
        .clear_extension_map()
        .set_extension(1, Extension::AudioLevel)
        .set_extension(2, Extension::AbsoluteSendTime)
        .set_extension(3, Extension::TransportSequenceNumber)
        .set_extension(4, Extension::RtpMid)
        .set_extension(5, Extension::PlayoutDelay)
        .set_extension(6, Extension::AbsoluteCaptureTime)
        .set_extension(8, dependency_descriptor::extension())
        .set_extension(10, Extension::RtpStreamId)
        .set_extension(11, Extension::RepairedRtpStreamId)
        .set_extension(13, Extension::VideoOrientation);
    // Said also to clients that did not offer it: browsers ask for lost sound where they are told that they may.
    for opus in config.codec_config().iter_mut().filter(|p| p.spec().codec == Codec::Opus) {
        opus.set_fb_nack(true);
    }
    config.build(now)
}
