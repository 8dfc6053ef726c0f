//! Real memory limits: a control group for each sandbox.

use std::path::Path;

/// Files that a group with a memory limit has, in version 1 and 2.
const PLACES: [(&str, &str); 2] = [
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ("/sys/fs/cgroup", "memory.max"),
];

/// Why memory cannot be limited here, if it cannot.
pub(crate) fn obstacle() -> Option<&'static str> {
    let can_limit = PLACES.iter().any(|(mount, limit)| {
        let group = Path::new(mount).join(format!("fluoroscope-probe-{}", std::process::id()));
        let is_made = std::fs::create_dir(&group).is_ok();
        let has_limit = is_made && group.join(limit).exists();
        // Made by nobody else, and empty.
        let _ = std::fs::remove_dir(&group);
        has_limit
    });
    (!can_limit).then_some(
        "memory limits need root and the memory controller of control groups: run `sudo -E env \"PATH=$PATH\" cargo xtask test`",
    )
}
