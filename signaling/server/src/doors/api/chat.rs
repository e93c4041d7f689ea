//! The native API: a room's chat. What is posted here is heard in the room as if somebody there had written it; what was
//! written is read here, where the room keeps it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sluice_rooms::{ChatPost, Moderation};
use sluice_store::{ChatMessage, MessageId, NewChatMessage, Sender, SessionId, StoreError, UnixMillis};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ROOM_NOT_FOUND;
use super::asker::{Asker, NOT_PERMITTED};
use super::body;
use super::place::{Host, Place, Rank, rank};
use crate::App;
use crate::clock::moment;
use crate::doors::error::ApiError;
use crate::random::random_id;
use crate::room::Show;
use crate::trail::Whence;

/// Letters of a message's id.
const MESSAGE_ID_LETTERS: usize = 16;
/// Messages in an answer when nobody says how many, and at most.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 500;
/// Longest message, in bytes: the longest the room takes.
const MESSAGE_BYTES: usize = 16 * 1024;

const BAD_MESSAGE: ApiError =
    ApiError::new(StatusCode::BAD_REQUEST, "bad_message", "a message has between 1 and 16384 bytes");
const BAD_PAGE: ApiError = ApiError::new(
    StatusCode::BAD_REQUEST,
    "bad_query",
    "`after` is the sequence of a message, `limit` how many to send, at most 500",
);
const MESSAGE_NOT_FOUND: ApiError =
    ApiError::new(StatusCode::NOT_FOUND, "message_not_found", "no such message is kept of this room");

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(read, post)).routes(routes!(delete))
}

/// A piece of the chat.
#[derive(Debug, Serialize, ToSchema)]
struct Page {
    /// In order.
    messages: Vec<Message>,
    /// There are more after these.
    more: bool,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
struct Message {
    id: String,
    /// Which one of its room, from 1 on; not of one that is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    identity: String,
    /// How its author is shown now, if it is there; else its identity.
    name: String,
    /// `user` or `ai`.
    sender: &'static str,
    message: String,
    /// Unix milliseconds.
    timestamp: i64,
    /// The same, spoken.
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_url: Option<String>,
}

impl Message {
    fn of(kept: ChatMessage, names: &HashMap<String, String>) -> Self {
        let NewChatMessage { id, identity, sender, message, audio_url, at, .. } = kept.sent;
        let identity = identity.to_string();
        Self {
            id: id.to_string(),
            sequence: Some(kept.sequence),
            name: names.get(&identity).filter(|name| !name.is_empty()).unwrap_or(&identity).clone(),
            identity,
            sender: sender.as_str(),
            message,
            timestamp: at.0,
            audio_url,
        }
    }
}

/// Which piece.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The sequence of the last message that is known; 0 for from the beginning.
    #[serde(default)]
    after: u64,
    /// 100 unless said, at most 500.
    limit: Option<u32>,
}

/// Read what was written
///
/// For people with a token for the room, and its hosts. Empty where the room keeps nothing.
#[utoipa::path(get, path = "/api/rooms/{id}/chat", tag = "chat",
    params(("id" = String, Path, description = "The room"), Asked),
    responses(
        (status = 200, body = Page),
        (status = 400, description = "`bad_query`"),
        (status = 404, description = "`room_not_found`"),
    ))]
