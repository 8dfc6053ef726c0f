//! Joins adapters and engine, and runs the loop: one closed list of events, one place that performs effects.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use crate::clock::{Alarm, Clock};
use crate::defect::Defect;
use crate::inbound::backlog::Backlog;
use crate::inbound::udp::DatagramSocket;
use crate::lambda::lifecycle::{Gate, Signal};
use crate::limits::{DATAGRAMS_AT_THE_END, DATAGRAMS_PER_LOOK, MEMORY_READ_EVERY};
use crate::logging::{Line, Log};
use crate::memory::{MemoryReader, heap};
use crate::outbound::task::Job;
use crate::pipeline::engine::Engine;
use crate::pipeline::event::{Delivery, Effect, Event, Posted};
use crate::pipeline::filing::Filed;
use crate::pipeline::lane::{Lane, PerLane};
use crate::pipeline::memory::Reading;
use crate::pipeline::runtime_sign::RuntimeSign;
use crate::proxy::signs::SignReceiver;
use crate::spill::store::Store;

mod ends;

#[cfg(test)]
mod tests;

pub use ends::End;

/// The ends of the queues that the loop holds.
pub struct Queues {
    /// From Lambda.
    pub signals: mpsc::Receiver<(Signal, Gate)>,
    /// From the TCP side of the daemon's port, and from the port of OTLP.
    pub posted: mpsc::Receiver<Posted>,
    /// From the telemetry listener.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// To the outbounds and back.
    pub outbounds: PerLane<End>,
    /// From the Runtime API proxy, where there is one.
    pub signs: Option<SignReceiver>,
    /// To whoever asks X-Ray for samplers: what is known is from before a snapshot.
    pub restored: Arc<Notify>,
}

/// See the module.
pub struct App {
    engine: Engine,
    socket: Option<DatagramSocket>,
    backlog: Backlog,
    files: PerLane<Store>,
    /// What became of work on the files, to be told in the next turn of the loop.
    filed: VecDeque<(Lane, Filed)>,
    memory: MemoryReader,
    /// Bytes of datagrams since memory was read.
    unread_bytes: usize,
    queues: Queues,
    log: Log,
    /// Held while Lambda waits for our next.
    gate: Option<Gate>,
    /// A defect to play, in debug builds only.
    defect: Option<Defect>,
}

impl App {
    /// An application that has not seen an event, and keeps no files.
    pub fn new(engine: Engine, socket: Option<DatagramSocket>, queues: Queues, log: Log) -> Self {
        Self {
            engine,
            socket,
            files: queues.outbounds.map(|_| Store::none()),
            filed: VecDeque::new(),
            backlog: Backlog::default(),
            memory: MemoryReader::open(),
            unread_bytes: 0,
            queues,
            log,
            gate: None,
            defect: None,
        }
    }

    /// Keeps what memory has no room for in these files.
    pub fn keep_files(&mut self, files: PerLane<Store>) {
        self.files = files;
    }

    /// Plays a defect, so that tests can show that the function survives it.
    pub fn inject(&mut self, defect: Option<Defect>) {
        self.defect = defect;
    }

    /// Runs until SHUTDOWN is done.
    pub async fn run(mut self, is_subscribed: bool) {
        self.step(Event::Subscribed(is_subscribed));
        let mut alarm = Alarm::new();
        loop {
            alarm.set(self.engine.wake_at(), Clock.now());
            let event = tokio::select! {
                biased; // control before data
                Some((signal, gate)) = self.queues.signals.recv() => {
                    self.gate = Some(gate);
                    event_of(signal)
                }
                done = ends::next(&mut self.queues.outbounds) => done,
                // Before the records: who posted has its answer, so this is older than the end of the invocation.
                Some(posted) = self.queues.posted.recv() => Event::Posted(posted),
                sign = next_sign(self.queues.signs.as_mut()) => Event::Runtime(sign),
                Some(delivery) = self.queues.deliveries.recv() => Event::Delivered(delivery),
                () = arrived(self.socket.as_ref(), &self.backlog) => self.look(),
                () = alarm.rung() => Event::Tick,
                // Nothing else: the files go on.
                () = std::future::ready(()), if !self.filed.is_empty() => Event::Tick,
            };
            if self.step(event) || self.tell_filed() {
                return;
            }
        }
    }

