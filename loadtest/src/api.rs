//! One request to a server's API, and its answer: JSON both ways, on a connection of its own.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::error::PeerError;
use crate::server::Server;

/// What an answer may be at most.
const ANSWER_BYTES: u64 = 64 * 1024;
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks, with the token of whoever asks where one is needed.
///
/// # Errors
/// No answer, one that is not 2xx, or one that is no JSON.
pub(crate) async fn ask(
    server: &Server,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Result<Value, PeerError> {
    let unreachable = |error: std::io::Error| PeerError::Unreachable(error.to_string());
    let exchange = async {
        let (mut stream, _) = server.open().await.map_err(unreachable)?;
        let request = server.request(method, path, token, body);
        stream.write_all(request.as_bytes()).await.map_err(unreachable)?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES).read_to_string(&mut answer).await.map_err(unreachable)?;
        read(&answer)
    };
    timeout(PATIENCE, exchange).await.map_err(|_| PeerError::Late)?
}

fn read(answer: &str) -> Result<Value, PeerError> {
    let no_answer = || PeerError::Unreachable("what answers is no HTTP".to_owned());
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(no_answer)?;
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(no_answer)?;
    if !(200..300).contains(&status) {
        return Err(PeerError::Refused(status));
    }
    serde_json::from_str(body).map_err(|_| PeerError::Unreachable("the answer is no JSON".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_json_or_the_reason_why_not() {
        assert_eq!(read("HTTP/1.0 200 OK\r\nx: y\r\n\r\n{\"a\":1}"), Ok(serde_json::json!({ "a": 1 })));
        assert_eq!(read("HTTP/1.0 503 Busy\r\n\r\n{}"), Err(PeerError::Refused(503)));
        for bad in ["", "HTTP/1.0 200 OK\r\n", "HTTP/1.0 200 OK\r\n\r\n<p>", "220 mail\r\n\r\n{}"] {
            assert!(matches!(read(bad), Err(PeerError::Unreachable(_))), "{bad}");
        }
    }
}
