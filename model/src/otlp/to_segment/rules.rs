//! Members that no attribute holds as they are.

use std::borrow::Cow;

use super::super::mapping::{Row, Rule};
use super::super::span::{Kind, StatusCode, Value};
use super::json::Json;
use super::known::{Known, find, text, whole};

/// Whether a rule is asked before the row's attributes.
pub(super) const fn leads(rule: Rule) -> bool {
    matches!(rule, Rule::Sdk | Rule::OneTable)
}

/// Writes a row's member by its rule. Whether there is one.
pub(super) fn write(row: &Row, known: &Known<'_>, json: &mut Json) -> bool {
    let text = match row.rule {
        Some(Rule::Origin) => origin(known).map(Cow::Borrowed),
        Some(Rule::Url) => url(known).map(Cow::Owned),
        Some(Rule::OneTable) => one_table(known).map(Cow::Borrowed),
        Some(Rule::Sdk) => sdk(known).map(Cow::Owned),
        Some(Rule::DatabaseUrl) => database_url(known).map(Cow::Owned),
        Some(Rule::Connection) => connection(known).map(Cow::Owned),
        Some(Rule::Size) => {
            let size = size(known).inspect(|size| {
                json.member(row.member);
                json.whole(*size);
            });
            return size.is_some();
        }
        Some(rule) => {
            let is_true = flag(rule, known);
            if is_true {
                json.member(row.member);
                json.flag(true);
            }
            return is_true;
        }
        None => None,
    };
    if let Some(text) = &text {
        json.member(row.member);
        json.string(text);
    }
    text.is_some()
}

fn flag(rule: Rule, known: &Known<'_>) -> bool {
    let status = known.http_status().unwrap_or_default();
    let is_callers = (400..=499).contains(&status);
    match rule {
        Rule::Error => is_callers,
        Rule::Throttle => status == 429,
        Rule::Fault => match status {
            400..=599 => !is_callers,
            _ => known.span.status.code == StatusCode::Error,
        },
        Rule::Forwarded => is_forwarded(known),
        Rule::Auto => ["telemetry.auto.version", "telemetry.distro.name"]
            .iter()
            .any(|key| known.of_resource(key).is_some()),
        _ => false,
    }
}

fn origin(known: &Known<'_>) -> Option<&'static str> {
    if !known.aspect.is_segment() || !known.is_aws_cloud {
        return None;
    }
    if known.is_lambda {
        return Some("AWS::Lambda::Function");
    }
    Some(match known.of_resource("cloud.platform")? {
        "aws_ec2" => "AWS::EC2::Instance",
        "aws_ecs" => match known.of_resource("aws.ecs.launchtype") {
            Some(kind) if kind.eq_ignore_ascii_case("ec2") => "AWS::ECS::EC2",
            Some(kind) if kind.eq_ignore_ascii_case("fargate") => "AWS::ECS::Fargate",
            _ => "AWS::ECS::Container",
        },
        "aws_eks" => "AWS::EKS::Container",
        "aws_elastic_beanstalk" => "AWS::ElasticBeanstalk::Environment",
        "aws_app_runner" => "AWS::AppRunner::Service",
        _ => return None,
    })
}

fn url(known: &Known<'_>) -> Option<String> {
    let (hosts, ports): (&[&str], &[&str]) = match known.span.kind {
        Kind::Server => (
            &["http.server_name", "server.address", "net.host.name", "host.name"],
            &["server.port", "net.host.port"],
        ),
        _ => (
            &["server.address", "net.peer.name", "net.peer.ip"],
            &["server.port", "net.peer.port"],
        ),
    };
    let port = ports.iter().find_map(|key| whole(known.value(key)?));
    let scheme = known.first_text(&["url.scheme", "http.scheme"]);
    let scheme = scheme.unwrap_or(if port == Some(443) { "https" } else { "http" });
    let mut url = format!("{scheme}://");
    match known.text("http.host") {
        Some(host) => url.push_str(host),
        None => {
            let own = [("http", 80), ("https", 443)];
            let port = port.filter(|port| !own.contains(&(scheme, *port)));
            url.push_str(&place(known.first_text(hosts)?, port));
        }
    }
    let path = known.first_text(&["http.target", "url.path"]).unwrap_or("/");
    url.push_str(path);
    if let Some(query) = known.text("url.query").filter(|_| !path.contains('?')) {
        url.extend(["?", query]);
    }
    Some(url)
}

/// `host:port`, with brackets around an address that has colons itself.
fn place(host: &str, port: Option<i64>) -> String {
    let (open, shut) = if host.contains(':') && !host.starts_with('[') {
        ("[", "]")
    } else {
        ("", "")
    };
    match port {
        Some(port) => format!("{open}{host}{shut}:{port}"),
        None => format!("{open}{host}{shut}"),
    }
}

fn is_forwarded(known: &Known<'_>) -> bool {
    let is_address = |key: &&str| {
        known
            .text(key)
            .is_some_and(|text| text.parse::<core::net::IpAddr>().is_ok())
    };
    let peers = ["network.peer.address", "net.sock.peer.addr", "net.peer.ip"];
    known.aspect.is_segment()
        && ["client.address", "http.client_ip"].iter().any(is_address)
        && !peers.iter().any(|key| known.text(key).is_some())
}

fn size(known: &Known<'_>) -> Option<i64> {
    let events = known.span.events.iter().map(|event| &event.attributes);
    std::iter::once(&known.span.attributes)
        .chain(events)
        .find_map(|attributes| {
            let is_received = text(attributes, "message.type") == Some("RECEIVED");
            let size = find(attributes, "messaging.message_payload_size_bytes").filter(|_| is_received)?;
            whole(size).filter(|size| *size != 0)
        })
}

fn one_table<'a>(known: &Known<'a>) -> Option<&'a str> {
    match known.value("aws.dynamodb.table_names")? {
        Value::List(values) => match values.as_slice() {
            [table] => table.as_text(),
            _ => None,
        },
        value => value.as_text(),
    }
}

