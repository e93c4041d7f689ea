//! Webhooks that are owed: who is still to hear of which event.
//!
//! An event is queued for every receiver in the transaction that writes it. What a receiver has still to hear of one
//! room is a *lane*. A lane is claimed as a whole, for a time (a lease), and gives its oldest event only: so the order
//! within a room holds whoever posts, and however often they are killed. A claim that is not settled in time is free
//! again; then its event is posted twice, which is what *at least once* means.
//!
//! [`Courier`] decides when to claim, when to try again and when to rest. Who posts is somebody else.

mod courier;

pub use courier::{Answer, Courier, CourierOptions, Step};

use std::collections::BTreeMap;
use std::time::Duration;

use crate::query::{Query, column};
use crate::store::Dialect;
use crate::{Event, LeaseId, ReceiverId, RoomName, Store, StoreError, Transaction, UnixMillis};

/// So many are dropped in one transaction, so that nobody waits long for it.
const DROPPED_AT_ONCE: u32 = 500;

/// Somebody who wants to hear of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name; what is owed to it belongs to the name.
    pub id: ReceiverId,
    /// Where to post.
    pub url: String,
    /// The API key whose secret signs.
    pub api_key: String,
}

/// An event that is to be posted now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// To whom.
    pub receiver: ReceiverId,
    /// What.
    pub event: Event,
    /// How often it was tried before.
    pub attempts: u32,
    /// The claim it belongs to.
    pub lease: LeaseId,
    /// When the claim ends: from then on somebody else may post the same.
    pub until: UnixMillis,
}

impl Delivery {
    /// The lane: the room's name, or nothing for what concerns the server.
    fn lane(&self) -> &str {
        self.event.room.as_ref().map_or("", RoomName::as_str)
    }
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// It was taken: forget it.
    Delivered,
    /// It was not: again, then.
    Again {
        /// The earliest moment.
        at: UnixMillis,
    },
    /// It is given up: forget it, and count it as dropped.
    Dropped,
}

/// How much is kept for a receiver that does not take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Events for each receiver, the newest.
    pub events: u32,
    /// For so long.
    pub age: Duration,
}

impl Default for Bounds {
    /// A hundred thousand events, some 100 MB with their payloads, for three days: a weekend and the morning after.
    fn default() -> Self {
        Self { events: 100_000, age: Duration::from_secs(3 * 24 * 3600) }
    }
}

/// How it stands with one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Which one.
    pub receiver: ReceiverId,
    /// Events it has still to take.
    pub pending: u64,
    /// When the oldest of them was queued.
    pub oldest: Option<UnixMillis>,
    /// Events it will never hear of, since ever.
    pub dropped: u64,
}

impl Transaction {
    /// Makes these the receivers there are. What was owed to others is forgotten with them.
    pub async fn set_receivers(&mut self, receivers: &[Receiver]) -> Result<(), StoreError> {
        for row in self.fetch_all(Query::new("SELECT id FROM webhook_receivers")).await? {
            let id: ReceiverId = row.id("id")?;
            if !receivers.iter().any(|receiver| receiver.id == id) {
                self.execute(Query::new("DELETE FROM webhook_receivers WHERE id = $1").bind(&id)).await?;
            }
        }
        for receiver in receivers {
            let query = Query::new(
                "INSERT INTO webhook_receivers (id, url, api_key, dropped) VALUES ($1, $2, $3, 0)
                 ON CONFLICT (id) DO UPDATE SET url = $2, api_key = $3",
            );
            self.execute(query.bind(&receiver.id).bind(&receiver.url).bind(&receiver.api_key)).await?;
        }
        Ok(())
    }

    /// Queues an event for everybody. Part of [`Transaction::append`].
    pub(crate) async fn queue(
        &mut self,
        number: i64,
        room: Option<&RoomName>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let lane = room.map_or("", RoomName::as_str);
        // First the lanes, whose rows are locks: who settles in between comes before or after, not amidst. (`WHERE TRUE`
        // tells SQLite that the `ON` which follows is no join.)
        let query = Query::new(
            "INSERT INTO webhook_lanes (receiver, room, pending, attempts, due_ms, lease_until_ms)
             SELECT id, $1, 1, 0, $2, 0 FROM webhook_receivers WHERE TRUE ORDER BY id
             ON CONFLICT (receiver, room) DO UPDATE SET pending = webhook_lanes.pending + 1",
        );
        self.execute(query.bind(lane).bind(now)).await?;
        let query = Query::new(
            "INSERT INTO webhook_outbox (receiver, room, number, queued_ms)
             SELECT id, $1, $2, $3 FROM webhook_receivers",
        );
        self.execute(query.bind(lane).bind(number).bind(now)).await?;
        Ok(())
    }

