//! Layers as Lambda unpacks them below /opt: one tree of all of them, a later one over an earlier one.
//!
//! The tree lies in a folder of its own, so no root is needed. Of it, the environment uses what Lambda itself uses: the programs in
//! `extensions/`, and the exec wrapper that the function names by its path below /opt. Search paths of the runtimes
//! (`/opt/python`, `/opt/nodejs`, `/opt/lib`) are not set.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use crate::config::ExtensionProgram;
use crate::limits::{LAYERS_MAX, LAYERS_MAX_BYTES};
use crate::scratch::Scratch;

/// Where layers lie on Lambda.
const OPT: &str = "/opt/";
/// Where Lambda looks for extensions, below /opt.
const EXTENSIONS: &str = "extensions";

/// An unpacked tree, removed when this is dropped.
#[derive(Debug)]
pub struct Layers {
    scratch: Scratch,
    extensions: Vec<ExtensionProgram>,
}

/// The layers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayersError {
    /// A function takes no more.
    #[error("{0} layers: Lambda attaches {LAYERS_MAX} to a function at most")]
    TooMany(usize),
    /// Lambda would refuse to create the function.
    #[error(
        "the layers are {0} bytes unpacked: Lambda takes {LAYERS_MAX_BYTES}, the function's own code included"
    )]
    TooLarge(u64),
    /// Neither a folder nor a zip.
    #[error(
        "the layer {0} is neither a folder nor a zip file that can be read: make one with `cargo xtask layer`"
    )]
    Unreadable(PathBuf, #[source] zip::result::ZipError),
    /// The extension was made for another machine, and there is no emulator for it.
    #[error(
        "the extension {extension} is for {machine}: take the layer for this machine, or install {emulator} (Debian: qemu-user-static)"
    )]
    Foreign {
        /// Its name.
        extension: String,
        /// What it was made for.
        machine: &'static str,
        /// What could run it.
        emulator: String,
    },
    /// The disk.
    #[error("could not lay out {0}")]
    Io(PathBuf, #[source] std::io::Error),
}

impl Layers {
    /// Unpacks zip files and copies folders, in this order.
    ///
    /// An extension for another machine is started through QEMU's emulator of it (`qemu-aarch64-static` or `qemu-aarch64`) if that is
    /// on the search path; `QEMU_LD_PREFIX` names the C library it is to find, `QEMU_CPU` the processor it is to be.
    ///
    /// # Errors
    /// A layer cannot be read, there are too many or they are too large, or an extension cannot run here.
    pub fn unpack(layers: &[PathBuf]) -> Result<Self, LayersError> {
        if layers.len() > LAYERS_MAX {
            return Err(LayersError::TooMany(layers.len()));
        }
        let scratch = Scratch::create().map_err(|error| LayersError::Io(std::env::temp_dir(), error))?;
        let root = scratch.path().join("opt");
        fs::create_dir(&root).map_err(|error| LayersError::Io(root.clone(), error))?;
        let mut room = LAYERS_MAX_BYTES;
        for layer in layers {
            let taken = match layer.is_dir() {
                true => copy(layer, &root)?,
                false => extract(layer, &root, room)?,
            };
            room = room
                .checked_sub(taken)
                .ok_or(LayersError::TooLarge(LAYERS_MAX_BYTES - room + taken))?;
        }
        let mut unpacked = Self {
            scratch,
            extensions: Vec::new(),
        };
        unpacked.extensions = unpacked.programs()?;
        Ok(unpacked)
    }

    /// The programs in `extensions/`, in the order of their names.
    #[must_use]
    pub fn extensions(&self) -> &[ExtensionProgram] {
        &self.extensions
    }

