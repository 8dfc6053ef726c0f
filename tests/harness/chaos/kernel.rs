//! What the kernel says: datagrams that it dropped for want of room, and how long processes waited for a processor.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Its word, as far as it was asked.
#[derive(Debug, Default)]
pub struct Kernel {
    /// Dropped datagrams by socket.
    drops: BTreeMap<String, u64>,
    /// How long each process had waited for a processor.
    waits: BTreeMap<String, Duration>,
    /// The sum of them, over time.
    waited: Vec<(Instant, Duration)>,
}

impl Kernel {
    /// Asks for the sockets of this address and for these processes, and for the thread that asks.
    pub fn ask(&mut self, address: SocketAddr, pids: &[u32]) {
        self.ask_for_drops(address);
        let own = "thread-self".to_owned();
        for process in pids.iter().map(u32::to_string).chain([own]) {
            let text = std::fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
            let waited = text
                .split_whitespace()
                .nth(1)
                .and_then(|nanos| nanos.parse().ok());
            if let Some(nanos) = waited {
                self.waits.insert(process, Duration::from_nanos(nanos));
            }
        }
        self.waited.push((Instant::now(), self.waits.values().sum()));
    }

    fn ask_for_drops(&mut self, address: SocketAddr) {
        let IpAddr::V4(ip) = address.ip() else {
            return;
        };
        let (ip, port) = (u32::from_ne_bytes(ip.octets()), address.port());
        let wanted = format!("{ip:08X}:{port:04X}");
        let table = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
        for line in table.lines() {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [_, local, .., inode, _, _, drops] = columns[..] else {
                continue;
            };
            if local == wanted {
                let drops: u64 = drops.parse().unwrap_or_default();
                let known = self.drops.entry(inode.to_owned()).or_default();
                *known = drops.max(*known);
            }
        }
    }

    /// Datagrams that it dropped.
    pub fn drops(&self) -> u64 {
        self.drops.values().sum()
    }

    /// How long processes waited for a processor in this time, all of them together.
    pub fn waited(&self, from: Instant, until: Instant) -> Duration {
        let before = self.waited.iter().take_while(|(at, _)| *at <= from).last();
        let after = self
            .waited
            .iter()
            .find(|(at, _)| *at >= until)
            .or(self.waited.last());
        let sum = |asked: Option<&(Instant, Duration)>| asked.map_or(Duration::ZERO, |(_, sum)| *sum);
        sum(after).saturating_sub(sum(before))
    }
}

/// Processes of these groups that are still there.
pub fn alive(groups: &[u32]) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // State, parent and group follow the name, which may hold anything.
        let rest: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let group = rest.get(2).and_then(|group| group.parse().ok());
        rest.first() != Some(&"Z") && group.is_some_and(|group| groups.contains(&group))
    })
    .collect()
}
