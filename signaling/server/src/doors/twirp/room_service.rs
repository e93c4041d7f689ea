//! `livekit.RoomService`: each method asks the token for its grant and a room for its answer.

use std::time::Duration;

use axum::response::Response;
use livekit_protocol::{
    CreateRoomRequest, DataPacket, DeleteRoomRequest, DeleteRoomResponse, ForwardParticipantRequest,
    ForwardParticipantResponse, ListParticipantsRequest, ListParticipantsResponse, ListRoomsRequest, ListRoomsResponse,
    MoveParticipantRequest, MoveParticipantResponse, MuteRoomTrackRequest, MuteRoomTrackResponse, ParticipantInfo,
    PerformRpcRequest, PerformRpcResponse, RemoveParticipantResponse, Room, RoomConfiguration, RoomParticipantIdentity,
    SendDataRequest, SendDataResponse, UpdateParticipantRequest, UpdateRoomMetadataRequest, UpdateSubscriptionsRequest,
    UpdateSubscriptionsResponse, UserPacket, data_packet,
};
use prost::Message;
use sluice_rooms::{DataChannel, Moderation, RoomSnapshot};

use super::error::{Code, TwirpError};
use super::{Call, Caller, named};
use crate::records;
use crate::room::{AdministerError, Show};

/// How long a procedure may take when nobody says.
const RPC_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn serve(method: &str, call: Call) -> Result<Response, TwirpError> {
    match method {
        "CreateRoom" => call.answer(create_room).await,
        "ListRooms" => call.answer(list_rooms).await,
        "DeleteRoom" => call.answer(delete_room).await,
        "ListParticipants" => call.answer(list_participants).await,
        "GetParticipant" => call.answer(get_participant).await,
        "RemoveParticipant" => call.answer(remove_participant).await,
        "MutePublishedTrack" => call.answer(mute_published_track).await,
        "UpdateParticipant" => call.answer(update_participant).await,
        "UpdateSubscriptions" => call.answer(update_subscriptions).await,
        "SendData" => call.answer(send_data).await,
        "UpdateRoomMetadata" => call.answer(update_room_metadata).await,
        "MoveParticipant" => call.answer(move_participant).await,
        "ForwardParticipant" => call.answer(forward_participant).await,
        "PerformRpc" => call.answer(perform_rpc).await,
        _ => Err(TwirpError::no_route("no such method")),
    }
}

/// Makes the room, or changes the settings of the one that is open.
async fn create_room(caller: Caller, request: CreateRoomRequest) -> Result<Room, TwirpError> {
    caller.may_create()?;
    named(&request.name)?;
    let rooms = &caller.app.rooms;
    if !request.node_id.is_empty() && request.node_id != rooms.node_id() {
        return Err(TwirpError::new(Code::FailedPrecondition, "there is no such node"));
    }
    let seconds = |seconds: u32| (seconds > 0).then(|| Duration::from_secs(seconds.into()));
    let settings = Moderation::Reconfigure {
        empty_timeout: seconds(request.empty_timeout),
        departure_timeout: seconds(request.departure_timeout),
        max_participants: Some(request.max_participants).filter(|bound| *bound > 0),
        metadata: Some(request.metadata.clone()).filter(|metadata| !metadata.is_empty()),
    };
    let config = RoomConfiguration {
        name: request.name.clone(),
        empty_timeout: request.empty_timeout,
        departure_timeout: request.departure_timeout,
        max_participants: request.max_participants,
        metadata: request.metadata,
        egress: request.egress,
        min_playout_delay: request.min_playout_delay,
        max_playout_delay: request.max_playout_delay,
        sync_streams: request.sync_streams,
        agents: request.agents,
        tags: request.tags,
    };
    let act = async {
        let set_up = records::set_up(&caller.app, &request.name).await?;
        rooms.open(&request.name, set_up.asked_for(config))?;
        Ok(rooms.administer(&request.name, Some(settings), Show::Room).await?.room)
    };
    caller.app.trail.carry_out(caller.deed("room.create", &request.name), act).await
}

async fn list_rooms(caller: Caller, request: ListRoomsRequest) -> Result<ListRoomsResponse, TwirpError> {
    caller.may_list()?;
    let rooms = &caller.app.rooms;
    let wanted = |name: &String| request.names.is_empty() || request.names.contains(name);
    let mut found = Vec::new();
    for status in rooms.list().into_iter().filter(|status| wanted(&status.id)) {
        // One that has ended meanwhile is none.
        if let Ok(seen) = rooms.administer(&status.id, None, Show::Room).await {
            found.push(seen.room);
        }
    }
    Ok(ListRoomsResponse { rooms: found })
}

