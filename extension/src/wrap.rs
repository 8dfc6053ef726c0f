//! What the exec wrapper asks for before the runtime starts: the variables it is to have, as lines for a shell.
//!
//! The wrapper (`layer/fluoroscope`) starts the runtime whatever comes of this, so nothing here has to succeed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;

use crate::limits::{PROXY_PROBE_ATTEMPTS, PROXY_PROBE_MAX, PROXY_PROBE_PAUSE};
use crate::logging::{Level, Line};
use crate::proxy::probe;
use crate::settings::{Settings, Vars};

const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Lines that set the variables, and what is to be said about them.
pub fn lines(vars: &impl Vars) -> (String, Option<Line>) {
    let (settings, _) = Settings::read(vars);
    let mut lines = String::new();
    let mut put = |name: &str, value: &str| {
        // Nothing that a shell could take for more than text.
        let is_plain = |character: char| character.is_ascii_alphanumeric() || "./:[]_-".contains(character);
        if value.chars().all(is_plain) {
            lines.push_str(&format!("export {name}='{value}'\n"));
        }
    };
    if is_left_to_us(vars) {
        put(
            "AWS_XRAY_DAEMON_ADDRESS",
            &reachable(settings.udp_address).to_string(),
        );
    }
    if let Some(otlp) = settings.otlp_address
        && is_unset(vars, OTLP_ENDPOINT)
    {
        put(OTLP_ENDPOINT, &format!("http://{otlp}"));
    }
    let (Some(proxy), Some(runtime_api)) = (&settings.proxy, &settings.sandbox.runtime_api) else {
        return (lines, None);
    };
    let problem = match is_there(proxy.address, runtime_api) {
        Ok(true) => {
            put("AWS_LAMBDA_RUNTIME_API", &through(proxy.address, runtime_api));
            return (lines, None);
        }
        Ok(false) => "somebody else has the port".to_owned(),
        Err(error) => error.to_string(),
    };
    let line = Line::new(
        Level::Warn,
        "the Runtime API proxy does not answer; the runtime talks to Lambda itself",
    );
    let line = line
        .with("address", proxy.address.to_string())
        .with("cause", problem);
    (lines, Some(line))
}

/// Whether the daemon's address was named by nobody but Lambda, which names its own daemon.
fn is_left_to_us(vars: &impl Vars) -> bool {
    let named = vars.value("AWS_XRAY_DAEMON_ADDRESS").unwrap_or_default();
    let host = vars.value("_AWS_XRAY_DAEMON_ADDRESS");
    let port = vars.value("_AWS_XRAY_DAEMON_PORT");
    let of_lambda = host.zip(port).map(|(host, port)| format!("{host}:{port}"));
    named.trim().is_empty() || of_lambda.as_deref() == Some(named.trim())
}

fn is_unset(vars: &impl Vars, name: &str) -> bool {
    vars.value(name).is_none_or(|value| value.trim().is_empty())
}

/// An address that listens everywhere is reached here.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    address
}

/// The Runtime API at another address, below the same path.
fn through(address: SocketAddr, runtime_api: &str) -> String {
    let without_scheme = runtime_api.strip_prefix("http://").unwrap_or(runtime_api);
    let path = without_scheme.find('/').and_then(|at| without_scheme.get(at..));
    format!("{address}{}", path.unwrap_or_default())
}

