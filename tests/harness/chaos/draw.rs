//! Draws plans. Every decision is made here, before anything runs.

use std::collections::BTreeSet;
use std::time::Duration;

use emulator::{IdStyle, InitType, KilledAs, Mishap, Part, Reason, RecordOrder, SubscriptionAnswer};

use super::plan::{Bad, Call, End, Large, Plan, SHARED_TIMEOUT, SHORT_TIMEOUT, Spell, TIMEOUT};
use super::random::Random;
use super::trouble::Reach;
use crate::script::Flood;

mod backlog;
mod destination;
mod troubles;
#[cfg(test)]
mod variety;

/// Ids of one invocation's documents lie below the next one's.
const IDS_PER_CALL: u64 = 0x10_0000;
/// Where ids of the documents lie that are too large, and how many each has.
const LARGE_IDS: u64 = 0xe_0000;
const IDS_PER_LARGE: u64 = 0x100;
/// The memory of functions that are held to it.
const LIMITED_MB: u32 = 128;
/// By how much the destination's clock is off: less and more than signatures may be.
const CLOCKS_S: [i64; 4] = [-3600, -200, 200, 3600];
/// What marks ids as the plan's; the platform's have any digits.
const OWN_IDS: u64 = 0xf1f2_0000_0000_0000;

/// Whether an id is one that plans use: fewer than 4,096 calls. One of the platform's looks like it once in four billion.
pub fn is_own(id: u64) -> bool {
    id & 0xffff_ffff_0000_0000 == OWN_IDS
}

/// The id of the large document that this one, or the subsegment of this id, belongs to.
pub fn large_of(id: u64) -> Option<u64> {
    (is_own(id) && id & 0xf_0000 == LARGE_IDS).then_some(id - id % IDS_PER_LARGE)
}

impl Plan {
    /// The plan of a sandbox where anything may happen.
    pub fn draw(seed: u64, number: u64) -> Self {
        let mut random = Random::branch(seed, number);
        let init_type = init_type(&mut random);
        let is_managed = init_type.is_managed();
        let times_out = !is_managed && random.in_hundred(25);
        let breaks = !is_managed && random.in_hundred(35);
        let reach = Reach::draw(&mut random);
        let memory_mb = random.in_hundred(25).then_some(LIMITED_MB);
        let groups = match init_type {
            InitType::ManagedInstances { max_concurrency } => {
                let together = u64::from(max_concurrency);
                let size = if together > 8 { Size::Small } else { Size::Any };
                groups(&mut random, 1..=3, (together, size), &[End::Answers, End::Raises])
            }
            _ => {
                let ends = ends(times_out, breaks, memory_mb.is_some());
                groups(&mut random, 3..=14, (1, Size::Any), &ends)
            }
        };
        let mut plan = Self {
            seed,
            number,
            id_style: id_style(&mut random, is_managed),
            init_type,
            timeout: match (is_managed, times_out) {
                (true, _) => SHARED_TIMEOUT,
                (false, true) => SHORT_TIMEOUT,
                (false, false) => TIMEOUT,
            },
            killed_as: random.one_of(&[KilledAs::ExitError, KilledAs::OutOfMemory]),
            variables: variables(&mut random),
            subscription: subscription(&mut random, is_managed),
            mishaps: mishaps(&mut random),
            invoke_event_delay: rarely(&mut random, 10, 1..=40),
            groups,
            acts: destination::acts(&mut random),
            troubles: Vec::new(),
            standstills: standstills(&mut random, is_managed, times_out),
            is_mended: random.in_hundred(70),
            reason: random.one_of(&[
                Reason::Spindown,
                Reason::Spindown,
                Reason::Timeout,
                Reason::Failure,
            ]),
            has_proxy: random.in_hundred(30),
            is_undecided: false,
            reach,
            memory_mb,
            clock_ahead_s: if random.in_hundred(15) {
                random.one_of(&CLOCKS_S)
            } else {
                0
            },
            is_renewed: false,
        };
        if !is_managed && random.in_hundred(12) {
            plan.pile_up(&mut random);
        }
        plan.draw_troubles(&mut random);
        if plan.has_proxy && plan.id_style == IdStyle::PassThrough && random.in_hundred(50) {
            plan.is_undecided = true;
            plan.variables.push(("FLUOROSCOPE_SAMPLE_RATE", "1".to_owned()));
        }
        plan
    }

