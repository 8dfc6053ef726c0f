//! Whether the function's SDK sends where the extension listens.

use std::net::{IpAddr, SocketAddr};

use super::super::finding::Finding;
use super::super::node::Node;
use super::subject::{Subject, WRAPPER};

const ADDRESS: &str = "AWS_XRAY_DAEMON_ADDRESS";
const LISTENS: &str = "FLUOROSCOPE_UDP_ADDRESS";
/// The wrapper of the community's OpenTelemetry layers, whose SDKs send OTLP to port 4318. (That of AWS's distribution
/// sends datagrams to the daemon's address.)
const OTLP_WRAPPER: &str = "/opt/otel-handler";
/// Where Lambda's own daemons have been seen.
const OF_LAMBDA: &[&str] = &["169.254.79.129", "169.254.79.2"];
/// Ports below it are root's.
const PORT_MIN: u16 = 1024;
/// Ports that the sandbox itself has.
const PORTS_OF_LAMBDA: &[u16] = &[9001];

pub(super) fn wrapper_os_only(subject: &Subject<'_>) -> Vec<Finding> {
    let Some((node, path)) = subject.known("AWS_LAMBDA_EXEC_WRAPPER") else {
        return Vec::new();
    };
    let has_address = subject.function.variable(ADDRESS).is_some();
    if subject.function.is_image && !has_address {
        return vec![
            Finding::warning(&node.place, format!("the exec wrapper {path} on a container image"))
                .why("AWS's base images for a language run it, others ignore it, and then nothing sets the daemon's address")
                .mend("for any other image set AWS_XRAY_DAEMON_ADDRESS: 127.0.0.1:2000 instead"),
        ];
    }
    let Some(runtime) = subject
        .function
        .runtime_name()
        .filter(|_| subject.function.is_os_only())
    else {
        return Vec::new();
    };
    let what = format!("the exec wrapper {path} on the OS-only runtime {runtime}");
    if has_address {
        return vec![
            Finding::warning(&node.place, what)
                .why("Lambda runs wrappers with managed runtimes only: it does nothing here")
                .mend("remove AWS_LAMBDA_EXEC_WRAPPER"),
        ];
    }
    vec![
        Finding::error(&node.place, what)
            .why("Lambda runs wrappers with managed runtimes only, so nothing sets the daemon's address")
            .mend("set AWS_XRAY_DAEMON_ADDRESS: 127.0.0.1:2000 in the function's variables instead"),
    ]
}

pub(super) fn wrapper_path(subject: &Subject<'_>) -> Vec<Finding> {
    let Some((node, path)) = subject.known("AWS_LAMBDA_EXEC_WRAPPER") else {
        return Vec::new();
    };
    if path == WRAPPER || !path.contains("fluoroscope") {
        return Vec::new();
    }
    vec![
        Finding::error(&node.place, format!("AWS_LAMBDA_EXEC_WRAPPER is {path}"))
            .why("Lambda starts the runtime through that file: if it is not the wrapper, the function does not start")
            .mend(format!("set it to {WRAPPER}")),
    ]
}

