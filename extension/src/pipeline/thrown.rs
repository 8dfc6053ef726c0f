//! Tells what the runtime reported of a failed invocation.

use model::ids::RequestId;
use model::wire::runtime_error::{Raised, Thrown};
use model::wire::segment_document::{Exception, SegmentDocument};

use super::identity::derived;

/// Adds exceptions to the function's segment, behind what the platform said itself.
pub fn tell(segment: &mut SegmentDocument, request: &RequestId, raised: &Raised) {
    if raised.is_empty() {
        return;
    }
    segment.fault = true;
    let invocation = segment
        .subsegments
        .iter_mut()
        .find(|one| one.name == "Invocation");
    if let Some(invocation) = invocation {
        invocation.fault = true;
    }
    let cause = segment.cause.get_or_insert_default();
    cause.working_directory.clone_from(&raised.working_directory);
    cause.paths.clone_from(&raised.paths);
    cause.exceptions.extend(exceptions(request, &raised.exceptions));
}

fn exceptions(request: &RequestId, thrown: &[Thrown]) -> Vec<Exception> {
    let id = |place: usize| derived(request, &format!("thrown {place}"));
    let told = thrown.iter().enumerate().map(|(place, one)| Exception {
        stack: one.stack.clone(),
        truncated: one.truncated,
        cause: (place + 1 < thrown.len()).then(|| id(place + 1)),
        ..Exception::new(id(place), one.kind.as_str(), one.message.as_str())
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use model::ids::{SegmentId, TraceId};
    use model::time::Timestamp;
    use model::wire::runtime_error::{Posted, decode};
    use model::wire::segment_document::{Interval, Place};

    use super::*;

    #[test]
    fn each_exception_names_the_one_that_caused_it() {
        let place = Place {
            trace_id: TraceId::from_bytes([1; 16]),
            id: SegmentId::from_bytes([1; 8]),
            parent_id: None,
        };
        let at = Timestamp::from_millis(1);
        let mut segment = SegmentDocument::new("orders", place, Interval::new(at, at));
        let request = "r-1".parse().unwrap();
        tell(&mut segment, &request, &Raised::default());
        assert!(!segment.fault && segment.cause.is_none());
        let raised = decode(&Posted {
            body: br#"{"errorType":"A","errorMessage":"a","stackTrace":["x.Y.z(Y.java:3)"],"cause":{"errorType":"B","errorMessage":"b"}}"#,
            ..Posted::default()
        });
        tell(&mut segment, &request, &raised);
        let told = serde_json::to_value(&segment).unwrap();
        assert_eq!(told["fault"], true);
        let exceptions = &told["cause"]["exceptions"];
        assert_eq!(
            exceptions[0]["stack"],
            serde_json::json!([{ "path": "Y.java", "line": 3, "label": "x.Y.z" }])
        );
        assert_eq!(exceptions[0]["cause"], exceptions[1]["id"]);
        assert_eq!(
            (&exceptions[1]["type"], exceptions[1].get("cause")),
            (&"B".into(), None)
        );
    }
}
