//! Which ids a request's segments have, and whether they are made here at all.
//!
//! Sandboxes differ in which ids they announce (ARCHITECTURE.md, "Trace identity"), and public sources do not
//! settle it, so nothing depends on one style:
//!
//! - `P`: Parent in the INVOKE event's header;
//! - `S`: `tracing.spanId` of `platform.start`, only where the function is traced actively;
//! - `W`: Parent in `tracing.value` of `platform.start`;
//! - `D`: the parent that the SDK's own documents carry.

use std::str::FromStr;

use model::ids::{RequestId, SegmentId, TraceId};
use model::trace_header::TraceHeader;
use model::wire::telemetry::Tracing;

use super::lane::Lanes;

/// What is known of a request's place in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The trace.
    pub trace_id: TraceId,
    /// `P`
    pub invoke_parent: Option<SegmentId>,
    /// `S`
    pub span_id: Option<SegmentId>,
    /// `W`
    pub start_parent: Option<SegmentId>,
    /// Whether the trace is recorded.
    pub is_sampled: bool,
}

impl Identity {
    /// From the INVOKE event's header and the `tracing` of `platform.start`, either of which may be missing.
    ///
    /// None if neither names a trace.
    pub fn new(invoked: Option<&TraceHeader>, started: Option<&Tracing>) -> Option<Self> {
        let start_header = started.map(|tracing| &tracing.header);
        let trace_id = invoked
            .and_then(TraceHeader::trace_id)
            .or_else(|| start_header?.trace_id())?;
        Some(Self {
            trace_id,
            invoke_parent: invoked.and_then(TraceHeader::parent_id),
            span_id: started.and_then(|tracing| tracing.span_id),
            start_parent: start_header.and_then(TraceHeader::parent_id),
            is_sampled: [invoked, start_header]
                .into_iter()
                .flatten()
                .any(TraceHeader::is_sampled),
        })
    }

    /// The id of the function's segment: S where announced, else new.
    pub fn function(&self, request: &RequestId) -> SegmentId {
        self.span_id.unwrap_or_else(|| derived(request, FUNCTION))
    }

    /// The ids of the segments we make for this request.
    ///
    /// New ids derive from the request, so that a second attempt to make them names them alike.
    pub fn segments(&self, request: &RequestId) -> SegmentIds {
        let function = self.function(request);
        let not_ours = |id: &SegmentId| *id != function;
        SegmentIds {
            lambda: derived(request, "lambda"),
            lambda_parent: self
                .start_parent
                .filter(not_ours)
                .or(self.invoke_parent.filter(not_ours)),
            function,
        }
    }

    /// Whether AWS::Lambda hangs under a segment that Lambda's front end sends to X-Ray itself: what announces an id for
    /// the function's segment has one of its own above it. Managed instances, which have no INVOKE, name the caller's.
    pub fn has_front_end(&self, ids: &SegmentIds) -> bool {
        let is_announced = self.span_id.is_some() && self.invoke_parent.is_some();
        is_announced && ids.lambda_parent.is_some() && ids.lambda_parent == self.start_parent
    }
}

/// Ids of the two segments of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentIds {
    /// AWS::Lambda: always new, it never collides with an id of somebody else.
    pub lambda: SegmentId,
    /// Its parent: W, else P, else none.
    pub lambda_parent: Option<SegmentId>,
    /// AWS::Lambda::Function: S where announced, else new.
    pub function: SegmentId,
}

/// The role of the function's segment.
pub const FUNCTION: &str = "function";

/// An id made from the request's and a role: FNV-1a over both, its bits then mixed.
pub fn derived(request: &RequestId, role: &str) -> SegmentId {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in request.as_str().bytes().chain([0]).chain(role.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    SegmentId::from_bytes((hash ^ (hash >> 33)).max(1).to_be_bytes())
}

/// When AWS::Lambda and AWS::Lambda::Function segments are made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformSegments {
    /// Unless Lambda itself sends them to the same X-Ray.
    Auto,
    /// For every sampled invocation.
    Always,
    /// Never.
    Never,
}

impl FromStr for PlatformSegments {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(()),
        }
    }
}

/// Which invocations that head sampling left out are told all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rescue {
    /// Those that failed: handler faults as far as they are known, timeouts, crashes, out of memory.
    Faults,
    /// Those, and the first of each sandbox.
    ColdStarts,
    /// Every one.
    All,
    /// None.
    None,
}

impl FromStr for Rescue {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim().to_ascii_lowercase().as_str() {
            "faults" => Ok(Self::Faults),
            "cold-starts" => Ok(Self::ColdStarts),
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => Err(()),
        }
    }
}

/// What makes an invocation worth telling although it was not sampled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occasion {
    /// It failed.
    pub is_faulty: bool,
    /// It was the first of its sandbox.
    pub is_cold: bool,
}