fn sdk(known: &Known<'_>) -> Option<String> {
    let name = known.of_resource("telemetry.sdk.name")?;
    let language = known.of_resource("telemetry.sdk.language")?;
    Some(format!("{name} for {language}"))
}

fn database_name<'a>(known: &Known<'a>) -> &'a str {
    known.first_text(&["db.namespace", "db.name"]).unwrap_or_default()
}

fn database_url(known: &Known<'_>) -> Option<String> {
    let connection = known
        .text("db.connection_string")
        .map(|text| text.strip_prefix("jdbc:").unwrap_or(text));
    let start = match connection.filter(|text| text.contains("//")) {
        Some(url) => without_password(url),
        None => {
            let system = known.first_text(&["db.system.name", "db.system"])?;
            let host = known.first_text(&["server.address", "net.peer.name", "net.peer.ip"])?;
            let port = ["server.port", "net.peer.port"]
                .iter()
                .find_map(|key| whole(known.value(key)?));
            format!("{system}://{}", place(host, port))
        }
    };
    Some(with_name(start, database_name(known)))
}

fn connection(known: &Known<'_>) -> Option<String> {
    let is_older = known.text("db.system.name").is_none();
    let start = match known.text("db.connection_string") {
        Some(connection) => without_password(connection),
        None if is_older => "localhost".to_owned(),
        None => return None,
    };
    Some(with_name(start, database_name(known)))
}

fn with_name(mut start: String, name: &str) -> String {
    if !name.is_empty() {
        if !start.ends_with('/') {
            start.push('/');
        }
        start.push_str(name);
    }
    start
}

/// A connection string whose password is left out: the user's, and those of `password=` and `pwd=`.
fn without_password(text: &str) -> String {
    let mut kept = text.to_owned();
    if let Some(start) = kept.find("//").map(|place| place + 2) {
        let rest = kept.get(start..).unwrap_or_default();
        let authority = rest
            .get(..rest.find(['/', '?']).unwrap_or(rest.len()))
            .unwrap_or_default();
        let user_end = authority.rfind('@');
        let colon = user_end.and_then(|end| authority.get(..end)?.find(':'));
        if let (Some(colon), Some(end)) = (colon, user_end) {
            kept.replace_range(start + colon..start + end, "");
        }
    }
    for name in ["password=", "pwd="] {
        let Some(found) = kept.to_ascii_lowercase().find(name) else {
            continue;
        };
        let start = found + name.len();
        let rest = kept.get(start..).unwrap_or_default();
        let end = start + rest.find([';', '&']).unwrap_or(rest.len());
        kept.replace_range(start..end, "");
    }
    kept
}