    /// The plan of a sandbox where nothing happens but standstills, through so many invocations.
    pub fn of_standstills(seed: u64, number: u64, invocations: u64) -> Self {
        let mut random = Random::branch(seed, number);
        let calls = (0..invocations).map(|call| Call {
            floods: vec![flood(&mut random, call, 0, 3)],
            works: Duration::from_millis(random.one_of(&[0, 0, 0, 5])),
            ..quiet(call)
        });
        let groups = calls.map(|call| vec![call]).collect();
        let standstills = spells(&mut random, 64, |random| Spell {
            after: Duration::from_millis(random.within(1..=120)),
            what: random.one_of(&[
                Part::Everything,
                Part::Everything,
                Part::Extensions,
                Part::Runtime,
            ]),
            lasts: Duration::from_millis(random.within(0..=30)),
        });
        Self {
            seed,
            number,
            id_style: IdStyle::CurrentActive,
            init_type: InitType::OnDemand,
            timeout: TIMEOUT,
            killed_as: KilledAs::ExitError,
            variables: Vec::new(),
            subscription: SubscriptionAnswer::Normal,
            mishaps: Vec::new(),
            invoke_event_delay: Duration::ZERO,
            groups,
            acts: Vec::new(),
            troubles: Vec::new(),
            standstills,
            is_mended: true,
            reason: Reason::Spindown,
            has_proxy: random.in_hundred(30),
            is_undecided: false,
            reach: Reach::default(),
            memory_mb: None,
            clock_ahead_s: 0,
            is_renewed: false,
        }
    }
}

fn init_type(random: &mut Random) -> InitType {
    match random.within(0..=9) {
        0 | 3 => InitType::SnapStart {
            published: Duration::from_secs(random.within(60..=3 * 24 * 3600)),
        },
        1 => InitType::ManagedInstances {
            max_concurrency: random.one_of(&[8, 64]),
        },
        2 => InitType::ProvisionedConcurrency,
        _ => InitType::OnDemand,
    }
}

fn id_style(random: &mut Random, is_managed: bool) -> IdStyle {
    if is_managed {
        IdStyle::Managed
    } else {
        random.one_of(&[
            IdStyle::CurrentActive,
            IdStyle::ClassicActive,
            IdStyle::PassThrough,
        ])
    }
}

fn subscription(random: &mut Random, is_managed: bool) -> SubscriptionAnswer {
    if is_managed || random.in_hundred(85) {
        return SubscriptionAnswer::Normal;
    }
    let old = || SubscriptionAnswer::SchemaVersions(vec!["2022-07-01".to_owned()]);
    match random.within(0..=3) {
        0 => SubscriptionAnswer::Silent,
        1 => old(),
        _ => SubscriptionAnswer::Status(random.one_of(&[202, 403, 404, 500])),
    }
}

fn variables(random: &mut Random) -> Vec<(&'static str, String)> {
    let mut variables = Vec::new();
    let mut maybe = |times, name, choices: &[&str]| {
        if random.in_hundred(times) {
            variables.push((name, random.one_of(choices).to_owned()));
        }
    };
    // What is left for documents is this less 8 MiB.
    maybe(20, "FLUOROSCOPE_MEMORY_BUDGET", &["8MiB", "9MiB"]);
    maybe(25, "FLUOROSCOPE_SPILL_LIMIT", &["0", "256KiB", "4MiB"]);
    maybe(
        60,
        "FLUOROSCOPE_FLUSH",
        &["adaptive", "end", "continuous", "periodic:200ms"],
    );
    maybe(20, "FLUOROSCOPE_RESCUE", &["all", "none"]);
    maybe(10, "FLUOROSCOPE_METRICS", &["emf"]);
    maybe(15, "FLUOROSCOPE_OUTBOUND", &["xray,stdout"]);
    variables
}