    /// Documents that were posted, or the next few datagrams, after the socket was emptied as far as it goes.
    fn look(&mut self) -> Event {
        if let Ok(posted) = self.queues.posted.try_recv() {
            return Event::Posted(posted);
        }
        self.backlog
            .set_room(self.engine.room().get().try_into().unwrap_or(usize::MAX));
        if let Some(socket) = &mut self.socket {
            socket.drain(&mut self.backlog);
        }
        match self.backlog.take_overrun() {
            0 => Event::Arrived(self.backlog.next_look()),
            datagrams => Event::Overrun(datagrams),
        }
    }

    /// Handles an event and everything that follows from it at once. True when the process is to end.
    fn step(&mut self, event: Event) -> bool {
        self.defect.inspect(|defect| defect.play(&event));
        let is_over = self.work(event);
        if is_over {
            self.finish();
        }
        is_over
    }

    /// Tells what became of the work on the files so far; what follows from it is told in the next turn. So a long
    /// row of pieces neither keeps others waiting nor waits for them. True when the process is to end.
    fn tell_filed(&mut self) -> bool {
        (0..self.filed.len()).any(|_| {
            let filed = self.filed.pop_front();
            filed.is_some_and(|(lane, filed)| self.step(Event::Filed(lane, filed)))
        })
    }

    /// True when the engine is done.
    fn work(&mut self, event: Event) -> bool {
        let mut is_over = false;
        let mut steps = VecDeque::from([Step::Event(event)]);
        while let Some(step) = steps.pop_front() {
            let event = match step {
                Step::Read(event) => event,
                Step::Event(event) => match self.read_memory(&event) {
                    Some(reading) => {
                        steps.push_front(Step::Read(event));
                        Event::Memory(reading)
                    }
                    None => event,
                },
                Step::Drain { at_most } => {
                    steps.push_front(self.drain(at_most));
                    steps.push_front(Step::Event(self.look()));
                    // Before more arrives: what is on its way to the files still takes up memory.
                    for (lane, filed) in self.filed.drain(..).rev() {
                        steps.push_front(Step::Event(Event::Filed(lane, filed)));
                    }
                    continue;
                }
            };
            for effect in self.engine.handle(Clock.now(), event) {
                match effect {
                    Effect::Send(lane, batch, wait) => steps.extend(self.ask(lane, Job::Send(batch, wait))),
                    Effect::Tell(lane, record, wait) => steps.extend(self.ask(lane, Job::Tell(record, wait))),
                    Effect::Forget => {
                        self.queues.restored.notify_one();
                        let lost = ends::forget(&mut self.queues.outbounds);
                        steps.extend(lost.into_iter().map(Step::Event));
                    }
                    Effect::Drain => steps.push_back(Step::Drain {
                        at_most: DATAGRAMS_AT_THE_END,
                    }),
                    Effect::Next => self.open_gate(),
                    Effect::GiveBack => {
                        self.backlog.shrink();
                        heap::give_back();
                        let reading = self.memory.process(self.backlog.bytes());
                        steps.push_front(Step::Read(Event::Memory(reading)));
                    }
                    Effect::Log(line) => self.log.write(line),
                    Effect::Write(value) => self.log.print(&value),
                    Effect::File(lane, filing) => {
                        let filed = self.files.of_mut(lane).perform(filing);
                        self.filed.push_back((lane, filed));
                    }
                    Effect::Finish => is_over = true,
                }
            }
        }
        is_over
    }

    /// A reading of memory, before those events that ask for one: an invocation begins or ends, much has come
    /// in, a batch has left.
    fn read_memory(&mut self, event: &Event) -> Option<Reading> {
        let queued = self.backlog.bytes();
        let reading = match event {
            Event::Invoked(_) | Event::Drained | Event::Posted(_) => self.memory.everything(queued),
            Event::Arrived(datagrams) => {
                self.unread_bytes += datagrams.iter().map(|datagram| datagram.len()).sum::<usize>();
                if self.unread_bytes < MEMORY_READ_EVERY {
                    return None;
                }
                self.unread_bytes = 0;
                self.memory.everything(queued)
            }
            Event::Settled(..) => self.memory.process(queued),
            _ => return None,
        };
        Some(reading)
    }

