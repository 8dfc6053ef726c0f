//! Where OpenTelemetry's protocol goes, with which headers and how it is packed.
//!
//! `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS` and their like are not read: they are the function's, whose SDK
//! they point at us. What we sent there would come back to us.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use reqwest::Url;

use super::problem::Problem;
use super::reading::{Reader, is_ours, set};
use super::{OTLP_COMPRESSION, OTLP_ENDPOINT, OTLP_HEADERS, Vars};
use crate::outbound::endpoint::read_url;
use crate::outbound::otlp::{Packing, TRACES_PATH};

/// A destination of OpenTelemetry's protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpDestination {
    /// Where traces are posted.
    pub url: Url,
    /// With these headers. Their values are marked sensitive, so that nothing prints them.
    pub headers: HeaderMap,
    /// How requests are packed.
    pub packing: Packing,
}

/// The destination, or why there is none. `own` is where we take that protocol in.
pub(super) fn destination(
    read: &mut Reader<'_, impl Vars>,
    own: Option<SocketAddr>,
) -> Result<OtlpDestination, String> {
    let text = set(read.vars, OTLP_ENDPOINT).ok_or_else(|| {
        format!("set {OTLP_ENDPOINT} to where it goes, such as https://collector.example:4318")
    })?;
    // It is not printed: it may hold a password.
    let mut url = read_url(text.trim()).map_err(|reason| {
        format!("{OTLP_ENDPOINT}: {reason}, expected an address such as https://collector.example:4318")
    })?;
    if own.is_some_and(|own| is_own(&url, own)) {
        return Err(format!(
            "{OTLP_ENDPOINT} is our own address, and what is sent there comes back; set it to that of a collector or of a \
             backend"
        ));
    }
    let base = url.path().trim_end_matches('/');
    if !base.ends_with(TRACES_PATH) {
        let path = format!("{base}{TRACES_PATH}");
        url.set_path(&path);
    }
    Ok(OtlpDestination {
        url,
        headers: headers(read),
        packing: packing(read),
    })
}

/// How requests are packed.
pub(super) fn packing(read: &mut Reader<'_, impl Vars>) -> Packing {
    read.parsed(OTLP_COMPRESSION, "gzip or none").unwrap_or_default()
}

/// Whether an address is one of this sandbox's on which we listen ourselves.
fn is_own(url: &Url, own: SocketAddr) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_name_of_loopback = bare == "localhost" || bare.ends_with(".localhost");
    let ip = match bare.parse::<IpAddr>() {
        Ok(ip) => ip,
        Err(_) if is_name_of_loopback => match own.ip().is_loopback() {
            true => own.ip(),
            false => Ipv4Addr::LOCALHOST.into(),
        },
        Err(_) => return false,
    };
    let port = url.port_or_known_default();
    port.is_some_and(|port| is_ours(SocketAddr::new(ip, port), own))
}

/// `key=value` with commas between, values percent-encoded, as the variable of OpenTelemetry's has them.
fn headers(read: &mut Reader<'_, impl Vars>) -> HeaderMap {
    let text = set(read.vars, OTLP_HEADERS).unwrap_or_default();
    let mut headers = HeaderMap::new();
    let entries = text.split(',').enumerate();
    for (place, entry) in entries.filter(|(_, entry)| !entry.trim().is_empty()) {
        match header(entry) {
            Ok((name, value)) => {
                headers.append(name, value);
            }
            // Neither name nor value is shown: who mistakes the form may have put a secret into either.
            Err(why) => read.problems.push(Problem::LeftOut {
                name: OTLP_HEADERS,
                found: format!("header {}", place + 1),
                why: why.to_owned(),
            }),
        }
    }
    headers
}

