//! When documents leave: the policies under simulated traffic, and what the function sees of it.

use std::sync::LazyLock;
use std::time::Duration;

use tests::traffic::report::{Owner, Section, sections};

/// Played once for all tests.
fn played() -> &'static [Section] {
    static PLAYED: LazyLock<Vec<Section>> = LazyLock::new(sections);
    &PLAYED
}

#[test]
fn no_policy_of_a_peer_beats_ours_under_any_traffic() {
    for section in played() {
        let traffic = section.shape.name;
        for row in &section.rows {
            assert_eq!(row.figures.missing, 0, "{traffic}: {} lost documents", row.policy);
        }
        let ours = section.rows.iter().find(|row| row.owner == Owner::Default);
        let ours = ours.expect("the default is among the policies");
        assert!(
            section.front().any(|row| row.policy == ours.policy),
            "{traffic}: beaten\n{:#?}",
            section.rows
        );
        for peer in section.rows.iter().filter(|row| row.owner == Owner::Peer) {
            assert!(
                !ours.figures.is_beaten_by(&peer.figures),
                "{traffic}: {}",
                peer.policy
            );
        }
    }
}

#[test]
fn in_steady_traffic_nothing_is_added_and_rare_invocations_arrive_in_their_own_time() {
    const MS: Duration = Duration::from_millis(1);
    for section in played() {
        let figures = section.rows[0].figures;
        let signalled = section.rows[1].figures;
        match section.shape.name {
            "steady 100/s" => assert_eq!(figures.added, [Duration::ZERO; 2]),
            "one a day" | "one a minute" => {
                assert!(
                    figures.added[1] <= 36 * MS && figures.delay[2] <= 50 * MS,
                    "{figures:?}"
                );
                assert!(
                    signalled.added[1] <= 12 * MS && signalled.delay[2] <= 50 * MS,
                    "{signalled:?}"
                );
            }
            _ => {}
        }
    }
}
