//! Judges a selfie: finds the faces on it and says what they are worth.
//!
//! Knows the X-Ray daemon's protocol (`subsegment`) and nothing of Fluoroscope.

mod subsegment;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

use self::subsegment::{Caller, Subsegment};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(judge)).await
}

async fn judge(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let person = event
        .payload
        .get("person")
        .and_then(Value::as_str)
        .unwrap_or("nobody");
    let eyes = event.payload.get("eyes").and_then(Value::as_str);
    let caller = Caller::read(event.context.xray_trace_id.as_deref());

    let mut selfie = Subsegment::begin("judge selfie", &caller);
    selfie.annotate("person", person);
    let faces = find_faces(&selfie, person);
    if eyes == Some("closed") {
        let error = format!("{person} is asleep");
        selfie.fail("Asleep", &error);
        return Err(error.into());
    }
    Ok(json!({"person": person, "faces": faces, "points": faces * 7}))
}

/// One for each word of a name.
fn find_faces(selfie: &Subsegment, person: &str) -> usize {
    let mut search = Subsegment::begin("find faces", &selfie.as_caller());
    let faces = person.split_whitespace().count();
    search.annotate("faces", faces);
    faces
}
