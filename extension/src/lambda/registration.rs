//! Registers with the Extensions API, by a request of our own: `docs/decisions/0017-own-registration.md`.

use std::ffi::OsStr;
use std::path::Path;

use http::{HeaderMap, Method};
use lambda_extension::Error;
use serde_json::json;

use super::api::{Api, Call, IDENTIFIER};

/// Longest answer that is read; real ones are below 256 bytes. The reason of a longer refusal is not said.
const ANSWER_MAX_BYTES: usize = 1024;

/// Why we are not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Lambda knows an extension by the name of its file below `/opt/extensions`.
    #[error("the program was started without a file name, by which Lambda knows an extension")]
    Nameless,
    /// Lambda's own reason, such as a name it did not start.
    #[error("registering {name} was refused with status {status}: {reason}")]
    Refused {
        /// Ours.
        name: String,
        /// Of the answer.
        status: u16,
        /// The answer's body.
        reason: String,
    },
    /// Without an identifier nothing else can be asked.
    #[error("the answer to registering {name} has no {IDENTIFIER}")]
    Unidentified {
        /// Ours.
        name: String,
    },
    /// No connection, or no answer.
    #[error("the Extensions API could not be reached: {0}")]
    Unreachable(#[source] Error),
}

/// Our identifier, once Lambda has taken us in for these events.
///
/// # Errors
/// We are not registered; asking again is harmless.
pub async fn register(api: &mut Api, name: &str, events: &[&str]) -> Result<String, RegisterError> {
    let call = Call {
        method: Method::POST,
        path: "/2020-01-01/extension/register",
        who: ("Lambda-Extension-Name", name),
        body: Some(json!({ "events": events }).to_string()),
        answer_max_bytes: ANSWER_MAX_BYTES,
    };
    let answer = api.call(call).await.map_err(RegisterError::Unreachable)?;
    if !answer.status.is_success() {
        let body = answer.body.unwrap_or_default();
        return Err(RegisterError::Refused {
            name: name.to_owned(),
            status: answer.status.as_u16(),
            reason: String::from_utf8_lossy(&body).into_owned(),
        });
    }
    identifier(&answer.headers).ok_or_else(|| RegisterError::Unidentified {
        name: name.to_owned(),
    })
}

fn identifier(headers: &HeaderMap) -> Option<String> {
    let identifier = headers.get(IDENTIFIER)?.to_str().ok()?;
    (!identifier.is_empty()).then(|| identifier.to_owned())
}

/// The name Lambda expects of a program it started by this path: that of the file.
///
/// # Errors
/// [`RegisterError::Nameless`].
pub fn name(program: Option<&OsStr>) -> Result<String, RegisterError> {
    program
        .and_then(|path| Path::new(path).file_name())
        .and_then(OsStr::to_str)
        .map(str::to_owned)
        .ok_or(RegisterError::Nameless)
}

#[cfg(test)]
mod tests {
    use super::super::api::tests::{Server, answer};
    use super::*;

    /// Registers with an API that answers this; what it was asked comes with the outcome.
    async fn against(answer: String) -> (Result<String, RegisterError>, String) {
        let (server, mut api) = Server::open().await;
        let registering = register(&mut api, "fluoroscope", &["INVOKE", "SHUTDOWN"]);
        let (outcome, asked) = tokio::join!(registering, server.answer([answer]));
        (outcome, asked.concat())
    }

    #[tokio::test]
    async fn registering_says_who_we_are_and_which_events_we_want() {
        let accepted = answer("200 OK\r\nLambda-Extension-Identifier: e-1", "{}");
        let (outcome, asked) = against(accepted).await;
        assert_eq!(outcome.ok().as_deref(), Some("e-1"));
        let asked = asked.to_lowercase();
        assert!(
            asked.starts_with("post /2020-01-01/extension/register http/1.1\r\n"),
            "{asked}"
        );
        assert!(
            asked.contains("\r\nlambda-extension-name: fluoroscope\r\n"),
            "{asked}"
        );
        assert!(asked.ends_with(r#"{"events":["invoke","shutdown"]}"#), "{asked}");
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_its_reason() {
        let reason = r#"{"errorType":"Extension.UnknownExtension"}"#;
        let (outcome, _) = against(answer("403 Forbidden", reason)).await;
        let expected = format!("registering fluoroscope was refused with status 403: {reason}");
        assert_eq!(outcome.map_err(|error| error.to_string()), Err(expected));

        let (outcome, _) = against(answer("500 No", &"x".repeat(ANSWER_MAX_BYTES + 1))).await;
        let expected = "registering fluoroscope was refused with status 500: ".to_owned();
        assert_eq!(outcome.map_err(|error| error.to_string()), Err(expected));
    }

    #[tokio::test]
    async fn an_answer_without_an_identifier_is_no_registration() {
        let (outcome, _) = against(answer("200 OK", "{}")).await;
        assert!(
            matches!(outcome, Err(RegisterError::Unidentified { .. })),
            "{outcome:?}"
        );
    }

    #[tokio::test]
    async fn an_answer_as_long_as_is_read_is_read() {
        let reason = "x".repeat(ANSWER_MAX_BYTES);
        let (outcome, _) = against(answer("500 No", &reason)).await;
        assert!(outcome.is_err_and(|error| error.to_string().ends_with(&reason)));
    }

    #[test]
    fn the_name_is_that_of_the_file_that_was_started() {
        let named = |path: &str| name(Some(OsStr::new(path))).ok();
        assert_eq!(
            named("/opt/extensions/fluoroscope").as_deref(),
            Some("fluoroscope")
        );
        assert_eq!(named("fluoroscope").as_deref(), Some("fluoroscope"));
        for nameless in ["", "/", ".."] {
            assert_eq!(named(nameless), None, "{nameless:?}");
        }
        assert!(name(None).is_err());
    }

    #[test]
    fn an_empty_identifier_is_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(identifier(&headers), None);
        headers.insert(IDENTIFIER, http::HeaderValue::from_static(""));
        assert_eq!(identifier(&headers), None);
        headers.insert(IDENTIFIER, http::HeaderValue::from_static("e-1"));
        assert_eq!(identifier(&headers).as_deref(), Some("e-1"));
    }
}
