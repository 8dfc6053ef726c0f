//! A function that streams its answer: so many pieces of so many bytes, as its event says. A real runtime client.

use lambda_runtime::streaming::{Body, Response, channel};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handle)).await
}

async fn handle(event: LambdaEvent<Value>) -> Result<Response<Body>, Error> {
    let number = |name: &str| event.payload[name].as_u64().unwrap_or_default();
    let (pieces, bytes) = (number("pieces"), usize::try_from(number("bytes"))?);
    let (mut sender, body) = channel();
    tokio::spawn(async move {
        for piece in 0..pieces {
            let content = piece.to_string().chars().cycle().take(bytes).collect::<String>();
            if sender.send_data(content.into()).await.is_err() {
                return;
            }
        }
    });
    Ok(Response::from(body))
}
