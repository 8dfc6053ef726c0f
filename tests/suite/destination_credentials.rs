//! Credentials that expire: renewed where they can be, told where they cannot.

use std::time::Duration;

use emulator::{Config, InitAt, InitType};
use tests::destination::Destination;
use tests::lab::Lab;
use tests::script::Script;

async fn invoke(lab: &Lab, number: usize) {
    let id = format!("{:016x}", number + 1);
    lab.succeed(&Script::new().subsegment(&id, "call")).await;
    lab.idle().await;
}

/// A function made from a snapshot, whose credentials the destination gives out.
fn restored(destination: &Destination) -> impl FnOnce(&mut Config) {
    let (url, credentials) = (destination.url(), destination.credentials_url());
    move |config| {
        config.init_type = InitType::SnapStart {
            published: Duration::from_secs(24 * 3600),
        };
        config.init_at = InitAt::Start;
        config.variables.insert("AWS_ENDPOINT_URL_XRAY".into(), url);
        config
            .variables
            .insert("AWS_CONTAINER_CREDENTIALS_FULL_URI".into(), credentials);
    }
}

/// The keys that calls were signed with, in their order.
fn keys(destination: &Destination) -> Vec<String> {
    destination
        .received()
        .calls
        .iter()
        .map(|call| call.key.clone())
        .collect()
}

#[tokio::test]
async fn a_snapshots_function_fetches_its_credentials_after_the_restore_and_renews_what_expired() {
    let destination = Destination::start().await;
    destination.give_out(["ONE", "TWO", "THREE"]);
    let lab = Lab::with(restored(&destination)).await;
    assert_eq!(destination.received().credentials, 0);
    invoke(&lab, 0).await;
    invoke(&lab, 1).await;
    destination.expire("ONE");
    invoke(&lab, 2).await;
    let finished = lab.finish().await;
    finished.assert_all_sent();
    let received = destination.received();
    received.assert_no_needless_repeat();
    assert_eq!(received.credentials, 2);
    let mut keys = keys(&destination);
    let refused = received
        .calls
        .iter()
        .filter(|call| call.refused.is_some())
        .count();
    assert_eq!(refused, 1, "{keys:?}");
    keys.dedup();
    assert_eq!(keys, ["ONE", "TWO"]);
    assert_eq!(finished.messages(), [""; 0]);
}

#[tokio::test]
async fn keys_of_the_environment_that_expired_hold_documents_and_say_so_once() {
    let destination = Destination::start().await;
    let mut key = String::new();
    let lab = Lab::with(|config| {
        key.clone_from(&config.credentials.access_key_id);
        config
            .variables
            .insert("AWS_ENDPOINT_URL_XRAY".into(), destination.url());
    })
    .await;
    destination.expire(&key);
    for number in 0..3 {
        invoke(&lab, number).await;
    }
    let finished = lab.finish().await;
    assert_eq!(finished.count("/held"), finished.count("/received/total"));
    let [message] = finished.messages().try_into().expect("one line");
    assert!(message.contains("ExpiredTokenException"), "{message}");
    // Somebody has to mend it: until then it is not asked with each invocation.
    assert_eq!(destination.received().calls.len(), 1);
}
