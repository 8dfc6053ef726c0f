//! What a sandbox goes through, drawn from a seed before anything runs.
//!
//! The same seed and number make the same plan. When its parts meet each other is up to the machine.

use std::time::Duration;

use emulator::{IdStyle, InitType, KilledAs, Mishap, Part, Reason, SubscriptionAnswer};

use super::trouble::{Damage, Reach, Trouble};
use crate::destination::Act;
use crate::script::{Flood, Script};

/// The function's timeout where none is to be reached. A runtimeDone that is lost costs one invocation all of it.
pub const TIMEOUT: Duration = Duration::from_secs(4);
/// The same for instances where many invocations share the processor, and none is held.
pub const SHARED_TIMEOUT: Duration = Duration::from_secs(12);
/// The function's timeout in sandboxes where one is.
pub const SHORT_TIMEOUT: Duration = Duration::from_millis(2500);

/// Bytes that no function here has.
const TOO_MUCH: u64 = 512 * 1024 * 1024;

/// One sandbox's life.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What it was drawn from.
    pub seed: u64,
    /// Which of the seed's sandboxes it is.
    pub number: u64,
    /// Which carrier shows which id.
    pub id_style: IdStyle,
    /// How it is initialised.
    pub init_type: InitType,
    /// The function's timeout.
    pub timeout: Duration,
    /// What a killed runtime is reported as.
    pub killed_as: KilledAs,
    /// The function's own variables.
    pub variables: Vec<(&'static str, String)>,
    /// Answer to the telemetry subscription.
    pub subscription: SubscriptionAnswer,
    /// What befalls telemetry deliveries, in turn.
    pub mishaps: Vec<Mishap>,
    /// By how much INVOKE is behind the runtime's event.
    pub invoke_event_delay: Duration,
    /// Invocations in groups: those of a group run at the same time.
    pub groups: Vec<Vec<Call>>,
    /// What becomes of calls to the destination, in turn.
    pub acts: Vec<Act>,
    /// What else is wrong: rows at the same time, the troubles of a row in turn.
    pub troubles: Vec<Vec<Spell<Trouble>>>,
    /// What stands still, in turn; then from the first again.
    pub standstills: Vec<Spell<Part>>,
    /// Whether the destination works again before the sandbox ends.
    pub is_mended: bool,
    /// Why the sandbox ends.
    pub reason: Reason,
    /// Whether the runtime is started by the exec wrapper and talks to Lambda through the proxy.
    pub has_proxy: bool,
    /// Whether callers leave the decision to trace to the proxy, which records everything.
    pub is_undecided: bool,
    /// How it finds its destination.
    pub reach: Reach,
    /// The function's memory, if its processes are held to it.
    pub memory_mb: Option<u32>,
    /// By how much the destination's clock is ahead.
    pub clock_ahead_s: i64,
    /// Whether the destination gives out new credentials when it is asked.
    pub is_renewed: bool,
}

/// Something that lasts for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell<T> {
    /// How long after the one before.
    pub after: Duration,
    /// What.
    pub what: T,
    /// For how long.
    pub lasts: Duration,
}

/// One invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Which of the sandbox's it is.
    pub number: u64,
    /// The pause before it.
    pub after: Duration,
    /// Subsegments it sends.
    pub floods: Vec<Flood>,
    /// Datagrams that give no document.
    pub bad: Vec<Bad>,
    /// Subsegments that come open first and complete later.
    pub opened: Vec<u64>,
    /// Subsegments that come twice.
    pub repeated: Vec<u64>,
    /// Subsegments that come by TCP, all in one request.
    pub posted: Vec<u64>,
    /// Documents beyond X-Ray's size, which come by TCP too.
    pub large: Vec<Large>,
    /// What is done to the spill files just before it.
    pub damage: Option<Damage>,
    /// How long it works before its end.
    pub works: Duration,
    /// How it ends.
    pub end: End,
}

/// A subsegment with children, of which no two fit in one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Large {
    /// Its id; its children's follow.
    pub id: u64,
    /// How many.
    pub children: u64,
    /// About the bytes of each.
    pub child_bytes: usize,
}

impl Large {
    /// Its own id and its children's.
    pub fn ids(&self) -> std::ops::RangeInclusive<u64> {
        self.id..=self.id + self.children
    }

    fn document(&self) -> serde_json::Value {
        let filler = "m".repeat(self.child_bytes);
        let child = |id: u64| {
            serde_json::json!({
                "id": format!("{id:016x}"), "name": "child", "start_time": 1_700_000_000.5,
                "end_time": 1_700_000_000.75, "metadata": { "default": { "filler": filler } },
            })
        };
        let children: Vec<_> = self.ids().skip(1).map(child).collect();
        serde_json::json!({ "id": format!("{:016x}", self.id), "name": "large", "subsegments": children })
    }
}

/// How an invocation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With its answer.
    Answers,
    /// With an error of the handler.
    Raises,
    /// The runtime exits.
    Exits,
    /// The runtime is killed.
    IsKilled,
    /// The runtime takes more memory than there is, and is killed for it.
    RunsOut,
    /// It runs until its timeout.
    TimesOut,
}

