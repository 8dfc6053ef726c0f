//! The two architectures that Lambda runs functions on.

use clap::ValueEnum;

/// An architecture, by Lambda's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// Intel and AMD.
    #[value(name = "x86_64")]
    X86_64,
    /// Graviton.
    #[value(name = "arm64", alias = "aarch64")]
    Arm64,
}

impl Arch {
    /// Both.
    pub(crate) const EACH: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// The architecture of this machine.
    pub(crate) fn of_host() -> Self {
        match std::env::consts::ARCH {
            "aarch64" => Self::Arm64,
            _ => Self::X86_64,
        }
    }

    /// The other one.
    pub(crate) fn foreign() -> Self {
        match Self::of_host() {
            Self::X86_64 => Self::Arm64,
            Self::Arm64 => Self::X86_64,
        }
    }

    /// As Lambda writes it: in `CompatibleArchitectures`, and in the names of our files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// As Rust, C compilers and kernels write it.
    pub(crate) fn machine(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// As Debian writes it.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Rust's target.
    pub(crate) fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.machine())
    }

    /// The least of the processors that Lambda runs on: any x86_64, and Graviton2.
    pub(crate) fn processor(self) -> &'static str {
        match self {
            Self::X86_64 => "x86-64",
            Self::Arm64 => "neoverse-n1",
        }
    }

    /// Where Linux keeps the program that loads programs.
    pub(crate) fn loader(self) -> &'static str {
        match self {
            Self::X86_64 => "/lib64/ld-linux-x86-64.so.2",
            Self::Arm64 => "/lib/ld-linux-aarch64.so.1",
        }
    }
}
