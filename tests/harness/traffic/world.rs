//! The sandbox and its surroundings: invocations, telemetry, freeze and thaw, the endpoint.
//!
//! - The sandbox freezes once the handler has answered and the extension has asked for next, and thaws with the
//!   next invocation. What would happen to the extension meanwhile happens then.
//! - Records are delivered 25 ms of unfrozen time after the first of them.
//! - The endpoint has a batch, and has answered, 10 ms after it was sent, frozen or not.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use model::time::Timestamp;

use super::measures::Life;
use super::shapes::{Arrival, IDLE};

/// Between a call and its answer.
pub const ROUND_TRIP: Duration = Duration::from_millis(10);
/// The shortest time for which the Telemetry API gathers records.
const TELEMETRY: Duration = Duration::from_millis(25);
/// Documents that each invocation sends at the end of its handler.
pub const DOCUMENTS: u32 = 3;
/// The function's time.
const TIMEOUT: Duration = Duration::from_secs(3);
/// What SHUTDOWN gives.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// A document: its invocation and which of its documents it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId {
    /// The invocation's number in its sandbox.
    pub invocation: u32,
    /// From 0.
    pub place: u32,
}

/// A record of the platform.
#[derive(Debug, Clone, Copy)]
pub enum Record {
    /// `platform.start`
    Start(u32, Timestamp),
    /// `platform.runtimeDone`
    Done(u32, Timestamp),
}

/// What happens to an extension.
#[derive(Debug, Clone)]
pub enum Input {
    /// INVOKE, with the number of the invocation and its deadline.
    Invoke(u32, Timestamp),
    /// Documents arrived.
    Documents(Vec<DocumentId>),
    /// Records were delivered.
    Records(Vec<Record>),
    /// A recorder says that this invocation is done.
    Signal(u32),
    /// The call under way was answered.
    Answered,
    /// The time it wanted to be woken at.
    Tick,
    /// SHUTDOWN, with its deadline.
    Shutdown(Timestamp),
}

/// What an extension does.
#[derive(Debug, Clone)]
pub enum Output {
    /// Asks for the next event.
    Next,
    /// Sends a batch, one at a time.
    Send(Vec<DocumentId>),
}

/// An extension with its policy.
pub trait Extension {
    /// Takes an input and says what it does.
    fn handle(&mut self, now: Timestamp, input: Input) -> Vec<Output>;
    /// When it wants to be woken.
    fn wake_at(&self) -> Option<Timestamp>;
}

#[derive(Debug, Clone)]
enum Happening {
    Invoke(u32),
    Respond(u32),
    Input(Input),
    Telemetry(u64),
    Tick(u64),
    End,
}

struct World<'a> {
    extension: &'a mut dyn Extension,
    arrivals: &'a [Arrival],
    has_signal: bool,
    queue: BinaryHeap<Reverse<(Timestamp, u64, usize)>>,
    happenings: Vec<Option<Happening>>,
    now: Timestamp,
    /// Invocations that have come or are about to.
    invited: usize,
    /// When the latest of them was to begin.
    scheduled: Timestamp,
    is_running: bool,
    has_next: bool,
    is_frozen: bool,
    is_over: bool,
    postponed: Vec<Happening>,
    records: Vec<Record>,
    /// When the gathered records are delivered; the time left while frozen.
    telemetry: Option<(Timestamp, u64)>,
    telemetry_left: Option<Duration>,
    telemetry_turns: u64,
    ticks: u64,
    responded: Timestamp,
    responses: HashMap<u32, Timestamp>,
    life: Life,
}

/// Plays the life of one sandbox.
pub fn play(extension: &mut dyn Extension, arrivals: &[Arrival], has_signal: bool) -> Life {
    let mut world = World {
        extension,
        arrivals,
        has_signal,
        queue: BinaryHeap::new(),
        happenings: Vec::new(),
        now: Timestamp::from_millis(1_800_000_000_000),
        invited: 0,
        scheduled: Timestamp::from_millis(1_800_000_000_000),
        is_running: false,
        has_next: true,
        is_frozen: true,
        is_over: false,
        postponed: Vec::new(),
        records: Vec::new(),
        telemetry: None,
        telemetry_left: None,
        telemetry_turns: 0,
        ticks: 0,
        responded: Timestamp::default(),
        responses: HashMap::new(),
        life: Life::default(),
    };
    world.run();
    world.life
}

