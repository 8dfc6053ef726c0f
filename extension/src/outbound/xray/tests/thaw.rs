//! Calls that a freeze interrupts.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

/// A wait that is over when the freeze is, and long enough to send the request in.
const FROZEN_WAIT: Duration = Duration::from_millis(100);

/// Guards against a batch sent twice: the timer was seen before the answer that came during a freeze.
#[tokio::test]
async fn an_answer_that_came_during_a_freeze_is_read_though_the_time_is_over() {
    for _ in 0..20 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (has_come, came) = tokio::sync::oneshot::channel();
        let (has_answered, answered) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Head and body of a small batch come in one or two pieces.
            let (mut request, mut scratch) = (Vec::new(), [0; 4096]);
            while !request.ends_with(b"]}") {
                let read = stream.read(&mut scratch).unwrap();
                request.extend_from_slice(&scratch[..read]);
            }
            has_come.send(()).unwrap();
            let body = r#"{"UnprocessedTraceSegments":[]}"#;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            has_answered.send(()).unwrap();
            stream
        });
        let freeze = async {
            came.await.unwrap();
            // Nothing of this thread runs meanwhile, as in a sandbox that is frozen.
            std::thread::sleep(FROZEN_WAIT + Duration::from_millis(5));
            answered.recv().unwrap();
        };
        let mut sender = XraySender::new(endpoint(&format!("http://{address}")), environment_keys());
        let (outcome, ()) = tokio::join!(send(&mut sender, FROZEN_WAIT), freeze);
        taken(outcome);
        server.join().unwrap();
    }
}
