use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;
use crate::limits::{PROXY_BUFFER, PROXY_HEAD_MAX};
use crate::pipeline::runtime_sign::RuntimeSign;
use crate::proxy::signs::{self, SignReceiver};

/// Longest wait for something that has to happen.
const BOUND: Duration = Duration::from_secs(20);
const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhOST: x\r\n\r\n";

/// A proxy before a Runtime API that the test plays.
struct Stage {
    api: TcpListener,
    proxy: SocketAddr,
    signs: SignReceiver,
}

async fn any_port() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

async fn stage_with(defect: Option<Defect>) -> Stage {
    let api = any_port().await;
    let runtime_api = api.local_addr().unwrap().to_string();
    let (sender, signs) = signs::channel();
    let route = Route {
        runtime_api,
        rate: None,
        signs: sender,
        defect,
    };
    let proxy = Proxy::bind((Ipv4Addr::LOCALHOST, 0).into(), route).await.unwrap();
    let address = proxy.listener.local_addr().unwrap();
    tokio::spawn(proxy.serve());
    Stage {
        api,
        proxy: address,
        signs,
    }
}

impl Stage {
    async fn start() -> Self {
        stage_with(None).await
    }

    /// A connection of the runtime, and the one it is paired with.
    async fn pair(&self) -> (TcpStream, TcpStream) {
        let runtime = TcpStream::connect(self.proxy).await.unwrap();
        let (api, _) = timeout(BOUND, self.api.accept()).await.unwrap().unwrap();
        (runtime, api)
    }

    async fn sign(&mut self) -> Option<RuntimeSign> {
        timeout(BOUND, self.signs.next()).await.unwrap()
    }
}

/// Sends bytes, which have to arrive as they are.
async fn passes(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    let mut arrived = vec![0; bytes.len()];
    let both = async { tokio::join!(from.write_all(bytes), to.read_exact(&mut arrived)) };
    let (sent, read) = timeout(BOUND, both).await.unwrap();
    sent.unwrap();
    read.unwrap();
    assert!(arrived == bytes, "{:?}", String::from_utf8_lossy(&arrived));
}