impl World<'_> {
    fn at(&mut self, when: Timestamp, happening: Happening) {
        let place = self.happenings.len();
        self.happenings.push(Some(happening));
        self.queue.push(Reverse((
            when.max(self.now),
            u64::try_from(place).unwrap_or(0),
            place,
        )));
    }

    fn run(&mut self) {
        self.invite();
        while let Some(Reverse((when, _, place))) = self.queue.pop() {
            self.now = when;
            let happening = self.happenings.get_mut(place).and_then(Option::take);
            if let Some(happening) = happening {
                self.happen(happening);
            }
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            // Lambda would start another sandbox, or wait; here the invocation is a little late.
            Happening::Invoke(number) if !self.has_next || self.is_running => {
                self.at(
                    self.now.after(Duration::from_millis(1)),
                    Happening::Invoke(number),
                );
            }
            Happening::Invoke(number) => self.invoke(number),
            Happening::Respond(number) => self.respond(number),
            Happening::End => {
                self.life.end(self.now);
                self.thaw();
                self.is_over = true;
                self.give(Input::Shutdown(self.now.after(SHUTDOWN)));
            }
            Happening::Telemetry(turn) if self.telemetry.is_some_and(|(_, due)| due == turn) => {
                self.telemetry = None;
                let records = std::mem::take(&mut self.records);
                self.give(Input::Records(records));
            }
            Happening::Telemetry(_) => {}
            Happening::Tick(turn) if turn != self.ticks || self.is_frozen => {}
            happening if self.is_frozen => self.postponed.push(happening),
            Happening::Tick(_) => self.give(Input::Tick),
            Happening::Input(input) => self.give(input),
        }
    }

    /// The next invocation comes in its time, or at once if the sandbox has been busy for longer.
    fn invite(&mut self) {
        let Some(arrival) = self.arrivals.get(self.invited) else {
            self.at(self.now.after(IDLE), Happening::End);
            return;
        };
        self.scheduled = self.scheduled.after(arrival.gap);
        let number = u32::try_from(self.invited).unwrap_or(u32::MAX);
        self.invited += 1;
        self.at(self.scheduled, Happening::Invoke(number));
    }

    fn invoke(&mut self, number: u32) {
        self.thaw();
        (self.is_running, self.has_next) = (true, false);
        let handler = self
            .arrivals
            .get(usize::try_from(number).unwrap_or(0))
            .map_or(Duration::ZERO, |arrival| arrival.handler);
        self.record(Record::Start(number, self.now));
        self.at(self.now.after(handler), Happening::Respond(number));
        self.give(Input::Invoke(number, self.now.after(TIMEOUT)));
    }

    fn respond(&mut self, number: u32) {
        let ids = (0..DOCUMENTS).map(|place| DocumentId {
            invocation: number,
            place,
        });
        self.responses.insert(number, self.now);
        self.give(Input::Documents(ids.collect()));
        if self.has_signal {
            self.give(Input::Signal(number));
        }
        self.record(Record::Done(number, self.now));
        self.is_running = false;
        self.responded = self.now;
        if self.has_next {
            self.life.added(Duration::ZERO);
        }
        self.freeze_if_idle();
    }

    fn record(&mut self, record: Record) {
        self.records.push(record);
        if self.telemetry.is_none() {
            self.gather(TELEMETRY);
        }
    }

    fn gather(&mut self, wait: Duration) {
        self.telemetry_turns += 1;
        let turn = self.telemetry_turns;
        self.telemetry = Some((self.now.after(wait), turn));
        self.at(self.now.after(wait), Happening::Telemetry(turn));
    }

    fn freeze_if_idle(&mut self) {
        if self.is_running || !self.has_next || self.is_over || self.is_frozen {
            return;
        }
        self.is_frozen = true;
        self.telemetry_left = self.telemetry.take().map(|(due, _)| due.since(self.now));
        self.invite();
    }

    fn thaw(&mut self) {
        if !std::mem::replace(&mut self.is_frozen, false) {
            return;
        }
        if let Some(left) = self.telemetry_left.take() {
            self.gather(left);
        }
        for happening in std::mem::take(&mut self.postponed) {
            self.at(self.now, happening);
        }
        self.wake();
    }

    fn give(&mut self, input: Input) {
        for output in self.extension.handle(self.now, input) {
            match output {
                Output::Next => {
                    self.has_next = true;
                    if !self.is_running {
                        self.life.added(self.now.since(self.responded));
                    }
                }
                Output::Send(ids) => {
                    let arrives = self.now.after(ROUND_TRIP);
                    self.life.call();
                    for id in ids {
                        if let Some(responded) = self.responses.get(&id.invocation) {
                            self.life.delivered(id, *responded, arrives);
                        }
                    }
                    self.at(arrives, Happening::Input(Input::Answered));
                }
            }
        }
        self.wake();
        self.freeze_if_idle();
    }

    fn wake(&mut self) {
        self.ticks += 1;
        if let Some(when) = self.extension.wake_at() {
            self.at(when, Happening::Tick(self.ticks));
        }
    }
}
