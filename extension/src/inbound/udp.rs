//! The X-Ray daemon's socket. UDP has no back-pressure: empty it first, think later.

use std::io;
use std::net::SocketAddr;

use model::limits::DATAGRAM_MAX_BYTES;
use rustix::net::sockopt;
use tokio::net::UdpSocket;

use super::backlog::Backlog;
use crate::limits::{DATAGRAM_BYTES_PER_DRAIN, DATAGRAMS_PER_DRAIN, UDP_RECEIVE_BUFFER};

/// A bound socket, or none if its address was taken.
pub struct DatagramSocket {
    socket: UdpSocket,
    scratch: Vec<u8>,
}

impl DatagramSocket {
    /// Binds the address and asks for as large a receive buffer as the system gives.
    ///
    /// # Errors
    /// The address is taken, or not ours. Not fatal: spans can still come in by other ways.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        // Past the system's limit only as root; in Lambda we are not, and get what is allowed.
        if sockopt::set_socket_recv_buffer_size_force(&socket, UDP_RECEIVE_BUFFER).is_err() {
            let _ = sockopt::set_socket_recv_buffer_size(&socket, UDP_RECEIVE_BUFFER);
        }
        // One byte more than can arrive, so that nothing is cut unseen.
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            scratch: vec![0; DATAGRAM_MAX_BYTES + 1],
        })
    }

    /// The address, with the port the system chose.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Datagrams that the system dropped since the socket was bound, because its buffer was full. Not known of a
    /// socket that has no IPv4 address.
    pub fn dropped_by_system(&self) -> Option<u64> {
        let SocketAddr::V4(address) = self.address().ok()? else {
            return None;
        };
        let host = u32::from_ne_bytes(address.ip().octets());
        let own = format!("{host:08X}:{:04X}", address.port());
        let sockets = std::fs::read_to_string("/proc/net/udp").ok()?;
        sockets.lines().find_map(|line| {
            let mut columns = line.split_whitespace();
            let is_own = columns.nth(1)? == own;
            columns.next_back().filter(|_| is_own)?.parse().ok()
        })
    }

    /// Waits until something lies in the socket.
    pub async fn readable(&self) {
        // An error is left for `drain` to meet.
        let _ = self.socket.readable().await;
    }

    /// Moves what lies in the socket into the backlog, up to a bound, without waiting. True if the socket is
    /// empty now.
    pub fn drain(&mut self, backlog: &mut Backlog) -> bool {
        let mut bytes = 0;
        for _ in 0..DATAGRAMS_PER_DRAIN {
            match self.socket.try_recv(&mut self.scratch) {
                Ok(length) => {
                    bytes += length;
                    if let Some(datagram) = self.scratch.get(..length) {
                        backlog.push(datagram.into());
                    }
                }
                // Would block; a socket that is not connected has no other lasting error.
                Err(_) => return true,
            }
            if bytes >= DATAGRAM_BYTES_PER_DRAIN {
                break;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> DatagramSocket {
        DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_burst_at_full_speed_is_received_whole() {
        /// More than any default receive buffer holds at once.
        const BURST: usize = 5_000;
        let mut socket = socket();
        let to = socket.address().unwrap();
        let sender = std::thread::spawn(move || {
            let from = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            for number in 0..BURST {
                let mut payload = vec![b'x'; 1024];
                payload[..8].copy_from_slice(&number.to_be_bytes());
                from.send_to(&payload, to).unwrap();
            }
        });
        let mut received = 0;
        let all = async {
            while received < BURST {
                socket.readable().await;
                let mut backlog = Backlog::default();
                backlog.set_room(usize::MAX);
                socket.drain(&mut backlog);
                received += backlog.take(usize::MAX).len();
            }
        };
        let within = tokio::time::timeout(std::time::Duration::from_secs(20), all).await;
        sender.join().unwrap();
        assert!(within.is_ok(), "{received} of {BURST} arrived");
    }

    #[tokio::test]
    async fn one_drain_is_bounded_and_says_whether_more_lies_there() {
        let mut backlog = Backlog::default();
        let mut socket = socket();
        let from = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..DATAGRAMS_PER_DRAIN + 1 {
            from.send_to(b"x", socket.address().unwrap()).unwrap();
        }
        socket.readable().await;
        let is_empty = socket.drain(&mut backlog);
        assert_eq!(
            (backlog.take(usize::MAX).len(), is_empty),
            (DATAGRAMS_PER_DRAIN, false)
        );
        let is_empty = socket.drain(&mut backlog);
        assert_eq!((backlog.take(usize::MAX).len(), is_empty), (1, true));
    }

    #[tokio::test]
    async fn what_the_system_drops_is_known() {
        let mut socket = socket();
        assert_eq!(socket.dropped_by_system(), Some(0));
        let from = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let sent: u64 = 4 * 1024;
        for _ in 0..sent {
            from.send_to(&vec![b'x'; 8 * 1024], socket.address().unwrap())
                .unwrap();
        }
        socket.readable().await;
        let mut backlog = Backlog::default();
        backlog.set_room(usize::MAX);
        while !socket.drain(&mut backlog) {}
        let received = u64::try_from(backlog.len()).unwrap();
        assert!(received < sent, "no buffer holds 32 MiB");
        assert_eq!(socket.dropped_by_system(), Some(sent - received));
    }

    #[tokio::test]
    async fn the_largest_datagram_is_received_whole() {
        let mut socket = socket();
        let from = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        from.send_to(&vec![b'x'; DATAGRAM_MAX_BYTES], socket.address().unwrap())
            .unwrap();
        socket.readable().await;
        let mut backlog = Backlog::default();
        socket.drain(&mut backlog);
        assert_eq!(backlog.take(1)[0].len(), DATAGRAM_MAX_BYTES);
    }

    #[tokio::test]
    async fn a_taken_address_is_an_error_not_a_panic() {
        let first = socket();
        assert!(DatagramSocket::bind(first.address().unwrap()).is_err());
    }
}