/// The other side has ended and says nothing more.
async fn ends(stream: &mut TcpStream) {
    let read = timeout(BOUND, stream.read(&mut [0])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn a_stream_passes_byte_by_byte_with_its_chunks_extensions_and_trailers() {
    let mut stage = Stage::start().await;
    let (mut runtime, mut api) = stage.pair().await;
    passes(&mut runtime, &mut api, NEXT).await;
    let event = b"HTTP/1.1 200 oK\r\nLAMBDA-runtime-aws-request-id:r-1\r\nb: 2\r\na: 1\r\ncontent-length: 2\r\n\r\n{}";
    passes(&mut api, &mut runtime, event).await;
    let parts: [&[u8]; 6] = [
        b"POST /2018-06-01/runtime/invocation/r-1/response HTTP/1.1\r\nlambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-ENCODING: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n\r\n",
        b"5;ext=\"a b\";x\r\nhel",
        b"lo\r\n000",
        b"B\r\n\x00\xff\r\n\r\n0\r\n12\r\n",
        b"0;last\r\nLambda-Runtime-Function-Error-Type: Broken",
        b"\r\nlambda-runtime-function-error-body: e30=\r\n\r\n",
    ];
    for part in parts {
        passes(&mut runtime, &mut api, part).await;
    }
    passes(
        &mut api,
        &mut runtime,
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let Some(RuntimeSign::Failed(id, thrown)) = stage.sign().await else {
        panic!("no error was seen")
    };
    assert_eq!(
        (id.as_str(), thrown.exceptions[0].kind.as_str()),
        ("r-1", "Broken")
    );
    passes(&mut runtime, &mut api, NEXT).await;
}

#[tokio::test]
async fn two_hundred_megabytes_pass_and_are_never_gathered_up() {
    /// More than this was never read ahead: what the kernel buffers on four sockets' ends, and our own.
    const AHEAD_MAX: usize = 24 * 1024 * 1024;
    const BYTES: usize = 200 * 1024 * 1024;
    const PIECE: usize = 64 * 1024;
    let mut stage = Stage::start().await;
    let (mut runtime, mut api) = stage.pair().await;
    let head = format!(
        "POST /2018-06-01/runtime/invocation/r-1/response HTTP/1.1\r\nContent-Length: {BYTES}\r\n\r\n"
    );
    passes(&mut runtime, &mut api, head.as_bytes()).await;
    let piece: Vec<u8> = (0..PIECE)
        .map(|index| u8::try_from(index % 251).unwrap())
        .collect();
    let mut sent = 0;
    // Nobody reads: writing has to stop.
    while let Ok(written) = timeout(Duration::from_millis(200), runtime.write(&piece[sent % PIECE..])).await {
        sent += written.unwrap();
        assert!(sent <= AHEAD_MAX, "{sent} bytes were taken and nobody read them");
    }
    let writing = async {
        while sent < BYTES {
            let end = PIECE.min(sent % PIECE + BYTES - sent);
            sent += runtime.write(&piece[sent % PIECE..end]).await.unwrap();
        }
    };
    let reading = async {
        let (mut read, mut buffer) = (0, vec![0; 4 * PROXY_BUFFER]);
        while read < BYTES {
            let count = api.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the end came after {read} bytes");
            let is_same = buffer[..count]
                .iter()
                .enumerate()
                .all(|(index, byte)| *byte == piece[(read + index) % PIECE]);
            assert!(is_same, "different between {read} and {}", read + count);
            read += count;
        }
    };
    timeout(BOUND, async { tokio::join!(writing, reading) })
        .await
        .unwrap();
    assert_eq!(
        stage.sign().await,
        Some(RuntimeSign::Ended("r-1".parse().unwrap()))
    );
}

#[tokio::test]
async fn sixty_four_long_polls_are_answered_in_any_order() {
    const POLLS: usize = 64;
    let stage = Stage::start().await;
    let mut pairs = Vec::new();
    for _ in 0..POLLS {
        let mut pair = stage.pair().await;
        passes(&mut pair.0, &mut pair.1, NEXT).await;
        pairs.push(pair);
    }
    for (number, (runtime, api)) in pairs.iter_mut().enumerate().rev() {
        let event = format!(
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-{number}\r\nContent-Length: 1\r\n\r\n1"
        );
        passes(api, runtime, event.as_bytes()).await;
    }
}

#[tokio::test]
async fn what_one_side_does_to_its_connection_the_other_sees() {
    let stage = Stage::start().await;
    // The API ends in the middle of an answer.
    let (mut runtime, mut api) = stage.pair().await;
    passes(&mut runtime, &mut api, NEXT).await;
    passes(
        &mut api,
        &mut runtime,
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    )
    .await;
    drop(api);
    ends(&mut runtime).await;
    // The runtime has said everything and still listens.
    let (mut runtime, mut api) = stage.pair().await;
    passes(&mut runtime, &mut api, NEXT).await;
    runtime.shutdown().await.unwrap();
    ends(&mut api).await;
    passes(
        &mut api,
        &mut runtime,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    // The runtime is gone.
    let (mut runtime, mut api) = stage.pair().await;
    passes(&mut runtime, &mut api, NEXT).await;
    drop(runtime);
    ends(&mut api).await;
}

#[tokio::test]
async fn garbage_and_heads_beyond_the_limit_pass_as_they_are() {
    let stage = Stage::start().await;
    let (mut runtime, mut api) = stage.pair().await;
    passes(&mut runtime, &mut api, b"\x16\x03\x01\x02\r\n\r\n\xff\x00").await;
    passes(&mut api, &mut runtime, b"what?\r\n\r\n").await;
    let (mut runtime, mut api) = stage.pair().await;
    let head = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(PROXY_HEAD_MAX));
    passes(&mut runtime, &mut api, head.as_bytes()).await;
    passes(&mut runtime, &mut api, NEXT).await;
}

#[tokio::test]
async fn a_defect_of_what_watches_costs_no_byte() {
    let mut stage = stage_with(Some(Defect::PanicInProxy)).await;
    for _ in 0..2 {
        let (mut runtime, mut api) = stage.pair().await;
        passes(&mut runtime, &mut api, NEXT).await;
        passes(
            &mut api,
            &mut runtime,
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
        passes(&mut runtime, &mut api, NEXT).await;
    }
    assert_eq!(stage.signs.next_now(), None);
}

#[tokio::test]
async fn connections_wait_while_the_accept_loop_begins_anew() {
    let stage = stage_with(Some(Defect::PanicInAccept)).await;
    let (mut runtime, mut api) = stage.pair().await;
    passes(&mut runtime, &mut api, NEXT).await;
}

#[tokio::test]
async fn a_runtime_api_that_is_not_there_yet_is_tried_again() {
    let stage = Stage::start().await;
    let address = stage.api.local_addr().unwrap();
    drop(stage.api);
    let mut runtime = TcpStream::connect(stage.proxy).await.unwrap();
    runtime.write_all(NEXT).await.unwrap();
    // Everything here runs on one thread: the first attempt is refused while this lets others run.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let api = TcpListener::bind(address).await.unwrap();
    let (mut api, _) = timeout(BOUND, api.accept()).await.unwrap().unwrap();
    let mut asked = vec![0; NEXT.len()];
    timeout(BOUND, api.read_exact(&mut asked)).await.unwrap().unwrap();
    assert_eq!(asked, NEXT);
    // One that never comes is told by closing.
    drop(api);
    let stage = Stage::start().await;
    drop(stage.api);
    let mut runtime = TcpStream::connect(stage.proxy).await.unwrap();
    ends(&mut runtime).await;
}

#[tokio::test]
async fn the_wrapper_is_told_whose_runtime_api_it_is() {
    let stage = Stage::start().await;
    let (proxy, runtime_api) = (stage.proxy, stage.api.local_addr().unwrap().to_string());
    let asked = runtime_api.clone();
    let ask = move |runtime_api: String| async move {
        let asking = tokio::task::spawn_blocking(move || probe::ask(proxy, &runtime_api, BOUND));
        asking.await.unwrap().unwrap()
    };
    assert!(ask(asked).await);
    assert!(!ask(format!("{runtime_api}/.rt")).await);
}
