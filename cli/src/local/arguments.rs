//! What `fluoroscope local` takes, and what it means.

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use emulator::{
    Config, Credentials, ExtensionProgram, Freeze, FunctionCommand, IdStyle, InitType, Layers, LayersError,
    LogSink,
};

const EXAMPLES: &str = "\
Examples:
  fluoroscope local --name selfies -- python3 -m awslambdaric app.handler
  fluoroscope local --env TABLE=selfies --timeout 10 -- target/debug/bootstrap
  fluoroscope local --tracing passthrough --port 9000 -- node_modules/.bin/aws-lambda-ric app.handler
  fluoroscope local --layer target/layer/fluoroscope-x86_64.zip --env AWS_LAMBDA_EXEC_WRAPPER=/opt/fluoroscope -- ./bootstrap
  fluoroscope local --xray-endpoint http://127.0.0.1:5000 --addresses addresses.json -- ./bootstrap

Then, from another terminal, with the address that was printed:
  aws lambda invoke --endpoint-url http://127.0.0.1:PORT --function-name selfies /dev/stdout
  curl -d '{\"n\":1}' http://127.0.0.1:PORT/
  aws xray get-trace-summaries --endpoint-url http://127.0.0.1:PORT --start-time … --end-time …

Ctrl-C ends the environment as Lambda does: SIGTERM to the function, SHUTDOWN to the extensions.";

/// Runs a function with the extension attached, as Lambda would.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The function's name.
    #[arg(long, default_value = "function")]
    name: String,
    /// The function's memory size in MB; it is told to the processes.
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    memory: u32,
    /// Ends the function when it and its extensions take more than that, as Lambda does; needs root and control groups.
    #[arg(long)]
    enforce_memory: bool,
    /// The function's timeout in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=900))]
    timeout: u32,
    /// What Lambda calls the function's tracing mode.
    #[arg(long, value_enum, default_value_t = Tracing::Active)]
    tracing: Tracing,
    /// How active tracing shows segment ids to the runtime: sandboxes differ.
    #[arg(long, value_enum, default_value_t = Style::Current)]
    style: Style,
    /// `_HANDLER`, for runtime clients that read it.
    #[arg(long, default_value = "app.handler")]
    handler: String,
    /// An extension to attach instead of Fluoroscope; may be given several times.
    #[arg(long, value_name = "PATH")]
    extension: Vec<PathBuf>,
    /// A layer to attach instead: a zip, or a folder with its tree; may be given several times. Its extensions are started, and
    /// AWS_LAMBDA_EXEC_WRAPPER=/opt/… is looked up in it.
    #[arg(long, value_name = "ZIP", conflicts_with = "extension")]
    layer: Vec<PathBuf>,
    /// Attaches no extension.
    #[arg(long, conflicts_with_all = ["extension", "layer"])]
    no_extension: bool,
    /// A variable of the function's, which extensions see too; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Port of the Invoke API on 127.0.0.1; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// An X-Ray endpoint to send to; without it an X-Ray-compatible backend in memory is started.
    #[arg(long, value_name = "URL")]
    xray_endpoint: Option<String>,
    /// Runs a managed instance that takes this many requests at a time.
    #[arg(long, value_name = "REQUESTS")]
    managed: Option<u16>,
    /// Leaves the processes running between invocations, where Lambda freezes them.
    #[arg(long)]
    no_freeze: bool,
    /// Writes `{"invoke":"http://…","xray":"http://…"}` to this file once ready.
    #[arg(long, value_name = "FILE")]
    pub(super) addresses: Option<PathBuf>,
    /// The runtime client: awslambdaric, aws-lambda-ric, or a bootstrap.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Tracing {
    Active,
    Passthrough,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Style {
    /// Every carrier inside the sandbox names the function segment.
    Current,
    /// The runtime's header names an Invocation subsegment that nobody announces.
    Classic,
}

