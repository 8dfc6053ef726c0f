//! Credentials that expire: renewed where they can be, told where they cannot.

use emulator::{Entry, Part, What};
use tests::destination::Destination;
use tests::lab::Lab;
use tests::script::Script;

async fn invoke(lab: &Lab, number: usize) {
    let id = format!("{:016x}", number + 1);
    lab.succeed(&Script::new().subsegment(&id, "call")).await;
    lab.idle().await;
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
    let lab = Lab::with(destination.of_restored_function()).await;
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

/// A document that came while the snapshot was made, as a runtime's start sends it.
async fn send_at_publishing(address: &str) {
    let document = "{\"format\":\"json\",\"version\":1}\n{\"type\":\"subsegment\",\"id\":\"00000000000000f1\",\
        \"trace_id\":\"1-6a0edb41-00112233445566778899aabb\",\"parent_id\":\"00000000000000f0\",\
        \"name\":\"publishing\",\"start_time\":1779268000.5,\"end_time\":1779268000.75}";
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await;
    let socket = socket.expect("loopback has a free port");
    let sent = socket.send_to(document.as_bytes(), address).await;
    sent.expect("loopback takes a datagram");
}

#[tokio::test]
async fn while_a_snapshot_is_made_nothing_is_fetched_or_opened_that_its_sandboxes_would_share() {
    let destination = Destination::start().await;
    destination.give_out(["ONE", "TWO"]);
    let mut address = String::new();
    let change = destination.of_restored_function();
    let lab = Lab::with(|config| {
        change(config);
        address.clone_from(&config.variables["FLUOROSCOPE_UDP_ADDRESS"]);
        config
            .variables
            .insert("FLUOROSCOPE_FLUSH".into(), "continuous".into());
    })
    .await;
    // The snapshot is made when the runtime has begun: until then the extension is awake.
    lab.environment.suspend(Part::Runtime).await;
    lab.wait_for("the extension's first next", |entries| {
        let is_next = |entry: &Entry| matches!(entry.what, What::ExtensionNext { .. });
        entries.iter().any(is_next).then_some(())
    })
    .await;
    send_at_publishing(&address).await;
    lab.environment.resume().await;
    lab.wait_for("the snapshot", |entries| {
        let is_frozen = |entry: &Entry| matches!(entry.what, What::Frozen);
        entries.iter().any(is_frozen).then_some(())
    })
    .await;
    let before = destination.received();
    assert_eq!((before.credentials, before.connections), (0, 0));
    invoke(&lab, 0).await;
    destination.expire("ONE");
    invoke(&lab, 1).await;
    let finished = lab.finish().await;
    let received = destination.received();
    received.assert_no_needless_repeat();
    for id in ["00000000000000f1", "0000000000000001", "0000000000000002"] {
        assert_eq!(received.taken().get(id), Some(&1), "{id}: {}", finished.tally);
    }
    let renewed = keys(&destination)
        .into_iter()
        .skip_while(|key| key == "ONE")
        .collect::<Vec<_>>();
    assert!(
        !renewed.is_empty() && renewed.iter().all(|key| key == "TWO"),
        "{renewed:?}"
    );
    // The init is days old: it belongs to no invocation.
    let documents = received.documents();
    let is_named = |name| documents.iter().any(|document| document["name"] == name);
    assert!(is_named("publishing") && !is_named("Initialization"));
    let origins = documents
        .iter()
        .filter(|document| document["origin"] == "AWS::Lambda::Function");
    assert!(origins.into_iter().all(|function| {
        let parts = function["subsegments"].as_array().map_or(&[][..], Vec::as_slice);
        parts.iter().all(|part| part["name"] != "Initialization")
    }));
    finished.assert_all_sent();
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
