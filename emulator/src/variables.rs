//! The variables that Lambda gives to the runtime and to extensions.
//!
//! Pure: what is taken from our own environment comes in through [`Host`].

use std::collections::BTreeMap;

use crate::config::{Config, InitType};

/// Variables of ours that every process gets, since programs are found through them.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) path: String,
    pub(crate) home: Option<String>,
    pub(crate) task_root: String,
}

impl Host {
    /// Reads them; the environment is never written.
    pub(crate) fn read(config: &Config) -> Self {
        let here = || std::env::current_dir().unwrap_or_default();
        Self {
            path: std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned()),
            home: std::env::var("HOME").ok(),
            task_root: config
                .task_root
                .clone()
                .unwrap_or_else(here)
                .to_string_lossy()
                .into_owned(),
        }
    }
}

/// What differs from one environment to the next.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    /// `host:port[/prefix]` of the Runtime API.
    pub(crate) runtime_api: String,
    pub(crate) log_stream: String,
    /// `Authorization` of the credentials endpoint.
    pub(crate) credentials_token: String,
    /// Temporary folder of this environment alone.
    pub(crate) scratch: String,
}

/// Never given to an extension.
const WITHHELD: [&str; 7] = [
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];
/// Of these a managed instance lets the function's own values through.
const MANAGED_LETS_THROUGH: [&str; 2] = ["AWS_XRAY_CONTEXT_MISSING", "AWS_XRAY_DAEMON_ADDRESS"];

type Variables = BTreeMap<String, String>;

/// The variables of an extension.
pub(crate) fn extension(config: &Config, host: &Host, sandbox: &Sandbox) -> Variables {
    let mut variables = common(config, host, sandbox);
    variables.retain(|name, _| {
        let let_through = config.init_type.is_managed() && MANAGED_LETS_THROUGH.contains(&name.as_str());
        let_through || !(name.starts_with('_') || WITHHELD.contains(&name.as_str()))
    });
    variables
}