/// The environment cannot be started as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(
        "no extension at {0}: build it with `cargo build --release -p extension`, name one with --extension PATH, or attach none with --no-extension"
    )]
    NoExtension(PathBuf),
    #[error("could not find the path of this executable, which the extension lies beside")]
    NoExecutable(#[source] std::io::Error),
    #[error("the layers cannot be attached")]
    Layers(#[from] LayersError),
}

/// Name of the extension's executable.
const EXTENSION: &str = "fluoroscope-extension";
/// Where X-Ray SDKs look for a daemon unless they are told otherwise.
const DAEMON_ADDRESS: &str = "127.0.0.1:2000";
const UDP_ADDRESS: &str = "FLUOROSCOPE_UDP_ADDRESS";
/// Where OpenTelemetry's SDKs send spans unless they are told otherwise.
const COLLECTOR_ADDRESS: &str = "127.0.0.1:4318";
const OTLP_ADDRESS: &str = "FLUOROSCOPE_OTLP_ADDRESS";
const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

impl Arguments {
    /// The endpoint that was named, if one was.
    pub(super) fn named_endpoint(&self) -> Option<&str> {
        self.xray_endpoint.as_deref()
    }

    /// The function's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The environment that was asked for, sending to `endpoint`.
    pub(super) fn config(&self, endpoint: &str, sink: LogSink) -> Result<Config, Unusable> {
        let mut command = self.command.iter();
        let program = command.next().cloned().unwrap_or_default();
        let function = command.fold(FunctionCommand::new(program), |function, text| function.arg(text));
        let mut config = Config::new(&self.name, function).with_log_sink(sink);
        config.memory_mb = self.memory;
        config.enforce_memory = self.enforce_memory;
        config.timeout = Duration::from_secs(u64::from(self.timeout));
        config.handler.clone_from(&self.handler);
        config.invoke_port = self.port;
        config.id_style = self.id_style();
        if let Some(max_concurrency) = self.managed {
            config.init_type = InitType::ManagedInstances { max_concurrency };
        }
        if self.no_freeze {
            config.freeze = Freeze::Off;
        }
        config.extensions = self.extensions()?;
        if !self.layer.is_empty() {
            config = config.with_layers(Layers::unpack(&self.layer)?);
        }
        take_from_caller(&mut config);
        config
            .variables
            .insert("AWS_ENDPOINT_URL_XRAY".to_owned(), endpoint.to_owned());
        config.variables.extend(self.env.iter().cloned());
        if !config.variables.contains_key(UDP_ADDRESS)
            && let Some(address) = free_daemon_address()
        {
            config.variables.insert(UDP_ADDRESS.to_owned(), address);
        }
        if !config.variables.contains_key(OTLP_ADDRESS)
            && let Some(address) = free_collector_address()
        {
            let endpoint = format!("http://{address}");
            config.variables.insert(OTLP_ADDRESS.to_owned(), address);
            config
                .variables
                .entry(OTLP_ENDPOINT.to_owned())
                .or_insert(endpoint);
        }
        Ok(config)
    }

    fn id_style(&self) -> IdStyle {
        match (self.tracing, self.managed, self.style) {
            (Tracing::Passthrough, ..) => IdStyle::PassThrough,
            (Tracing::Active, Some(_), _) => IdStyle::Managed,
            (Tracing::Active, None, Style::Current) => IdStyle::CurrentActive,
            (Tracing::Active, None, Style::Classic) => IdStyle::ClassicActive,
        }
    }

    fn extensions(&self) -> Result<Vec<ExtensionProgram>, Unusable> {
        if self.no_extension || !self.layer.is_empty() {
            return Ok(Vec::new());
        }
        let paths = if self.extension.is_empty() {
            let ours = std::env::current_exe().map_err(Unusable::NoExecutable)?;
            vec![ours.with_file_name(EXTENSION)]
        } else {
            self.extension.clone()
        };
        match paths.iter().find(|path| !path.is_file()) {
            Some(missing) => Err(Unusable::NoExtension(missing.clone())),
            None => Ok(paths.into_iter().map(ExtensionProgram::from).collect()),
        }
    }
}

/// Region and credentials of the caller's, where there are any.
fn take_from_caller(config: &mut Config) {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(region) = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")) {
        config.region = region;
    }
    if let (Some(access_key_id), Some(secret_access_key)) =
        (set("AWS_ACCESS_KEY_ID"), set("AWS_SECRET_ACCESS_KEY"))
    {
        let session_token = set("AWS_SESSION_TOKEN");
        config.credentials = Credentials {
            access_key_id,
            secret_access_key,
            session_token,
        };
    }
}

/// Another address for datagrams, if something else holds the usual one.
fn free_daemon_address() -> Option<String> {
    if UdpSocket::bind(DAEMON_ADDRESS).is_ok() {
        return None;
    }
    let free = UdpSocket::bind("127.0.0.1:0").ok()?;
    free.local_addr().ok().map(|address| address.to_string())
}

/// Another address for spans, likewise.
fn free_collector_address() -> Option<String> {
    if TcpListener::bind(COLLECTOR_ADDRESS).is_ok() {
        return None;
    }
    let free = TcpListener::bind("127.0.0.1:0").ok()?;
    free.local_addr().ok().map(|address| address.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Wrapper {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn config(line: &str) -> Config {
        let words = std::iter::once("local").chain(line.split(' '));
        let arguments = Wrapper::try_parse_from(words).unwrap().arguments;
        arguments
            .config("http://127.0.0.1:1", LogSink::new(|_| ()))
            .unwrap()
    }

    #[test]
    fn options_become_the_environment() {
        let config = config(
            "--no-extension --name n --memory 512 --timeout 7 --tracing passthrough --env A=b=c --port 9 -- python3 -m x",
        );
        assert_eq!((config.function_name.as_str(), config.memory_mb), ("n", 512));
        assert_eq!(
            (config.timeout, config.id_style),
            (Duration::from_secs(7), IdStyle::PassThrough)
        );
        assert_eq!(config.variables["A"], "b=c");
        assert_eq!(config.variables["AWS_ENDPOINT_URL_XRAY"], "http://127.0.0.1:1");
        assert_eq!(config.invoke_port, 9);
        assert_eq!(
            config.function,
            FunctionCommand::new("python3").arg("-m").arg("x")
        );
    }

    #[test]
    fn a_named_endpoint_variable_wins_over_ours() {
        let config = config("--no-extension --env AWS_ENDPOINT_URL_XRAY=http://x -- y");
        assert_eq!(config.variables["AWS_ENDPOINT_URL_XRAY"], "http://x");
    }

    #[test]
    fn a_missing_extension_says_how_to_mend_it() {
        let words = ["local", "--extension", "/nowhere/ext", "--", "x"];
        let arguments = Wrapper::try_parse_from(words).unwrap().arguments;
        let error = arguments
            .config("http://x", LogSink::new(|_| ()))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("no extension at /nowhere/ext: build it with"),
            "{error}"
        );
    }

    #[test]
    fn a_variable_needs_a_name_and_a_command_is_needed() {
        for words in [
            vec!["local", "--env", "=x", "--", "y"],
            vec!["local"],
            vec!["local", "--memory", "1", "--", "y"],
        ] {
            assert!(Wrapper::try_parse_from(words).is_err());
        }
    }
}
