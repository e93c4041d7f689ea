//! Whether what a token says of its bearer's rank still holds.
//!
//! A back end's token is what it says. A participant's was signed when it came: it may have been sent away since, or be no
//! host any more, and a token lives for minutes after that. So the room and the bans are asked, at every door alike.

use sluice_store::StoreError;

use crate::App;
use crate::auth::claims::Claims;
use crate::records;

/// Whether the bearer administers the room (`roomAdmin`) at this moment.
pub(super) async fn administers(app: &App, claims: &Claims, room: &str) -> Result<bool, StoreError> {
    if !claims.video.room_admin || claims.video.room != room {
        return Ok(false);
    }
    if !claims.video.room_join {
        return Ok(true);
    }
    let signed_at_s = claims.signed_at_s();
    if records::kept_out(app, room, &claims.sub, claims.account(), Some(signed_at_s))
        .await?
        .is_some()
    {
        return Ok(false);
    }
    let (identity, account) = (claims.sub.clone(), claims.account().map(str::to_owned));
    let still = app
        .rooms
        .look(room, move |room| room.still_moderates(&identity, account.as_deref(), signed_at_s))
        .await;
    // Nobody is there who could have taken it away.
    Ok(still.unwrap_or(true))
}
