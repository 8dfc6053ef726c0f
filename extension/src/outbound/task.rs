//! The task that owns the sender: one job after another, so that the loop never waits for its destination.

use std::time::Duration;

use model::wire::xray_api::TelemetryRecord;
use tokio::sync::mpsc;

use super::sender::Sender;
use crate::clock::Clock;
use crate::pipeline::outcome::{Failure, Outcome};
use crate::pipeline::spool::Batch;

/// What the loop asks for.
#[derive(Debug)]
pub enum Job {
    /// Send a batch.
    Send(Batch, Duration),
    /// Tell X-Ray the tally.
    Tell(TelemetryRecord, Duration),
    /// Forget credentials and connections.
    Forget,
}

/// What became of a job. [`Job::Forget`] has no answer.
#[derive(Debug)]
pub enum Done {
    /// Of a batch.
    Sent(Outcome),
    /// Of the tally: whether it was taken.
    Told(bool),
}

/// Works until nobody asks any more.
pub async fn work(
    mut sender: Result<Sender, Failure>,
    mut jobs: mpsc::Receiver<Job>,
    done: mpsc::Sender<Done>,
) {
    while let Some(job) = jobs.recv().await {
        let now = Clock.now();
        let answer = match (job, &mut sender) {
            (Job::Send(batch, wait), Ok(sender)) => {
                Done::Sent(sender.send(&batch.documents, now, wait).await)
            }
            (Job::Send(..), Err(failure)) => Done::Sent(Outcome::Failed(failure.clone())),
            (Job::Tell(record, wait), Ok(sender)) => {
                // What was not taken is in the next record, and in the log.
                Done::Told(sender.tell(record, now, wait).await)
            }
            (Job::Tell(..), Err(_)) => Done::Told(false),
            (Job::Forget, sender) => {
                if let Ok(sender) = sender {
                    sender.forget();
                }
                continue;
            }
        };
        if done.send(answer).await.is_err() {
            return;
        }
    }
}
