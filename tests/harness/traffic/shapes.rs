//! Traffic: when invocations begin and how long their handlers run, sandbox by sandbox.

use std::time::Duration;

/// Time a sandbox stays without work before it ends.
pub const IDLE: Duration = Duration::from_secs(360);

/// One invocation.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Since the last invocation began; since the sandbox's init for the first one.
    pub gap: Duration,
    /// How long its handler runs.
    pub handler: Duration,
}

/// A kind of traffic.
#[derive(Debug, Clone)]
pub struct Shape {
    /// As the table calls it.
    pub name: &'static str,
    /// The invocations of each sandbox.
    pub sandboxes: Vec<Vec<Arrival>>,
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Every shape, in the order of the table.
pub fn all() -> Vec<Shape> {
    let shape = |name, sandboxes| Shape { name, sandboxes };
    vec![
        shape("one a day", vec![steady(1, SECOND, 50); 30]),
        shape("cold starts in a row", vec![steady(2, 700 * MS, 50); 30]),
        shape("one a minute", vec![steady(60, 60 * SECOND, 50)]),
        shape("one in 5 s", vec![steady(150, 5 * SECOND, 50)]),
        shape("one a second", vec![steady(200, SECOND, 50)]),
        shape("steady 100/s", vec![steady(2200, 10 * MS, 5)]),
        shape("bursts", vec![bursts()]),
        shape("a rhythm that breaks", vec![breaking()]),
        shape("recorded", vec![recorded()]),
    ]
}

/// So many invocations at an even pace, with a tenth of the gap as deterministic unevenness.
fn steady(count: usize, gap: Duration, handler_ms: u64) -> Vec<Arrival> {
    let uneven = |number: usize| u32::try_from(number * 7919 % 11).unwrap_or(0);
    let arrival = |number| Arrival {
        gap: gap * 19 / 20 + gap / 100 * uneven(number),
        handler: MS * u32::try_from(handler_ms).unwrap_or(1),
    };
    (0..count).map(arrival).collect()
}

/// Forty at once every five minutes.
fn bursts() -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    for _ in 0..6 {
        let mut burst = steady(40, 200 * MS, 50);
        if let Some(first) = burst.first_mut() {
            first.gap = 300 * SECOND;
        }
        arrivals.extend(burst);
    }
    arrivals
}

/// What one sandbox of a real service got: bursts, pauses of seconds, and one of minutes.
fn recorded() -> Vec<Arrival> {
    let lines = include_str!("recorded.txt").lines();
    let gaps = lines.filter(|line| !line.starts_with('#'));
    let gaps = gaps
        .flat_map(str::split_whitespace)
        .filter_map(|gap| gap.parse().ok());
    let arrival = |gap: u32| Arrival {
        gap: MS * gap,
        handler: 50 * MS,
    };
    gaps.map(arrival).collect()
}

/// Two a second, then one in half a minute, then two a second.
fn breaking() -> Vec<Arrival> {
    let mut arrivals = steady(200, 500 * MS, 50);
    arrivals.extend(steady(20, 30 * SECOND, 50));
    arrivals.extend(steady(200, 500 * MS, 50));
    arrivals
}