pub(super) fn missing(subject: &Subject<'_>) -> Vec<Finding> {
    if let Some(error) = &subject.function.variables_error {
        let code = error.member("ErrorCode").map_or_else(|| error.hint(), Node::hint);
        return vec![
            Finding::note(
                &error.place,
                format!("the function's variables could not be read ({code})"),
            )
            .why("whether AWS_LAMBDA_EXEC_WRAPPER or AWS_XRAY_DAEMON_ADDRESS is set is not known; no rule has seen any variable")
            .mend("ask for the configuration again with the right to kms:Decrypt with the function's key"),
        ];
    }
    if subject.is_wrapped() || subject.function.variable(ADDRESS).is_some() {
        return Vec::new();
    }
    if subject.function.variable("AWS_LAMBDA_EXEC_WRAPPER").is_some() && subject.function.is_os_only() {
        // Told by `wrapper_os_only`.
        return Vec::new();
    }
    let set_address = "set AWS_XRAY_DAEMON_ADDRESS: 127.0.0.1:2000";
    let other = subject.known("AWS_LAMBDA_EXEC_WRAPPER").map(|(_, path)| path);
    if let Some(path) = other.filter(|path| *path == OTLP_WRAPPER) {
        return vec![
            Finding::note(&subject.function.variables_place, format!("the wrapper is OpenTelemetry's ({path})"))
                .why("its SDK sends spans where Fluoroscope takes them; segments of an X-Ray SDK would go to Lambda's own daemon")
                .mend(format!("with an X-Ray SDK in the function as well, {set_address}")),
        ];
    }
    let (what, mend) = match other {
        Some(path) => (
            format!("the wrapper is another one ({path}), and AWS_XRAY_DAEMON_ADDRESS is not set"),
            set_address.to_owned(),
        ),
        None if subject.function.is_os_only() => (
            "AWS_XRAY_DAEMON_ADDRESS is not set".to_owned(),
            set_address.to_owned(),
        ),
        None => (
            "neither AWS_LAMBDA_EXEC_WRAPPER nor AWS_XRAY_DAEMON_ADDRESS is set".to_owned(),
            format!("set AWS_LAMBDA_EXEC_WRAPPER: {WRAPPER}; or {set_address}"),
        ),
    };
    if subject.function.is_image {
        return vec![
            Finding::warning(&subject.function.variables_place, what)
                .why("unless the image sets one of them (ENV), the function's segments go to Lambda's own daemon")
                .mend(mend),
        ];
    }
    vec![
        Finding::error(&subject.function.variables_place, what)
            .why("Lambda presets its own daemon's address, so the function's segments go there and pass Fluoroscope by")
            .mend(mend),
    ]
}

/// The address that SDKs send datagrams to, in either of the two forms they read.
fn datagrams_to(text: &str) -> Option<(&str, u16)> {
    let parts: Vec<&str> = text.split(' ').collect();
    let (udp, tcp) = match parts.as_slice() {
        [both] => (*both, *both),
        [one, two] => {
            let of = |scheme: &str| [one, two].into_iter().find_map(|part| part.strip_prefix(scheme));
            (of("udp:")?, of("tcp:")?)
        }
        _ => return None,
    };
    let split = |address: &'_ str| {
        let (host, port) = address.split_once(':')?;
        let port: u16 = port.parse().ok()?;
        (!host.is_empty() && !host.contains(['/', ':'])).then_some(port)
    };
    split(tcp)?;
    let port = split(udp)?;
    let (host, _) = udp.split_once(':')?;
    Some((host, port))
}

pub(super) fn form(subject: &Subject<'_>) -> Vec<Finding> {
    let Some((node, text)) = subject.known(ADDRESS) else {
        return Vec::new();
    };
    if datagrams_to(text).is_some() {
        return Vec::new();
    }
    vec![
        Finding::error(
            &node.place,
            format!("AWS_XRAY_DAEMON_ADDRESS is {text:?}, which SDKs cannot read"),
        )
        .why("they fail, or send to an address of their own choice")
        .mend("write 127.0.0.1:2000, or tcp:127.0.0.1:2000 udp:127.0.0.1:2000 with one space"),
    ]
}

fn address<'subject>(subject: &'subject Subject<'_>) -> Option<(&'subject Node, &'subject str, u16)> {
    let (node, text) = subject.known(ADDRESS)?;
    let (host, port) = datagrams_to(text)?;
    Some((node, host, port))
}

pub(super) fn of_lambda(subject: &Subject<'_>) -> Vec<Finding> {
    let found = address(subject).filter(|(_, host, _)| OF_LAMBDA.contains(host));
    let Some((node, host, port)) = found else {
        return Vec::new();
    };
    vec![
        Finding::error(
            &node.place,
            format!("AWS_XRAY_DAEMON_ADDRESS is Lambda's own daemon ({host}:{port})"),
        )
        .why("the function's segments go there and pass Fluoroscope by")
        .mend("set it to 127.0.0.1:2000"),
    ]
}

