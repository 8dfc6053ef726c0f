//! What AWS's error codes mean, with and without their `Exception` at the end.
//!
//! Pure.

/// Whether a document with this error code may be taken later.
pub fn is_retriable(code: &str) -> bool {
    is_throttling(code)
        || matches!(
            code.trim_end_matches("Exception"),
            "Internal"
                | "InternalFailure"
                | "InternalError"
                | "InternalServerError"
                | "InternalServer"
                | "ServiceUnavailable"
                | "ServiceFailure"
                | "RequestTimeout"
                | "Timeout"
        )
}

/// Whether this error code asks for fewer calls.
pub fn is_throttling(code: &str) -> bool {
    matches!(
        code.trim_end_matches("Exception"),
        "Throttled"
            | "Throttling"
            | "RequestThrottled"
            | "TooManyRequests"
            | "RequestLimitExceeded"
            | "LimitExceeded"
            | "BandwidthLimitExceeded"
            | "SlowDown"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_retriable_or_not() {
        for code in [
            "ThrottledException",
            "ThrottlingException",
            "Throttling",
            "TooManyRequestsException",
            "InternalFailure",
            "InternalServerError",
            "InternalException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "RequestTimeout",
        ] {
            assert!(is_retriable(code), "{code}");
        }
        for code in [
            "",
            "InvalidTraceId",
            "MissingId",
            "InvalidName",
            "MissingEndTime",
            "InvalidSegment",
            "JSONFormatError",
        ] {
            assert!(!is_retriable(code), "{code}");
        }
    }
}