/// The variables of the runtime.
pub(crate) fn runtime(config: &Config, host: &Host, sandbox: &Sandbox) -> Variables {
    let mut variables = common(config, host, sandbox);
    let daemon = config.xray_daemon_address.clone().unwrap_or_else(|| {
        config
            .variables
            .get("FLUOROSCOPE_UDP_ADDRESS")
            .cloned()
            .unwrap_or_else(|| "127.0.0.1:2000".to_owned())
    });
    let mut preset = |name: &str, value: &str| {
        variables
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    };
    preset("AWS_XRAY_DAEMON_ADDRESS", &daemon);
    preset("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
    let mut reserved = |name: &str, value: &str| {
        variables.insert(name.to_owned(), value.to_owned());
    };
    if let Some((host, port)) = daemon.rsplit_once(':') {
        reserved("_AWS_XRAY_DAEMON_ADDRESS", host);
        reserved("_AWS_XRAY_DAEMON_PORT", port);
    }
    reserved("_HANDLER", &config.handler);
    reserved("LAMBDA_TASK_ROOT", &host.task_root);
    reserved("LAMBDA_RUNTIME_DIR", "/var/runtime");
    reserved("AWS_EXECUTION_ENV", &config.execution_environment);
    match config.init_type {
        InitType::SnapStart { .. } => {}
        InitType::ManagedInstances { max_concurrency } => {
            reserved("AWS_LAMBDA_MAX_CONCURRENCY", &max_concurrency.to_string());
            log_names(&mut reserved, config, sandbox);
        }
        InitType::OnDemand | InitType::ProvisionedConcurrency => log_names(&mut reserved, config, sandbox),
    }
    variables
}

fn log_names(reserved: &mut impl FnMut(&str, &str), config: &Config, sandbox: &Sandbox) {
    reserved(
        "AWS_LAMBDA_LOG_GROUP_NAME",
        &format!("/aws/lambda/{}", config.function_name),
    );
    reserved("AWS_LAMBDA_LOG_STREAM_NAME", &sandbox.log_stream);
}

fn common(config: &Config, host: &Host, sandbox: &Sandbox) -> Variables {
    let mut variables = Variables::new();
    let mut put = |name: &str, value: &str| {
        variables.insert(name.to_owned(), value.to_owned());
    };
    put("PATH", &host.path);
    if let Some(home) = &host.home {
        put("HOME", home);
    }
    put("LANG", "en_US.UTF-8");
    put("TZ", ":UTC");
    // Lambda's sandboxes each have a /tmp of their own; here many share the machine's.
    put("TMPDIR", &sandbox.scratch);
    for (name, value) in &config.variables {
        put(name, value);
    }
    put("AWS_LAMBDA_RUNTIME_API", &sandbox.runtime_api);
    put("AWS_REGION", &config.region);
    put("AWS_DEFAULT_REGION", &config.region);
    put("AWS_LAMBDA_FUNCTION_NAME", &config.function_name);
    put("AWS_LAMBDA_FUNCTION_VERSION", &config.version);
    put("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &config.memory_mb.to_string());
    put("AWS_LAMBDA_INITIALIZATION_TYPE", config.init_type.name());
    if matches!(config.init_type, InitType::SnapStart { .. }) {
        // A scenario may have them come from elsewhere.
        if !config
            .variables
            .contains_key("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        {
            let uri = format!("http://{}/2021-04-23/credentials", sandbox.runtime_api);
            put("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri);
        }
        put("AWS_CONTAINER_AUTHORIZATION_TOKEN", &sandbox.credentials_token);
    } else {
        put("AWS_ACCESS_KEY_ID", &config.credentials.access_key_id);
        put("AWS_SECRET_ACCESS_KEY", &config.credentials.secret_access_key);
        if let Some(token) = &config.credentials.session_token {
            put("AWS_SESSION_TOKEN", token);
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::FunctionCommand;

    fn both(config: &Config) -> (Variables, Variables) {
        let host = Host {
            path: "/bin".to_owned(),
            home: None,
            task_root: "/var/task".to_owned(),
        };
        let sandbox = Sandbox {
            runtime_api: "127.0.0.1:9".to_owned(),
            log_stream: "stream".to_owned(),
            credentials_token: "token".to_owned(),
            scratch: "/tmp/own".to_owned(),
        };
        (
            runtime(config, &host, &sandbox),
            extension(config, &host, &sandbox),
        )
    }

    #[test]
    fn an_extension_sees_the_functions_variables_but_not_the_runtimes() {
        let config = Config::new("f", FunctionCommand::new("x"))
            .with_variable("FLUOROSCOPE_UDP_ADDRESS", "127.0.0.1:4")
            .with_variable("AWS_XRAY_CONTEXT_MISSING", "IGNORE_ERROR")
            .with_variable("_HIDDEN", "1");
        let (runtime, extension) = both(&config);
        assert_eq!(runtime["AWS_XRAY_DAEMON_ADDRESS"], "127.0.0.1:4");
        assert_eq!(runtime["AWS_XRAY_CONTEXT_MISSING"], "IGNORE_ERROR");
        assert_eq!(runtime["_HANDLER"], "app.handler");
        assert_eq!(extension["FLUOROSCOPE_UDP_ADDRESS"], "127.0.0.1:4");
        assert_eq!(extension["AWS_LAMBDA_INITIALIZATION_TYPE"], "on-demand");
        assert_eq!(extension["TMPDIR"], "/tmp/own");
        for name in
            WITHHELD
                .iter()
                .chain(&["_HANDLER", "_HIDDEN", "_AWS_XRAY_DAEMON_PORT", "_X_AMZN_TRACE_ID"])
        {
            assert_eq!(extension.get(*name), None, "{name}");
        }
    }

    #[test]
    fn snap_start_gives_an_endpoint_instead_of_keys() {
        let snap_start = InitType::SnapStart {
            published: Duration::from_secs(1),
        };
        let (runtime, extension) =
            both(&Config::new("f", FunctionCommand::new("x")).with_init_type(snap_start));
        for variables in [&runtime, &extension] {
            assert_eq!(variables.get("AWS_ACCESS_KEY_ID"), None);
            assert_eq!(
                variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
                "http://127.0.0.1:9/2021-04-23/credentials"
            );
            assert_eq!(variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"], "token");
        }
        assert_eq!(runtime.get("AWS_LAMBDA_LOG_STREAM_NAME"), None);
    }

    #[test]
    fn a_managed_instance_lets_the_functions_daemon_address_through() {
        let managed = InitType::ManagedInstances { max_concurrency: 4 };
        let config = Config::new("f", FunctionCommand::new("x"))
            .with_init_type(managed)
            .with_variable("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:5");
        let (runtime, extension) = both(&config);
        assert_eq!(runtime["AWS_LAMBDA_MAX_CONCURRENCY"], "4");
        assert_eq!(extension["AWS_XRAY_DAEMON_ADDRESS"], "127.0.0.1:5");
        assert_eq!(extension.get("AWS_LAMBDA_MAX_CONCURRENCY"), None);
    }
}