fn header(entry: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    /// What is ours to say.
    const OURS: [HeaderName; 6] = [
        CONNECTION,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        HOST,
        TRANSFER_ENCODING,
    ];
    let (name, value) = entry.split_once('=').ok_or("expected name=value")?;
    let name: HeaderName = name
        .trim()
        .parse()
        .map_err(|_| "its name is not that of a header")?;
    if OURS.contains(&name) {
        return Err("the extension itself says what that header does");
    }
    let value = percent_decoded(value.trim()).ok_or("its value is not percent-encoded as it should be")?;
    let mut value =
        HeaderValue::from_bytes(&value).map_err(|_| "its value holds characters that a header cannot")?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// None if a percent sign is not followed by two hexadecimal digits.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = behind.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| !digits.contains('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = behind;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    impl Vars for HashMap<String, String> {
        fn value(&self, name: &str) -> Option<String> {
            self.get(name).cloned()
        }
        fn names(&self) -> Vec<String> {
            self.keys().cloned().collect()
        }
    }

    fn read(variables: &[(&str, &str)]) -> (Result<OtlpDestination, String>, Vec<String>) {
        let vars: HashMap<String, String> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut read = Reader {
            vars: &vars,
            problems: Vec::new(),
        };
        let found = destination(&mut read, Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 4318))));
        let problems = read.problems.iter().map(ToString::to_string).collect();
        (found, problems)
    }

    #[test]
    fn an_address_is_a_base_unless_it_names_the_traces_itself() {
        for (given, expected) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://a.example/otlp/", "https://a.example/otlp/v1/traces"),
            (
                "https://a.example/otlp/v1/traces",
                "https://a.example/otlp/v1/traces",
            ),
            ("https://a.example/v1/traces/", "https://a.example/v1/traces/"),
        ] {
            let (found, _) = read(&[(OTLP_ENDPOINT, given)]);
            assert_eq!(found.unwrap().url.as_str(), expected, "{given}");
        }
    }

    #[test]
    fn what_cannot_be_posted_to_is_refused_without_being_printed() {
        for (given, reason) in [
            ("collector:4318", "neither http nor https"),
            ("s3cr3t", "not an address"),
            (
                "https://user:s3cr3t@a.example",
                "user name or password in an address",
            ),
            (
                "https://a.example/?key=s3cr3t",
                "query or fragment in an endpoint",
            ),
        ] {
            let why = read(&[(OTLP_ENDPOINT, given)]).0.unwrap_err();
            assert!(why.contains(reason) && !why.contains("s3cr3t"), "{why}");
        }
        let why = read(&[]).0.unwrap_err();
        assert!(why.contains("set FLUOROSCOPE_OTLP_ENDPOINT"), "{why}");
    }

    #[test]
    fn our_own_address_is_refused_by_whatever_name() {
        for own in [
            "http://127.0.0.1:4318",
            "http://localhost:4318/v1/traces",
            "http://0.0.0.0:4318",
        ] {
            let why = read(&[(OTLP_ENDPOINT, own)]).0.unwrap_err();
            assert!(why.contains("our own address"), "{own}: {why}");
        }
        for other in [
            "http://127.0.0.1:4319",
            "http://127.0.0.2:4318",
            "http://collector:4318",
        ] {
            assert!(read(&[(OTLP_ENDPOINT, other)]).0.is_ok(), "{other}");
        }
        let elsewhere = Url::parse("http://localhost:9000").unwrap();
        assert!(is_own(&elsewhere, "[::1]:9000".parse().unwrap()));
    }

    #[test]
    fn headers_are_decoded_and_never_printed() {
        let text = "api-key=a%2Cb%3D, Authorization = Basic%20c2VjcmV0 ,,x=";
        let (found, problems) = read(&[(OTLP_ENDPOINT, "http://c"), (OTLP_HEADERS, text)]);
        let headers = found.unwrap().headers;
        assert_eq!(headers["api-key"].as_bytes(), b"a,b=");
        assert_eq!(headers["authorization"].as_bytes(), b"Basic c2VjcmV0");
        assert_eq!(headers["x"].as_bytes(), b"");
        assert_eq!(problems, Vec::<String>::new());
        let printed = format!("{headers:?}");
        assert!(
            !printed.contains("c2VjcmV0") && !printed.contains("a,b"),
            "{printed}"
        );
    }

    #[test]
    fn a_header_that_cannot_be_used_is_left_out_without_a_word_of_it() {
        for (entry, why) in [
            ("s3cr3t", "expected name=value"),
            ("s3 cr3t=1", "its name is not that of a header"),
            ("a=s3cr3t%", "its value is not percent-encoded as it should be"),
            ("a=s3cr3t%+1", "its value is not percent-encoded as it should be"),
            ("a=s3cr3t%0a", "its value holds characters that a header cannot"),
            ("Host=s3cr3t", "the extension itself says what that header does"),
            (
                "content-type=s3cr3t",
                "the extension itself says what that header does",
            ),
        ] {
            let text = format!("b=1,{entry}");
            let (found, problems) = read(&[(OTLP_ENDPOINT, "http://c"), (OTLP_HEADERS, &text)]);
            assert_eq!(found.unwrap().headers.len(), 1, "{entry}");
            let expected = format!("FLUOROSCOPE_OTLP_HEADERS: \"header 2\" is left out: {why}");
            assert_eq!(problems, [expected], "{entry}");
        }
    }

    #[test]
    fn requests_are_packed_if_it_is_asked_for() {
        for (value, expected, problems) in [
            ("gzip", Packing::Gzip, 0),
            ("none", Packing::None, 0),
            ("zstd", Packing::None, 1),
        ] {
            let (found, told) = read(&[(OTLP_ENDPOINT, "http://c"), (OTLP_COMPRESSION, value)]);
            assert_eq!(
                (found.unwrap().packing, told.len()),
                (expected, problems),
                "{value}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(url in ".*", headers in ".*") {
            let _ = read(&[(OTLP_ENDPOINT, &url), (OTLP_HEADERS, &headers)]);
        }

        #[test]
        fn what_was_encoded_is_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let text: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
            prop_assert_eq!(percent_decoded(&text), Some(bytes));
        }
    }
}