fn ends(times_out: bool, breaks: bool, is_limited: bool) -> Vec<End> {
    let mut ends = vec![End::Answers; 9];
    ends.push(End::Raises);
    if times_out {
        ends.push(End::TimesOut);
    }
    if breaks {
        ends.extend([End::Exits, End::IsKilled]);
    }
    if breaks && is_limited {
        ends.push(End::RunsOut);
    }
    ends
}

fn groups(
    random: &mut Random,
    count: std::ops::RangeInclusive<u64>,
    (together, size): (u64, Size),
    ends: &[End],
) -> Vec<Vec<Call>> {
    let count = random.within(count);
    (0..count)
        .map(|group| {
            let members = random.within(1..=together);
            (0..members)
                .map(|place| call(random, group * together + place, size, ends))
                .collect()
        })
        .collect()
}

fn quiet(number: u64) -> Call {
    Call {
        number,
        after: Duration::ZERO,
        floods: Vec::new(),
        bad: Vec::new(),
        opened: Vec::new(),
        repeated: Vec::new(),
        posted: Vec::new(),
        large: Vec::new(),
        damage: None,
        works: Duration::ZERO,
        end: End::Answers,
    }
}

/// How many documents an invocation may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// A handful: many run at once.
    Small,
    /// Hundreds, now and then.
    Any,
}

fn call(random: &mut Random, number: u64, size: Size, ends: &[End]) -> Call {
    let floods = random.within(0..=2);
    let mut call = quiet(number);
    for place in 0..floods {
        let documents = match random.within(0..=9) {
            _ if size == Size::Small => random.within(1..=8),
            0..=6 => random.within(1..=8),
            7 | 8 => random.within(20..=120),
            _ if random.in_hundred(10) => random.within(1500..=3000),
            _ => random.within(200..=500),
        };
        call.floods.push(flood(random, number, place, documents));
    }
    if random.in_hundred(25) {
        call.bad = (0..random.within(1..=4))
            .map(|_| random.one_of(&Bad::ALL))
            .collect();
    }
    let single = |place: u64| OWN_IDS + number * IDS_PER_CALL + 0xf_0000 + place;
    if random.in_hundred(20) {
        call.opened = (0..random.within(1..=2)).map(single).collect();
    }
    if random.in_hundred(20) {
        call.repeated = (8..8 + random.within(1..=3)).map(single).collect();
    }
    call.after = rarely(random, 40, 0..=60);
    call.works = rarely(random, 40, 1..=80);
    call.end = random.one_of(ends);
    if random.in_hundred(20) {
        call.posted = (16..16 + random.within(1..=60)).map(single).collect();
    }
    if random.in_hundred(12) {
        call.large = (0..random.within(1..=2))
            .map(|place| Large {
                id: OWN_IDS + number * IDS_PER_CALL + LARGE_IDS + place * IDS_PER_LARGE,
                children: random.within(2..=5),
                child_bytes: usize::try_from(random.within(33..=45)).expect("small numbers") * 1024,
            })
            .collect();
    }
    call
}

fn flood(random: &mut Random, call: u64, place: u64, documents: u64) -> Flood {
    Flood {
        first_id: OWN_IDS + call * IDS_PER_CALL + place * 0x1000,
        documents,
        sockets: random.one_of(&[1, 1, 2, 4]),
        filler_bytes: if documents > 1000 {
            0
        } else if documents > 10 {
            random.one_of(&[200, 1024])
        } else {
            random.one_of(&[0, 200, 1024, 20_000, 60_000])
        },
    }
}

