//! AWS's X-Ray daemon as a peer: a process of its own that takes the same datagrams and sends to the same destination.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::process;
use crate::sink::Sink;
use crate::udp::{self, Pace};

const TRACE: &str = "1-6553f100-0123456789abcdef01234567";
/// How long the daemon may take to deliver everything.
const BOUND: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Without news for this long nothing more is coming: what is missing was lost on the way in.
const SILENCE: Duration = Duration::from_secs(2);

/// Ended and waited for when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // A process that ended by itself cannot be ended again.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU time per delivered document of a burst at full speed, in microseconds.
pub(crate) async fn cpu_micros(program: &Path, documents: u32) -> Outcome<f64> {
    let sink = Sink::start(Duration::ZERO).await?;
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let config = std::env::temp_dir().join(format!("fluoroscope-measure-daemon-{}.yaml", std::process::id()));
    std::fs::write(&config, format!("Version: 2\nEndpoint: \"{}\"\n", sink.url()))?;
    let child = Command::new(program)
        .args([
            "--local-mode",
            "--region",
            "eu-west-1",
            "--log-level",
            "error",
            "--config",
        ])
        .arg(&config)
        .args(["--bind", &udp.to_string(), "--bind-tcp", &tcp.to_string()])
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env(
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let running = Running(child);
    let pid = running.0.id();
    // A first document: its client is built, and it listens.
    until(|| {
        udp::flood(udp, TRACE, 1, Pace::Full)?;
        Ok(sink.documents() > 0)
    })
    .await?;
    let (before, delivered) = (process::cpu_ms(pid)?, sink.documents());
    tokio::task::spawn_blocking(move || udp::flood(udp, TRACE, documents, Pace::Full)).await??;
    let wanted = delivered + usize::try_from(documents)?;
    let (mut last, mut since) = (delivered, Instant::now());
    until(|| {
        let now = sink.documents();
        if now > last {
            (last, since) = (now, Instant::now());
        }
        Ok(now >= wanted || since.elapsed() > SILENCE)
    })
    .await?;
    let spent_ms = process::cpu_ms(pid)? - before;
    std::fs::remove_file(&config)?;
    let arrived = u32::try_from(sink.documents().saturating_sub(delivered))?;
    Ok(spent_ms * 1e3 / f64::from(arrived.max(1)))
}

async fn until(mut is_so: impl FnMut() -> Outcome<bool>) -> Outcome {
    let deadline = Instant::now() + BOUND;
    while !is_so()? {
        if Instant::now() > deadline {
            return Err("the X-Ray daemon delivered nothing".into());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}
