//! Signs requests for X-Ray: signature version 4, in headers.
//!
//! Pure: the time comes from outside. Header values that grant access are marked sensitive, so nothing
//! that prints a request prints them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as sigv4};
use aws_sigv4::sign::v4;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue};
use model::time::Timestamp;

/// What X-Ray's requests carry.
pub const JSON: &str = "application/json";

/// A request before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned<'a> {
    /// `POST` for every operation of X-Ray.
    pub method: &'a str,
    /// The whole address.
    pub url: &'a str,
    /// The content type, which is signed too.
    pub content_type: &'a str,
    /// The content, whose hash is signed.
    pub body: &'a [u8],
}

/// What a signature is good for.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Name of the service in signatures.
    pub service: &'a str,
    /// The region.
    pub region: &'a str,
}

impl<'a> Scope<'a> {
    /// X-Ray in a region.
    pub fn xray(region: &'a str) -> Self {
        Self {
            service: "xray",
            region,
        }
    }
}

/// Why a request could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A part is missing that the signer asks for.
    #[error("could not prepare the signature")]
    Parameters(#[from] v4::signing_params::BuildError),
    /// The request cannot be brought into its canonical form.
    #[error("could not sign the request: check the credentials in the environment for stray characters")]
    Request(#[from] aws_sigv4::http_request::SigningError),
    /// The signer's header has an impossible name.
    #[error("could not write a header of the signature")]
    Name(#[from] InvalidHeaderName),
    /// The signer's header has an impossible value.
    #[error("could not write a header of the signature: check the credentials for stray characters")]
    Value(#[from] InvalidHeaderValue),
}

/// The headers to send with `request`: its content type and the signature's.
///
/// # Errors
/// If the credentials hold characters that headers cannot.
pub fn sign(
    request: Unsigned<'_>,
    scope: Scope<'_>,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<HeaderMap, SignError> {
    let identity = credentials.clone().into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(system_time(now))
        .settings(SigningSettings::default())
        .build()?
        .into();
    let signable = SignableRequest::new(
        request.method,
        request.url,
        [(CONTENT_TYPE.as_str(), request.content_type)].into_iter(),
        SignableBody::Bytes(request.body),
    )?;
    let (instructions, _) = sigv4(signable, &parameters)?.into_parts();
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(request.content_type)?);
    for header in instructions.into_parts().0 {
        let mut value = HeaderValue::from_str(header.value())?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(header.name().as_bytes())?, value);
    }
    Ok(headers)
}

fn system_time(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key pair of AWS's documented examples.
    fn example_credentials(token: Option<&str>) -> Credentials {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "test")
    }

    fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers.get(name).expect(name).to_str().unwrap()
    }

    /// The complete example of AWS's signature version 4 documentation (IAM ListUsers).
    #[test]
    fn the_documented_example_gets_its_documented_signature() {
        let request = Unsigned {
            method: "GET",
            url: "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            body: b"",
        };
        let scope = Scope {
            service: "iam",
            region: "us-east-1",
        };
        let now = Timestamp::parse_iso8601("2015-08-30T12:36:00Z").unwrap();
        let headers = sign(request, scope, &example_credentials(None), now).unwrap();
        assert_eq!(header(&headers, "x-amz-date"), "20150830T123600Z");
        assert_eq!(
            header(&headers, "authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    /// The expected signature was computed once by botocore's signer from the same values.
    #[test]
    fn a_call_to_xray_with_a_session_token_is_signed_as_botocore_signs_it() {
        let request = Unsigned {
            method: "POST",
            url: "http://127.0.0.1:3000/prefix/TraceSegments",
            content_type: JSON,
            body: br#"{"TraceSegmentDocuments":["{\"id\":\"00f067aa0ba902b7\"}"]}"#,
        };
        let now = Timestamp::from_micros(1_779_357_600_999_999);
        let credentials = example_credentials(Some("session/token+with=signs"));
        let headers = sign(request, Scope::xray("eu-west-1"), &credentials, now).unwrap();
        assert_eq!(header(&headers, "x-amz-date"), "20260521T100000Z");
        assert_eq!(
            header(&headers, "x-amz-security-token"),
            "session/token+with=signs"
        );
        assert_eq!(header(&headers, "content-type"), JSON);
        assert_eq!(
            header(&headers, "authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260521/eu-west-1/xray/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, \
             Signature=507011a7a72402745d24a05ad69984330a8cbcf82bc2a52a3e44e81104d42e36"
        );
    }

    #[test]
    fn nothing_that_grants_access_is_printed() {
        let request = Unsigned {
            method: "POST",
            url: "http://127.0.0.1:3000/",
            content_type: JSON,
            body: b"",
        };
        let credentials = example_credentials(Some("session-token"));
        let headers = sign(
            request,
            Scope::xray("eu-west-1"),
            &credentials,
            Timestamp::from_micros(0),
        )
        .unwrap();
        let printed = format!("{headers:?}");
        assert!(
            !printed.contains("session-token") && !printed.contains("Signature="),
            "{printed}"
        );
    }

    #[test]
    fn a_token_with_a_line_break_is_an_error_that_does_not_repeat_it() {
        let request = Unsigned {
            method: "POST",
            url: "http://127.0.0.1:3000/",
            content_type: JSON,
            body: b"",
        };
        let credentials = example_credentials(Some("first\nsecond"));
        let error = sign(
            request,
            Scope::xray("eu-west-1"),
            &credentials,
            Timestamp::from_micros(0),
        )
        .unwrap_err();
        assert!(error.to_string().contains("stray characters"), "{error}");
        assert!(!format!("{error:?}").contains("second"), "{error:?}");
    }
}
