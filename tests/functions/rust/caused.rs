//! A runtime that fails as its event says: it posts the error that is in it, and the event's `cause` as X-Ray's own
//! form of it in the header that runtimes with a form of their own have for that. No runtime client we know of in
//! Rust has it, so this one speaks to the Runtime API by itself.

use std::error::Error;

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let base = format!("http://{api}/2018-06-01/runtime/invocation");
    let agent = ureq::Agent::new_with_defaults();
    loop {
        let mut next = agent.get(format!("{base}/next")).call()?;
        let id = next.headers().get("Lambda-Runtime-Aws-Request-Id");
        let id = id.ok_or("an invocation without an id")?.to_str()?.to_owned();
        let event: Value = next.body_mut().read_json()?;
        if event["cause"].is_null() {
            agent.post(format!("{base}/{id}/response")).send("\"done\"")?;
            continue;
        }
        agent
            .post(format!("{base}/{id}/error"))
            .header("Lambda-Runtime-Function-Error-Type", "Unhandled")
            .header(
                "Lambda-Runtime-Function-XRay-Error-Cause",
                event["cause"].to_string(),
            )
            .send(event["error"].to_string())?;
    }
}
