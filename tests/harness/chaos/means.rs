//! What a plan needs of the machine, and what becomes of it where that is not to be had.

use std::path::Path;
use std::sync::OnceLock;

use super::plan::{End, Plan};
use super::trouble::Trouble;
use crate::masks::Masks;

/// Files that groups with a memory limit have, in version 1 and 2.
const LIMITS: [(&str, &str); 2] = [
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ("/sys/fs/cgroup", "memory.max"),
];

/// What root may do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Means {
    /// Show a program files of its own in the place of the system's.
    pub masks: bool,
    /// Hold processes to a size.
    pub memory_limit: bool,
}

impl Means {
    /// Of this machine.
    pub fn here() -> Self {
        static HERE: OnceLock<Means> = OnceLock::new();
        *HERE.get_or_init(|| Self {
            masks: Masks::are_possible(),
            memory_limit: LIMITS.iter().any(|(mount, limit)| {
                let group = Path::new(mount).join(format!("fluoroscope-means-{}", std::process::id()));
                let has_limit = std::fs::create_dir(&group).is_ok() && group.join(limit).exists();
                // Made by nobody else, and empty.
                let _ = std::fs::remove_dir(&group);
                has_limit
            }),
        })
    }

    /// What of the plan can be played with them: the rest of it stays as it was drawn.
    #[must_use]
    pub fn fit(self, mut plan: Plan) -> Plan {
        if !self.masks {
            plan.reach.is_named = false;
            for row in &mut plan.troubles {
                row.retain(|spell| !matches!(spell.what, Trouble::Name(_) | Trouble::Memory(_)));
            }
        }
        if !self.memory_limit {
            plan.memory_mb = None;
            for call in plan.groups.iter_mut().flatten() {
                if call.end == End::RunsOut {
                    call.end = End::IsKilled;
                }
            }
        }
        plan
    }
}

impl std::fmt::Display for Means {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut missing = Vec::new();
        if !self.masks {
            missing.push("name servers and memory levels of its own (root and unshare)");
        }
        if !self.memory_limit {
            missing.push("memory limits (root and the memory controller of control groups)");
        }
        match missing[..] {
            [] => f.write_str("every fault can be played here"),
            _ => write!(f, "left out here: {}", missing.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_means_nothing_is_left_that_needs_them_and_everything_else_stays() {
        let none = Means {
            masks: false,
            memory_limit: false,
        };
        let all = Means {
            masks: true,
            memory_limit: true,
        };
        for number in 0..300 {
            let plan = Plan::draw(5, number);
            assert_eq!(all.fit(plan.clone()), plan);
            let fitted = none.fit(plan.clone());
            assert!(!fitted.reach.is_named && fitted.memory_mb.is_none());
            let mut calls = fitted.groups.iter().flatten();
            assert!(calls.all(|call| call.end != End::RunsOut));
            let spells = fitted.troubles.iter().flatten().count();
            assert!(spells <= plan.troubles.iter().flatten().count());
            assert_eq!(
                (&fitted.acts, &fitted.standstills),
                (&plan.acts, &plan.standstills)
            );
        }
    }
}
