//! Whether file systems can be mounted and files given away: some tests do both.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Why it cannot be done, if it cannot.
pub(crate) fn obstacle() -> Option<&'static str> {
    let probe = std::env::temp_dir().join(format!("fluoroscope-mount-probe-{}", std::process::id()));
    let can_mount = fs::create_dir(&probe).is_ok() && mounts(&probe);
    // Made by nobody else, and empty.
    let _ = fs::remove_dir(&probe);
    (!can_mount)
        .then_some("mounting a small disk needs root: run `sudo -E env \"PATH=$PATH\" cargo xtask test`")
}

fn mounts(place: &Path) -> bool {
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(place);
    succeeds(&mut mount) && succeeds(Command::new("umount").arg(place))
}
