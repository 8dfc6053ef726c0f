//! Joins adapters and engine, and runs the loop: one closed list of events, one place that performs effects.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::defect::Defect;
use crate::inbound::udp::DatagramSocket;
use crate::lambda::lifecycle::{Gate, Signal};
use crate::logging::Log;
use crate::outbound::task::{Done, Job};
use crate::pipeline::engine::Engine;
use crate::pipeline::event::{Delivery, Effect, Event};

/// The ends of the queues that the loop holds.
pub struct Queues {
    /// From Lambda.
    pub signals: mpsc::Receiver<(Signal, Gate)>,
    /// From the telemetry listener.
    pub deliveries: mpsc::Receiver<Delivery>,
    /// To the outbound.
    pub jobs: mpsc::Sender<Job>,
    /// From the outbound.
    pub done: mpsc::Receiver<Done>,
}

/// See the module.
pub struct App {
    engine: Engine,
    socket: Option<DatagramSocket>,
    queues: Queues,
    log: Log,
    /// Held while Lambda waits for our next.
    gate: Option<Gate>,
    is_outbound_lost: bool,
    /// A defect to play, in debug builds only.
    defect: Option<Defect>,
}

impl App {
    /// An application that has not seen an event.
    pub fn new(engine: Engine, socket: Option<DatagramSocket>, queues: Queues, log: Log) -> Self {
        Self {
            engine,
            socket,
            queues,
            log,
            gate: None,
            is_outbound_lost: false,
            defect: None,
        }
    }

    /// Plays a defect, so that tests can show that the function survives it.
    pub fn inject(&mut self, defect: Option<Defect>) {
        self.defect = defect;
    }

    /// Runs until SHUTDOWN is done.
    pub async fn run(mut self, is_subscribed: bool) {
        self.step(Event::Subscribed(is_subscribed));
        loop {
            let wake = Clock.sleep_until(self.engine.wake_at());
            let socket = self.socket.as_mut();
            let event = tokio::select! {
                biased; // control before data
                Some((signal, gate)) = self.queues.signals.recv() => {
                    self.gate = Some(gate);
                    event_of(signal)
                }
                done = self.queues.done.recv(), if !self.is_outbound_lost => match done {
                    Some(Done::Sent(outcome)) => Event::Settled(outcome),
                    Some(Done::Told) => Event::Told,
                    None => self.lose_outbound(),
                },
                Some(delivery) = self.queues.deliveries.recv() => Event::Delivered(delivery),
                datagrams = arrived(socket) => Event::Arrived(datagrams),
                () = wake => Event::Tick,
            };
            if self.step(event) {
                return;
            }
        }
    }

    fn lose_outbound(&mut self) -> Event {
        self.is_outbound_lost = true;
        Event::OutboundLost
    }

    /// Handles an event and everything that follows from it at once. True when the process is to end.
    fn step(&mut self, event: Event) -> bool {
        self.defect.inspect(|defect| defect.play(&event));
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.engine.handle(Clock.now(), event) {
                match effect {
                    Effect::Send(batch, wait) => events.extend(self.ask(Job::Send(batch, wait))),
                    Effect::Tell(record, wait) => events.extend(self.ask(Job::Tell(record, wait))),
                    Effect::Forget => events.extend(self.ask(Job::Forget)),
                    Effect::Drain => self.drain(&mut events),
                    Effect::Next => self.open_gate(),
                    Effect::Log(line) => self.log.write(line),
                    Effect::Finish(line) => {
                        self.log.always(line);
                        self.open_gate();
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Asks the outbound. It has room for every job the engine can have outstanding; if not, it is gone.
    fn ask(&mut self, job: Job) -> Option<Event> {
        let is_asked = self.queues.jobs.try_send(job).is_ok();
        (!is_asked && !self.is_outbound_lost).then(|| self.lose_outbound())
    }

    fn drain(&mut self, events: &mut VecDeque<Event>) {
        let mut is_empty = self.socket.is_none();
        while let (Some(socket), false) = (&mut self.socket, is_empty) {
            let datagrams;
            (datagrams, is_empty) = socket.drain();
            events.push_back(Event::Arrived(datagrams));
        }
        events.push_back(Event::Drained);
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

/// What lies in the socket, as soon as something does. Never, without a socket.
async fn arrived(socket: Option<&mut DatagramSocket>) -> Vec<Box<[u8]>> {
    let Some(socket) = socket else {
        return std::future::pending().await;
    };
    loop {
        socket.readable().await;
        let (datagrams, _) = socket.drain();
        if !datagrams.is_empty() {
            return datagrams;
        }
    }
}