/// Whether the platform's segments of a request are made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emission {
    /// The setting.
    pub setting: PlatformSegments,
    /// Outbounds whose documents go to AWS's own X-Ray, where Lambda delivers its segments of actively traced functions.
    pub aws: Lanes,
    /// What becomes of requests that are not sampled.
    pub rescue: Rescue,
}

impl Emission {
    /// To which of these outbounds a request is told that ended like this. Never twice, never none.
    pub fn tells(self, identity: &Identity, occasion: Occasion, outbounds: Lanes) -> Lanes {
        let is_rescued = match self.rescue {
            Rescue::None => false,
            Rescue::Faults => occasion.is_faulty,
            Rescue::ColdStarts => occasion.is_faulty || occasion.is_cold,
            Rescue::All => true,
        };
        // A span id is announced only where Lambda makes the function's segment itself.
        let is_lambdas = identity.span_id.is_some();
        match self.setting {
            _ if !identity.is_sampled && !is_rescued => Lanes::NONE,
            PlatformSegments::Never => Lanes::NONE,
            PlatformSegments::Auto if is_lambdas => outbounds.but(self.aws),
            PlatformSegments::Auto | PlatformSegments::Always => outbounds,
        }
    }

    /// Whether it can apply to any request.
    pub fn is_possible(self) -> bool {
        self.setting != PlatformSegments::Never
    }
}

#[cfg(test)]
mod tests {
    use super::super::lane::Lane;
    use super::*;

    const ROOT: &str = "Root=1-6a0edb41-00112233445566778899aabb";
    const F: &str = "1122334455667788";
    const W: &str = "aabbccddeeff0011";
    const U: &str = "0123456789abcdef";

    fn header(parent: &str) -> TraceHeader {
        TraceHeader::parse(&format!("{ROOT};Parent={parent};Sampled=1"))
    }

    fn tracing(span_id: Option<&str>, parent: &str) -> Tracing {
        Tracing {
            span_id: span_id.map(|id| id.parse().unwrap()),
            header: header(parent),
        }
    }

    fn request() -> RequestId {
        "0f6f4f8e-8a57-4a5e-9d5e-0c2b8a4e7f10".parse().unwrap()
    }

    /// The function's id and the parent of AWS::Lambda, new ids as "new".
    #[track_caller]
    fn check(invoked: Option<TraceHeader>, started: Option<Tracing>, function: &str, lambda_parent: &str) {
        let identity = Identity::new(invoked.as_ref(), started.as_ref()).unwrap();
        let ids = identity.segments(&request());
        let shown = if ids.function == derived(&request(), "function") {
            "new".into()
        } else {
            ids.function.to_string()
        };
        let parent = ids.lambda_parent.map_or("none".into(), |id| id.to_string());
        assert_eq!((shown.as_str(), parent.as_str()), (function, lambda_parent));
        assert_eq!(ids.lambda, derived(&request(), "lambda"));
    }

    #[test]
    fn every_style_of_sandbox_has_its_ids() {
        check(Some(header(F)), Some(tracing(Some(F), W)), F, W); // current and classic, Active
        check(None, Some(tracing(Some(F), U)), F, U); // managed, Active
        check(Some(header(U)), Some(tracing(None, U)), "new", U); // PassThrough
        check(Some(header(U)), None, "new", U); // emulators without telemetry
        check(Some(header(F)), Some(tracing(Some(F), "?")), F, "none"); // no W: never its own parent
        check(
            Some(TraceHeader::parse(&format!("{ROOT};Sampled=1"))),
            None,
            "new",
            "none",
        );
    }

    #[test]
    fn only_an_invoked_function_with_an_announced_id_hangs_under_lambdas_front_end() {
        for (invoked, started, is_front_end) in [
            (Some(header(F)), Some(tracing(Some(F), W)), true), // current and classic, Active
            (None, Some(tracing(Some(F), U)), false),           // managed, Active
            (Some(header(U)), Some(tracing(None, U)), false),   // PassThrough
            (Some(header(U)), None, false),                     // emulators without telemetry
            (Some(header(F)), Some(tracing(Some(F), "?")), false), // no W
        ] {
            let identity = Identity::new(invoked.as_ref(), started.as_ref()).unwrap();
            let ids = identity.segments(&request());
            assert_eq!(identity.has_front_end(&ids), is_front_end, "{identity:?}");
        }
    }

    #[test]
    fn without_a_trace_there_is_no_identity() {
        assert_eq!(Identity::new(None, None), None);
        assert_eq!(
            Identity::new(Some(&TraceHeader::parse("Root=junk;Sampled=1")), None),
            None
        );
    }

