//! What to play: a function, its extensions, its settings and the platform's moods, as plain data.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::faults::Faults;
use crate::layers::Layers;
use crate::limits;
use crate::logs::LogSink;
use crate::trace_identity::IdStyle;

/// One environment. Made by [`Config::new`], changed field by field or with the `with_` methods.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The function's name, which the Invoke API answers to.
    pub function_name: String,
    /// The function's version. Default `$LATEST`.
    pub version: String,
    /// The runtime client that plays the function.
    pub function: FunctionCommand,
    /// External extensions, started in this order.
    pub extensions: Vec<ExtensionProgram>,
    /// What lies below /opt, where the function's exec wrapper is looked up. Default: this machine's.
    pub layers: Option<Arc<Layers>>,
    /// `_HANDLER`. Default `app.handler`.
    pub handler: String,
    /// `runtimeVersion` of the init records, such as `python:3.13.v40`; OS-only runtimes have none.
    pub runtime_version: Option<String>,
    /// `AWS_EXECUTION_ENV`. Default `AWS_Lambda_provided.al2023`.
    pub execution_environment: String,
    /// Default `111122223333`.
    pub account_id: String,
    /// Default `eu-west-1`.
    pub region: String,
    /// Memory size as configured. Default 256.
    pub memory_mb: u32,
    /// Whether runtime and extensions are held to it, by a control group; that takes root. Default: no.
    pub enforce_memory: bool,
    /// The function's timeout. Default 3 s.
    pub timeout: Duration,
    /// The function's own variables.
    pub variables: BTreeMap<String, String>,
    /// Role credentials. Default: a dummy triple.
    pub credentials: Credentials,
    /// `AWS_XRAY_DAEMON_ADDRESS` of the runtime. Default: the function's `FLUOROSCOPE_UDP_ADDRESS`, else `127.0.0.1:2000`.
    pub xray_daemon_address: Option<String>,
    /// `LAMBDA_TASK_ROOT` and the runtime's working directory. Default: the current one.
    pub task_root: Option<PathBuf>,
    /// Which carrier shows which segment id.
    pub id_style: IdStyle,
    /// What active tracing decides for a request without a decision. Default: sampled.
    pub sampling_decision: bool,
    /// Whether [`IdStyle::ClassicActive`] names the Invocation subsegment in `platform.runtimeDone`.
    pub invocation_id_in_runtime_done: bool,
    /// Whether [`IdStyle::PassThrough`] has `tracing` (without `spanId`) in its records. Default: yes.
    pub tracing_in_pass_through: bool,
    /// How the environment is initialised.
    pub init_type: InitType,
    /// When an on-demand environment is initialised.
    pub init_at: InitAt,
    /// Time after which an on-demand init is given up and tried again inside the invocation.
    pub init_limit: Duration,
    /// Whether processes are stopped between invocations.
    pub freeze: Freeze,
    /// What a runtime killed by a signal from outside is reported as.
    pub killed_as: KilledAs,
    /// Path in front of the Runtime, Extensions and Telemetry APIs, such as `/.rt`.
    pub path_prefix: String,
    /// Port of the Invoke API. Default: chosen by the system.
    pub invoke_port: u16,
    /// Deviations of the platform.
    pub faults: Faults,
    /// Called with every log line as it comes.
    pub log_sink: Option<LogSink>,
}

impl Config {
    /// An on-demand environment with current, active tracing and Lambda's defaults.
    pub fn new(function_name: impl Into<String>, function: FunctionCommand) -> Self {
        Self {
            function_name: function_name.into(),
            version: "$LATEST".to_owned(),
            function,
            extensions: Vec::new(),
            layers: None,
            handler: "app.handler".to_owned(),
            runtime_version: None,
            execution_environment: "AWS_Lambda_provided.al2023".to_owned(),
            account_id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            memory_mb: 256,
            enforce_memory: false,
            timeout: Duration::from_secs(3),
            variables: BTreeMap::new(),
            credentials: Credentials::dummy(),
            xray_daemon_address: None,
            task_root: None,
            id_style: IdStyle::CurrentActive,
            sampling_decision: true,
            invocation_id_in_runtime_done: false,
            tracing_in_pass_through: true,
            init_type: InitType::OnDemand,
            init_at: InitAt::FirstInvocation,
            init_limit: limits::INIT_LIMIT,
            freeze: Freeze::Stop,
            killed_as: KilledAs::Detect,
            path_prefix: String::new(),
            invoke_port: 0,
            faults: Faults::default(),
            log_sink: None,
        }
    }

