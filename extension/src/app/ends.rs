//! The loop's ends of the queues to the outbounds, one pair for each lane.

use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::outbound::task::{Done, Job};
use crate::pipeline::event::Event;
use crate::pipeline::lane::{Lane, PerLane};

/// To one outbound and back.
#[derive(Debug)]
pub struct End {
    jobs: mpsc::Sender<Job>,
    done: mpsc::Receiver<Done>,
    is_lost: bool,
}

impl End {
    /// The ends of an outbound that works.
    pub fn new(jobs: mpsc::Sender<Job>, done: mpsc::Receiver<Done>) -> Self {
        Self {
            jobs,
            done,
            is_lost: false,
        }
    }

    fn lose(&mut self, lane: Lane) -> Option<Event> {
        let was_lost = std::mem::replace(&mut self.is_lost, true);
        (!was_lost).then_some(Event::OutboundLost(lane))
    }
}

/// What the next outbound that has something to say says. Never, if all are lost.
pub(super) async fn next(ends: &mut PerLane<End>) -> Event {
    poll_fn(|context| {
        for (lane, end) in ends.each_mut().filter(|(_, end)| !end.is_lost) {
            let Poll::Ready(done) = end.done.poll_recv(context) else {
                continue;
            };
            match done {
                Some(Done::Sent(outcome)) => return Poll::Ready(Event::Settled(lane, outcome)),
                Some(Done::Told(is_taken)) => return Poll::Ready(Event::Told(is_taken)),
                None => {
                    if let Some(event) = end.lose(lane) {
                        return Poll::Ready(event);
                    }
                }
            }
        }
        Poll::Pending
    })
    .await
}

/// Asks an outbound. It has room for every job the engine can have outstanding; if not, it is gone, which is said once.
pub(super) fn ask(ends: &mut PerLane<End>, lane: Lane, job: Job) -> Option<Event> {
    let end = ends.of_mut(lane);
    match end.jobs.try_send(job) {
        Ok(()) => None,
        // A word to forget is in the queue already.
        Err(TrySendError::Full(Job::Forget)) => None,
        Err(_) => end.lose(lane),
    }
}

/// Has every outbound forget.
pub(super) fn forget(ends: &mut PerLane<End>) -> Vec<Event> {
    let lanes = ends.lanes().each();
    lanes.filter_map(|lane| ask(ends, lane, Job::Forget)).collect()
}
