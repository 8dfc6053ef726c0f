//! A local Lambda environment around real processes.
//!
//! `config` says what to play, `environment` is the handle on it, `driver` plays the lifecycle, the `*_api`
//! modules are its four HTTP faces, and `journal` and `logs` are what a test or a person looks at.

mod config;
mod environment;
mod faults;
mod invocation;
mod journal;
mod layers;
mod limits;
mod logs;
mod memory_limit;

mod driver;
mod event;
mod lifecycle;
mod process;
mod records;
mod scratch;
mod telemetry;
mod trace_identity;
mod variables;

mod api;
mod extensions_api;
mod invoke_api;
mod runtime_api;
mod telemetry_api;

pub use config::{
    Config, Credentials, ExtensionProgram, Freeze, FunctionCommand, InitAt, InitType, KilledAs,
};
pub use driver::{Part, Reason, Shutdown};
pub use environment::{Environment, NotSeen, StartError};
pub use faults::{Faults, Mishap, RecordOrder, SubscriptionAnswer};
pub use invocation::{Invoked, Request};
pub use journal::{Entry, What};
pub use layers::{Layers, LayersError};
pub use logs::{LogLine, LogSink, Source};
pub use memory_limit::MemoryLimitError;
pub use process::{Exit, Exited};
pub use trace_identity::IdStyle;
