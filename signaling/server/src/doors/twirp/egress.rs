//! `livekit.Egress`: recordings, asked for in LiveKit's words. Each method takes a token with `roomRecord`.

use axum::response::Response;
use livekit_protocol::{
    EgressInfo, ListEgressRequest, ListEgressResponse, ParticipantEgressRequest, RoomCompositeEgressRequest,
    StartEgressRequest, StopEgressRequest, TrackCompositeEgressRequest, TrackEgressRequest, UpdateLayoutRequest,
    UpdateStreamRequest, WebEgressRequest, egress_info,
};
use sluice_recordings::{Layout, Order, Refusal, StreamUrl, request};

use super::error::{Code, TwirpError};
use super::{Call, Caller};
use crate::recordings::{RecordingError, Wanted, WishOf};

/// Addresses in one request.
const STREAMS: usize = 32;

pub(super) async fn serve(method: &str, call: Call) -> Result<Response, TwirpError> {
    use egress_info::Request as R;
    match method {
        "StartRoomCompositeEgress" => {
            call.answer(async |caller, request: RoomCompositeEgressRequest| {
                start(caller, request::room_composite(&request), R::RoomComposite(request)).await
            })
            .await
        }
        "StartParticipantEgress" => {
            call.answer(async |caller, request: ParticipantEgressRequest| {
                start(caller, request::participant(&request), R::Participant(request)).await
            })
            .await
        }
        "StartTrackCompositeEgress" => {
            call.answer(async |caller, request: TrackCompositeEgressRequest| {
                start(caller, request::track_composite(&request), R::TrackComposite(request)).await
            })
            .await
        }
        "StartTrackEgress" => {
            call.answer(async |caller, request: TrackEgressRequest| {
                start(caller, request::track(&request), R::Track(request)).await
            })
            .await
        }
        "StartWebEgress" => {
            call.answer(async |caller, request: WebEgressRequest| {
                start(caller, request::web(&request), R::Web(request)).await
            })
            .await
        }
        "StartEgress" => {
            call.answer(async |caller, request: StartEgressRequest| {
                start(caller, request::any(&request), R::Egress(request)).await
            })
            .await
        }
        "ListEgress" => call.answer(list).await,
        "StopEgress" => call.answer(stop).await,
        "UpdateLayout" => call.answer(update_layout).await,
        "UpdateStream" => call.answer(update_stream).await,
        _ => Err(TwirpError::no_route("no such method")),
    }
}

async fn start(
    caller: Caller,
    order: Result<Order, Refusal>,
    request: egress_info::Request,
) -> Result<EgressInfo, TwirpError> {
    caller.may_record()?;
    let order = order?;
    let deed = caller.deed("recording.start", &order.room);
    let act = async { Ok(caller.app.recordings.start(order, request, WishOf::BackEnd).await?) };
    caller.app.trail.carry_out(deed, act).await
}

async fn list(caller: Caller, request: ListEgressRequest) -> Result<ListEgressResponse, TwirpError> {
    caller.may_record()?;
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let wanted = Wanted { id: some(request.egress_id), room: some(request.room_name), going_on: request.active };
    Ok(ListEgressResponse { items: caller.app.recordings.list(&wanted).await?, ..Default::default() })
}

async fn stop(caller: Caller, request: StopEgressRequest) -> Result<EgressInfo, TwirpError> {
    caller.may_record()?;
    let deed = caller.deed("recording.stop", "").to(&request.egress_id);
    let act = async { Ok(caller.app.recordings.stop(&request.egress_id).await?) };
    caller.app.trail.carry_out(deed, act).await
}

async fn update_layout(caller: Caller, request: UpdateLayoutRequest) -> Result<EgressInfo, TwirpError> {
    caller.may_record()?;
    let layout = Layout::named(&request.layout)?;
    let deed = caller.deed("recording.layout", "").to(&request.egress_id).with(layout.name());
    let act = async { Ok(caller.app.recordings.set_layout(&request.egress_id, layout).await?) };
    caller.app.trail.carry_out(deed, act).await
}

async fn update_stream(caller: Caller, request: UpdateStreamRequest) -> Result<EgressInfo, TwirpError> {
    caller.may_record()?;
    let read = |urls: &[String]| urls.iter().map(|url| StreamUrl::parse(url)).collect::<Result<Vec<_>, _>>();
    let (add, remove) = (read(&request.add_output_urls)?, read(&request.remove_output_urls)?);
    if add.len() + remove.len() > STREAMS {
        return Err(Refusal::TooMany(STREAMS).into());
    }
    let shown: Vec<_> = add.iter().chain(&remove).map(StreamUrl::shown).collect();
    let deed = caller.deed("recording.streams", "").to(&request.egress_id).with(shown.join(" "));
    let act = async { Ok(caller.app.recordings.set_streams(&request.egress_id, add, remove).await?) };
    caller.app.trail.carry_out(deed, act).await
}

impl From<Refusal> for TwirpError {
    fn from(refusal: Refusal) -> Self {
        RecordingError::from(refusal).into()
    }
}

impl From<RecordingError> for TwirpError {
    fn from(error: RecordingError) -> Self {
        let code = match &error {
            RecordingError::Disabled | RecordingError::Refused(Refusal::NotOffered(_)) => Code::Unimplemented,
            RecordingError::Refused(_) | RecordingError::Bucket(_) => Code::InvalidArgument,
            RecordingError::NoRoom | RecordingError::NoRecording => Code::NotFound,
            RecordingError::Over
            | RecordingError::GoingOn
            | RecordingError::NotLive
            | RecordingError::NotSent(_)
            | RecordingError::NotComposed(_) => Code::FailedPrecondition,
            RecordingError::NoPlace(_) | RecordingError::TooManyLive => Code::ResourceExhausted,
            RecordingError::Folder(_) | RecordingError::Store(_) => {
                tracing::error!(error = ?error, "a recording cannot be begun");
                Code::Unavailable
            }
        };
        match error {
            RecordingError::Store(error) => Self::from(error),
            error => Self::new(code, error.to_string()),
        }
    }
}
