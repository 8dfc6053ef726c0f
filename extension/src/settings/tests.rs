//! Settings as they are read from variables.

use std::collections::HashMap;

use super::*;
use crate::outbound::otlp::Packing;

struct Map(HashMap<&'static str, &'static str>);

impl Vars for Map {
    fn value(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| (*value).to_owned())
    }
    fn names(&self) -> Vec<String> {
        self.0.keys().map(|name| (*name).to_owned()).collect()
    }
}

fn read<const N: usize>(vars: [(&'static str, &'static str); N]) -> (Settings, Vec<String>) {
    let (settings, problems) = Settings::read(&Map(HashMap::from(vars)));
    (settings, problems.iter().map(ToString::to_string).collect())
}

#[test]
fn an_empty_environment_gives_the_defaults() {
    let (settings, problems) = read([]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(settings.udp_address.to_string(), "127.0.0.1:2000");
    assert_eq!(settings.platform_segments, PlatformSegments::Auto);
    assert_eq!(settings.rescue, Rescue::Faults);
    assert_eq!(settings.metrics, MetricsFormat::Off);
    assert_eq!(settings.log_level, Level::Warn);
    assert_eq!(settings.spool_budget, ByteCount::mib(8));
    assert_eq!(settings.sandbox.log_group, "/aws/lambda/function");
}

#[test]
fn the_budget_follows_the_functions_memory_as_lambdas_own_daemons_does() {
    for (memory, spool_mib) in [("128", 8), ("512", 8), ("10240", 299)] {
        let (settings, _) = read([("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory)]);
        assert_eq!(settings.spool_budget.get() >> 20, spool_mib, "{memory} MB");
    }
    let (settings, _) = read([
        ("FLUOROSCOPE_MEMORY_BUDGET", "24MiB"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "10240"),
    ]);
    assert_eq!(settings.spool_budget, ByteCount::mib(16));
    let (settings, _) = read([("FLUOROSCOPE_MEMORY_BUDGET", "1")]);
    assert_eq!(settings.spool_budget, SPOOL_BUDGET_MIN);
}

#[test]
fn documents_on_disk_are_limited_and_may_be_turned_off() {
    for (text, expected) in [
        ("0", ByteCount::ZERO),
        ("64MiB", ByteCount::mib(64)),
        ("some", ByteCount::mib(32)),
    ] {
        let (settings, problems) = read([("FLUOROSCOPE_SPILL_LIMIT", text), ("TMPDIR", "/var/tmp")]);
        assert_eq!(
            (settings.spill_limit, problems.len()),
            (expected, usize::from(text == "some"))
        );
        assert_eq!(settings.temporary, std::path::Path::new("/var/tmp"));
    }
    assert_eq!(read([]).0.temporary, std::path::Path::new("/tmp"));
}

#[test]
fn an_unreadable_value_keeps_the_default_and_says_why() {
    let (settings, problems) = read([
        ("FLUOROSCOPE_MEMORY_BUDGET", "lots"),
        ("FLUOROSCOPE_PLATFORM_SEGMENTS", "sometimes"),
        ("FLUOROSCOPE_FLUSH", "periodic:20"),
    ]);
    assert_eq!(settings.flush, Mode::Adaptive);
    assert_eq!(settings.spool_budget, ByteCount::mib(8));
    assert_eq!(
        problems,
        [
            r#"FLUOROSCOPE_MEMORY_BUDGET: found "lots", expected a size such as 24MiB; the default is used"#,
            r#"FLUOROSCOPE_PLATFORM_SEGMENTS: found "sometimes", expected auto, always or never; the default is used"#,
            r#"FLUOROSCOPE_FLUSH: found "periodic:20", expected adaptive, end, continuous or periodic:20s (1ms to 15m); the default is used"#,
        ]
    );
}

#[test]
fn the_proxy_is_off_unless_it_is_asked_for() {
    assert!(read([]).0.proxy.is_none() && read([("FLUOROSCOPE_PROXY", "0")]).0.proxy.is_none());
    let proxy = read([("FLUOROSCOPE_PROXY", "1")]).0.proxy.unwrap();
    assert_eq!(
        (proxy.address.to_string().as_str(), proxy.sample_rate),
        ("127.0.0.1:9009", None)
    );
    let (settings, problems) = read([
        ("FLUOROSCOPE_PROXY", "on"),
        ("FLUOROSCOPE_PROXY_ADDRESS", "127.0.0.2:19009"),
        ("FLUOROSCOPE_SAMPLE_RATE", "0.25"),
    ]);
    let proxy = settings.proxy.unwrap();
    assert_eq!(
        (proxy.address.port(), proxy.sample_rate),
        (19009, "0.25".parse().ok())
    );
    assert_eq!(problems, [""; 0]);
    let never = read([("FLUOROSCOPE_PROXY", "1"), ("FLUOROSCOPE_SAMPLE_RATE", "0")]).0;
    assert_eq!(never.proxy.unwrap().sample_rate, None);
}

#[test]
fn a_setting_of_the_proxy_that_cannot_be_used_is_told() {
    let (_, problems) = read([("FLUOROSCOPE_SAMPLE_RATE", "0.25")]);
    assert_eq!(
        problems,
        ["FLUOROSCOPE_SAMPLE_RATE: has no effect without FLUOROSCOPE_PROXY=1"]
    );
    let (settings, problems) = read([
        ("FLUOROSCOPE_PROXY", "yes please"),
        ("FLUOROSCOPE_PROXY_ADDRESS", "0.0.0.0:9009"),
        ("FLUOROSCOPE_SAMPLE_RATE", "25%"),
    ]);
    assert!(settings.proxy.is_none());
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(
        problems[1].contains("expected host:port with a numeric loopback host"),
        "{problems:?}"
    );
}

#[test]
fn an_unknown_name_is_told_with_the_nearest_known_one() {
    let (_, problems) = read([
        ("FLUOROSCOPE_UDP_ADRESS", "127.0.0.1:2001"),
        ("FLUOROSCOPE_NOTHING_LIKE_IT", "1"),
        ("OTHER", "1"),
    ]);
    assert_eq!(
        problems,
        [
            "FLUOROSCOPE_NOTHING_LIKE_IT: no such setting; see the README's table",
            "FLUOROSCOPE_UDP_ADRESS: no such setting; did you mean FLUOROSCOPE_UDP_ADDRESS?",
        ]
    );
}

#[test]
fn an_endpoint_is_read_as_aws_sdks_read_it() {
    let (settings, _) = read([
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_USE_FIPS_ENDPOINT", "TRUE"),
        ("AWS_ENDPOINT_URL", ""),
    ]);
    assert_eq!(settings.endpoint.region.as_deref(), Some("eu-west-1"));
    assert!(settings.endpoint.use_fips && !settings.endpoint.use_dualstack);
    assert_eq!(settings.endpoint.any_url, None);
}

#[test]
fn no_secret_is_printed() {
    let (settings, _) = read([("AWS_SECRET_ACCESS_KEY", "hush"), ("AWS_SESSION_TOKEN", "hush")]);
    assert!(!format!("{settings:?}").contains("hush"));
}

#[test]
fn outbounds_are_named_once_each_and_what_cannot_be_used_is_left_out_with_its_reason() {
    let daemon = Outbound::Daemon("169.254.79.129:2000".parse().unwrap());
    for (value, expected, told) in [
        ("", &[Outbound::Xray][..], &[][..]),
        ("xray", &[Outbound::Xray], &[]),
        (" Stdout , XRAY,", &[Outbound::Stdout, Outbound::Xray], &[]),
        (
            "daemon,xray,stdout",
            &[daemon, Outbound::Xray, Outbound::Stdout],
            &[],
        ),
        ("xray,xray", &[Outbound::Xray], &["named before"]),
        (
            "kafka,stdout",
            &[Outbound::Stdout],
            &["\"kafka\" is left out: expected xray, xray-otlp, otlp, daemon or stdout"],
        ),
        ("kafka", &[Outbound::Xray], &["kafka"]),
    ] {
        let (settings, problems) = read([("FLUOROSCOPE_OUTBOUND", value)]);
        assert_eq!(settings.outbounds, expected, "{value}");
        assert_eq!(problems.len(), told.len(), "{problems:?}");
        for (problem, told) in problems.iter().zip(told) {
            assert!(
                problem.starts_with("FLUOROSCOPE_OUTBOUND: ") && problem.contains(told),
                "{problem}"
            );
        }
    }
}

#[test]
fn a_daemon_at_our_own_address_is_never_sent_to() {
    let own = "127.0.0.1:2000";
    for (given, seen, expected) in [
        ("", "", Some("169.254.79.129:2000")),
        ("10.0.0.1:2000", "", Some("10.0.0.1:2000")),
        ("", "10.0.0.1:2001", Some("10.0.0.1:2001")),
        ("", "tcp:10.0.0.1:1 udp:10.0.0.1:2", Some("10.0.0.1:2")),
        ("", own, Some("169.254.79.129:2000")),
        ("", "localhost:2000", Some("169.254.79.129:2000")),
        ("127.0.0.1:2001", own, Some("127.0.0.1:2001")),
        (own, "", None),
        ("0.0.0.0:2000", "", None),
    ] {
        let (settings, problems) = read([
            ("FLUOROSCOPE_OUTBOUND", "daemon"),
            ("FLUOROSCOPE_DAEMON_ADDRESS", given),
            ("AWS_XRAY_DAEMON_ADDRESS", seen),
        ]);
        let expected_outbounds = match expected {
            Some(address) => [Outbound::Daemon(address.parse().unwrap())],
            None => [Outbound::Xray],
        };
        assert_eq!(settings.outbounds, expected_outbounds, "{given} {seen}");
        assert_eq!(problems.len(), usize::from(expected.is_none()), "{problems:?}");
        assert!(problems.iter().all(|problem| problem.contains("our own address")));
    }
    let (settings, problems) = read([("FLUOROSCOPE_DAEMON_ADDRESS", "10.0.0.1:2000")]);
    assert_eq!(settings.outbounds, [Outbound::Xray]);
    assert_eq!(
        problems,
        ["FLUOROSCOPE_DAEMON_ADDRESS: has no effect without daemon in FLUOROSCOPE_OUTBOUND"]
    );
}

#[test]
fn opentelemetrys_protocol_goes_where_it_is_said_and_never_back_to_us() {
    let (settings, problems) = read([
        ("FLUOROSCOPE_OUTBOUND", "otlp,xray-otlp,xray"),
        ("FLUOROSCOPE_OTLP_ENDPOINT", "https://a.example/x"),
        ("FLUOROSCOPE_OTLP_HEADERS", "api-key=s3cr3t"),
        ("FLUOROSCOPE_OTLP_COMPRESSION", "gzip"),
        ("FLUOROSCOPE_INDEXED_ATTRIBUTES", "a.b, c"),
        // The function's own, whose SDK they point at us.
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=y"),
    ]);
    assert_eq!(problems, [""; 0]);
    let [
        Outbound::Otlp(destination),
        Outbound::XrayOtlp(Packing::Gzip),
        Outbound::Xray,
    ] = settings.outbounds.as_slice()
    else {
        panic!("{:?}", settings.outbounds);
    };
    assert_eq!(destination.url.as_str(), "https://a.example/x/v1/traces");
    assert_eq!(
        (destination.headers.len(), destination.packing),
        (1, Packing::Gzip)
    );
    assert!(!format!("{settings:?}").contains("s3cr3t"));
    assert_eq!(settings.translation.indexed, ["a.b", "c"]);

    for (own, endpoint, is_refused) in [
        ("127.0.0.1:4318", "http://localhost:4318", true),
        ("127.0.0.1:4319", "http://localhost:4318", false),
        ("off", "http://localhost:4318", false),
    ] {
        let (settings, problems) = read([
            ("FLUOROSCOPE_OUTBOUND", "otlp"),
            ("FLUOROSCOPE_OTLP_ADDRESS", own),
            ("FLUOROSCOPE_OTLP_ENDPOINT", endpoint),
        ]);
        assert_eq!(
            settings.outbounds == [Outbound::Xray],
            is_refused,
            "{own}: {problems:?}"
        );
        let is_told = problems.iter().any(|problem| problem.contains("our own address"));
        assert_eq!(is_told, is_refused, "{problems:?}");
    }
}

#[test]
fn settings_of_outbounds_that_nobody_asked_for_are_told() {
    for (name, without) in [
        ("FLUOROSCOPE_OTLP_ENDPOINT", "otlp in FLUOROSCOPE_OUTBOUND"),
        ("FLUOROSCOPE_OTLP_HEADERS", "otlp in FLUOROSCOPE_OUTBOUND"),
        (
            "FLUOROSCOPE_OTLP_COMPRESSION",
            "otlp or xray-otlp in FLUOROSCOPE_OUTBOUND",
        ),
        (
            "FLUOROSCOPE_INDEXED_ATTRIBUTES",
            "xray or stdout in FLUOROSCOPE_OUTBOUND",
        ),
    ] {
        let (_, problems) = read([(name, "none"), ("FLUOROSCOPE_OUTBOUND", "daemon")]);
        assert_eq!(problems, [format!("{name}: has no effect without {without}")]);
    }
    let (settings, problems) = read([("FLUOROSCOPE_INDEXED_ATTRIBUTES", "*")]);
    assert_eq!(problems, [""; 0]);
    assert!(settings.translation.index_all);
    let (settings, problems) = read([("FLUOROSCOPE_OUTBOUND", "otlp,stdout")]);
    assert_eq!(settings.outbounds, [Outbound::Stdout]);
    assert!(
        problems[0].contains("set FLUOROSCOPE_OTLP_ENDPOINT"),
        "{problems:?}"
    );
}
