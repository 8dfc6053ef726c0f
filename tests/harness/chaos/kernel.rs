//! What the kernel says: datagrams that it dropped for want of room, and how long processes waited for a processor.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Its word, as far as it was asked.
#[derive(Debug, Clone, Default)]
pub struct Kernel {
    /// Dropped datagrams by socket.
    drops: BTreeMap<String, u64>,
    /// How long each process had a processor, and had waited for one.
    times: BTreeMap<String, Times>,
    /// The sums of them, over time.
    asked: Vec<(Instant, Times)>,
}

/// What processes did with their time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// On a processor.
    pub worked: Duration,
    /// Ready for one, and none was free.
    pub waited: Duration,
}

impl Kernel {
    /// Asks for the sockets of this address and for these processes, and for the thread that asks.
    pub fn ask(&mut self, address: SocketAddr, pids: &[u32]) {
        self.ask_for_drops(address);
        let own = "thread-self".to_owned();
        for process in pids.iter().map(u32::to_string).chain([own]) {
            let text = std::fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
            let nanos = |place| {
                text.split_whitespace()
                    .nth(place)
                    .and_then(|nanos| nanos.parse().ok())
            };
            if let (Some(worked), Some(waited)) = (nanos(0), nanos(1)) {
                let times = Times {
                    worked: Duration::from_nanos(worked),
                    waited: Duration::from_nanos(waited),
                };
                self.times.insert(process, times);
            }
        }
        let sum = Times {
            worked: self.times.values().map(|times| times.worked).sum(),
            waited: self.times.values().map(|times| times.waited).sum(),
        };
        self.asked.push((Instant::now(), sum));
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
        self.times(from, until).waited
    }

    /// What all of them together did in this time, by the last word before and the first word after it.
    pub fn times(&self, from: Instant, until: Instant) -> Times {
        let before = self.asked.iter().take_while(|(at, _)| *at <= from).last();
        let after = self
            .asked
            .iter()
            .find(|(at, _)| *at >= until)
            .or(self.asked.last());
        let sum = |asked: Option<&(Instant, Times)>| asked.map_or(Times::default(), |(_, sum)| *sum);
        let (before, after) = (sum(before), sum(after));
        Times {
            worked: after.worked.saturating_sub(before.worked),
            waited: after.waited.saturating_sub(before.waited),
        }
    }
}

/// Processes of these groups that are still there.
pub fn alive(groups: &[u32]) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let (state, group) = state_and_group(*pid);
        state.is_some_and(|state| state != 'Z') && group.is_some_and(|group| groups.contains(&group))
    })
    .collect()
}

/// Whether every one of these processes that is there stands still.
pub fn stand_still(pids: &[u32]) -> bool {
    let mut states = pids.iter().filter_map(|pid| state_and_group(*pid).0);
    states.all(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
}

fn state_and_group(pid: u32) -> (Option<char>, Option<u32>) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // State, parent and group follow the name, which may hold anything.
    let Some((_, rest)) = stat.rsplit_once(')') else {
        return (None, None);
    };
    let mut rest = rest.split_whitespace();
    let state = rest.next().and_then(|state| state.chars().next());
    (state, rest.nth(1).and_then(|group| group.parse().ok()))
}
