//! The rules of X-Ray's regional OTLP endpoint, and what it says of spans that break them.
//!
//! AWS publishes the limits; that too large a resource costs the whole request is known, of the others it is not: too
//! many spans, or spans too far apart, cost it as well here, and a span of a time too far away costs itself alone.
//! Ids are as good as any: the endpoint takes those that hold no time, and no header of the request tells it of another
//! trace.
//!
//! Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use model::otlp::answer::Answer;
use model::otlp::request::{check, groups};
use model::time::Timestamp;

use crate::decode::{Code, Refusal};
use crate::limits::Limits;
use crate::spans::{Teller, Told};

/// Why a request is refused whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Something else, or cut short.
    #[error("the body is not an OTLP request in protobuf, or one cut short")]
    Damaged,
    /// More spans than the endpoint takes.
    #[error("{found} spans; at most {max} are taken at once: export fewer")]
    TooManySpans {
        /// How many there are.
        found: usize,
        /// How many may be.
        max: usize,
    },
    /// A resource and a scope that are too large.
    #[error("a resource and its scope of {found} bytes; at most {max} are taken: leave attributes out")]
    ResourceTooLarge {
        /// How large they are.
        found: usize,
        /// How large they may be.
        max: usize,
    },
    /// Spans too far from each other.
    #[error("spans that lie {} hours apart; at most {} are taken at once", found.as_secs() / 3600, max.as_secs() / 3600)]
    TooFarApart {
        /// How far they are.
        found: Duration,
        /// How far they may be.
        max: Duration,
    },
}

/// The spans of a request, each told or rejected.
///
/// # Errors
/// [`Unfit`] if none of it is taken.
pub fn read(request: &[u8], limits: &Limits, now: Timestamp) -> Result<Vec<Result<Told, Refusal>>, Unfit> {
    check(request).map_err(|_| Unfit::Damaged)?;
    let found = groups(request).flat_map(|group| group.spans()).count();
    let max = limits.export_spans_max;
    if found > max {
        return Err(Unfit::TooManySpans { found, max });
    }
    let shared = groups(request).map(|group| group.resource.len().saturating_add(group.scope.len()));
    let (found, max) = (shared.max().unwrap_or_default(), limits.resource_max_bytes);
    if found > max {
        return Err(Unfit::ResourceTooLarge { found, max });
    }
    let told = Teller::new(limits.told_max_bytes).tell(request);
    let told: Vec<Result<Told, Refusal>> = told
        .into_iter()
        .map(|told| told.and_then(|told| in_time(told, limits, now)))
        .collect();
    let times = || told.iter().flatten().flat_map(times);
    let spread = times().max().zip(times().min());
    let (found, max) = (
        spread.map_or(Duration::ZERO, |(last, first)| last.since(first)),
        limits.export_spread_max,
    );
    if found > max {
        return Err(Unfit::TooFarApart { found, max });
    }
    Ok(told)
}

/// When a span began, and when it ended if it has.
fn times(told: &Told) -> impl Iterator<Item = Timestamp> + use<> {
    const NANOS_PER_MICRO: u64 = 1000;
    let end = (told.end_unix_nano != 0).then_some(told.end_unix_nano);
    [Some(told.start_unix_nano), end]
        .into_iter()
        .flatten()
        .map(|nanos| {
            let micros = i64::try_from(nanos / NANOS_PER_MICRO);
            Timestamp::from_micros(micros.unwrap_or(i64::MAX))
        })
}

fn in_time(told: Told, limits: &Limits, now: Timestamp) -> Result<Told, Refusal> {
    let (oldest, newest) = (now.before(limits.span_age_max), now.after(limits.span_ahead_max));
    match times(&told).find(|time| !(oldest..=newest).contains(time)) {
        None => Ok(told),
        Some(time) => {
            let cause = format!(
                "a time of {}; taken are {} to {}, in nanoseconds since 1970",
                time.to_iso8601(),
                oldest.to_iso8601(),
                newest.to_iso8601(),
            );
            Err(told.refused(Code::InvalidTime, &cause))
        }
    }
}

/// What the sender is told of the spans that were not taken, each given with the code of its reason and the reason:
/// how many, and of each code the first.
pub fn answer<'a>(refused: impl Iterator<Item = (&'a str, &'a str)>) -> Answer<'static> {
    let mut codes: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for (code, reason) in refused {
        codes.entry(code).or_insert((0, reason)).0 += 1;
    }
    let told: Vec<String> = codes
        .iter()
        .map(|(code, (count, first))| format!("{code} ({count}): {first}"))
        .collect();
    Answer {
        rejected: codes.values().map(|(count, _)| count).sum(),
        message: told.join("; ").into(),
    }
}

#[cfg(test)]
mod tests;
