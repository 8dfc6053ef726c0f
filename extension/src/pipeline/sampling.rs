//! Decides which traces are recorded where nobody has decided yet (`FLUOROSCOPE_SAMPLE_RATE`).
//!
//! The decision depends on the trace id alone: every function that asks decides alike.

use std::str::FromStr;

use model::ids::{RequestId, TraceId};
use model::time::Timestamp;
use model::trace_header::{Sampled, TraceHeader};

use super::identity::{FUNCTION, derived};

/// The share of undecided traces that are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRate(f64);

impl FromStr for SampleRate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let rate = text.trim().parse().map_err(|_| ())?;
        (0.0..=1.0).contains(&rate).then_some(Self(rate)).ok_or(())
    }
}

impl SampleRate {
    /// Whether no trace is recorded.
    pub fn is_never(self) -> bool {
        self.0 <= 0.0
    }

    /// Whether a trace is recorded.
    pub fn takes(self, trace: TraceId) -> bool {
        /// 2³²: one more than the largest draw.
        const DRAWS: f64 = 4_294_967_296.0;
        let hash = trace
            .to_bytes()
            .into_iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let draw = u32::try_from((hash ^ (hash >> 33)) >> 32).unwrap_or(u32::MAX);
        f64::from(draw) < self.0 * DRAWS
    }
}

/// An invocation whose trace is recorded because of a decision made here.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// Which.
    pub request_id: RequestId,
    /// The header that the runtime gets. Where the caller named no parent, it names the function's own segment.
    pub header: TraceHeader,
}

/// Decides about an invocation. None if somebody has decided already, or it is not to be recorded.
pub fn decide(rate: SampleRate, request: &RequestId, header: &str, now: Timestamp) -> Option<Decided> {
    let mut header = TraceHeader::parse(header);
    if matches!(header.sampled, Some(Sampled::Yes | Sampled::No)) {
        return None;
    }
    let trace_id = match &header.root {
        Some(root) => root.parse().ok()?,
        None => new_trace(request, now),
    };
    if !rate.takes(trace_id) {
        return None;
    }
    header.root = Some(trace_id.to_string());
    header.sampled = Some(Sampled::Yes);
    if header.parent_id().is_none() {
        header = header.with_parent(derived(request, FUNCTION));
    }
    Some(Decided {
        request_id: request.clone(),
        header,
    })
}

/// A trace of its own for a request that has none.
fn new_trace(request: &RequestId, now: Timestamp) -> TraceId {
    let seconds = u32::try_from(now.as_micros() / 1_000_000).unwrap_or_default();
    let (first, second) = (derived(request, "trace"), derived(request, "trace, the rest"));
    let parts = [
        seconds.to_be_bytes().as_slice(),
        &first.to_bytes(),
        &second.to_bytes(),
    ]
    .concat();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(parts).for_each(|(to, byte)| *to = byte);
    TraceId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOT: &str = "Root=1-6a0edb41-00112233445566778899aabb";

    fn now() -> Timestamp {
        Timestamp::from_millis(1_779_358_529_710)
    }

    fn request() -> RequestId {
        "0f6f4f8e-8a57-4a5e-9d5e-0c2b8a4e7f10".parse().unwrap()
    }

    fn decided(rate: &str, header: &str) -> Option<String> {
        let decided = decide(rate.parse().unwrap(), &request(), header, now());
        decided.map(|decided| decided.header.to_string())
    }

    #[test]
    fn only_what_nobody_has_decided_is_decided() {
        let function = derived(&request(), FUNCTION);
        let given = |rest: &str| Some(format!("{ROOT};Parent={function};Sampled=1{rest}"));
        assert_eq!(decided("1", ROOT), given(""));
        assert_eq!(
            decided("1", &format!("{ROOT};Sampled=?;Lineage=a87bd80c:1|68fd508a:5")),
            given(";Lineage=a87bd80c:1|68fd508a:5")
        );
        assert_eq!(
            decided("1", &format!("{ROOT};Parent=0123456789abcdef")),
            Some(format!("{ROOT};Parent=0123456789abcdef;Sampled=1"))
        );
        assert_eq!(decided("1", &format!("{ROOT};Sampled=0")), None);
        assert_eq!(decided("1", &format!("{ROOT};Sampled=1")), None);
        assert_eq!(decided("1", "Root=junk"), None);
        assert_eq!(decided("0", ROOT), None);
        let new = decided("1", "").unwrap();
        assert!(
            new.starts_with("Root=1-6a0edb41-") && new.ends_with(&format!(";Parent={function};Sampled=1")),
            "{new}"
        );
        assert_eq!(decided("1", ""), Some(new));
    }

    #[test]
    fn a_rate_lies_between_0_and_1() {
        for text in ["0", "1", " 0.25 ", "1e-3"] {
            assert!(text.parse::<SampleRate>().is_ok(), "{text}");
        }
        for text in ["", "-0.1", "1.1", "NaN", "half", "25%"] {
            assert_eq!(text.parse::<SampleRate>(), Err(()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_decision_panic(header in ".{0,80}") {
            let _ = decided("0.5", &header);
        }

        #[test]
        fn traces_are_taken_in_the_share_that_was_asked_for(seed in any::<u64>(), percent in 0_u32..=100) {
            let rate = SampleRate(f64::from(percent) / 100.0);
            let traces = (0..4000_u64).map(|number| {
                let mut bytes = [0; 16];
                bytes[..8].copy_from_slice(&seed.to_be_bytes());
                bytes[8..].copy_from_slice(&number.to_be_bytes());
                TraceId::from_bytes(bytes)
            });
            let taken = u32::try_from(traces.filter(|trace| rate.takes(*trace)).count()).unwrap();
            let off = f64::from(taken) / 4000.0 - rate.0;
            // Five standard deviations at the most, and exact at both ends.
            let bound = 5.0 * (rate.0 * (1.0 - rate.0) / 4000.0).sqrt();
            prop_assert!(off.abs() <= bound + f64::EPSILON, "{taken} of 4000 at {}", rate.0);
        }
    }
}