async fn delete_room(caller: Caller, request: DeleteRoomRequest) -> Result<DeleteRoomResponse, TwirpError> {
    caller.may_create()?;
    named(&request.room)?;
    caller.moderate("room.delete", &request.room, None, Moderation::DeleteRoom).await?;
    records::forget_temporary(&caller.app, &request.room).await;
    Ok(DeleteRoomResponse {})
}

/// Of a room that is not open nobody is in it; LiveKit says so too.
async fn list_participants(
    caller: Caller,
    request: ListParticipantsRequest,
) -> Result<ListParticipantsResponse, TwirpError> {
    caller.may_administer(&request.room).await?;
    match caller.app.rooms.administer(&request.room, None, Show::Everybody).await {
        Ok(seen) => Ok(ListParticipantsResponse { participants: seen.participants }),
        Err(AdministerError::NoRoom) => Ok(ListParticipantsResponse::default()),
        Err(error) => Err(error.into()),
    }
}

async fn get_participant(caller: Caller, request: RoomParticipantIdentity) -> Result<ParticipantInfo, TwirpError> {
    caller.may_administer(&request.room).await?;
    the_one(&caller, &request.room, request.identity).await
}

/// Somebody who is in the room.
async fn the_one(caller: &Caller, room: &str, identity: String) -> Result<ParticipantInfo, TwirpError> {
    let seen = caller.app.rooms.administer(room, None, Show::Participant(identity)).await?;
    seen.participants.into_iter().next().ok_or_else(TwirpError::nobody)
}

impl Caller {
    /// Asks a room for something that goes into the audit trail; who it is about is shown.
    async fn moderate(
        &self,
        what: &'static str,
        room: &str,
        whom: Option<&str>,
        moderation: Moderation,
    ) -> Result<RoomSnapshot, TwirpError> {
        let mut deed = self.deed(what, room);
        let mut show = Show::Room;
        if let Some(identity) = whom {
            deed = deed.to(identity);
            show = Show::Participant(identity.to_owned());
        }
        let act = async { Ok(self.app.rooms.administer(room, Some(moderation), show).await?) };
        self.app.trail.carry_out(deed, act).await
    }
}

async fn remove_participant(
    caller: Caller,
    request: RoomParticipantIdentity,
) -> Result<RemoveParticipantResponse, TwirpError> {
    caller.may_administer(&request.room).await?;
    let revoke_before_s = u64::try_from(request.revoke_token_ts).ok().filter(|before| *before > 0).map(in_seconds);
    let removal =
        Moderation::RemoveParticipant { identity: request.identity.clone(), revoke_before_s, keep_out: false };
    caller
        .moderate("participant.remove", &request.room, Some(&request.identity), removal)
        .await?;
    Ok(RemoveParticipantResponse {})
}

/// The protocol compares the time with `nbf`, which has seconds; some SDKs ask for milliseconds. A number of seconds so
/// large is three thousand years away.
fn in_seconds(time: u64) -> u64 {
    if time >= 100_000_000_000 { time / 1000 } else { time }
}

async fn mute_published_track(
    caller: Caller,
    request: MuteRoomTrackRequest,
) -> Result<MuteRoomTrackResponse, TwirpError> {
    caller.may_administer(&request.room).await?;
    let mute = Moderation::MuteTrack {
        identity: request.identity.clone(),
        track: request.track_sid.as_str().into(),
        muted: request.muted,
    };
    let what = if request.muted { "participant.mute" } else { "participant.unmute" };
    let seen = caller.moderate(what, &request.room, Some(&request.identity), mute).await?;
    let mut tracks = seen.participants.into_iter().flat_map(|publisher| publisher.tracks);
    let track = tracks.find(|track| track.sid == request.track_sid);
    Ok(MuteRoomTrackResponse { track })
}

async fn update_participant(caller: Caller, request: UpdateParticipantRequest) -> Result<ParticipantInfo, TwirpError> {
    caller.may_administer(&request.room).await?;
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let update = Moderation::UpdateParticipant {
        identity: request.identity.clone(),
        name: given(request.name),
        metadata: given(request.metadata),
        attributes: request.attributes,
        permission: request.permission,
    };
    let seen = caller
        .moderate("participant.update", &request.room, Some(&request.identity), update)
        .await?;
    seen.participants.into_iter().next().ok_or_else(TwirpError::nobody)
}

