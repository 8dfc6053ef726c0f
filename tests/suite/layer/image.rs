//! The stage that container images copy from: judged by a linter of Dockerfiles, and built.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::files::target;
use crate::clients::tools;

fn dockerfile() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../layer/Dockerfile")
}

fn lint(path: &Path) -> Output {
    let mut hadolint = Command::new(tools::python_environment("hadolint"));
    hadolint.arg("--failure-threshold").arg("info").arg(path);
    hadolint.output().expect("it is installed")
}

#[test]
fn the_dockerfile_has_no_finding_and_a_bad_one_has() {
    let output = lint(&dockerfile());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let text = std::fs::read_to_string(dockerfile()).expect("it is there");
    let bad = target().join("tmp/Dockerfile.bad");
    std::fs::write(&bad, text.replacen("busybox:1.37", "busybox", 1)).expect("the target folder is ours");
    let output = lint(&bad);
    assert!(!output.status.success(), "an image without a version is found");
}

/// Built by buildah, which needs root.
mod as_root {
    use std::os::unix::fs::symlink;

    use super::super::files::{FOREIGN, NATIVE, unpacked, zip};
    use super::super::local::check_layer;
    use super::*;

    /// Images and containers of one test.
    struct Store(PathBuf);

    impl Store {
        fn create() -> Self {
            let folder = target().join(format!("tmp/images-{}", std::process::id()));
            let store = Self(folder);
            std::fs::create_dir_all(store.0.join("busybox/bin")).expect("the target folder is ours");
            store.write(
                "policy.json",
                r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
            );
            store.write(
                "registries.conf",
                "unqualified-search-registries = [\"docker.io\"]\n",
            );
            store
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).expect("the folder is ours");
            path
        }

        /// Builds a Dockerfile with a folder, from images that are here alone.
        fn build(&self, dockerfile: &Path, folder: &Path, words: &[&str]) {
            let place = |name: &str| self.0.join(name).to_string_lossy().into_owned();
            let mut command = Command::new(target().join("tools/buildah/run"));
            command
                .args([
                    "--root",
                    &place("root"),
                    "--runroot",
                    &place("run"),
                    "--storage-driver",
                    "vfs",
                ])
                .args([
                    "--registries-conf",
                    &place("registries.conf"),
                    "build",
                    "--isolation",
                    "chroot",
                ])
                .args(["--signature-policy", &place("policy.json"), "--pull=never"])
                .args(words)
                .arg("--file")
                .arg(dockerfile)
                .arg(folder);
            let output = command.output().expect("it is installed");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}\n{said}");
        }

        /// The image that ours starts from, made of the one program that is in it.
        fn busybox(&self) {
            let folder = self.0.join("busybox");
            let program = target().join("tools/buildah/busybox");
            std::fs::copy(program, folder.join("bin/busybox")).expect("it is installed");
            for name in ["sh", "mkdir", "unzip", "chmod"] {
                symlink("busybox", folder.join("bin").join(name)).expect("the folder is new");
            }
            let dockerfile = self.write("Dockerfile.busybox", "FROM scratch\nCOPY . /\n");
            self.build(&dockerfile, &folder, &["--tag", "docker.io/library/busybox:1.37"]);
        }
    }

    impl Drop for Store {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[tokio::test]
    async fn an_image_that_copies_from_it_has_the_tree_of_the_zip_and_runs() {
        let store = Store::create();
        store.busybox();
        for (arch, docker) in [(NATIVE, docker(NATIVE)), (FOREIGN, docker(FOREIGN))] {
            if arch == FOREIGN && !target().join(format!("layer/fluoroscope-{arch}.zip")).exists() {
                continue;
            }
            let context = zip(arch);
            let context = context.parent().expect("a file lies in a folder");
            let image = format!("localhost/fluoroscope-{arch}");
            // For this machine's image the builder tells the architecture, as it does for any image of another platform.
            let told = format!("TARGETARCH={docker}");
            let words = ["--tag", &image, "--build-arg", &told];
            let words = if arch == NATIVE { &words[..2] } else { &words[..] };
            store.build(&dockerfile(), context, words);
            let text = format!("FROM scratch\nCOPY --from={image} /opt/ /opt/\n");
            let function = store.write(&format!("Dockerfile.{arch}"), &text);
            let root = store.0.join(arch);
            let into = format!("type=local,dest={}", root.display());
            store.build(&function, &store.0.join("busybox"), &["--output", &into]);
            for (name, file) in unpacked(&zip(arch)).0 {
                let path = root.join("opt").join(&name);
                let metadata = std::fs::metadata(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
                let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
                assert_eq!(mode, file.mode, "{name}");
                assert!(
                    std::fs::read(&path).is_ok_and(|content| content == file.content),
                    "{name}"
                );
            }
        }
        check_layer(&store.0.join(NATIVE).join("opt"), |_| ()).await;
    }

    /// An architecture as builders of images write it.
    fn docker(arch: &str) -> &str {
        if arch == "x86_64" { "amd64" } else { arch }
    }
}