    #[test]
    fn platform_segments_are_made_never_twice_and_never_not_at_all() {
        use PlatformSegments::{Always, Auto, Never};
        // (setting, AWS's own X-Ray, S announced, sampled) → made here
        for (setting, is_aws, announced, sampled, made) in [
            (Auto, true, true, true, false), // Lambda makes them
            (Auto, true, false, true, true), // PassThrough: nobody else does
            (Auto, false, true, true, true), // Lambda's go elsewhere
            (Auto, false, false, true, true),
            (Always, true, true, true, true),
            (Never, false, false, true, false),
            (Auto, false, true, false, false),
            (Always, false, true, false, false),
        ] {
            let identity = Identity {
                trace_id: TraceId::from_bytes([1; 16]),
                invoke_parent: None,
                span_id: announced.then(|| F.parse().unwrap()),
                start_parent: None,
                is_sampled: sampled,
            };
            let emission = Emission {
                setting,
                aws: if is_aws { Lanes::FIRST } else { Lanes::NONE },
                rescue: Rescue::None,
            };
            let told = emission.tells(&identity, Occasion::default(), Lanes::FIRST);
            assert_eq!(!told.is_empty(), made, "{emission:?} {announced} {sampled}");
        }
    }

    #[test]
    fn of_several_outbounds_each_is_told_once_by_lambda_or_by_us() {
        use PlatformSegments::{Always, Auto, Never};
        let lanes: Vec<Lane> = Lane::all().take(3).collect();
        let set = |places: &[usize]| -> Lanes { places.iter().map(|place| lanes[*place]).collect() };
        let all = set(&[0, 1, 2]);
        // (setting, those of AWS, S announced) → those told by us
        for (setting, aws, announced, told) in [
            (Auto, set(&[0]), true, set(&[1, 2])),
            (Auto, set(&[1]), true, set(&[0, 2])),
            (Auto, set(&[0, 2]), true, set(&[1])),
            (Auto, all, true, Lanes::NONE),
            (Auto, Lanes::NONE, true, all),
            (Auto, all, false, all),
            (Always, set(&[0]), true, all),
            (Never, set(&[0]), false, Lanes::NONE),
        ] {
            let identity = Identity {
                trace_id: TraceId::from_bytes([1; 16]),
                invoke_parent: None,
                span_id: announced.then(|| F.parse().unwrap()),
                start_parent: None,
                is_sampled: true,
            };
            let emission = Emission {
                setting,
                aws,
                rescue: Rescue::None,
            };
            let found = emission.tells(&identity, Occasion::default(), all);
            assert_eq!(found, told, "{emission:?} {announced}");
            if setting == Auto && announced {
                assert!(all.each().all(|lane| aws.has(lane) != found.has(lane)));
            }
        }
    }

    #[test]
    fn what_sampling_left_out_is_rescued_by_its_end_but_never_where_lambda_tells_it() {
        use PlatformSegments::{Always, Auto, Never};
        let occasions = [(false, false), (true, false), (false, true), (true, true)];
        for (rescue, wanted) in [
            (Rescue::None, [false; 4]),
            (Rescue::Faults, [false, true, false, true]),
            (Rescue::ColdStarts, [false, true, true, true]),
            (Rescue::All, [true; 4]),
        ] {
            for (setting, is_aws, announced, is_possible) in [
                (Auto, false, false, true),
                (Auto, true, false, true),
                (Auto, false, true, true),
                (Auto, true, true, false), // Lambda's own
                (Always, true, true, true),
                (Never, false, false, false),
            ] {
                let mut identity = Identity {
                    trace_id: TraceId::from_bytes([1; 16]),
                    invoke_parent: None,
                    span_id: announced.then(|| F.parse().unwrap()),
                    start_parent: None,
                    is_sampled: false,
                };
                let emission = Emission {
                    setting,
                    aws: if is_aws { Lanes::FIRST } else { Lanes::NONE },
                    rescue,
                };
                for ((is_faulty, is_cold), wanted) in occasions.into_iter().zip(wanted) {
                    let occasion = Occasion { is_faulty, is_cold };
                    identity.is_sampled = false;
                    let found = emission.tells(&identity, occasion, Lanes::FIRST);
                    assert_eq!(
                        !found.is_empty(),
                        wanted && is_possible,
                        "{emission:?} {occasion:?}"
                    );
                    identity.is_sampled = true;
                    let found = emission.tells(&identity, occasion, Lanes::FIRST);
                    assert_eq!(!found.is_empty(), is_possible, "{emission:?}");
                }
            }
        }
    }

    #[test]
    fn derived_ids_are_stable_and_differ_by_role_and_request() {
        let other: RequestId = "1f6f4f8e-8a57-4a5e-9d5e-0c2b8a4e7f10".parse().unwrap();
        assert_eq!(derived(&request(), "lambda"), derived(&request(), "lambda"));
        assert_ne!(derived(&request(), "lambda"), derived(&request(), "function"));
        assert_ne!(derived(&request(), "lambda"), derived(&other, "lambda"));
    }
}