async fn update_subscriptions(
    caller: Caller,
    request: UpdateSubscriptionsRequest,
) -> Result<UpdateSubscriptionsResponse, TwirpError> {
    caller.may_administer(&request.room).await?;
    let of_participants = request.participant_tracks.iter().flat_map(|tracks| &tracks.track_sids);
    let tracks = request.track_sids.iter().chain(of_participants);
    let update = Moderation::UpdateSubscriptions {
        identity: request.identity.clone(),
        tracks: tracks.map(|track| track.as_str().into()).collect(),
        subscribe: request.subscribe,
    };
    caller
        .moderate("participant.subscriptions", &request.room, Some(&request.identity), update)
        .await?;
    Ok(UpdateSubscriptionsResponse {})
}

#[expect(deprecated, reason = "old back ends name receivers by sid")]
async fn send_data(caller: Caller, request: SendDataRequest) -> Result<SendDataResponse, TwirpError> {
    caller.may_administer(&request.room).await?;
    let channel = match request.kind() {
        data_packet::Kind::Reliable => DataChannel::Reliable,
        data_packet::Kind::Lossy => DataChannel::Lossy,
    };
    let user = UserPacket {
        payload: request.data,
        destination_sids: request.destination_sids,
        topic: request.topic,
        nonce: request.nonce,
        ..Default::default()
    };
    let packet = DataPacket {
        destination_identities: request.destination_identities,
        value: Some(data_packet::Value::User(user)),
        ..Default::default()
    };
    let send = Moderation::SendData { channel, payload: packet.encode_to_vec() };
    caller.app.rooms.administer(&request.room, Some(send), Show::Room).await?;
    Ok(SendDataResponse {})
}

async fn update_room_metadata(caller: Caller, request: UpdateRoomMetadataRequest) -> Result<Room, TwirpError> {
    caller.may_administer(&request.room).await?;
    let update = Moderation::UpdateRoomMetadata { metadata: request.metadata };
    Ok(caller.moderate("room.update", &request.room, None, update).await?.room)
}

async fn move_participant(
    caller: Caller,
    request: MoveParticipantRequest,
) -> Result<MoveParticipantResponse, TwirpError> {
    caller.may_send(&request.room, &request.destination_room).await?;
    let MoveParticipantRequest { room, identity, destination_room } = request;
    if room == destination_room {
        return Err(TwirpError::new(Code::InvalidArgument, "the participant is in that room already"));
    }
    // No room is made for somebody who is not there.
    the_one(&caller, &room, identity.clone()).await?;
    let rooms = &caller.app.rooms;
    let set_up = records::set_up(&caller.app, &destination_room).await?;
    if rooms.open(&destination_room, set_up)?.status.is_full() {
        return Err(TwirpError::new(Code::ResourceExhausted, "the destination room is full"));
    }
    let seen = rooms.administer(&destination_room, None, Show::Visible).await?;
    let to = Box::new(seen.room);
    let departure = Moderation::MoveParticipant { identity: identity.clone(), to, others: seen.participants };
    caller.moderate("participant.move", &room, Some(&identity), departure).await?;
    Ok(MoveParticipantResponse {})
}

async fn forward_participant(
    caller: Caller,
    request: ForwardParticipantRequest,
) -> Result<ForwardParticipantResponse, TwirpError> {
    caller.may_send(&request.room, &request.destination_room).await?;
    let ForwardParticipantRequest { room, identity, destination_room } = request;
    if room == destination_room {
        return Err(TwirpError::new(Code::InvalidArgument, "the participant is in that room already"));
    }
    // No room is made for somebody who is not there.
    the_one(&caller, &room, identity.clone()).await?;
    let rooms = &caller.app.rooms;
    let act = async {
        let set_up = records::set_up(&caller.app, &destination_room).await?;
        let destination = rooms.open(&destination_room, set_up)?;
        Ok(rooms.forward(&room, identity.clone(), destination).await?)
    };
    let deed = caller
        .deed("participant.forward", &room)
        .to(&identity)
        .with(format!("to {destination_room}"));
    caller.app.trail.carry_out::<_, TwirpError>(deed, act).await?;
    Ok(ForwardParticipantResponse {})
}

async fn perform_rpc(caller: Caller, request: PerformRpcRequest) -> Result<PerformRpcResponse, TwirpError> {
    caller.may_administer(&request.room).await?;
    let asked = match request.response_timeout_ms {
        0 => RPC_TIMEOUT,
        asked => Duration::from_millis(asked.into()),
    };
    // Whoever waits longer is told by the door itself that it took too long.
    let timeout = asked.min(caller.app.config.timeouts.request_body.saturating_sub(Duration::from_secs(1)));
    let procedure = (request.method, request.payload);
    let outcome = caller
        .app
        .rooms
        .call(&request.room, request.destination_identity, procedure, timeout)
        .await?;
    Ok(PerformRpcResponse { payload: outcome? })
}
