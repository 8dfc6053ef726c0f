//! Sends batches to one subscriber, again and again until they are taken.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::arrange::arrange;
use super::hub::{Hub, Subscriber};
use super::subscription::Destination;
use crate::journal::{What, now};
use crate::limits::{DELIVERY_ATTEMPT_LIMIT, DELIVERY_PAUSE, DELIVERY_PAUSE_MAX};
use crate::records::Record;

type Connection = Option<SendRequest<Full<Bytes>>>;

/// Runs until it is aborted.
pub(crate) async fn run(subscriber: Arc<Subscriber>, hub: Arc<Hub>) {
    let mut connection: Connection = None;
    loop {
        let batch = subscriber.batch(&hub).await;
        if !hub.faults.delivery_delay.is_zero() {
            hub.pause.sleep(hub.faults.delivery_delay).await;
        }
        let mishap = hub.next_mishap();
        if !mishap.wait.is_zero() {
            hub.pause.sleep(mishap.wait).await;
        }
        for elements in arrange(&batch, &hub.faults, &mishap) {
            let body = body(&elements, &subscriber);
            deliver(&subscriber, &hub, &mut connection, &body).await;
        }
        if let Some(dropped) = subscriber.take_dropped() {
            let what = What::RecordsDropped {
                extension: Arc::clone(&subscriber.name),
                records: dropped.records,
            };
            hub.journal.push(Instant::now(), what);
            let record = json!({
                "reason": "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.",
                "droppedRecords": dropped.records,
                "droppedBytes": dropped.bytes,
            });
            hub.emit(&Record::new(now(), "platform.logsDropped", record));
        }
    }
}

async fn deliver(subscriber: &Subscriber, hub: &Hub, connection: &mut Connection, body: &Arc<str>) {
    let mut pause = DELIVERY_PAUSE;
    loop {
        hub.pause.running().await;
        let outcome = tokio::select! {
            outcome = attempt(&subscriber.subscription.destination, connection, body) => outcome,
            () = hub.pause.sleep(DELIVERY_ATTEMPT_LIMIT) => Err("no answer in time".to_owned()),
        };
        let extension = Arc::clone(&subscriber.name);
        match outcome {
            Ok(status) if (200..300).contains(&status) => {
                hub.journal.push(
                    Instant::now(),
                    What::Delivered {
                        extension,
                        body: Arc::clone(body),
                        status,
                    },
                );
                return;
            }
            Ok(status) => {
                let reason = format!("answered {status}");
                hub.journal
                    .push(Instant::now(), What::DeliveryFailed { extension, reason });
            }
            Err(reason) => {
                *connection = None;
                hub.journal
                    .push(Instant::now(), What::DeliveryFailed { extension, reason });
            }
        }
        hub.pause.sleep(pause).await;
        pause = (pause * 2).min(DELIVERY_PAUSE_MAX);
    }
}

async fn attempt(
    destination: &Destination,
    connection: &mut Connection,
    body: &Arc<str>,
) -> Result<u16, String> {
    match destination {
        Destination::Http { port, path } => {
            let text = |error: hyper::Error| error.to_string();
            let mut sender = match connection.take() {
                Some(sender) if sender.is_ready() => sender,
                _ => connect(*port).await?,
            };
            let request = Request::post(path)
                .header("Host", format!("sandbox.localdomain:{port}"))
                .header("Content-Type", "application/json")
                .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
                .map_err(|error| error.to_string())?;
            let answer = sender.send_request(request).await.map_err(text)?;
            let status = answer.status().as_u16();
            // The rest of the answer has to be read before the connection can be used again.
            answer.into_body().collect().await.map_err(text)?;
            *connection = Some(sender);
            Ok(status)
        }
        Destination::Tcp { port } => {
            let mut stream = TcpStream::connect(("127.0.0.1", *port))
                .await
                .map_err(|error| error.to_string())?;
            stream
                .write_all(body.as_bytes())
                .await
                .map_err(|error| error.to_string())?;
            Ok(200)
        }
    }
}

async fn connect(port: u16) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

/// A JSON array, or lines for TCP.
fn body(elements: &[Arc<str>], subscriber: &Subscriber) -> Arc<str> {
    match subscriber.subscription.destination {
        Destination::Http { .. } => format!("[{}]", elements.join(",")).into(),
        Destination::Tcp { .. } => format!("{}\n", elements.join("\n")).into(),
    }
}

#[cfg(test)]
mod tests;
