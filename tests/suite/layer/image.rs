//! The stage that container images copy from, and the page's image that does: judged by a linter of Dockerfiles, and built.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::clients::tools::{self, target};
use crate::deploy::snippets::snippet;

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

#[test]
fn the_dockerfile_of_the_page_has_no_finding_as_it_stands() {
    let path = target().join("tmp/Dockerfile.page");
    std::fs::write(&path, snippet("Dockerfile")).expect("the target folder is ours");
    let output = lint(&path);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// Built by buildah, which needs root.
mod as_root {
    use std::os::unix::fs::{PermissionsExt, symlink};

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

        /// The image that the page's starts from: AWS's is not here, so it is this one of the same name. Of what the page takes
        /// from it, it has the variable with the folder of the code.
        fn base(&self) {
            let text = "FROM docker.io/library/busybox:1.37\nENV LAMBDA_TASK_ROOT=/var/task\n";
            let dockerfile = self.write("Dockerfile.base", text);
            let name = "public.ecr.aws/lambda/python:3.13";
            self.build(&dockerfile, &self.0.join("busybox"), &["--tag", name]);
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
        store.base();
        // As on the page: the Dockerfile, and the function's code beside it.
        let function = store.write("Dockerfile", &snippet("Dockerfile"));
        let beside = store.0.join("beside");
        std::fs::create_dir_all(beside.join("src")).expect("the target folder is ours");
        store.write("beside/src/app.py", CODE);
        for (arch, docker) in [(NATIVE, docker(NATIVE)), (FOREIGN, docker(FOREIGN))] {
            if arch == FOREIGN && !target().join(format!("layer/fluoroscope-{arch}.zip")).exists() {
                continue;
            }
            let context = zip(arch);
            let context = context.parent().expect("a file lies in a folder");
            // For this machine's image the builder tells the architecture, as it does for any image of another platform.
            let told = format!("TARGETARCH={docker}");
            let words = ["--tag", "fluoroscope:latest", "--build-arg", &told];
            let words = if arch == NATIVE { &words[..2] } else { &words[..] };
            store.build(&dockerfile(), context, words);
            let root = store.0.join(arch);
            let into = format!("type=local,dest={}", root.display());
            store.build(&function, &beside, &["--output", &into]);
            check_tree(arch, &root.join("opt"));
            let code = std::fs::read_to_string(root.join("var/task/app.py"));
            assert!(
                code.is_ok_and(|code| code == CODE),
                "the code is where it is looked for"
            );
        }
        check_layer(&store.0.join(NATIVE).join("opt"), |_| ()).await;
    }

    const CODE: &str = "def handler(event, context):\n    return {}\n";

    /// Holds a tree to what is in the zip.
    fn check_tree(arch: &str, opt: &Path) {
        for (name, file) in unpacked(&zip(arch)).0 {
            let path = opt.join(&name);
            let metadata = std::fs::metadata(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(metadata.permissions().mode() & 0o777, file.mode, "{name}");
            assert!(
                std::fs::read(&path).is_ok_and(|content| content == file.content),
                "{name}"
            );
        }
    }

    /// An architecture as builders of images write it.
    fn docker(arch: &str) -> &str {
        if arch == "x86_64" { "amd64" } else { arch }
    }
}
