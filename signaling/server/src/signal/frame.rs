//! Signal messages on the wire: protobuf in binary frames, proto3 JSON in text frames.

use std::sync::{Arc, OnceLock};

use axum::extract::ws::{Message as Frame, Utf8Bytes};
use bytes::Bytes;
use livekit_protocol::{SignalRequest, SignalResponse, signal_request, signal_response};
use prost::Message;

/// The form a client speaks; the server answers in the form last heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Protobuf,
    Json,
}

/// Why a frame is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not a message of the protocol.
    #[error("not a signal request")]
    Malformed,
    /// From a newer protocol than ours, perhaps.
    #[error("an empty or unknown signal request")]
    Unknown,
}

/// Reads a binary frame.
///
/// # Errors
/// [`FrameError`] when it is no request.
pub fn decode_protobuf(bytes: &[u8]) -> Result<signal_request::Message, FrameError> {
    let request = SignalRequest::decode(bytes).map_err(|_| FrameError::Malformed)?;
    request.message.ok_or(FrameError::Unknown)
}

/// Reads a text frame. Depth is bounded by the JSON reader, size by the connection.
///
/// # Errors
/// [`FrameError`] when it is no request.
pub fn decode_json(text: &str) -> Result<signal_request::Message, FrameError> {
    let request: SignalRequest = serde_json::from_str(text).map_err(|_| FrameError::Malformed)?;
    request.message.ok_or(FrameError::Unknown)
}

/// A response on its way to one or many clients: encoded at most once for each form.
pub(crate) struct Response {
    message: Arc<signal_response::Message>,
    protobuf: OnceLock<Bytes>,
    json: OnceLock<Utf8Bytes>,
}

impl Response {
    pub(crate) fn new(message: Arc<signal_response::Message>) -> Self {
        Self { message, protobuf: OnceLock::new(), json: OnceLock::new() }
    }

    pub(crate) fn message(&self) -> &signal_response::Message {
        &self.message
    }

    /// Size in protobuf, by which queues count.
    pub(crate) fn len(&self) -> usize {
        self.message.encoded_len()
    }

    pub(crate) fn frame(&self, form: Form) -> Frame {
        match form {
            Form::Protobuf => {
                let bytes = self.protobuf.get_or_init(|| {
                    // A oneof writes its own field key, which is all a SignalResponse is.
                    let mut bytes = Vec::with_capacity(self.message.encoded_len());
                    self.message.encode(&mut bytes);
                    bytes.into()
                });
                Frame::Binary(bytes.clone())
            }
            Form::Json => {
                let text = self.json.get_or_init(|| {
                    let response = SignalResponse { message: Some((*self.message).clone()) };
                    // Writing to a string cannot fail; an enum value unknown to our protocol can.
                    serde_json::to_string(&response).unwrap_or_else(|_| "{}".into()).into()
                });
                Frame::Text(text.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot unwrap has failed")]

    use livekit_protocol::Pong;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_message_two_forms() {
        let pong = Pong { last_ping_timestamp: 3, timestamp: 4 };
        let response = Response::new(Arc::new(signal_response::Message::PongResp(pong)));
        let Frame::Binary(bytes) = response.frame(Form::Protobuf) else { panic!("binary") };
        assert_eq!(SignalResponse::decode(bytes).unwrap().message.unwrap(), signal_response::Message::PongResp(pong));
        let Frame::Text(text) = response.frame(Form::Json) else { panic!("text") };
        let back: SignalResponse = serde_json::from_str(&text).unwrap();
        assert_eq!(back.message.unwrap(), signal_response::Message::PongResp(pong));
    }

    #[test]
    fn json_takes_both_spellings_and_ignores_the_unknown() {
        for text in [r#"{"pingReq":{"timestamp":"7","rtt":1}}"#, r#"{"ping_req":{"timestamp":7,"new_field":[1]}}"#] {
            let signal_request::Message::PingReq(ping) = decode_json(text).unwrap() else { panic!("ping") };
            assert_eq!(ping.timestamp, 7);
        }
        assert_eq!(decode_json("{}"), Err(FrameError::Unknown));
        // However deep, it is refused or skipped without recursion.
        assert!(decode_json(&"[".repeat(10_000)).is_err());
        assert!(decode_json(&format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000))).is_err());
        assert!(decode_json(&format!("{{\"offer\":{}1}}", "{\"sdp\":".repeat(10_000))).is_err());
    }

    proptest! {
        #[test]
        fn any_frame_is_a_request_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), text in any::<String>()) {
            let _ = decode_protobuf(&bytes);
            let _ = decode_json(&text);
        }
    }
}
