//! Values out of variables: what cannot be read, or is not known, becomes a problem.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::Vars;
use super::problem::Problem;
use crate::defect;

const PREFIX: &str = "FLUOROSCOPE_";
/// Edits between two names that still count as a slip of the pen.
const NEAR_EDITS: usize = 3;
/// Longest value that a problem quotes, in characters.
const QUOTED_CHARS: usize = 80;

/// Something that is on or off.
pub(super) struct Switch(pub(super) bool);

impl FromStr for Switch {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "on" => Ok(Self(true)),
            "0" | "false" | "off" => Ok(Self(false)),
            _ => Err(()),
        }
    }
}

/// An address that only the sandbox itself can reach.
pub(super) struct Loopback(pub(super) SocketAddr);

impl FromStr for Loopback {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let address: SocketAddr = text.parse().map_err(|_| ())?;
        address.ip().is_loopback().then_some(Self(address)).ok_or(())
    }
}

/// The same, or none where the word is `off`.
pub(super) struct LoopbackOrOff(pub(super) Option<SocketAddr>);

impl FromStr for LoopbackOrOff {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self(None));
        }
        text.parse().map(|Loopback(address)| Self(Some(address)))
    }
}

/// Whether what is sent there comes back to us.
pub(super) fn is_ours(destination: SocketAddr, own: SocketAddr) -> bool {
    let is_here = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    let is_same = destination.ip() == own.ip() || (own.ip().is_unspecified() && is_here(destination.ip()));
    destination.port() == own.port() && (is_same || (destination.ip().is_unspecified() && is_here(own.ip())))
}

/// A variable's value unless it is empty.
pub(super) fn set(vars: &impl Vars, name: &str) -> Option<String> {
    vars.value(name).filter(|value| !value.trim().is_empty())
}

/// A value as a problem quotes it.
pub(super) fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS).collect()
}

/// Reads settings, and keeps what is wrong with them.
pub(super) struct Reader<'a, V> {
    pub(super) vars: &'a V,
    pub(super) problems: Vec<Problem>,
}

impl<V: Vars> Reader<'_, V> {
    /// The setting's value; none if it is not set, empty, or (a problem) unreadable.
    pub(super) fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &'static str) -> Option<T> {
        let text = set(self.vars, name)?;
        let value = text.trim().parse().ok();
        if value.is_none() {
            self.problems.push(Problem::Unreadable {
                name,
                found: quoted(&text),
                expected,
            });
        }
        value
    }

    /// Notes what is named like a setting and is none of those known.
    pub(super) fn unknown_names(&mut self, known: &[&'static str]) {
        let mut names: Vec<String> = self.vars.names();
        names.retain(|name| name.starts_with(PREFIX) && !known.contains(&name.as_str()));
        names.retain(|name| !(cfg!(debug_assertions) && name == defect::VARIABLE));
        names.sort();
        self.problems.extend(names.into_iter().map(|name| {
            let nearest = known.iter().copied().min_by_key(|known| edits(known, &name));
            let nearest = nearest.filter(|known| edits(known, &name) <= NEAR_EDITS);
            Problem::UnknownName { name, nearest }
        }));
    }
}

/// Levenshtein's distance.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        let mut next = vec![before];
        for (r, &above) in right.iter().zip(row.iter().skip(1)) {
            before = (diagonal + usize::from(l != *r)).min(above + 1).min(before + 1);
            diagonal = above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(
            (edits("", "abc"), edits("abc", "abc"), edits("kitten", "sitting")),
            (3, 0, 3)
        );
    }
}
