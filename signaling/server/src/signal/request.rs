//! How a client wants in: the query of `/rtc` (v0) and the `join_request` of `/rtc/v1`, both read into one
//! `JoinRequest`. Pure functions over bytes from strangers.

use std::collections::HashMap;
use std::io::Read;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use livekit_protocol::{
    ClientInfo, ConnectionSettings, JoinRequest, WrappedJoinRequest, client_info, wrapped_join_request,
};
use prost::Message;

/// A decompressed join request holds an offer and some announcements; the bound is against gzip bombs.
const JOIN_REQUEST_BYTES: usize = 512 * 1024;
/// Clients write it with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a join request cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The query has none.
    #[error("the query parameter join_request is missing")]
    Missing,
    /// Not base64url.
    #[error("join_request is not base64url")]
    Base64,
    /// Not gzip, or too large when unpacked.
    #[error("join_request cannot be unpacked")]
    Gzip,
    /// Not a message of that type.
    #[error("join_request is not a JoinRequest")]
    Malformed,
}

/// Query parameters by name; the last of a name wins.
pub type Query = HashMap<String, String>;

/// Reads the `join_request` of `/rtc/v1`.
///
/// # Errors
/// [`RequestError`] says what is wrong with it.
pub fn join_request_v1(query: &Query) -> Result<JoinRequest, RequestError> {
    let encoded = query.get("join_request").ok_or(RequestError::Missing)?;
    let wrapped = BASE64.decode(encoded).map_err(|_| RequestError::Base64)?;
    let wrapped = WrappedJoinRequest::decode(&wrapped[..]).map_err(|_| RequestError::Malformed)?;
    let request = match wrapped.compression() {
        wrapped_join_request::Compression::None => wrapped.join_request,
        wrapped_join_request::Compression::Gzip => {
            let mut unpacked = Vec::new();
            let bound = JOIN_REQUEST_BYTES as u64 + 1;
            let mut unpacker = flate2::read::GzDecoder::new(&wrapped.join_request[..]).take(bound);
            unpacker.read_to_end(&mut unpacked).map_err(|_| RequestError::Gzip)?;
            unpacked
        }
    };
    if request.len() > JOIN_REQUEST_BYTES {
        return Err(RequestError::Gzip);
    }
    JoinRequest::decode(&request[..]).map_err(|_| RequestError::Malformed)
}

/// Writes the request a v0 client would have sent, from its query parameters.
#[must_use]
pub fn join_request_v0(query: &Query) -> JoinRequest {
    let text = |key: &str| query.get(key).cloned().unwrap_or_default();
    let number = |key: &str| query.get(key).and_then(|value| value.parse().ok()).unwrap_or(0);
    let flag = |key: &str| query.get(key).map(|value| value == "1" || value == "true");
    let capabilities = text("capabilities")
        .split(',')
        .filter_map(client_info::Capability::from_str_name)
        .map(|capability| capability as i32)
        .collect();
    let attributes = query.get("attributes").and_then(|encoded| BASE64.decode(encoded).ok());
    let attributes = attributes.and_then(|json| serde_json::from_slice(&json).ok());
    JoinRequest {
        client_info: Some(ClientInfo {
            sdk: sdk(&text("sdk")) as i32,
            version: text("version"),
            protocol: number("protocol"),
            os: text("os"),
            os_version: text("os_version"),
            device_model: text("device_model"),
            browser: text("browser"),
            browser_version: text("browser_version"),
            network: text("network"),
            client_protocol: number("client_protocol"),
            capabilities,
            ..Default::default()
        }),
        connection_settings: Some(ConnectionSettings {
            auto_subscribe: flag("auto_subscribe").unwrap_or(true),
            adaptive_stream: flag("adaptive_stream").unwrap_or(false),
            subscriber_allow_pause: flag("subscriber_allow_pause"),
            disable_ice_lite: flag("disable_ice_lite").unwrap_or(false),
            auto_subscribe_data_track: flag("auto_subscribe_data_track"),
        }),
        participant_attributes: attributes.unwrap_or_default(),
        reconnect: flag("reconnect").unwrap_or(false),
        reconnect_reason: number("reconnect_reason"),
        participant_sid: text("sid"),
        ..Default::default()
    }
}

fn sdk(name: &str) -> client_info::Sdk {
    match name {
        "reactnative" => client_info::Sdk::ReactNative,
        "unityweb" => client_info::Sdk::UnityWeb,
        name => client_info::Sdk::from_str_name(&name.to_uppercase()).unwrap_or(client_info::Sdk::Unknown),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn wrap(compression: wrapped_join_request::Compression, join_request: Vec<u8>) -> Query {
        let wrapped = WrappedJoinRequest { compression: compression as i32, join_request };
        Query::from([("join_request".into(), BASE64.encode(wrapped.encode_to_vec()))])
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn a_join_request_is_read_packed_or_not_padded_or_not() {
        let request = JoinRequest { participant_sid: "PA_1".into(), reconnect: true, ..Default::default() };
        let plain = wrap(wrapped_join_request::Compression::None, request.encode_to_vec());
        let packed = wrap(wrapped_join_request::Compression::Gzip, gzip(&request.encode_to_vec()));
        for mut query in [plain, packed] {
            assert_eq!(join_request_v1(&query).unwrap(), request);
            let encoded = query.get_mut("join_request").unwrap();
            *encoded = encoded.trim_end_matches('=').to_owned();
            assert_eq!(join_request_v1(&query).unwrap(), request);
        }
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(join_request_v1(&wrap(wrapped_join_request::Compression::Gzip, bomb)), Err(RequestError::Gzip));
    }

    #[test]
    fn a_v0_query_reads_like_the_contract_says() {
        let query = Query::from(
            [
                ("protocol", "16"),
                ("sdk", "js"),
                ("auto_subscribe", "0"),
                ("reconnect", "1"),
                ("sid", "PA_1"),
                ("capabilities", "CAP_PACKET_TRAILER,CAP_FUTURE"),
                ("attributes", &BASE64.encode(r#"{"a":"b"}"#)),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
        );
        let request = join_request_v0(&query);
        let client = request.client_info.unwrap();
        assert_eq!((client.protocol, client.sdk(), client.capabilities), (16, client_info::Sdk::Js, vec![1]));
        assert!(!request.connection_settings.unwrap().auto_subscribe);
        assert!(request.reconnect);
        assert_eq!((request.participant_sid.as_str(), request.participant_attributes["a"].as_str()), ("PA_1", "b"));
        assert!(join_request_v0(&Query::new()).connection_settings.unwrap().auto_subscribe);
    }

    proptest! {
        #[test]
        fn any_join_request_is_read_or_refused(encoded in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..300), gzip in any::<bool>()) {
            let _ = join_request_v1(&Query::from([("join_request".into(), encoded)]));
            let compression = if gzip { wrapped_join_request::Compression::Gzip } else { wrapped_join_request::Compression::None };
            let _ = join_request_v1(&wrap(compression, bytes));
        }

        #[test]
        fn any_query_is_a_v0_request(pairs in prop::collection::hash_map("(sdk|protocol|attributes|capabilities|sid|auto_subscribe)", any::<String>(), 0..6)) {
            let _ = join_request_v0(&pairs);
        }
    }
}
