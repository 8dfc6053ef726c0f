//! Requests and answers of the X-Ray API that an agent uses.

use serde::{Deserialize, Serialize};

/// Path of PutTraceSegments.
pub const PUT_TRACE_SEGMENTS_PATH: &str = "/TraceSegments";
/// Path of PutTelemetryRecords.
pub const PUT_TELEMETRY_RECORDS_PATH: &str = "/TelemetryRecords";

/// PutTraceSegments: up to 50 documents, each a JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutTraceSegments {
    /// The documents.
    pub trace_segment_documents: Vec<String>,
}

/// Answer of PutTraceSegments; status 200 even if no document was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutTraceSegmentsAnswer {
    /// The documents that were not taken.
    #[serde(default)]
    pub unprocessed_trace_segments: Vec<UnprocessedTraceSegment>,
}

/// One document that X-Ray did not take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UnprocessedTraceSegment {
    /// Id of the document's top segment; missing if it could not be read.
    #[serde(default)]
    pub id: Option<String>,
    /// Such as `InvalidTraceId`.
    #[serde(default)]
    pub error_code: Option<String>,
    /// Text for people.
    #[serde(default)]
    pub message: Option<String>,
}

/// PutTelemetryRecords: what an agent received, sent and lost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutTelemetryRecords {
    /// At most 10 by the daemon's habit.
    pub telemetry_records: Vec<TelemetryRecord>,
    /// Empty where unknown.
    #[serde(default, rename = "EC2InstanceId")]
    pub ec2_instance_id: String,
    /// Empty where unknown.
    #[serde(default)]
    pub hostname: String,
    /// Empty where unknown.
    #[serde(default, rename = "ResourceARN")]
    pub resource_arn: String,
}

/// Counts since the record before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TelemetryRecord {
    /// Seconds since the epoch.
    pub timestamp: f64,
    /// Documents that arrived.
    pub segments_received_count: u64,
    /// Documents X-Ray took.
    pub segments_sent_count: u64,
    /// Documents given up for lack of room or time.
    pub segments_spillover_count: u64,
    /// Documents refused, by us or by X-Ray.
    pub segments_rejected_count: u64,
    /// Failed calls by kind.
    pub backend_connection_errors: BackendConnectionErrors,
}

impl TelemetryRecord {
    /// What these totals have that earlier ones had not.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = u64::saturating_sub;
        let (errors, before) = (
            &self.backend_connection_errors,
            &earlier.backend_connection_errors,
        );
        Self {
            timestamp: self.timestamp,
            segments_received_count: less(self.segments_received_count, earlier.segments_received_count),
            segments_sent_count: less(self.segments_sent_count, earlier.segments_sent_count),
            segments_spillover_count: less(self.segments_spillover_count, earlier.segments_spillover_count),
            segments_rejected_count: less(self.segments_rejected_count, earlier.segments_rejected_count),
            backend_connection_errors: BackendConnectionErrors {
                timeout_count: less(errors.timeout_count, before.timeout_count),
                connection_refused_count: less(
                    errors.connection_refused_count,
                    before.connection_refused_count,
                ),
                http_code_4xx_count: less(errors.http_code_4xx_count, before.http_code_4xx_count),
                http_code_5xx_count: less(errors.http_code_5xx_count, before.http_code_5xx_count),
                unknown_host_count: less(errors.unknown_host_count, before.unknown_host_count),
                other_count: less(errors.other_count, before.other_count),
            },
        }
    }

    /// Whether it counts nothing.
    pub fn is_empty(&self) -> bool {
        let nothing = Self {
            timestamp: self.timestamp,
            ..Self::default()
        };
        *self == nothing
    }
}

/// Failed calls by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BackendConnectionErrors {
    /// No answer in time.
    pub timeout_count: u64,
    /// Nobody listens.
    pub connection_refused_count: u64,
    /// Answers of status 4xx.
    #[serde(rename = "HTTPCode4XXCount")]
    pub http_code_4xx_count: u64,
    /// Answers of status 5xx.
    #[serde(rename = "HTTPCode5XXCount")]
    pub http_code_5xx_count: u64,
    /// The name does not resolve.
    pub unknown_host_count: u64,
    /// Everything else.
    pub other_count: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn member_names_are_the_apis() {
        let request = PutTelemetryRecords {
            telemetry_records: vec![TelemetryRecord::default()],
            ..Default::default()
        };
        let text = serde_json::to_string(&request).unwrap();
        for member in [
            "TelemetryRecords",
            "SegmentsReceivedCount",
            "SegmentsSentCount",
            "SegmentsSpilloverCount",
            "SegmentsRejectedCount",
            "TimeoutCount",
            "ConnectionRefusedCount",
            "HTTPCode4XXCount",
            "HTTPCode5XXCount",
            "UnknownHostCount",
            "OtherCount",
            "EC2InstanceId",
            "Hostname",
            "ResourceARN",
        ] {
            assert!(
                text.contains(&format!("\"{member}\"")),
                "{member} is missing in {text}"
            );
        }
    }

    #[test]
    fn records_of_growing_totals_add_up_to_the_last() {
        let total = |number: u64| TelemetryRecord {
            timestamp: 7.0,
            segments_received_count: 10 * number,
            segments_sent_count: 9 * number,
            segments_spillover_count: 8 * number,
            segments_rejected_count: 7 * number,
            backend_connection_errors: BackendConnectionErrors {
                timeout_count: 6 * number,
                connection_refused_count: 5 * number,
                http_code_4xx_count: 4 * number,
                http_code_5xx_count: 3 * number,
                unknown_host_count: 2 * number,
                other_count: number,
            },
        };
        assert_eq!(total(5).since(&total(2)), total(3));
        assert!(total(5).since(&total(5)).is_empty() && !total(5).since(&total(4)).is_empty());
    }

    #[test]
    fn an_answer_may_lack_every_member() {
        let answer: PutTraceSegmentsAnswer = serde_json::from_str("{}").unwrap();
        assert_eq!(answer, PutTraceSegmentsAnswer::default());
        let answer: PutTraceSegmentsAnswer =
            serde_json::from_str(r#"{"UnprocessedTraceSegments":[{"Id":null,"ErrorCode":"MissingId"}]}"#)
                .unwrap();
        assert_eq!(
            answer.unprocessed_trace_segments[0].error_code.as_deref(),
            Some("MissingId")
        );
    }

    proptest! {
        #[test]
        fn a_request_survives_the_wire(documents in proptest::collection::vec(".*", 0..5)) {
            let request = PutTraceSegments { trace_segment_documents: documents };
            let text = serde_json::to_string(&request).unwrap();
            prop_assert_eq!(serde_json::from_str::<PutTraceSegments>(&text).unwrap(), request);
        }

        #[test]
        fn no_bytes_make_the_decoders_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = serde_json::from_slice::<PutTraceSegments>(&bytes);
            let _ = serde_json::from_slice::<PutTraceSegmentsAnswer>(&bytes);
            let _ = serde_json::from_slice::<PutTelemetryRecords>(&bytes);
        }
    }
}
