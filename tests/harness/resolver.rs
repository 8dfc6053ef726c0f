//! A name server of one name, which answers, denies, fails or says nothing.
//!
//! Programs reach it by an `/etc/resolv.conf` of their own (see [`Masks`](crate::masks::Masks)). Port 53 needs root.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::sync::watch;

/// The name it knows. Nobody else does: the domain is reserved for tests.
pub const NAME: &str = "xray.test";
/// Where that name leads.
const ADDRESS: [u8; 4] = [127, 0, 0, 1];
const PORT: u16 = 53;
const HEADER_BYTES: usize = 12;
/// The type and class behind a name.
const TYPE_BYTES: usize = 4;
const TYPE_A: [u8; 2] = [0, 1];
/// The answer: the name of the question, an address, for no time, its four bytes.
const RECORD: [u8; 12] = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4];

/// How questions are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// With the address.
    Address,
    /// There is no such name.
    Unknown,
    /// The server failed.
    Failure,
    /// Not at all.
    Silence,
}

/// See the module.
#[derive(Debug)]
pub struct Resolver {
    ip: IpAddr,
    answers: watch::Sender<Answers>,
    questions: Arc<AtomicU64>,
}

impl Resolver {
    /// One at this address, which ends with the test's runtime.
    ///
    /// # Panics
    /// The port is taken, or not ours to take.
    pub async fn start(ip: IpAddr, answers: Answers) -> Self {
        let socket = UdpSocket::bind((ip, PORT)).await;
        let socket = socket.expect("root may answer names on an address of its own");
        let (answers, wanted) = watch::channel(answers);
        let questions = Arc::new(AtomicU64::new(0));
        tokio::spawn(serve(socket, wanted, Arc::clone(&questions)));
        Self {
            ip,
            answers,
            questions,
        }
    }

    /// What a program's `/etc/resolv.conf` says to ask here. The system's own bounds: five seconds, twice.
    pub fn configuration(&self) -> String {
        format!("nameserver {}\n", self.ip)
    }

    /// How questions are answered from now on.
    pub fn answer(&self, answers: Answers) {
        self.answers.send_replace(answers);
    }

    /// Questions that came.
    pub fn questions(&self) -> u64 {
        self.questions.load(Ordering::SeqCst)
    }
}

async fn serve(socket: UdpSocket, wanted: watch::Receiver<Answers>, questions: Arc<AtomicU64>) {
    let mut buffer = [0; 512];
    loop {
        // One that has left again is none.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        questions.fetch_add(1, Ordering::SeqCst);
        let answer = answer(&buffer[..length], *wanted.borrow());
        if let Some(answer) = answer {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// The answer to one question; none to what is no question, and none in silence.
fn answer(question: &[u8], answers: Answers) -> Option<Vec<u8>> {
    let code = match answers {
        Answers::Address => 0,
        Answers::Failure => 2,
        Answers::Unknown => 3,
        Answers::Silence => return None,
    };
    let (header, rest) = question.split_at_checked(HEADER_BYTES)?;
    let name = rest.iter().position(|byte| *byte == 0)? + 1;
    let asked = rest.get(..name + TYPE_BYTES)?;
    let has_address = code == 0 && asked.get(name..name + 2) == Some(&TYPE_A);
    let mut answer = header.get(..2)?.to_vec();
    // An answer, to a question that wanted it looked for; one question; one record or none.
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(has_address), 0, 0, 0, 0]);
    answer.extend(asked);
    if has_address {
        answer.extend(RECORD);
        answer.extend(ADDRESS);
    }
    Some(answer)
}