async fn read(
    State(app): State<Arc<App>>,
    asker: Asker,
    Path(id): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Page>, ApiError> {
    let Query(Asked { after, limit }) = asked.map_err(|_| BAD_PAGE)?;
    let limit = limit.unwrap_or(PAGE);
    if i64::try_from(after).is_err() || limit == 0 || limit > LARGEST_PAGE {
        return Err(BAD_PAGE);
    }
    if rank(&app, &asker, &id).await? == Rank::Stranger {
        return Err(ROOM_NOT_FOUND);
    }
    Place::find(&app, &id).await?.ok_or(ROOM_NOT_FOUND)?;
    // One more than asked for says whether there are more.
    let mut kept = app.store.messages(&id.as_str().into(), after, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = kept.len() > limit;
    kept.truncate(limit);
    let there = app.rooms.administer(&id, None, Show::Visible).await;
    let people = there.map(|seen| seen.participants).unwrap_or_default();
    let names = people.into_iter().map(|info| (info.identity, info.name)).collect();
    Ok(Json(Page { messages: kept.into_iter().map(|message| Message::of(message, &names)).collect(), more }))
}

/// A message to be.
#[derive(Debug, Deserialize, ToSchema)]
struct New {
    /// At most 16 KiB.
    message: String,
}

/// Write something
///
/// For people who are in the room and may send data, and for its back end. Clients hear it as a text stream of the topic
/// `lk.chat`. It is kept only where the room keeps chat.
#[utoipa::path(post, path = "/api/rooms/{id}/chat", tag = "chat", request_body = New,
    params(("id" = String, Path, description = "The room")),
    responses(
        (status = 201, body = Message),
        (status = 400, description = "`bad_message`"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `participant_not_found`: one is not in it"),
        (status = 409, description = "`room_not_open`"),
    ))]
async fn post(
    State(app): State<Arc<App>>,
    asker: Asker,
    Path(id): Path<String>,
    json: Result<Json<New>, JsonRejection>,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    let New { message: text } = body(json)?;
    if text.is_empty() || text.len() > MESSAGE_BYTES {
        return Err(BAD_MESSAGE);
    }
    if rank(&app, &asker, &id).await? == Rank::Stranger {
        return Err(ROOM_NOT_FOUND);
    }
    let place = Place::find(&app, &id).await?.ok_or(ROOM_NOT_FOUND)?;
    let (identity, name) = match asker.stay_in(&id) {
        Some(stay) => {
            let author = place.participant(&app, stay.identity).await?;
            if !author.permission.as_ref().is_some_and(|permission| permission.can_publish_data) {
                return Err(NOT_PERMITTED);
            }
            (author.identity, author.name)
        }
        None => asker.author(),
    };
    let message = Message {
        id: random_id(MESSAGE_ID_LETTERS),
        sequence: None,
        identity: identity.clone(),
        name: name.clone(),
        sender: Sender::User.as_str(),
        message: text.clone(),
        timestamp: moment().0,
        audio_url: None,
    };
    let post = ChatPost { id: message.id.clone(), identity, name, text };
    app.rooms
        .administer(&id, Some(Moderation::PostChat { message: post }), Show::Room)
        .await?;
    let sequence = keep(&app, &place, &message).await?;
    Ok((StatusCode::CREATED, Json(Message { sequence, ..message })))
}

/// The number of a message where the room keeps any. Whoever reads the log may have kept it already, since the log has it by now.
async fn keep(app: &App, place: &Place, message: &Message) -> Result<Option<u64>, ApiError> {
    if !place.record.as_ref().is_some_and(|record| record.keeps_chat) {
        return Ok(None);
    }
    if let Some(kept) = app.store.message(&place.id.as_str().into(), &message.id.as_str().into()).await? {
        return Ok(Some(kept.sequence));
    }
    let mut new = NewChatMessage {
        id: MessageId::from(message.id.as_str()),
        room: place.id.as_str().into(),
        session: place.ask(app, |room| SessionId::from(room.sid().as_str())).await,
        identity: message.identity.as_str().into(),
        user: None,
        sender: Sender::User,
        message: message.message.clone(),
        audio_url: None,
        at: UnixMillis(message.timestamp),
    };
    loop {
        let mut transaction = app.store.begin().await?;
        match transaction.keep_message(&new).await {
            Ok(Some(sequence)) => {
                transaction.commit().await?;
                return Ok(Some(sequence));
            }
            // The room was forgotten meanwhile.
            Ok(None) => return Ok(None),
            // Of a session that is not written yet there is nothing to count for.
            Err(StoreError::Missing { .. }) if new.session.is_some() => new.session = None,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Delete a message
///
/// For hosts. Clients are told to show it no more.
#[utoipa::path(delete, path = "/api/rooms/{id}/chat/{message}", tag = "chat",
    params(("id" = String, Path, description = "The room"), ("message" = String, Path, description = "Its id")),
    responses(
        (status = 204, description = "Gone"),
        (status = 403, description = "`not_permitted`"),
        (status = 404, description = "`room_not_found`, `message_not_found`"),
    ))]
async fn delete(
    State(app): State<Arc<App>>,
    asker: Asker,
    whence: Whence,
    Path((id, message)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let host = Host::at(app.clone(), asker, whence, &id, "chat.delete").await?;
    let act = async {
        let mut transaction = app.store.begin().await?;
        let was_kept = transaction
            .delete_message(&id.as_str().into(), &MessageId::from(message.as_str()))
            .await?;
        transaction.commit().await?;
        // People may still show it, kept or not.
        let told = app
            .rooms
            .administer(&id, Some(Moderation::DeleteChat { id: message.clone() }), Show::Room)
            .await;
        if was_kept || told.is_ok() { Ok(()) } else { Err(MESSAGE_NOT_FOUND) }
    };
    app.trail.carry_out::<_, ApiError>(host.deed("chat.delete").to(&message), act).await?;
    Ok(StatusCode::NO_CONTENT)
}
