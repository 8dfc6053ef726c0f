//! What the account tells apart: where documents came from, why they were given up, and what happened beside.

/// Where a document came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A datagram of the X-Ray daemon's protocol.
    Udp,
    /// A request to the TCP side of the X-Ray daemon's port.
    Tcp,
    /// A request of OpenTelemetry's protocol over HTTP.
    Otlp,
    /// Made here from the platform's records.
    Platform,
    /// Read from what an earlier process of the sandbox left behind.
    Recovered,
    /// Each further document that cutting one made.
    Part,
}

/// What SDKs send beside traces, which is passed over: no document, and nothing of a trace is lost with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Foreign {
    /// Requests with metrics.
    Metrics,
    /// Requests with logs.
    Logs,
    /// Spans of traces that were not sampled, sent for figures made elsewhere.
    UnsampledSpans,
}

impl Foreign {
    /// Every kind.
    pub(super) const ALL: [Self; 3] = [Self::Metrics, Self::Logs, Self::UnsampledSpans];

    /// The tally's field.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::UnsampledSpans => "unsampled_spans",
        }
    }
}

/// Documents held when it is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// In memory, in any state.
    pub in_memory: u64,
    /// In the spill file.
    pub in_file: u64,
}

impl Held {
    /// All of them.
    pub fn total(self) -> u64 {
        self.in_memory + self.in_file
    }
}

/// What happened beside the sum: no documents, or documents seen from another side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// A document over X-Ray's size was cut.
    Split,
    /// A document was given back for another attempt.
    Retried,
    /// A call to X-Ray was begun.
    Attempt,
    /// An invocation ran out of memory.
    OutOfMemory,
    /// An invocation that head sampling left out was told all the same.
    Rescued,
    /// A document that was still open was closed as evidence of a failure.
    Evidence,
    /// X-Ray answered a sampler's question.
    SamplingForwarded,
    /// A sampler's question got an earlier answer again.
    SamplingCached,
    /// A sampler's question was not answered as it should be.
    SamplingFailed,
}

impl Sign {
    /// Every sign, in the order of the tally's fields.
    pub const ALL: [Self; 9] = [
        Self::Split,
        Self::Retried,
        Self::Attempt,
        Self::OutOfMemory,
        Self::Rescued,
        Self::Evidence,
        Self::SamplingForwarded,
        Self::SamplingCached,
        Self::SamplingFailed,
    ];

    /// The tally's field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Retried => "retried",
            Self::Attempt => "attempts",
            Self::OutOfMemory => "out_of_memory",
            Self::Rescued => "rescued",
            Self::Evidence => "evidence",
            Self::SamplingForwarded => "sampling_forwarded",
            Self::SamplingCached => "sampling_cached",
            Self::SamplingFailed => "sampling_failed",
        }
    }

    /// Whether it is counted for each outbound.
    pub(super) const fn is_of_calls(self) -> bool {
        matches!(self, Self::Retried | Self::Attempt)
    }
}

/// Why a document was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShedReason {
    /// The spool was full; what is missed least went first.
    Budget,
    /// The spill file was full; what is missed least went first.
    SpillLimit,
    /// Datagrams came faster than they could be looked at; the oldest went first.
    Overrun,
    /// The outbound stopped working and no longer says what became of its batch.
    OutboundLost,
}

impl ShedReason {
    pub(super) const ALL: [Self; 4] = [Self::Budget, Self::SpillLimit, Self::Overrun, Self::OutboundLost];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::SpillLimit => "spill_limit",
            Self::Overrun => "overrun",
            Self::OutboundLost => "outbound_lost",
        }
    }
}
