//! Chat: heard on its way through, posted by the server API, deleted.

use std::sync::Arc;

use super::{ModerationError, RoomState};
use crate::chat::{ChatPost, MESSAGE_BYTES, Said};
use crate::effect::{DataChannel, MediaCommand};
use crate::log::RoomEventKind;
use crate::notice::Notice;
use crate::text::{valid_identity, valid_key};
use crate::{Now, ParticipantSid};

impl RoomState {
    /// A packet goes to everybody. If it ends a message, the log hears of it.
    pub(super) fn hear_chat(&mut self, sender: &ParticipantSid, packet: &[u8], now: Now) {
        let keeps = self.config.keeps_chat;
        let Some(participant) = self.participants.get_mut(sender) else { return };
        let Some(Said { id, text, bytes }) = participant.writing.hear(packet, keeps, now.at) else { return };
        // Who is hidden writes without a name here too: the chat's history is for everybody.
        let (identity, name) = match participant.visible() {
            true => (participant.identity.clone(), participant.name.clone()),
            false => Default::default(),
        };
        self.log(RoomEventKind::ChatMessage { id, identity, name, text, bytes }, now);
    }

    pub(super) fn post_chat(&mut self, message: ChatPost, now: Now) -> Result<(), ModerationError> {
        if !valid_key(&message.id) || !valid_identity(&message.identity) {
            return Err(ModerationError::Invalid("not an id, or not an identity"));
        }
        if message.text.is_empty() || message.text.len() > MESSAGE_BYTES {
            return Err(ModerationError::Invalid("a message has 1 byte to 16 KiB"));
        }
        let everybody = self.participants.values().filter(|participant| participant.is_reachable());
        let everybody: Vec<_> = everybody.map(|participant| participant.sid.clone()).collect();
        if !everybody.is_empty() {
            for packet in message.packets(now.unix_ms) {
                let (to, payload) = (everybody.clone(), Arc::from(packet));
                self.media(MediaCommand::SendData { to, channel: DataChannel::Reliable, payload });
            }
        }
        let ChatPost { id, identity, name, text } = message;
        let bytes = text.len() as u64;
        let text = self.config.keeps_chat.then_some(text);
        self.log(RoomEventKind::ChatMessage { id, identity, name, text, bytes }, now);
        Ok(())
    }

    pub(super) fn delete_chat(&mut self, id: &str) -> Result<(), ModerationError> {
        if !valid_key(id) {
            return Err(ModerationError::Invalid("not an id"));
        }
        self.notify(&Notice::ChatDeleted { id }, |_| true);
        Ok(())
    }
}