    /// Adds an external extension, named like its file.
    #[must_use]
    pub fn with_extension(mut self, extension: impl Into<ExtensionProgram>) -> Self {
        self.extensions.push(extension.into());
        self
    }

    /// Attaches layers: their extensions are started after those that are there, in the order of their names.
    #[must_use]
    pub fn with_layers(mut self, layers: Layers) -> Self {
        self.extensions.extend(layers.extensions().iter().cloned());
        self.layers = Some(Arc::new(layers));
        self
    }

    /// Sets one of the function's variables.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets the function's timeout.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the id style.
    #[must_use]
    pub fn with_id_style(mut self, style: IdStyle) -> Self {
        self.id_style = style;
        self
    }

    /// Sets the init type.
    #[must_use]
    pub fn with_init_type(mut self, init_type: InitType) -> Self {
        self.init_type = init_type;
        self
    }

    /// Sets when an on-demand environment is initialised.
    #[must_use]
    pub fn with_init_at(mut self, init_at: InitAt) -> Self {
        self.init_at = init_at;
        self
    }

    /// Sets the deviations of the platform.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Sets whether processes are stopped between invocations.
    #[must_use]
    pub fn with_freeze(mut self, freeze: Freeze) -> Self {
        self.freeze = freeze;
        self
    }

    /// Calls `sink` with every log line.
    #[must_use]
    pub fn with_log_sink(mut self, sink: LogSink) -> Self {
        self.log_sink = Some(sink);
        self
    }

    /// The function's ARN without a qualifier.
    pub fn function_arn(&self) -> String {
        format!(
            "arn:aws:lambda:{}:{}:function:{}",
            self.region, self.account_id, self.function_name
        )
    }
}

/// The program that plays the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCommand {
    /// A path, or a name looked up in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl FunctionCommand {
    /// A program without arguments.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }
}

/// An external extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionProgram {
    /// The name it has to register with: on Lambda the name of its file.
    pub name: String,
    /// A path, or a name looked up in `PATH`.
    pub program: PathBuf,
    /// Its arguments; Lambda gives none.
    pub arguments: Vec<String>,
}

impl ExtensionProgram {
    /// The extension at `program`, named like the file.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        let name = program
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        Self {
            name,
            program,
            arguments: Vec::new(),
        }
    }

    /// Gives it another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }
}

impl From<PathBuf> for ExtensionProgram {
    fn from(program: PathBuf) -> Self {
        Self::new(program)
    }
}

impl From<&Path> for ExtensionProgram {
    fn from(program: &Path) -> Self {
        Self::new(program)
    }
}

impl From<&str> for ExtensionProgram {
    fn from(program: &str) -> Self {
        Self::new(program)
    }
}

/// Role credentials, given as variables or, under SnapStart, by the credentials endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
}

impl Credentials {
    /// Well-formed keys that open nothing.
    pub fn dummy() -> Self {
        Self {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: Some("dummy-session-token".to_owned()),
        }
    }
}

/// How the environment is initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitType {
    /// For a request, or shortly ahead of one.
    OnDemand,
    /// Long ahead of any request.
    ProvisionedConcurrency,
    /// At publish time; each environment is restored from the snapshot.
    SnapStart {
        /// How long ago the version was published.
        published: Duration,
    },
    /// On instances of the customer's, with several requests at a time and no freeze.
    ManagedInstances {
        /// Requests at a time.
        max_concurrency: u16,
    },
}

impl InitType {
    /// `AWS_LAMBDA_INITIALIZATION_TYPE`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::ProvisionedConcurrency => "provisioned-concurrency",
            Self::SnapStart { .. } => "snap-start",
            Self::ManagedInstances { .. } => "lambda-managed-instances",
        }
    }

    /// Whether this is a managed instance.
    pub fn is_managed(self) -> bool {
        matches!(self, Self::ManagedInstances { .. })
    }
}

/// When an on-demand environment is initialised; the other types always start at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitAt {
    /// The first request waits for it.
    FirstInvocation,
    /// Ahead of any request, as Lambda sometimes does.
    Start,
}

/// What happens between invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// Every process group is stopped (SIGSTOP) and the timers of the telemetry buffers stand still.
    Stop,
    /// Nothing.
    Off,
}

/// What a runtime that a stranger's SIGKILL ended is reported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KilledAs {
    /// `Runtime.OutOfMemory` if the kernel's out-of-memory count has risen, else `Runtime.ExitError`.
    Detect,
    /// `Runtime.ExitError`.
    ExitError,
    /// `Runtime.OutOfMemory`.
    OutOfMemory,
}
