//! Container credentials that expire, are renewed or forgotten.

use super::*;

fn container_keys(stage: &Stage) -> CredentialSource {
    CredentialSource::new(CredentialSettings {
        container_uri: Some(format!("http://{}/credentials", stage.address)),
        container_token: Some(Secret::new("door-token")),
        ..CredentialSettings::default()
    })
}

fn gives(id: &str) -> Act {
    let expires = "2026-05-21T18:00:00Z";
    let body =
        serde_json::json!({ "AccessKeyId": id, "SecretAccessKey": "s", "Token": "t", "Expiration": expires });
    answer(200, &body.to_string())
}

fn expired() -> Act {
    answer(
        403,
        r#"{"__type":"ExpiredTokenException","message":"The security token is expired"}"#,
    )
}

/// The access key ids that requests were signed with.
fn signers(stage: &Stage) -> Vec<String> {
    let seen = stage.seen();
    let credentials = seen
        .iter()
        .filter_map(|seen| seen.header("authorization").split("Credential=").nth(1));
    credentials
        .filter_map(|rest| rest.split('/').next())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn expired_container_credentials_are_renewed_and_the_batch_is_sent_again_at_once() {
    let door = Stage::open([gives("ONE"), gives("TWO")]).await;
    let stage = Stage::open([all_taken(), expired()]).await;
    let mut sender = XraySender::new(
        endpoint(&format!("http://{}", stage.address)),
        container_keys(&door),
    );
    assert!(door.seen().is_empty());
    taken(send(&mut sender, LONG).await);
    taken(send(&mut sender, LONG).await);
    assert_eq!(signers(&stage), ["ONE", "ONE", "TWO"]);
    assert_eq!(door.seen().len(), 2);
}

#[tokio::test]
async fn credentials_that_expired_twice_are_the_end_of_the_call() {
    let door = Stage::open([gives("ONE"), gives("TWO"), gives("THREE")]).await;
    let stage = Stage::open([expired(), expired()]).await;
    let mut sender = XraySender::new(
        endpoint(&format!("http://{}", stage.address)),
        container_keys(&door),
    );
    let failure = failed(send(&mut sender, LONG).await);
    assert_eq!(
        failure.kind,
        FailureKind::Expired {
            code: "ExpiredTokenException".into()
        }
    );
    assert_eq!(signers(&stage), ["ONE", "TWO"]);
    taken(send(&mut sender, LONG).await);
    assert_eq!(signers(&stage), ["ONE", "TWO", "THREE"]);
}

#[tokio::test]
async fn a_restore_forgets_credentials_and_connection() {
    let door = Stage::open([gives("ONE"), gives("TWO")]).await;
    let stage = Stage::open([]).await;
    let mut sender = XraySender::new(
        endpoint(&format!("http://{}", stage.address)),
        container_keys(&door),
    );
    taken(send(&mut sender, LONG).await);
    sender.forget();
    taken(send(&mut sender, LONG).await);
    assert_eq!(signers(&stage), ["ONE", "TWO"]);
    assert_eq!(stage.connections(), [0, 1]);
}

#[tokio::test]
async fn a_container_endpoint_that_gives_nothing_yet_is_asked_again_with_the_next_call() {
    let door = Stage::open([answer(404, ""), gives("ONE")]).await;
    let stage = Stage::open([]).await;
    let mut sender = XraySender::new(
        endpoint(&format!("http://{}", stage.address)),
        container_keys(&door),
    );
    let failure = failed(send(&mut sender, LONG).await);
    assert_eq!(failure.kind, FailureKind::CredentialsUnavailable);
    assert_eq!(failure.retry(), Retry::Later { at_least: None });
    assert!(stage.seen().is_empty());
    taken(send(&mut sender, LONG).await);
}
