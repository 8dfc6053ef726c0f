//! Which address X-Ray answers at, found as AWS SDKs find it.
//!
//! An address given for X-Ray wins over one given for all services, and both win over what the region and
//! the FIPS and dual-stack switches say. SDKs refuse an address together with one of the switches; here the
//! address wins, because refusing would only lose traces.
//!
//! Pure: the values come from the settings.

use reqwest::Url;

/// What the environment says about the endpoint. Empty values count as absent.
#[derive(Debug, Clone, Default)]
pub struct EndpointSettings {
    /// `AWS_ENDPOINT_URL_XRAY`
    pub xray_url: Option<String>,
    /// `AWS_ENDPOINT_URL`
    pub any_url: Option<String>,
    /// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`
    pub ignore_urls: bool,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`
    pub region: Option<String>,
    /// `AWS_USE_FIPS_ENDPOINT`
    pub use_fips: bool,
    /// `AWS_USE_DUALSTACK_ENDPOINT`
    pub use_dualstack: bool,
}

/// Where X-Ray answers, and the region its requests are signed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    base: Url,
    region: String,
    is_aws: bool,
}

/// Why there is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Neither region variable has a value.
    #[error("no region to sign for: set AWS_REGION, for example AWS_REGION=eu-west-1")]
    NoRegion,
    /// The region cannot be part of a host name.
    #[error("AWS_REGION: found {found:?}, expected a region such as eu-west-1")]
    BadRegion {
        /// What was found.
        found: String,
    },
    /// An address that cannot be read. It is not printed: it may hold a password.
    #[error("{variable}: {reason}, expected an address such as https://xray.eu-west-1.amazonaws.com")]
    BadUrl {
        /// The variable that holds it.
        variable: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Endpoint {
    /// Finds the endpoint.
    ///
    /// # Errors
    /// Without a region, or with an address that cannot be read. The error is one line that names the
    /// variable and the mend.
    pub fn resolve(settings: &EndpointSettings) -> Result<Self, EndpointError> {
        let region = filled(&settings.region).ok_or(EndpointError::NoRegion)?;
        if !is_host_label(region) {
            return Err(EndpointError::BadRegion {
                found: region.chars().take(REGION_MAX_BYTES).collect(),
            });
        }
        let region = region.to_owned();
        if let Some((variable, text)) = configured(settings) {
            let base = read_url(text).map_err(|reason| EndpointError::BadUrl { variable, reason })?;
            let is_aws = base.host_str().is_some_and(|host| is_xray_of(&region, host));
            return Ok(Self { base, region, is_aws });
        }
        let host = aws_host(&region, settings.use_fips, settings.use_dualstack);
        let base = Url::parse(&format!("https://{host}")).map_err(|_| EndpointError::BadRegion {
            found: region.clone(),
        })?;
        Ok(Self {
            base,
            region,
            is_aws: true,
        })
    }

    /// Whether this is AWS's own X-Ray of the function's region, where Lambda sends what it makes itself: by whichever
    /// of its addresses, that of a VPC endpoint among them.
    pub fn is_aws(&self) -> bool {
        self.is_aws
    }

    /// The region requests are signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether connections use TLS.
    pub fn is_secure(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// The address of one operation; a path in the endpoint's address stays in front.
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// The address without a trailing slash, for messages.
    pub fn name(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }
}

/// Whether a host is X-Ray's in this region.
fn is_xray_of(region: &str, host: &str) -> bool {
    let (suffix, _) = suffixes(region);
    let switches = [(false, false), (true, false), (false, true), (true, true)];
    switches
        .iter()
        .any(|(use_fips, use_dualstack)| host == aws_host(region, *use_fips, *use_dualstack))
        || host.ends_with(&format!(".xray.{region}.vpce.{suffix}"))
}

/// Longest label of a host name.
const REGION_MAX_BYTES: usize = 63;

fn filled(value: &Option<String>) -> Option<&str> {
    value.as_deref().map(str::trim).filter(|value| !value.is_empty())
}

fn configured(settings: &EndpointSettings) -> Option<(&'static str, &str)> {
    if settings.ignore_urls {
        return None;
    }
    let own = filled(&settings.xray_url).map(|text| ("AWS_ENDPOINT_URL_XRAY", text));
    own.or_else(|| filled(&settings.any_url).map(|text| ("AWS_ENDPOINT_URL", text)))
}

/// An address that can be called, or why it cannot.
pub(crate) fn read_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "not an address")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("neither http nor https");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("no host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("user name or password in an address");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("query or fragment in an endpoint");
    }
    Ok(url)
}

fn is_host_label(text: &str) -> bool {
    text.len() <= REGION_MAX_BYTES
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn aws_host(region: &str, use_fips: bool, use_dualstack: bool) -> String {
    let service = if use_fips { "xray-fips" } else { "xray" };
    let (suffix, dualstack_suffix) = suffixes(region);
    format!(
        "{service}.{region}.{}",
        if use_dualstack { dualstack_suffix } else { suffix }
    )
}

/// Name suffixes of the partition a region is in. A region nobody has heard of is in the first, as in SDKs.
fn suffixes(region: &str) -> (&'static str, &'static str) {
    const PARTITIONS: [(&str, &str, &str); 7] = [
        ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
        ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
        ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
        ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        ("us-gov-", "amazonaws.com", "api.aws"),
    ];
    PARTITIONS
        .iter()
        .find(|(prefix, ..)| region.starts_with(prefix))
        .map_or(("amazonaws.com", "api.aws"), |(_, suffix, dualstack)| {
            (suffix, dualstack)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn in_region(region: &str) -> EndpointSettings {
        EndpointSettings {
            region: some(region),
            ..EndpointSettings::default()
        }
    }

    #[track_caller]
    fn check(settings: &EndpointSettings, name: &str, is_aws: bool) {
        let endpoint = Endpoint::resolve(settings).expect(name);
        assert_eq!(endpoint.name(), name);
        assert_eq!(endpoint.is_aws(), is_aws);
    }

    #[track_caller]
    fn refused(settings: &EndpointSettings, line: &str) {
        assert_eq!(Endpoint::resolve(settings).expect_err(line).to_string(), line);
    }

    #[test]
    fn the_region_and_its_partition_make_the_address() {
        check(
            &in_region("eu-west-1"),
            "https://xray.eu-west-1.amazonaws.com",
            true,
        );
        for (region, suffix, dualstack_suffix) in [
            ("eu-west-1", "amazonaws.com", "api.aws"),
            ("mx-central-1", "amazonaws.com", "api.aws"),
            ("us-gov-west-1", "amazonaws.com", "api.aws"),
            ("cn-north-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu"),
            ("us-iso-east-1", "c2s.ic.gov", "api.aws.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud"),
            ("eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
            ("us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
            ("zz-future-9", "amazonaws.com", "api.aws"),
        ] {
            for (use_fips, use_dualstack, host) in [
                (false, false, format!("xray.{region}.{suffix}")),
                (true, false, format!("xray-fips.{region}.{suffix}")),
                (false, true, format!("xray.{region}.{dualstack_suffix}")),
                (true, true, format!("xray-fips.{region}.{dualstack_suffix}")),
            ] {
                let settings = EndpointSettings {
                    use_fips,
                    use_dualstack,
                    ..in_region(region)
                };
                check(&settings, &format!("https://{host}"), true);
            }
        }
    }

    #[test]
    fn an_address_for_xray_wins_over_one_for_all_services_and_over_the_switches() {
        let both = EndpointSettings {
            xray_url: some("http://127.0.0.1:3000"),
            any_url: some("http://127.0.0.1:4566"),
            use_fips: true,
            use_dualstack: true,
            ..in_region("eu-west-1")
        };
        check(&both, "http://127.0.0.1:3000", false);
        check(
            &EndpointSettings {
                xray_url: None,
                ..both.clone()
            },
            "http://127.0.0.1:4566",
            false,
        );
        check(
            &EndpointSettings {
                xray_url: some("  "),
                ..both.clone()
            },
            "http://127.0.0.1:4566",
            false,
        );
        check(
            &EndpointSettings {
                ignore_urls: true,
                use_fips: false,
                use_dualstack: false,
                ..both
            },
            "https://xray.eu-west-1.amazonaws.com",
            true,
        );
    }

    #[test]
    fn xray_itself_is_known_by_whatever_address_it_is_named() {
        for (url, is_aws) in [
            ("https://xray.eu-west-1.amazonaws.com", true),
            ("https://xray-fips.eu-west-1.amazonaws.com", true),
            ("https://xray.eu-west-1.api.aws", true),
            ("https://vpce-0a1b-2c3d.xray.eu-west-1.vpce.amazonaws.com", true),
            ("https://xray.us-east-1.amazonaws.com", false),
            ("https://vpce-0a1b-2c3d.xray.us-east-1.vpce.amazonaws.com", false),
            ("https://evilxray.eu-west-1.amazonaws.com", false),
            ("https://xray.eu-west-1.amazonaws.com.example.com", false),
        ] {
            let settings = EndpointSettings {
                xray_url: some(url),
                ..in_region("eu-west-1")
            };
            check(&settings, url, is_aws);
        }
    }

    #[test]
    fn a_path_in_the_address_stays_in_front_of_the_operation() {
        for (base, url) in [
            ("http://localhost:4566", "http://localhost:4566/TraceSegments"),
            ("http://localhost:4566/", "http://localhost:4566/TraceSegments"),
            (
                "https://Gate.Example/x-ray/v1/",
                "https://gate.example/x-ray/v1/TraceSegments",
            ),
        ] {
            let endpoint = Endpoint::resolve(&EndpointSettings {
                xray_url: some(base),
                ..in_region("eu-west-1")
            })
            .unwrap();
            assert_eq!(endpoint.url("/TraceSegments").as_str(), url);
            assert_eq!(endpoint.is_secure(), base.starts_with("https"));
        }
    }

    #[test]
    fn a_missing_or_unreadable_region_names_the_variable_and_the_mend() {
        let line = "no region to sign for: set AWS_REGION, for example AWS_REGION=eu-west-1";
        refused(&EndpointSettings::default(), line);
        refused(&in_region(" "), line);
        refused(
            &EndpointSettings {
                xray_url: some("http://127.0.0.1:3000"),
                ..EndpointSettings::default()
            },
            line,
        );
        for bad in ["EU-WEST-1", "evil.example/", "eu west 1", "-eu"] {
            refused(
                &in_region(bad),
                &format!("AWS_REGION: found {bad:?}, expected a region such as eu-west-1"),
            );
        }
        assert!(Endpoint::resolve(&in_region(&"e".repeat(64))).is_err());
    }

    #[test]
    fn an_unreadable_address_names_its_variable_and_keeps_its_content_to_itself() {
        for (text, reason) in [
            ("127.0.0.1:3000", "not an address"),
            ("ftp://127.0.0.1", "neither http nor https"),
            ("http://", "not an address"),
            ("http://user:secret@host", "user name or password in an address"),
            ("http://host/?a=b", "query or fragment in an endpoint"),
            ("http://host/#a", "query or fragment in an endpoint"),
        ] {
            let expected = |variable: &str| {
                format!(
                    "{variable}: {reason}, expected an address such as https://xray.eu-west-1.amazonaws.com"
                )
            };
            refused(
                &EndpointSettings {
                    xray_url: some(text),
                    ..in_region("eu-west-1")
                },
                &expected("AWS_ENDPOINT_URL_XRAY"),
            );
            refused(
                &EndpointSettings {
                    any_url: some(text),
                    ..in_region("eu-west-1")
                },
                &expected("AWS_ENDPOINT_URL"),
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_resolver_panic(url in ".*", region in ".*") {
            let _ = Endpoint::resolve(&EndpointSettings { xray_url: Some(url), region: Some(region), ..EndpointSettings::default() });
        }
    }
}
