//! Signatures against documented ones, and against aws-sigv4 for anything.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign as oracle};
use aws_sigv4::sign::v4;
use proptest::prelude::*;

use super::*;
use crate::outbound::credentials::Secret;

const JSON: &str = "application/json";

/// The key pair of AWS's documented examples.
fn example_keys(token: Option<&str>) -> Arc<Keys> {
    keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
}

fn keys(id: &str, secret: &str, token: Option<&str>) -> Arc<Keys> {
    Arc::new(Keys {
        access_key_id: id.to_owned(),
        secret_access_key: Secret::new(secret),
        session_token: token.map(Secret::new),
    })
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn post(url: &Url) -> Post<'_> {
    Post {
        url,
        body: b"{}",
        content_type: JSON,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).expect(name).to_str().unwrap()
}

/// The expected signature was computed once by botocore's signer from the same values.
#[test]
fn a_call_to_xray_with_a_session_token_is_signed_as_botocore_signs_it() {
    let body = br#"{"TraceSegmentDocuments":["{\"id\":\"00f067aa0ba902b7\"}"]}"#;
    let now = Timestamp::from_micros(1_779_357_600_999_999);
    let keys = example_keys(Some("session/token+with=signs"));
    let url = url("http://127.0.0.1:3000/prefix/TraceSegments");
    let headers = Signer::new("eu-west-1")
        .sign(
            Post {
                url: &url,
                body,
                content_type: JSON,
            },
            &keys,
            now,
        )
        .unwrap();
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
    let keys = example_keys(Some("session-token"));
    let mut signer = Signer::new("eu-west-1");
    let url = url("http://127.0.0.1:3000/");
    let headers = signer.sign(post(&url), &keys, Timestamp::from_micros(0));
    let printed = format!("{:?} {signer:?}", headers.unwrap());
    assert!(
        !printed.contains("session-token")
            && !printed.contains("Signature=")
            && !printed.contains("EXAMPLEKEY"),
        "{printed}"
    );
}

#[test]
fn a_token_with_a_line_break_is_an_error_that_does_not_repeat_it() {
    let keys = example_keys(Some("first\nsecond"));
    let url = url("http://127.0.0.1:3000/");
    let error = Signer::new("eu-west-1")
        .sign(post(&url), &keys, Timestamp::from_micros(0))
        .unwrap_err();
    assert!(error.to_string().contains("stray characters"), "{error}");
    assert!(!format!("{error:?}").contains("second"), "{error:?}");
}

/// What aws-sigv4 makes of the same values.
fn expected(post: Post<'_>, keys: &Keys, now: Timestamp) -> HeaderMap {
    let token = keys.session_token.as_ref().map(|token| token.reveal().to_owned());
    let secret = keys.secret_access_key.reveal();
    let identity = Credentials::new(&keys.access_key_id, secret, token, None, "test").into();
    let micros = u64::try_from(now.as_micros()).unwrap();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name(SERVICE)
        .time(UNIX_EPOCH + Duration::from_micros(micros))
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let body = SignableBody::Bytes(post.body);
    let headers = [(CONTENT_TYPE.as_str(), JSON)].into_iter();
    let request = SignableRequest::new("POST", post.url.as_str(), headers, body).unwrap();
    let (instructions, _) = oracle(request, &parameters).unwrap().into_parts();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    for header in instructions.into_parts().0 {
        let name = HeaderName::from_bytes(header.name().as_bytes()).unwrap();
        headers.insert(name, HeaderValue::from_str(header.value()).unwrap());
    }
    headers
}

/// Letters that addresses are apt to hold, and any others.
const PATH: &str = "([-a-zA-Z0-9/._~%:@!$&'()*+,;= ]|\\PC){0,24}";
const KEY: &str = "[!-~]{1,40}";

proptest! {
    #[test]
    fn signatures_are_those_of_aws_sigv4(
        secure in any::<bool>(),
        host in "[a-z][-a-z0-9.]{0,12}[a-z]|127\\.0\\.0\\.1|\\[::1\\]",
        port in proptest::option::of(1_u16..),
        path in PATH,
        body in proptest::collection::vec(any::<u8>(), 0..200),
        (id, secret, token) in ("[A-Z0-9]{1,20}", KEY, proptest::option::of(KEY)),
        seconds in 0_i64..7_258_118_400,
    ) {
        let scheme = if secure { "https" } else { "http" };
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let Ok(mut url) = Url::parse(&format!("{scheme}://{host}{port}/")) else {
            return Ok(());
        };
        url.set_path(&path);
        let keys = keys(&id, &secret, token.as_deref());
        let now = Timestamp::from_micros(seconds * 1_000_000 + 999_999);
        let mut signer = Signer::new("eu-west-1");
        let post = Post { url: &url, body: &body, content_type: JSON };
        let expected = expected(post, &keys, now);
        prop_assert_eq!(&signer.sign(post, &keys, now).unwrap(), &expected);
        // The derived key is used again.
        prop_assert_eq!(&signer.sign(post, &keys, now).unwrap(), &expected);
    }

    #[test]
    fn a_derived_key_is_used_for_its_day_and_its_keys_alone(
        calls in proptest::collection::vec((0_i64..3, 0_usize..2), 1..8),
    ) {
        let url = url("https://xray.eu-west-1.amazonaws.com/TraceSegments");
        let all = [example_keys(None), keys("AKIDOTHER", "other", Some("token"))];
        let mut signer = Signer::new("eu-west-1");
        for (day, which) in calls {
            let now = Timestamp::from_micros(1_779_357_600_000_000 + day * 86_400_000_000);
            let headers = signer.sign(post(&url), &all[which], now).unwrap();
            prop_assert_eq!(headers, expected(post(&url), &all[which], now));
        }
    }
}