pub(super) fn elsewhere(subject: &Subject<'_>) -> Vec<Finding> {
    let Some((node, host, port)) = address(subject) else {
        return Vec::new();
    };
    if host == "localhost" {
        return vec![
            Finding::warning(&node.place, "AWS_XRAY_DAEMON_ADDRESS names localhost")
                .why("it can mean ::1, where the extension does not listen, and some SDKs read numbers only")
                .mend(format!("write 127.0.0.1:{port}")),
        ];
    }
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if is_loopback || OF_LAMBDA.contains(&host) {
        return Vec::new();
    }
    vec![
        Finding::error(
            &node.place,
            format!("AWS_XRAY_DAEMON_ADDRESS is {host}:{port}, outside the sandbox"),
        )
        .why("the extension listens inside of it, on loopback")
        .mend(format!("write 127.0.0.1:{port}")),
    ]
}

pub(super) fn differs(subject: &Subject<'_>) -> Vec<Finding> {
    let Some((node, host, port)) = address(subject) else {
        return Vec::new();
    };
    let listens = subject.settings.udp_address;
    let is_localhost = host == "localhost";
    let ip = host.parse::<IpAddr>().ok().filter(IpAddr::is_loopback);
    let is_unknown = subject
        .function
        .variable(LISTENS)
        .is_some_and(|node| node.known().is_none());
    if is_unknown || ip.is_none() && !is_localhost {
        // Not known, or told by another rule.
        return Vec::new();
    }
    let is_same_host = is_localhost || ip == Some(listens.ip()) || listens.ip().is_unspecified();
    if is_same_host && port == listens.port() {
        return Vec::new();
    }
    vec![
        Finding::error(
            &node.place,
            format!("the function sends to {host}:{port}, the extension listens at {listens}"),
        )
        .why("the function's segments are lost: a datagram that nobody takes tells nobody")
        .mend(format!(
            "set AWS_XRAY_DAEMON_ADDRESS and {LISTENS} to the same address"
        )),
    ]
}

pub(super) fn unusable(subject: &Subject<'_>) -> Vec<Finding> {
    let proxy = subject
        .settings
        .proxy
        .map(|proxy| ("FLUOROSCOPE_PROXY_ADDRESS", proxy.address));
    let mut findings = Vec::new();
    for (name, address) in [Some((LISTENS, subject.settings.udp_address)), proxy]
        .into_iter()
        .flatten()
    {
        let node = subject.function.variable(name);
        let place = node.map_or(&subject.function.variables_place, |node| &node.place);
        if let Some((what, why)) = trouble_with(address, subject.settings.udp_address, name) {
            findings.push(
                Finding::error(place, format!("{name} is {address}: {what}"))
                    .why(why)
                    .mend(format!("choose a port of 127.0.0.1 from {PORT_MIN} up that nothing else has, or leave {name} out")),
            );
        }
    }
    findings
}

/// What is wrong with listening at `address`.
fn trouble_with(
    address: SocketAddr,
    datagrams: SocketAddr,
    name: &str,
) -> Option<(&'static str, &'static str)> {
    let port = address.port();
    if port == 0 {
        return Some(("any free port", "the function cannot know which one it was"));
    }
    if port < PORT_MIN {
        return Some((
            "a port of root's",
            "the sandbox does not run as root: nothing would be received",
        ));
    }
    if PORTS_OF_LAMBDA.contains(&port) {
        return Some((
            "the port of Lambda's Runtime API",
            "it is taken: nothing would be received",
        ));
    }
    if !address.ip().is_loopback() && !address.ip().is_unspecified() {
        return Some((
            "no address of the sandbox's own",
            "it cannot be listened at: nothing would be received",
        ));
    }
    (name != LISTENS && port == datagrams.port()).then_some((
        "the port that takes segments over TCP",
        "one of the two cannot be listened at",
    ))
}

pub(super) fn proxy_without_wrapper(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(node) = subject.function.variable("FLUOROSCOPE_PROXY") else {
        return Vec::new();
    };
    if subject.settings.proxy.is_none() || subject.is_wrapped() {
        return Vec::new();
    }
    let mend = match subject.function.is_os_only() {
        true => "remove FLUOROSCOPE_PROXY: the runtime's own bootstrap cannot be sent through the proxy"
            .to_owned(),
        false => format!("set AWS_LAMBDA_EXEC_WRAPPER: {WRAPPER}"),
    };
    vec![
        Finding::warning(&node.place, "FLUOROSCOPE_PROXY without the layer's exec wrapper")
            .why("nothing tells the runtime of the proxy: it talks to Lambda itself, and exceptions stay unseen")
            .mend(mend),
    ]
}
