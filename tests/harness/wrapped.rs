//! The layer's tree as Lambda unpacks it below /opt, and functions that are started through its exec wrapper.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use emulator::Config;

use crate::lab::{binary, own_udp_address};

/// Where the proxy listens below an address that no other test uses.
const PORT: u16 = 9009;

/// The layer's tree, made of what was built: one for all test programs.
///
/// # Panics
/// It cannot be laid out.
pub fn layer() -> &'static Path {
    static LAYER: OnceLock<PathBuf> = OnceLock::new();
    LAYER.get_or_init(|| {
        let extension = binary("fluoroscope-extension");
        let root = extension.parent().expect("a file lies in a folder");
        let layer = root.join("layer");
        let wrapper = Path::new(env!("CARGO_MANIFEST_DIR")).join("../layer/fluoroscope");
        let links = [("fluoroscope", &wrapper), ("extensions/fluoroscope", &extension)];
        let is_current = |(name, to): &(&str, &PathBuf)| {
            std::fs::read_link(layer.join(name)).is_ok_and(|found| found == **to)
        };
        if !links.iter().all(is_current) {
            let own = root.join(format!("layer-{}", std::process::id()));
            std::fs::create_dir_all(own.join("extensions")).expect("the target folder is ours");
            for (name, to) in links {
                symlink(to, own.join(name)).expect("the folder is new");
            }
            // Where another test program was faster, its tree is the same.
            if std::fs::rename(&own, &layer).is_err() {
                std::fs::remove_dir_all(&own).expect("the folder is ours");
            }
            let is_laid_out = links.iter().all(is_current);
            assert!(
                is_laid_out,
                "{} is of another checkout: remove it",
                layer.display()
            );
        }
        layer
    })
}

/// Starts the function through the exec wrapper.
pub fn wrap(config: &mut Config) {
    let wrapper = layer().join("fluoroscope").to_string_lossy().into_owned();
    config.variables.insert("AWS_LAMBDA_EXEC_WRAPPER".into(), wrapper);
}

/// Starts the function through the exec wrapper, with the Runtime API proxy between it and Lambda. Its address.
pub fn proxied(config: &mut Config) -> SocketAddr {
    proxied_on(config, own_udp_address().ip())
}

/// The same on an address that is the caller's.
pub fn proxied_on(config: &mut Config, ip: IpAddr) -> SocketAddr {
    wrap(config);
    let address = SocketAddr::new(ip, PORT);
    config.variables.insert("FLUOROSCOPE_PROXY".into(), "1".into());
    config
        .variables
        .insert("FLUOROSCOPE_PROXY_ADDRESS".into(), address.to_string());
    address
}