    /// Says the last word.
    fn finish(&mut self) {
        let (metrics, word) = self.last_words();
        metrics.iter().for_each(|line| self.log.print(line));
        self.log.always(word);
        self.open_gate();
    }

    /// Counts what still lies in the socket, and puts what is held where the next processes find it. The metrics
    /// that are left, and the tally.
    fn last_words(&mut self) -> (Vec<Value>, Line) {
        while let Some(sign) = self.queues.signs.as_mut().and_then(SignReceiver::next_now) {
            self.engine.handle(Clock.now(), Event::Runtime(sign));
        }
        for _ in 0..DATAGRAMS_AT_THE_END / DATAGRAMS_PER_LOOK {
            let event = self.look();
            if matches!(&event, Event::Arrived(datagrams) if datagrams.is_empty()) {
                break;
            }
            self.work(event);
            self.finish_files();
        }
        self.finish_files();
        let dropped = self.socket.as_ref().and_then(DatagramSocket::dropped_by_system);
        if let Some(datagrams) = dropped.filter(|datagrams| *datagrams > 0) {
            self.work(Event::DroppedBySystem(datagrams));
        }
        self.work(Event::Closing);
        self.finish_files();
        (self.engine.untold_metrics(Clock.now()), self.engine.last_word())
    }

    /// All work on the files that follows, which the engine ends at the deadline.
    fn finish_files(&mut self) {
        while let Some((lane, filed)) = self.filed.pop_front() {
            self.work(Event::Filed(lane, filed));
        }
    }

    /// Asks an outbound.
    fn ask(&mut self, lane: Lane, job: Job) -> Option<Step> {
        ends::ask(&mut self.queues.outbounds, lane, job).map(Step::Event)
    }

    /// What follows the next look at the end of an invocation: another one, or the word that nothing is left.
    fn drain(&mut self, at_most: usize) -> Step {
        let is_empty = self
            .socket
            .as_mut()
            .is_none_or(|socket| socket.drain(&mut self.backlog));
        let is_late = self
            .engine
            .drain_until()
            .is_some_and(|until| Clock.now() >= until);
        let is_last = is_empty && self.queues.posted.is_empty() && self.backlog.fits_a_look();
        match at_most.checked_sub(DATAGRAMS_PER_LOOK) {
            Some(at_most) if !is_last && !is_late => Step::Drain { at_most },
            _ => Step::Event(Event::Drained),
        }
    }

    fn open_gate(&mut self) {
        if let Some(gate) = self.gate.take() {
            // The poller is gone only with the process.
            let _ = gate.send(());
        }
    }
}

fn event_of(signal: Signal) -> Event {
    match signal {
        Signal::Invoked(invoked) => Event::Invoked(invoked),
        Signal::Stopping(stopping) => Event::Stopping(stopping),
    }
}

/// Returns what the proxy saw. Never, without a proxy.
async fn next_sign(signs: Option<&mut SignReceiver>) -> RuntimeSign {
    if let Some(signs) = signs
        && let Some(sign) = signs.next().await
    {
        return sign;
    }
    std::future::pending().await
}

/// What the loop has to do before it waits again.
enum Step {
    /// Hand this to the engine, after a reading of memory if it asks for one.
    Event(Event),
    /// Hand this to the engine.
    Read(Event),
    /// Look at what lies in the socket, at most so many datagrams, then say that it is empty.
    Drain { at_most: usize },
}

/// Returns when there is something to look at. Never, without a socket.
async fn arrived(socket: Option<&DatagramSocket>, backlog: &Backlog) {
    match socket {
        _ if !backlog.is_empty() => {}
        Some(socket) => socket.readable().await,
        None => std::future::pending().await,
    }
}