    /// The folder that stands for /opt.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.scratch.path().join("opt")
    }

    /// Where a path below /opt lies here; any other path is itself.
    pub(crate) fn place(&self, path: &str) -> PathBuf {
        match path.strip_prefix(OPT) {
            Some(below) => self.root().join(below),
            None => PathBuf::from(path),
        }
    }

    fn programs(&self) -> Result<Vec<ExtensionProgram>, LayersError> {
        let folder = self.root().join(EXTENSIONS);
        let Ok(listed) = fs::read_dir(&folder) else {
            return Ok(Vec::new());
        };
        // Lambda starts every file here, and looks into no folder.
        let mut files: Vec<PathBuf> = listed
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        for file in &files {
            self.make_native(file)?;
        }
        Ok(files.into_iter().map(ExtensionProgram::from).collect())
    }

    /// Puts a line of shell in the place of a program for another machine, which starts it through an emulator.
    fn make_native(&self, program: &Path) -> Result<(), LayersError> {
        let failed = |error| LayersError::Io(program.to_owned(), error);
        let Some(machine) = machine_of(program).map_err(failed)? else {
            return Ok(());
        };
        if machine == std::env::consts::ARCH {
            return Ok(());
        }
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let emulator = emulator_of(machine).ok_or_else(|| LayersError::Foreign {
            extension: name.clone(),
            machine,
            emulator: format!("qemu-{machine}-static"),
        })?;
        let mode = fs::metadata(program).map_err(failed)?.permissions();
        let moved = self.scratch.path().join(&name);
        fs::rename(program, &moved).map_err(failed)?;
        // Programs of a sandbox do not get the caller's variables, so these become words.
        let words: String = [("QEMU_LD_PREFIX", "-L"), ("QEMU_CPU", "-cpu")]
            .into_iter()
            .filter_map(|(name, flag)| {
                Some(format!("{flag} {} ", quoted(Path::new(&std::env::var_os(name)?))))
            })
            .collect();
        let line = format!(
            "#!/bin/sh\nexec {} {words}-0 \"$0\" {} \"$@\"\n",
            quoted(&emulator),
            quoted(&moved)
        );
        fs::write(program, line).map_err(failed)?;
        fs::set_permissions(program, mode).map_err(failed)
    }
}

/// Extracts a zip; returns its bytes unpacked. One that has no room is refused before anything of it is written.
fn extract(layer: &Path, root: &Path, room: u64) -> Result<u64, LayersError> {
    let unreadable = |error| LayersError::Unreadable(layer.to_owned(), error);
    let file = File::open(layer).map_err(|error| unreadable(error.into()))?;
    let mut archive = ZipArchive::new(file).map_err(unreadable)?;
    let mut bytes: u64 = 0;
    for index in 0..archive.len() {
        bytes = bytes.saturating_add(archive.by_index(index).map_err(unreadable)?.size());
    }
    if bytes > room {
        return Err(LayersError::TooLarge(
            (LAYERS_MAX_BYTES - room).saturating_add(bytes),
        ));
    }
    archive.extract(root).map_err(unreadable)?;
    Ok(bytes)
}

/// Copies a folder with what lies in it and their modes; returns the bytes of its files.
fn copy(from: &Path, to: &Path) -> Result<u64, LayersError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| LayersError::Io(path, error)
    };
    let mut bytes: u64 = 0;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            fs::create_dir_all(&target).map_err(failed(&target))?;
            bytes = bytes.saturating_add(copy(&path, &target)?);
        } else {
            bytes = bytes.saturating_add(fs::copy(&path, &target).map_err(failed(&path))?);
        }
    }
    Ok(bytes)
}

/// The machine that an ELF program was made for, by Rust's name; none for a script, or for a machine that Lambda has not.
fn machine_of(program: &Path) -> std::io::Result<Option<&'static str>> {
    // The magic number, and two bytes at 18 (ELF specification, `e_machine`).
    let mut head = [0; 20];
    let mut file = File::open(program)?;
    if file.read_exact(&mut head).is_err() || !head.starts_with(b"\x7fELF") {
        return Ok(None);
    }
    Ok(match head {
        [.., 0x3e, 0] => Some("x86_64"),
        [.., 0xb7, 0] => Some("aarch64"),
        _ => None,
    })
}

/// QEMU's emulator of a machine, if it is on the search path.
fn emulator_of(machine: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = [format!("qemu-{machine}-static"), format!("qemu-{machine}")];
    std::env::split_paths(&path)
        .flat_map(|folder| names.each_ref().map(|name| folder.join(name)))
        .find(|program| fs::metadata(program).is_ok_and(|found| is_executable(&found.permissions())))
}

fn is_executable(permissions: &Permissions) -> bool {
    permissions.mode() & 0o111 != 0
}

