//! The keys of a connection, taken where its DTLS handshake hands them to str0m.
//!
//! str0m keeps them to itself; its crypto provider is public. So the provider given to it wraps the real one,
//! and what the handshake exports (RFC 5764 section 4.2) is left for the transport that drove it. str0m drives
//! a handshake only inside a call of the transport, on the worker's own thread: the transport takes the keys
//! before it returns, and no two can meet.

use std::cell::Cell;
use std::time::Instant;

use sluice_rtp::srtp::{Keys, Profile};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, KeyingMaterial, ProtocolVersion, SrtpProfile,
};

thread_local! {
    static EXPORTED: Cell<Option<Keys>> = const { Cell::new(None) };
}

/// The engine's crypto, with a copy of each handshake's keys left for [`take`].
pub(crate) fn observed() -> CryptoProvider {
    CryptoProvider { dtls_provider: &Observed, ..str0m::crypto::from_feature_flags() }
}

/// The keys a handshake on this thread has exported since the last call.
pub(super) fn take() -> Option<Keys> {
    EXPORTED.take()
}

#[derive(Debug)]
struct Observed;

impl DtlsProvider for Observed {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let real = str0m::crypto::from_feature_flags().dtls_provider;
        Ok(Box::new(Handshake(real.new_dtls(certificate, now, version, mtu)?)))
    }
}

#[derive(Debug)]
struct Handshake(Box<dyn DtlsInstance>);

impl Handshake {
    fn exported(&self, material: &KeyingMaterial, profile: SrtpProfile) {
        let profile = match profile {
            SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
            SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
            // None that str0m offers.
            _ => return,
        };
        EXPORTED.set(Keys::from_keying_material(profile, material, self.0.is_active()));
    }
}

impl DtlsInstance for Handshake {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.0.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            self.exported(material, *profile);
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