    /// Takes events off the queue of a receiver, by lane, and counts them as dropped.
    pub(crate) async fn drop_queued(
        &mut self,
        receiver: &ReceiverId,
        lanes: &BTreeMap<String, i64>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        for (lane, dropped) in lanes {
            // Its head may be gone: the next one is tried afresh, and a claim on the head is worth nothing.
            let query = Query::new(
                "UPDATE webhook_lanes SET pending = pending - $3, attempts = 0, due_ms = $4, lease = NULL,
                 lease_until_ms = 0 WHERE receiver = $1 AND room = $2",
            );
            self.execute(query.bind(receiver).bind(lane).bind(*dropped).bind(now)).await?;
            self.forget_empty_lane(receiver, lane).await?;
        }
        let query = Query::new("UPDATE webhook_receivers SET dropped = dropped + $2 WHERE id = $1");
        self.execute(query.bind(receiver).bind(lanes.values().sum::<i64>())).await?;
        Ok(())
    }

    async fn forget_empty_lane(&mut self, receiver: &ReceiverId, lane: &str) -> Result<(), StoreError> {
        let query = Query::new("DELETE FROM webhook_lanes WHERE receiver = $1 AND room = $2 AND pending <= 0");
        self.execute(query.bind(receiver).bind(lane)).await?;
        Ok(())
    }

    /// Keeps other transactions away from a receiver's lanes. SQLite has one writer anyway.
    pub(crate) async fn lock_lanes(&mut self, receiver: &ReceiverId) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            let query = Query::new("SELECT room FROM webhook_lanes WHERE receiver = $1 ORDER BY room FOR UPDATE");
            self.fetch_all(query.bind(receiver)).await?;
        }
        Ok(())
    }

    async fn drop_beyond(
        &mut self,
        receiver: &ReceiverId,
        bounds: &Bounds,
        now: UnixMillis,
    ) -> Result<u64, StoreError> {
        self.lock_lanes(receiver).await?;
        // The newest that is one too many, and all before it.
        let query = Query::new(
            "DELETE FROM webhook_outbox WHERE receiver = $1 AND number IN (
                 SELECT number FROM webhook_outbox WHERE receiver = $1 AND (queued_ms < $2 OR number <= COALESCE(
                     (SELECT number FROM webhook_outbox WHERE receiver = $1 ORDER BY number DESC LIMIT 1 OFFSET $3), 0))
                 ORDER BY number LIMIT $4) RETURNING room",
        );
        let query = query.bind(receiver).bind(now.minus(bounds.age)).bind(bounds.events).bind(DROPPED_AT_ONCE);
        let mut lanes = BTreeMap::new();
        let mut dropped = 0;
        for row in self.fetch_all(query).await? {
            *lanes.entry(row.text("room")?).or_insert(0) += 1;
            dropped += 1;
        }
        if dropped > 0 {
            self.drop_queued(receiver, &lanes, now).await?;
        }
        Ok(dropped)
    }
}

impl Store {
    /// Makes these the receivers there are; see [`Transaction::set_receivers`].
    pub async fn set_receivers(&self, receivers: &[Receiver]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        transaction.set_receivers(receivers).await?;
        transaction.commit().await
    }

    /// The receivers there are.
    pub async fn receivers(&self) -> Result<Vec<Receiver>, StoreError> {
        let rows = self.fetch_all(Query::new("SELECT * FROM webhook_receivers ORDER BY id")).await?;
        rows.iter()
            .map(|row| Ok(Receiver { id: row.id("id")?, url: row.text("url")?, api_key: row.text("api_key")? }))
            .collect()
    }

    /// Frees all claims: at the start of a server that is alone with its database, where those of the process before
    /// are worth nothing.
    pub async fn free_leases(&self) -> Result<(), StoreError> {
        self.execute(Query::new("UPDATE webhook_lanes SET lease = NULL, lease_until_ms = 0 WHERE lease IS NOT NULL"))
            .await?;
        Ok(())
    }

