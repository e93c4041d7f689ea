//! Messages on their way to a data channel that is not open yet or has no room.

use std::collections::VecDeque;
use std::sync::Arc;

use str0m::channel::ChannelId;

use crate::DataChannel;

/// Reliable bytes that may wait for one receiver. A sender on a fast link outruns a receiver on a slow one
/// by this much of a file before the receiver is given up.
const MAX_BACKLOG_LEN: usize = 16 << 20;
/// Reliable messages that may wait: bounds the bookkeeping of tiny ones.
const MAX_BACKLOG_MESSAGES: usize = 16 << 10;

/// Longest message: what browsers take (`a=max-message-size:262144`). A longer one would wait in front of all
/// others for room that never comes.
pub(super) const MAX_MESSAGE_LEN: usize = 256 << 10;

/// LiveKit's labels.
pub(super) const RELIABLE_LABEL: &str = "_reliable";
pub(super) const LOSSY_LABEL: &str = "_lossy";
/// Data tracks: opened since clients expect it, not carried yet.
pub(super) const DATA_TRACK_LABEL: &str = "_data_track";

/// The receiver does not keep up with its reliable channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BacklogFull;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    OnItsWay,
    /// The channel is not open or its buffer full.
    NoRoom,
    /// It will never go: longer than this receiver takes, or the channel is closed for good.
    Refused,
}

#[derive(Debug, Default)]
pub(super) struct DataChannels {
    reliable: Option<ChannelId>,
    lossy: Option<ChannelId>,
    backlog: VecDeque<Arc<[u8]>>,
    backlog_len: usize,
}

impl DataChannels {
    pub(super) fn opened(&mut self, id: ChannelId, label: &str) {
        match label {
            RELIABLE_LABEL => self.reliable = Some(id),
            LOSSY_LABEL => self.lossy = Some(id),
            _ => {}
        }
    }

    pub(super) fn id(&self, channel: DataChannel) -> Option<ChannelId> {
        match channel {
            DataChannel::Reliable => self.reliable,
            DataChannel::Lossy => self.lossy,
        }
    }

    pub(super) fn channel(&self, id: ChannelId) -> Option<DataChannel> {
        if self.reliable == Some(id) {
            Some(DataChannel::Reliable)
        } else if self.lossy == Some(id) {
            Some(DataChannel::Lossy)
        } else {
            None
        }
    }

    /// Keeps a reliable message for later. Order holds: once something waits, everything waits.
    pub(super) fn push(&mut self, message: Arc<[u8]>) -> Result<(), BacklogFull> {
        if self.backlog_len + message.len() > MAX_BACKLOG_LEN || self.backlog.len() == MAX_BACKLOG_MESSAGES {
            return Err(BacklogFull);
        }
        self.backlog_len += message.len();
        self.backlog.push_back(message);
        Ok(())
    }

    pub(super) fn front(&self) -> Option<&Arc<[u8]>> {
        self.backlog.front()
    }

    pub(super) fn pop(&mut self) {
        if let Some(message) = self.backlog.pop_front() {
            self.backlog_len -= message.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_reads_nothing_is_given_up_at_the_bound() {
        let mut channels = DataChannels::default();
        let message: Arc<[u8]> = vec![0; 1 << 20].into();
        for _ in 0..16 {
            assert_eq!(channels.push(Arc::clone(&message)), Ok(()));
        }
        assert_eq!(channels.push(Arc::clone(&message)), Err(BacklogFull));
        channels.pop();
        assert_eq!(channels.push(message), Ok(()), "room again");
    }
}
