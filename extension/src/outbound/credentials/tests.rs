//! The source of credentials against a scripted container endpoint.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::outbound::stage::{Act, Stage, answer};

const LONG: Duration = Duration::from_secs(20);

fn noon() -> Timestamp {
    Timestamp::parse_iso8601("2026-05-21T12:00:00Z").unwrap()
}

fn at(clock: &str) -> Deadline {
    Deadline::starting(
        Timestamp::parse_iso8601(&format!("2026-05-21T{clock}Z")).unwrap(),
        LONG,
    )
}

fn gives(id: &str, expires: &str) -> Act {
    let body = format!(
        r#"{{"AccessKeyId":"{id}","SecretAccessKey":"fetched-secret","Token":"fetched-token","Expiration":"2026-05-21T{expires}Z"}}"#
    );
    answer(200, &body)
}

fn container(uri: String) -> CredentialSettings {
    CredentialSettings {
        container_uri: Some(uri),
        container_token: Some(Secret::new("door-token")),
        ..CredentialSettings::default()
    }
}

fn source_at(stage: &Stage) -> CredentialSource {
    CredentialSource::new(container(format!(
        "http://{}/2021-04-23/credentials",
        stage.address
    )))
}

async fn error_of(settings: CredentialSettings) -> CredentialError {
    CredentialSource::new(settings)
        .current(at("12:00:00"))
        .await
        .unwrap_err()
}

async fn error_after(act: Act) -> CredentialError {
    let stage = Stage::open([act]).await;
    source_at(&stage).current(at("12:00:00")).await.unwrap_err()
}

#[tokio::test]
async fn keys_of_the_environment_win_and_nobody_is_asked() {
    let stage = Stage::open([]).await;
    let settings = CredentialSettings {
        access_key_id: Some("AKIDEXAMPLE".into()),
        secret_access_key: Some(Secret::new("example-secret")),
        session_token: Some(Secret::new(" ")),
        ..container(format!("http://{}/", stage.address))
    };
    let mut source = CredentialSource::new(settings);
    assert!(!source.can_renew());
    let credentials = source.current(at("12:00:00")).await.unwrap();
    assert_eq!(credentials.access_key_id, "AKIDEXAMPLE");
    assert_eq!(credentials.secret_access_key.reveal(), "example-secret");
    assert_eq!(credentials.session_token, None);
    assert!(stage.seen().is_empty());
}

