//! Every policy under every shape, as a table.

use std::time::Duration;

use extension::pipeline::flush::Mode;

use super::measures::{Figures, Life};
use super::ours::Ours;
use super::peers::{Bottlecap, OpenTelemetry, Peer, Rotel};
use super::shapes::{self, Shape};
use super::world::{DOCUMENTS, Extension, play};

/// Whose policy it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// What an operator gets who sets nothing.
    Default,
    /// Another setting of ours.
    Setting,
    /// Another extension.
    Peer,
}

/// A policy under one shape of traffic.
#[derive(Debug, Clone)]
pub struct Row {
    /// The policy.
    pub policy: &'static str,
    /// Whose it is.
    pub owner: Owner,
    /// What it costs.
    pub figures: Figures,
}

/// All policies under one shape.
#[derive(Debug)]
pub struct Section {
    /// The traffic.
    pub shape: Shape,
    /// Each policy.
    pub rows: Vec<Row>,
}

impl Section {
    /// Of the default and the peers, the rows that no other of these beats. Our other settings are an operator's
    /// choice and may well be better where they fit.
    pub fn front(&self) -> impl Iterator<Item = &Row> {
        let contestants = || self.rows.iter().filter(|row| row.owner != Owner::Setting);
        contestants().filter(move |row| !contestants().any(|other| row.figures.is_beaten_by(&other.figures)))
    }
}

type Make = fn() -> Box<dyn Extension>;

/// Each policy: its name, whose it is, whether its recorder says when an invocation is done, and how to make it.
const POLICIES: [(&str, Owner, bool, Make); 8] = [
    ("adaptive", Owner::Default, false, || {
        Box::new(Ours::new(Mode::Adaptive))
    }),
    ("adaptive, done signalled", Owner::Setting, true, || {
        Box::new(Ours::new(Mode::Adaptive))
    }),
    ("end", Owner::Setting, false, || Box::new(Ours::new(Mode::End))),
    ("continuous", Owner::Setting, false, || {
        Box::new(Ours::new(Mode::Continuous))
    }),
    ("periodic:20s", Owner::Setting, false, || {
        Box::new(Ours::new(Mode::Periodic(Duration::from_secs(20))))
    }),
    ("Rotel", Owner::Peer, false, || {
        Box::new(Peer::new(Rotel::default()))
    }),
    ("bottlecap", Owner::Peer, false, || {
        Box::new(Peer::new(Bottlecap::default()))
    }),
    ("opentelemetry-lambda-extension", Owner::Peer, false, || {
        Box::new(Peer::new(OpenTelemetry::default()))
    }),
];

/// Plays everything.
pub fn sections() -> Vec<Section> {
    shapes::all()
        .into_iter()
        .map(|shape| {
            let row = |(policy, owner, has_signal, make): (&'static str, Owner, bool, Make)| {
                let lives: Vec<Life> = shape
                    .sandboxes
                    .iter()
                    .map(|arrivals| play(&mut *make(), arrivals, has_signal))
                    .collect();
                let invocations: usize = shape.sandboxes.iter().map(Vec::len).sum();
                let documents = invocations * usize::try_from(DOCUMENTS).unwrap_or(1);
                Row {
                    policy,
                    owner,
                    figures: Figures::of(&lives, documents),
                }
            };
            let rows = POLICIES.into_iter().map(row).collect();
            Section { shape, rows }
        })
        .collect()
}

/// The table in Markdown.
pub fn table(sections: &[Section]) -> String {
    let mut text = String::from(
        "| traffic | policy | delivered after, p50 | p99 | max | added, p50 | p99 | calls | lost |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for section in sections {
        for (place, row) in section.rows.iter().enumerate() {
            let traffic = if place == 0 { section.shape.name } else { "" };
            let policy = match row.owner {
                Owner::Default => format!("**{}**", row.policy),
                Owner::Setting => row.policy.to_owned(),
                Owner::Peer => format!("*{}*", row.policy),
            };
            let [p50, p99, max] = row.figures.delay.map(time);
            let [added, added_worse] = row.figures.added.map(time);
            let (calls, lost) = (row.figures.calls, row.figures.lost);
            text.push_str(&format!(
                "| {traffic} | {policy} | {p50} | {p99} | {max} | {added} | {added_worse} | {calls} | {lost} |\n"
            ));
        }
    }
    text
}

/// To three digits at most, in the unit that fits.
fn time(time: Duration) -> String {
    let millis = time.as_millis();
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..10_000 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{} s", time.as_secs()),
    }
}