fn is_there(address: SocketAddr, runtime_api: &str) -> io::Result<bool> {
    for _ in 1..PROXY_PROBE_ATTEMPTS {
        match probe::ask(address, runtime_api, PROXY_PROBE_MAX) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                thread::sleep(PROXY_PROBE_PAUSE)
            }
            answered => return answered,
        }
    }
    probe::ask(address, runtime_api, PROXY_PROBE_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::TcpListener;

    use super::*;

    struct Map(HashMap<&'static str, String>);

    impl Vars for Map {
        fn value(&self, name: &str) -> Option<String> {
            self.0.get(name).cloned()
        }
        fn names(&self) -> Vec<String> {
            self.0.keys().map(|name| (*name).to_owned()).collect()
        }
    }

    fn told<const N: usize>(vars: [(&'static str, &str); N]) -> (String, Option<String>) {
        let vars = vars.map(|(name, value)| (name, value.to_owned()));
        let (lines, said) = lines(&Map(HashMap::from(vars)));
        (lines, said.map(Line::text))
    }

    const OTEL: &str = "export OTEL_EXPORTER_OTLP_ENDPOINT='http://127.0.0.1:4318'\n";

    #[test]
    fn lambdas_own_daemon_is_replaced_and_the_functions_choice_is_not() {
        let own = format!("export AWS_XRAY_DAEMON_ADDRESS='127.0.0.1:2000'\n{OTEL}");
        assert_eq!(told([]), (own.clone(), None));
        let preset = [
            ("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000"),
            ("_AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129"),
            ("_AWS_XRAY_DAEMON_PORT", "2000"),
        ];
        assert_eq!(told(preset).0, own);
        let chosen = [
            ("AWS_XRAY_DAEMON_ADDRESS", "10.0.0.1:2000"),
            ("_AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129"),
            ("_AWS_XRAY_DAEMON_PORT", "2000"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://else"),
        ];
        assert_eq!(told(chosen).0, "");
        let moved = told([("FLUOROSCOPE_UDP_ADDRESS", "0.0.0.0:2345")]).0;
        assert!(moved.contains("'127.0.0.1:2345'"), "{moved}");
        let moved = told([("FLUOROSCOPE_OTLP_ADDRESS", "127.0.0.1:2345")]).0;
        assert!(moved.contains("'http://127.0.0.1:2345'"), "{moved}");
        let closed = told([("FLUOROSCOPE_OTLP_ADDRESS", "off")]).0;
        assert!(!closed.contains("OTEL"), "{closed}");
    }

    #[test]
    fn a_path_stays_behind_the_address() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9009));
        for (runtime_api, expected) in [
            ("127.0.0.1:9001", "127.0.0.1:9009"),
            ("localhost:9001/.rt", "127.0.0.1:9009/.rt"),
            ("http://127.0.0.1:9001/a/b", "127.0.0.1:9009/a/b"),
        ] {
            assert_eq!(through(address, runtime_api), expected);
        }
    }

    /// Somebody who answers one connection with this, and where.
    fn somebody(answer: String) -> String {
        use std::io::{Read, Write};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut question = [0; probe::QUESTION.len()];
            stream.read_exact(&mut question).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn only_the_proxy_of_the_own_sandbox_is_used() {
        let runtime_api = "127.0.0.1:9001";
        let ask = |proxy: &str, is_on: &str| {
            told([
                ("FLUOROSCOPE_PROXY", is_on),
                ("FLUOROSCOPE_PROXY_ADDRESS", proxy),
                ("AWS_LAMBDA_RUNTIME_API", runtime_api),
            ])
        };
        let proxy = somebody(probe::answer(runtime_api));
        let (lines, said) = ask(&proxy, "1");
        assert!(
            lines.ends_with(&format!("export AWS_LAMBDA_RUNTIME_API='{proxy}'\n")),
            "{lines}"
        );
        assert_eq!(said, None);
        let another_sandboxes = somebody(probe::answer("127.0.0.1:9002"));
        let taken = somebody("HTTP/1.1 200 OK\r\n\r\n".to_owned());
        // Nobody listens there any more.
        let gone = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string();
        for (proxy, cause) in [
            (another_sandboxes, "somebody else"),
            (taken, "somebody else"),
            (gone, "refused"),
        ] {
            let (lines, said) = ask(&proxy, "1");
            assert!(!lines.contains("RUNTIME_API"), "{lines}");
            let said = said.unwrap_or_default();
            assert!(said.contains("does not answer") && said.contains(cause), "{said}");
        }
        assert!(!ask("127.0.0.1:1", "0").0.contains("RUNTIME_API"));
    }
}