/// A path as one word of a shell's.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    struct Folder(Scratch);

    impl Folder {
        fn new() -> Self {
            Self(Scratch::create().unwrap())
        }

        fn zip(&self, name: &str, entries: &[(&str, u32, &[u8])]) -> PathBuf {
            let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
            for (place, mode, content) in entries {
                let options = SimpleFileOptions::default().unix_permissions(*mode);
                zip.start_file(*place, options).unwrap();
                zip.write_all(content).unwrap();
            }
            let path = self.0.path().join(name);
            fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
            path
        }
    }

    fn names(layers: &Layers) -> Vec<&str> {
        layers
            .extensions()
            .iter()
            .map(|extension| extension.name.as_str())
            .collect()
    }

    #[test]
    fn a_later_layer_lies_over_an_earlier_one_and_modes_are_kept() {
        let folder = Folder::new();
        let one = folder.zip(
            "one.zip",
            &[
                ("extensions/b", 0o755, b"#!1"),
                ("extensions/sub/c", 0o755, b"#!"),
                ("w", 0o755, b"1"),
            ],
        );
        let two = folder.zip("two.zip", &[("extensions/a", 0o644, b"#!2"), ("w", 0o700, b"2")]);
        let layers = Layers::unpack(&[one, two]).unwrap();
        assert_eq!(names(&layers), ["a", "b"]);
        assert_eq!(fs::read(layers.place("/opt/w")).unwrap(), b"2");
        let mode = |path: &str| fs::metadata(layers.place(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode("/opt/extensions/a"), mode("/opt/extensions/b")),
            (0o644, 0o755)
        );
        assert_eq!(layers.place("/var/task/w"), Path::new("/var/task/w"));
        let root = layers.root();
        drop(layers);
        assert!(!root.exists());
    }

    #[test]
    fn a_folder_is_a_layer_too() {
        let folder = Folder::new();
        let extensions = folder.0.path().join("layer/extensions");
        fs::create_dir_all(&extensions).unwrap();
        fs::write(extensions.join("x"), "#!").unwrap();
        fs::set_permissions(extensions.join("x"), Permissions::from_mode(0o755)).unwrap();
        let layers = Layers::unpack(&[folder.0.path().join("layer")]).unwrap();
        assert_eq!(names(&layers), ["x"]);
        assert!(is_executable(
            &fs::metadata(&layers.extensions()[0].program)
                .unwrap()
                .permissions()
        ));
    }

    #[test]
    fn lambdas_quotas_hold() {
        let folder = Folder::new();
        let small = folder.zip("small.zip", &[("x", 0o644, b"")]);
        assert!(Layers::unpack(&vec![small.clone(); LAYERS_MAX]).is_ok());
        let error = Layers::unpack(&vec![small; LAYERS_MAX + 1]).unwrap_err();
        assert!(matches!(error, LayersError::TooMany(6)), "{error}");
        let zeros = folder.zip("zeros.zip", &[("z", 0o644, &vec![0; 1000])]);
        let root = folder.0.path().join("root");
        fs::create_dir(&root).unwrap();
        assert!(
            matches!(extract(&zeros, &root, 999), Err(LayersError::TooLarge(bytes)) if bytes == LAYERS_MAX_BYTES + 1)
        );
        assert!(!root.join("z").exists());
        assert_eq!(extract(&zeros, &root, 1000).unwrap(), 1000);
    }

    #[test]
    fn what_is_no_layer_says_how_to_make_one() {
        let error = Layers::unpack(&[PathBuf::from("/nowhere/layer.zip")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nowhere/layer.zip") && error.contains("cargo xtask layer"),
            "{error}"
        );
    }

    #[test]
    fn the_machine_of_a_program_is_in_its_head() {
        let folder = Folder::new();
        let path = folder.0.path().join("program");
        let mut head = [0_u8; 20];
        head[..4].copy_from_slice(b"\x7fELF");
        for (machine, name) in [(0x3e, Some("x86_64")), (0xb7, Some("aarch64")), (0xf3, None)] {
            head[18] = machine;
            fs::write(&path, head).unwrap();
            assert_eq!(machine_of(&path).unwrap(), name);
        }
        fs::write(&path, "#!/bin/sh\nexec something of more than twenty bytes\n").unwrap();
        assert_eq!(machine_of(&path).unwrap(), None);
    }
}