#[tokio::test]
async fn half_a_key_pair_or_an_empty_one_counts_as_none() {
    let id_alone = CredentialSettings {
        access_key_id: Some("AKID".into()),
        ..CredentialSettings::default()
    };
    let empty = CredentialSettings {
        access_key_id: Some(String::new()),
        secret_access_key: Some(Secret::new("")),
        container_uri: Some(String::new()),
        ..CredentialSettings::default()
    };
    for settings in [id_alone, empty, CredentialSettings::default()] {
        let error = error_of(settings).await;
        assert!(
            matches!(error, CredentialError::Missing) && !error.may_pass(),
            "{error:?}"
        );
        assert!(
            error
                .to_string()
                .contains("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn container_credentials_are_fetched_once_with_the_raw_token() {
    let stage = Stage::open([gives("ONE", "18:00:00")]).await;
    let mut source = source_at(&stage);
    assert!(stage.seen().is_empty());
    for _ in 0..2 {
        let credentials = source.current(at("12:00:00")).await.unwrap();
        assert_eq!(credentials.access_key_id, "ONE");
        assert_eq!(credentials.secret_access_key.reveal(), "fetched-secret");
        assert_eq!(credentials.session_token, Some(Secret::new("fetched-token")));
    }
    let [seen] = stage.seen().try_into().unwrap();
    assert!(
        seen.head.starts_with("GET /2021-04-23/credentials HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("authorization"), "door-token");
}

#[tokio::test]
async fn they_are_renewed_five_minutes_before_they_expire() {
    let stage = Stage::open([gives("ONE", "18:00:00"), gives("TWO", "23:00:00")]).await;
    let mut source = source_at(&stage);
    for (clock, id) in [
        ("12:00:00", "ONE"),
        ("17:50:00", "ONE"),
        ("17:55:00", "TWO"),
        ("20:00:00", "TWO"),
    ] {
        assert_eq!(
            source.current(at(clock)).await.unwrap().access_key_id,
            id,
            "{clock}"
        );
    }
    assert_eq!(stage.seen().len(), 2);
}

#[tokio::test]
async fn when_renewal_fails_they_serve_until_they_expire() {
    let stage = Stage::open([gives("ONE", "18:00:00"), answer(500, ""), answer(500, "")]).await;
    let mut source = source_at(&stage);
    source.current(at("12:00:00")).await.unwrap();
    assert_eq!(source.current(at("17:58:00")).await.unwrap().access_key_id, "ONE");
    let error = source.current(at("18:00:00")).await.unwrap_err();
    assert!(
        matches!(error, CredentialError::Refused { status: 500 }),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_was_forgotten_is_fetched_anew() {
    let stage = Stage::open([gives("ONE", "18:00:00"), gives("TWO", "18:00:00")]).await;
    let mut source = source_at(&stage);
    assert!(source.can_renew());
    source.current(at("12:00:00")).await.unwrap();
    source.forget();
    assert_eq!(source.current(at("12:00:00")).await.unwrap().access_key_id, "TWO");
}

#[tokio::test]
async fn credentials_without_an_expiry_are_kept() {
    let body = r#"{"AccessKeyId":"ONE","SecretAccessKey":"s","Token":"","Expiration":null}"#;
    let stage = Stage::open([answer(200, body)]).await;
    let mut source = source_at(&stage);
    for clock in ["12:00:00", "23:59:59"] {
        assert_eq!(source.current(at(clock)).await.unwrap().session_token, None);
    }
    assert_eq!(stage.seen().len(), 1);
}

#[tokio::test]
async fn a_refusal_may_pass() {
    let error = error_after(answer(404, "")).await;
    assert_eq!(
        error.to_string(),
        "the container credentials endpoint answered 404"
    );
    assert!(error.may_pass());
}

#[tokio::test]
async fn an_answer_without_credentials_says_what_is_missing() {
    for (body, reason) in [
        ("", "not JSON"),
        ("[]", "no AccessKeyId"),
        (r#"{"AccessKeyId":"","SecretAccessKey":"x"}"#, "no AccessKeyId"),
        (r#"{"AccessKeyId":"x"}"#, "no SecretAccessKey"),
        (
            r#"{"AccessKeyId":"x","SecretAccessKey":"y","Expiration":"soon"}"#,
            "unreadable Expiration",
        ),
    ] {
        let error = error_after(answer(200, body)).await;
        assert_eq!(
            error.to_string(),
            format!("the container credentials endpoint gave no credentials: {reason}")
        );
        assert!(error.may_pass());
    }
}

#[tokio::test]
async fn an_endless_answer_is_left_unread() {
    let error = error_after(Act::Flood).await;
    assert!(
        matches!(
            error,
            CredentialError::Unreadable {
                reason: "answer too long"
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_silent_endpoint_costs_no_more_than_the_wait() {
    let stage = Stage::open([Act::Stall]).await;
    let deadline = Deadline::starting(noon(), Duration::from_millis(50));
    let error = source_at(&stage).current(deadline).await.unwrap_err();
    let CredentialError::Silent { waited_ms } = error else {
        panic!("{error:?}")
    };
    assert!(waited_ms <= 50 && error.may_pass());
}

#[tokio::test]
async fn a_broken_connection_may_pass() {
    let error = error_after(Act::Reset).await;
    assert!(
        matches!(error, CredentialError::Unreachable(_)) && error.may_pass(),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_token_is_only_sent_in_the_clear_to_this_machine() {
    for (uri, reason) in [
        (
            "http://198.51.100.7/credentials",
            "http is only allowed to a loopback or link-local address",
        ),
        (
            "http://example.com/credentials",
            "http is only allowed to a loopback or link-local address",
        ),
        ("ftp://127.0.0.1/", "neither http nor https"),
        ("/credentials", "not an address"),
    ] {
        let error = error_of(container(uri.to_owned())).await;
        assert_eq!(
            error.to_string(),
            format!("AWS_CONTAINER_CREDENTIALS_FULL_URI: {reason}")
        );
        assert!(!error.may_pass());
    }
    for uri in [
        "http://169.254.170.2/c",
        "http://localhost:1/c",
        "http://[::1]/c",
        "http://[fd00:ec2::23]/c",
        "https://example.com/c",
    ] {
        assert!(container_url(uri).is_ok(), "{uri}");
    }
}

#[tokio::test]
async fn a_token_that_no_header_can_hold_is_refused_without_showing_it() {
    let settings = CredentialSettings {
        container_token: Some(Secret::new("door\ntoken")),
        ..container("http://127.0.0.1:1/".to_owned())
    };
    let error = error_of(settings).await;
    assert!(
        matches!(error, CredentialError::BadToken(_)) && !error.may_pass(),
        "{error:?}"
    );
    assert!(!format!("{error:?} {error}").contains("token\""), "{error:?}");
}

#[tokio::test]
async fn the_token_is_read_from_its_file_at_each_fetch() {
    let folder = Folder::new("token");
    let stage = Stage::open([gives("ONE", "18:00:00"), gives("TWO", "18:00:00")]).await;
    let path = folder.path.join("token");
    let settings = CredentialSettings {
        container_token_file: Some(path.clone()),
        ..container(format!("http://{}/", stage.address))
    };
    let mut source = CredentialSource::new(settings.clone());
    for token in ["first\n", "second\n"] {
        std::fs::write(&path, token).unwrap();
        source.forget();
        source.current(at("12:00:00")).await.unwrap();
    }
    let tokens: Vec<String> = stage
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").to_owned())
        .collect();
    assert_eq!(tokens, ["first", "second"]);

    std::fs::write(&path, "x".repeat(20_000)).unwrap();
    let error = error_of(settings.clone()).await;
    assert!(
        matches!(&error, CredentialError::TokenFile { source, .. } if source.to_string() == "token too long")
    );
    std::fs::remove_file(&path).unwrap();
    let error = error_of(settings).await;
    assert!(
        error.to_string().contains(path.to_str().unwrap()) && error.may_pass(),
        "{error}"
    );
    assert_eq!(stage.seen().len(), 2);
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let stage = Stage::open([gives("ONE", "18:00:00")]).await;
    let settings = container(format!("http://{}/", stage.address));
    let keys = CredentialSettings {
        secret_access_key: Some(Secret::new("example-secret")),
        ..settings.clone()
    };
    let mut source = CredentialSource::new(settings);
    source.current(at("12:00:00")).await.unwrap();
    let printed = format!("{source:?} {keys:?}");
    for secret in ["door-token", "fetched-secret", "fetched-token", "example-secret"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

proptest! {
    #[test]
    fn no_answer_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_answer(&bytes);
    }

    #[test]
    fn no_expiry_makes_the_reader_panic(time in ".*") {
        let answer = serde_json::json!({ "AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": time });
        let _ = read_answer(answer.to_string().as_bytes()).map(|fetched| fetched.is_fresh(noon()));
    }
}

/// A folder of the test's own, removed at its end.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fluoroscope-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self { path }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