fn mishaps(random: &mut Random) -> Vec<Mishap> {
    if random.in_hundred(40) {
        return Vec::new();
    }
    let may_lose = random.in_hundred(25);
    (0..random.within(1..=12))
        .map(|_| mishap(random, may_lose))
        .collect()
}

fn mishap(random: &mut Random, may_lose: bool) -> Mishap {
    const KINDS: [&str; 4] = [
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
        "platform.initReport",
    ];
    const STRANGE: [&str; 6] = [
        r#"{"time":"2026-05-21T10:00:00.000Z","type":"platform.unheardOf","record":{"a":[1,2]}}"#,
        r#"{"time":"2026-05-21T10:00:00.000Z","type":"platform.runtimeDone","record":{}}"#,
        r#"{"time":"not a time","type":"platform.start","record":{"requestId":"x"}}"#,
        r#"{"type":7}"#,
        "[[]]",
        "null",
    ];
    let mut mishap = Mishap {
        wait: rarely(random, 25, 1..=60),
        has_doubles: random.in_hundred(15),
        is_repeated: random.in_hundred(15),
        order: match random.within(0..=5) {
            0 => RecordOrder::Reversed,
            1 => RecordOrder::Shuffled(random.number()),
            _ => RecordOrder::Generated,
        },
        split: usize::try_from(random.one_of(&[1, 1, 1, 2, 9])).expect("small numbers"),
        ..Mishap::default()
    };
    if random.in_hundred(20) {
        mishap.extra_records = vec![random.one_of(&STRANGE).to_owned()];
    }
    if may_lose && random.in_hundred(30) {
        mishap.lost = BTreeSet::from([random.one_of(&KINDS).to_owned()]);
    }
    mishap
}

fn standstills(random: &mut Random, is_managed: bool, times_out: bool) -> Vec<Spell<Part>> {
    // Nothing stops a managed instance; where a timeout is near, a standstill would bring it about.
    if is_managed || times_out || random.in_hundred(40) {
        return Vec::new();
    }
    let lasts = random.one_of(&[20, 20, 100]);
    spells(random, 32, |random| Spell {
        after: Duration::from_millis(random.within(5..=200)),
        what: random.one_of(&[
            Part::Everything,
            Part::Everything,
            Part::Extensions,
            Part::Runtime,
        ]),
        lasts: Duration::from_millis(random.within(0..=lasts)),
    })
}

fn spells<T>(random: &mut Random, count: u64, draw: impl Fn(&mut Random) -> Spell<T>) -> Vec<Spell<T>> {
    (0..count).map(|_| draw(random)).collect()
}

fn rarely(random: &mut Random, in_hundred: u64, millis: std::ops::RangeInclusive<u64>) -> Duration {
    if random.in_hundred(in_hundred) {
        Duration::from_millis(random.within(millis))
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_number_make_the_same_plan() {
        for number in 0..50 {
            assert_eq!(Plan::draw(11, number), Plan::draw(11, number));
        }
        assert_ne!(Plan::draw(11, 0).groups, Plan::draw(12, 0).groups);
    }

    #[test]
    fn no_two_documents_of_a_plan_share_an_id() {
        for number in 0..200 {
            let plan = Plan::draw(3, number);
            let calls = plan.groups.iter().flatten();
            let documents: Vec<(u64, bool)> = calls
                .flat_map(|call| {
                    let posted = call.posted.iter().copied();
                    let large = call.large.iter().flat_map(|large| large.ids());
                    let posted = posted.chain(large).map(|id| (id, false));
                    call.documents().into_iter().chain(posted)
                })
                .collect();
            let different: BTreeSet<&(u64, bool)> = documents.iter().collect();
            assert_eq!(different.len(), documents.len(), "{plan:?}");
            assert!(documents.iter().all(|(id, _)| is_own(*id)), "{plan:?}");
        }
    }
}
