//! Whether file systems can be mounted, files given away and files of the system masked: some tests do.

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

/// Why a program cannot be shown files of its own in the place of the system's, if it cannot.
pub(crate) fn masks_obstacle() -> Option<&'static str> {
    let script = "mount --bind /proc/self/status /etc/resolv.conf";
    let probe = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "/bin/sh", "-c", script])
        .output();
    (!probe.is_ok_and(|output| output.status.success())).then_some(
        "a name server of its own needs root and `unshare`: run `sudo -E env \"PATH=$PATH\" cargo xtask test`",
    )
}

fn mounts(place: &Path) -> bool {
    let succeeds = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(place);
    succeeds(&mut mount) && succeeds(Command::new("umount").arg(place))
}