/// A datagram that gives no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// Nothing in it: it is not even counted.
    Empty,
    /// No header line.
    Unframed,
    /// A header line of another protocol.
    OtherHeader,
    /// A header line alone.
    Bodiless,
    /// What follows it is no JSON.
    Garbled,
    /// A document without an id.
    Nameless,
}

impl Bad {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Empty,
        Self::Unframed,
        Self::OtherHeader,
        Self::Bodiless,
        Self::Garbled,
        Self::Nameless,
    ];

    /// Whether the extension counts it.
    pub fn is_counted(self) -> bool {
        self != Self::Empty
    }

    fn datagram(self) -> &'static str {
        match self {
            Self::Empty => "",
            Self::Unframed => r#"{"id":"00000000000000ff","trace_id":"$ROOT","name":"unframed"}"#,
            Self::OtherHeader => "{\"format\":\"xml\",\"version\":1}\n{}",
            Self::Bodiless => "{\"format\":\"json\",\"version\":1}\n",
            Self::Garbled => "{\"format\":\"json\",\"version\":1}\n{\"id\":\"00000000000000ff\",",
            Self::Nameless => {
                "{\"format\":\"json\",\"version\":1}\n{\"trace_id\":\"$ROOT\",\"name\":\"nameless\",\"start_time\":1}"
            }
        }
    }
}

impl Call {
    /// What the function answers.
    pub fn answer(&self) -> String {
        format!("answer {}", self.number)
    }

    /// What it says when everything is sent.
    pub fn word(&self) -> String {
        format!("sent {}", self.number)
    }

    /// What it says when those that come by TCP were taken.
    pub fn word_of_posted(&self) -> String {
        format!("posted {}", self.number)
    }

    /// What it says when the large ones were taken.
    pub fn word_of_large(&self) -> String {
        format!("put {}", self.number)
    }

    /// The event.
    pub fn script(&self) -> Script {
        let mut script = Script::new();
        for id in &self.opened {
            script = script.document(open_subsegment(*id));
        }
        for (place, flood) in self.floods.iter().enumerate() {
            script = script.flood(*flood);
            if let Some(bad) = self.bad.get(place) {
                script = script.datagram(bad.datagram());
            }
        }
        for bad in self.bad.iter().skip(self.floods.len()) {
            script = script.datagram(bad.datagram());
        }
        for id in self.repeated.iter().chain(&self.opened).chain(&self.repeated) {
            script = script.datagram(&whole_subsegment(*id));
        }
        if !self.posted.is_empty() {
            let subsegment = |id: &u64| serde_json::json!({ "id": format!("{id:016x}"), "name": "posted" });
            let documents: Vec<_> = self.posted.iter().map(subsegment).collect();
            script = script.put(&documents, &self.word_of_posted());
        }
        if !self.large.is_empty() {
            let documents: Vec<_> = self.large.iter().map(Large::document).collect();
            script = script.put(&documents, &self.word_of_large());
        }
        script = script.say(&self.word()).work_ms(millis(self.works));
        match self.end {
            End::Answers => script.answer(&self.answer()),
            End::Raises => script.raise(),
            End::Exits => script.exit(),
            End::IsKilled => script.killed(),
            End::RunsOut => script.fill(TOO_MUCH),
            End::TimesOut => script.work_ms(60_000),
        }
    }

    /// Every document that the function sends as a datagram, with whether it is still open; not the repeats.
    pub fn documents(&self) -> Vec<(u64, bool)> {
        let flooded = self
            .floods
            .iter()
            .flat_map(|flood| flood.first_id..flood.first_id + flood.documents);
        let opened = self.opened.iter().map(|id| (*id, true));
        flooded
            .chain(self.opened.iter().copied())
            .chain(self.repeated.iter().copied())
            .map(|id| (id, false))
            .chain(opened)
            .collect()
    }

    /// Datagrams that the extension counts.
    pub fn counted_datagrams(&self) -> u64 {
        let sent = self.documents().len() + self.repeated.len() + self.counted_bad();
        u64::try_from(sent).expect("a plan is small")
    }

    /// Datagrams without a document that the extension counts.
    pub fn counted_bad(&self) -> usize {
        self.bad.iter().filter(|bad| bad.is_counted()).count()
    }
}

/// The same bytes each time: what an SDK sends again.
fn whole_subsegment(id: u64) -> String {
    format!(
        "{{\"format\":\"json\",\"version\":1}}\n{{\"type\":\"subsegment\",\"id\":\"{id:016x}\",\"trace_id\":\"$ROOT\",\
         \"parent_id\":\"$PARENT\",\"name\":\"single\",\"start_time\":1700000000.5,\"end_time\":1700000000.75}}"
    )
}

fn open_subsegment(id: u64) -> serde_json::Value {
    serde_json::json!({
        "id": format!("{id:016x}"), "name": "single", "in_progress": true, "end_time": null,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a plan's times are short")
}
