//! The task that tells one receiver what it is owed. What to do when is decided by the store's [`Courier`]; here are
//! the clock, the randomness and the posts under way. What is owed lies in the store, so a receiver that is dead takes
//! no memory here but that of one post.

use std::sync::Arc;

use sluice_store::outbox::Delivery as Owed;
use sluice_store::outbox::{Answer, Courier, CourierOptions, Settlement, Step};
use sluice_store::{LeaseId, ReceiverId, Store};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::post::{PostError, Poster};
use super::{now, stopped};

use crate::metrics::Metrics;
use crate::random::{random_id, random_secret};

/// Letters of a claim's id.
const LEASE_LETTERS: usize = 16;

/// The task.
pub(super) struct Delivery {
    pub(super) store: Store,
    pub(super) receiver: ReceiverId,
    pub(super) poster: Arc<Poster>,
    /// Changes when something was written.
    pub(super) written: watch::Receiver<u64>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) metrics: Metrics,
}

impl Delivery {
    /// Until it is told to stop and nothing is due any more.
    pub(super) async fn run(mut self) {
        let mut courier = Courier::new(CourierOptions::default(), now());
        let mut posts = JoinSet::new();
        let mut is_stopping = false;
        loop {
            match courier.poll(now()) {
                Step::Claim { limit, until } => {
                    let lease = LeaseId::from(random_id(LEASE_LETTERS));
                    let claimed = self.store.claim(&self.receiver, &lease, now(), until, limit).await;
                    let claimed = claimed.unwrap_or_else(|error| {
                        tracing::warn!(%error, "cannot read which webhooks are owed");
                        Vec::new()
                    });
                    courier.handle_claimed(claimed, now());
                }
                Step::Post(owed) => {
                    let poster = self.poster.clone();
                    posts.spawn(async move { (owed.event.number, poster.post(owed.event.payload).await) });
                }
                Step::Settle(owed, settlement) => self.settle(&owed, settlement).await,
                Step::Sweep(bounds) => match self.store.sweep_outbox(&self.receiver, &bounds, now()).await {
                    Ok(0) => {}
                    Ok(events) => {
                        self.metrics.webhooks.with_label_values(&["dropped"]).inc_by(events);
                        tracing::error!(
                            receiver = self.poster.name(),
                            events,
                            "webhooks were owed for too long and are dropped"
                        );
                    }
                    Err(error) => tracing::warn!(%error, "cannot bound what is owed to a receiver of webhooks"),
                },
                Step::Wait(_) if is_stopping && posts.is_empty() => return,
                Step::Wait(until) => {
                    tokio::select! {
                        () = tokio::time::sleep(until.since(now())) => {}
                        Ok(()) = self.written.changed() => courier.handle_queued(now()),
                        // A post that was a bug's victim is posted again when its claim ends.
                        Some(Ok((number, outcome))) = posts.join_next() => self.hear(&mut courier, number, &outcome),
                        () = stopped(&mut self.stop), if !is_stopping => {
                            is_stopping = true;
                            // The last look.
                            courier.handle_queued(now());
                        }
                    }
                }
            }
        }
    }

    fn hear(&self, courier: &mut Courier, number: u64, outcome: &Result<u16, PostError>) {
        let answer = match outcome {
            Ok(200..=299) => Answer::Taken,
            // Asks for patience.
            Ok(408 | 429) => Answer::Failed,
            Ok(400..=499) => Answer::Refused,
            // Redirects too: nobody follows them, and an operator may still put the address right.
            Ok(_) | Err(_) => Answer::Failed,
        };
        let label = match answer {
            Answer::Taken => "delivered",
            Answer::Refused => "refused",
            Answer::Failed => "failed",
        };
        self.metrics.webhooks.with_label_values(&[label]).inc();
        let receiver = self.poster.name();
        match outcome {
            _ if answer == Answer::Taken => tracing::debug!(receiver, number, "webhook delivered"),
            Ok(status) => tracing::warn!(receiver, number, status, "a receiver of webhooks does not take one"),
            Err(error) => tracing::warn!(receiver, number, %error, "a webhook could not be posted"),
        }
        courier.handle_answer(number, answer, now(), u64::from_ne_bytes(random_secret()));
    }

    async fn settle(&self, owed: &Owed, settlement: Settlement) {
        if settlement == Settlement::Dropped {
            self.metrics.webhooks.with_label_values(&["dropped"]).inc();
            let (receiver, number) = (self.poster.name(), owed.event.number);
            tracing::error!(receiver, number, "a webhook was refused too often and is dropped");
        }
        if let Err(error) = self.store.settle(owed, settlement, now()).await {
            tracing::warn!(%error, "cannot write down what became of a webhook: it will be posted again");
        }
    }
}