    /// Claims up to `limit` lanes of a receiver that are due, and gives the oldest event of each. `lease` is fresh.
    pub async fn claim(
        &self,
        receiver: &ReceiverId,
        lease: &LeaseId,
        now: UnixMillis,
        until: UnixMillis,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut transaction = self.begin().await?;
        // PostgreSQL leaves out what another one is claiming right now. It would evaluate a mere subquery again and again
        // while it updates, and claim more than asked for: hence MATERIALIZED. It looks once more at a row it had to
        // wait for, but at the outer conditions only: hence the lease twice.
        let query = Query::new(match transaction.dialect() {
            Dialect::Sqlite => {
                "WITH due AS MATERIALIZED (SELECT room FROM webhook_lanes WHERE receiver = $1 AND due_ms <= $4
                     AND lease_until_ms <= $4 ORDER BY due_ms, room LIMIT $5)
                 UPDATE webhook_lanes SET lease = $2, lease_until_ms = $3 WHERE receiver = $1 AND lease_until_ms <= $4
                 AND room IN (SELECT room FROM due) RETURNING room, attempts"
            }
            Dialect::Postgres => {
                "WITH due AS MATERIALIZED (SELECT room FROM webhook_lanes WHERE receiver = $1 AND due_ms <= $4
                     AND lease_until_ms <= $4 ORDER BY due_ms, room LIMIT $5 FOR UPDATE SKIP LOCKED)
                 UPDATE webhook_lanes SET lease = $2, lease_until_ms = $3 WHERE receiver = $1 AND lease_until_ms <= $4
                 AND room IN (SELECT room FROM due) RETURNING room, attempts"
            }
        });
        let query = query.bind(receiver).bind(lease).bind(until).bind(now).bind(limit);
        let mut deliveries = Vec::new();
        for lane in transaction.fetch_all(query).await? {
            let query = Query::new(
                "SELECT events.* FROM webhook_outbox JOIN events ON events.number = webhook_outbox.number
                 WHERE webhook_outbox.receiver = $1 AND webhook_outbox.room = $2
                 ORDER BY webhook_outbox.number LIMIT 1",
            );
            let Some(row) = transaction.fetch_optional(query.bind(receiver).bind(lane.text("room")?)).await? else {
                // Pending and nothing there: never, unless by hand.
                continue;
            };
            deliveries.push(Delivery {
                receiver: receiver.clone(),
                event: Event::read(&row)?,
                attempts: lane.small("attempts")?,
                lease: lease.clone(),
                until,
            });
        }
        transaction.commit().await?;
        deliveries.sort_by_key(|delivery| delivery.event.number);
        Ok(deliveries)
    }

    /// Says what became of a delivery. Whether its claim still held: if not, somebody else has it now and nothing is
    /// changed.
    pub async fn settle(
        &self,
        delivery: &Delivery,
        settlement: Settlement,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let (due, attempts, done): (_, _, i64) = match settlement {
            Settlement::Again { at } => (at, delivery.attempts.saturating_add(1), 0),
            Settlement::Delivered | Settlement::Dropped => (now, 0, 1),
        };
        let mut transaction = self.begin().await?;
        let query = Query::new(
            "UPDATE webhook_lanes SET pending = pending - $4, attempts = $5, due_ms = $6, lease = NULL,
             lease_until_ms = 0 WHERE receiver = $1 AND room = $2 AND lease = $3",
        );
        let lane = delivery.lane();
        let query = query
            .bind(&delivery.receiver)
            .bind(lane)
            .bind(&delivery.lease)
            .bind(done)
            .bind(attempts)
            .bind(due);
        if transaction.execute(query).await? == 0 {
            return Ok(false);
        }
        if done > 0 {
            let query = Query::new("DELETE FROM webhook_outbox WHERE receiver = $1 AND room = $2 AND number = $3");
            let number = column(delivery.event.number, "event number")?;
            transaction.execute(query.bind(&delivery.receiver).bind(lane).bind(number)).await?;
            transaction.forget_empty_lane(&delivery.receiver, lane).await?;
        }
        if settlement == Settlement::Dropped {
            let query = Query::new("UPDATE webhook_receivers SET dropped = dropped + 1 WHERE id = $1");
            transaction.execute(query.bind(&delivery.receiver)).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Drops what is beyond the bounds of a receiver, the oldest first; how many events that were. They are counted.
    pub async fn sweep_outbox(
        &self,
        receiver: &ReceiverId,
        bounds: &Bounds,
        now: UnixMillis,
    ) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let mut transaction = self.begin().await?;
            let dropped = transaction.drop_beyond(receiver, bounds, now).await?;
            transaction.commit().await?;
            total += dropped;
            if dropped < u64::from(DROPPED_AT_ONCE) {
                return Ok(total);
            }
        }
    }

    /// How it stands with each receiver.
    pub async fn outbox(&self) -> Result<Vec<Standing>, StoreError> {
        let query = Query::new(
            "SELECT id, dropped, (SELECT COUNT(*) FROM webhook_outbox WHERE receiver = id) AS pending,
             (SELECT MIN(queued_ms) FROM webhook_outbox WHERE receiver = id) AS oldest_ms
             FROM webhook_receivers ORDER BY id",
        );
        let standing = |row: &crate::query::Row| {
            Ok(Standing {
                receiver: row.id("id")?,
                pending: row.count("pending")?,
                oldest: row.time_or_none("oldest_ms")?,
                dropped: row.count("dropped")?,
            })
        };
        self.fetch_all(query).await?.iter().map(standing).collect()
    }
}
