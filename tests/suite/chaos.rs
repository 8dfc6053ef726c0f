//! Sandboxes that go through everything that can go wrong, by plans drawn from a seed (`tests/harness/chaos`).

use std::time::Duration;

use tests::chaos::campaign::{Campaign, Until};
use tests::chaos::means::Means;
use tests::chaos::plan::Plan;

/// How long sandboxes are begun here; `cargo xtask fuzz chaos` goes on for as long as asked.
const TIME: Duration = Duration::from_secs(60);
/// Invocations of one sandbox of standstills, and how many of these sandboxes there are: 2,000 invocations.
const INVOCATIONS: u64 = 125;
const SANDBOXES: u64 = 16;

/// More starved sandboxes than this part of those that were played make the rest no proof.
const STARVED_SHARE: u64 = 4;

/// A new one each time: what failed is printed with it.
fn seed() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ since.as_secs()
}

#[test]
fn whatever_goes_wrong_harms_no_invocation_and_leaves_no_document_unaccounted_for() {
    let campaign = Campaign {
        seed: seed(),
        first: 0,
        together: 2,
        until: Until::Elapsed(TIME),
    };
    println!("seed {}; {}", campaign.seed, Means::here());
    let outcome = campaign.run(Plan::draw, |_| ());
    let score = outcome.unwrap_or_else(|report| panic!("{report}"));
    println!("{score}\n{}", score.met);
    assert!(score.documents > 0, "{score}");
    // Sandboxes on a machine too busy for their shutdown show nothing.
    assert!(score.starved <= score.sandboxes / STARVED_SHARE, "{score}");
}

#[test]
fn standstills_at_random_moments_of_2000_invocations_harm_none_and_lose_nothing() {
    let campaign = Campaign {
        seed: seed(),
        first: 0,
        together: 4,
        until: Until::Sandboxes(SANDBOXES),
    };
    println!("seed {}", campaign.seed);
    let draw = |seed, number| Plan::of_standstills(seed, number, INVOCATIONS);
    let outcome = campaign.run(draw, |_| ());
    let score = outcome.unwrap_or_else(|report| panic!("{report}"));
    println!("{score}");
    assert_eq!(
        (score.invocations, score.lost),
        (INVOCATIONS * SANDBOXES, 0),
        "{score}"
    );
}
