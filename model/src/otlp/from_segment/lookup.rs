//! The table asked by member, and what stands beside it: platforms, databases, languages.

use std::borrow::Cow;

use super::super::mapping::{Row, When};

/// The rows of a member of this name, and of what is below it, among those of the object that it is in: they stand
/// together. Names of that object's members begin at `at`.
pub(super) fn below(rows: &'static [Row], at: usize, name: &str) -> &'static [Row] {
    let is_below = |row: &Row| {
        let rest = row.member.get(at..).and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let first = rows.iter().position(is_below).unwrap_or(rows.len());
    let rows = rows.get(first..).unwrap_or_default();
    let count = rows.iter().position(|row| !is_below(row)).unwrap_or(rows.len());
    rows.get(..count).unwrap_or_default()
}

/// What the attribute was named before HTTP's and databases' conventions became stable.
pub(super) fn older(row: &Row) -> Option<&'static str> {
    let is_older = |name: &&str| name.starts_with("http.") || name.starts_with("db.");
    row.span.iter().skip(1).copied().find(is_older)
}

/// A platform of AWS.
struct Platform {
    /// `cloud.platform`
    name: &'static str,
    /// How its origins begin.
    origin: &'static str,
    /// Its member in `aws`; none has a platform that tells nothing of itself.
    member: &'static str,
    /// The condition of its rows.
    when: Option<When>,
}

/// The one that a user sees comes before the one below it.
const PLATFORMS: &[Platform] = &[
    platform("aws_lambda", "AWS::Lambda", "", Some(When::Lambda)),
    platform(
        "aws_elastic_beanstalk",
        "AWS::ElasticBeanstalk::",
        "elastic_beanstalk",
        Some(When::Beanstalk),
    ),
    platform("aws_app_runner", "AWS::AppRunner::", "", None),
    platform("aws_eks", "AWS::EKS::", "eks", Some(When::Eks)),
    platform("aws_ecs", "AWS::ECS::", "ecs", Some(When::Ecs)),
    platform("aws_ec2", "AWS::EC2::", "ec2", Some(When::Ec2)),
];

const fn platform(
    name: &'static str,
    origin: &'static str,
    member: &'static str,
    when: Option<When>,
) -> Platform {
    Platform {
        name,
        origin,
        member,
        when,
    }
}

/// The platform of a segment of this origin.
pub(super) fn platform_of(origin: &str) -> Option<&'static str> {
    let platform = PLATFORMS.iter().find(|one| origin.starts_with(one.origin))?;
    Some(platform.name)
}

/// The platform of a segment whose `aws` has these members.
pub(super) fn platform_among<'m>(members: impl Iterator<Item = &'m str>) -> Option<&'static str> {
    let place = |member: &str| PLATFORMS.iter().position(|one| one.member == member);
    let first = members
        .filter(|member| !member.is_empty())
        .filter_map(place)
        .min()?;
    PLATFORMS.get(first).map(|platform| platform.name)
}

/// Whether rows of this condition hold for segments of a platform.
pub(super) fn is_of_platform(when: When, platform: Option<&str>) -> bool {
    PLATFORMS
        .iter()
        .any(|one| one.when == Some(when) && platform == Some(one.name))
}

/// How SDKs of X-Ray and drivers spell databases, and what semantic conventions name them.
const SYSTEMS: &[(&str, &str)] = &[
    ("microsoft sql server", "microsoft.sql_server"),
    ("mssql", "microsoft.sql_server"),
    ("sqlserver", "microsoft.sql_server"),
    ("oracle", "oracle.db"),
    ("db2", "ibm.db2"),
    ("postgres", "postgresql"),
    ("mysql2", "mysql"),
    ("sqlite3", "sqlite"),
    ("h2", "h2database"),
];

/// `db.system.name` of a `sql.database_type`.
pub(super) fn sql_system(database: &str) -> Cow<'_, str> {
    let lower = database.to_ascii_lowercase();
    let known = SYSTEMS.iter().find(|(spelled, _)| *spelled == lower);
    match known {
        Some((_, name)) => Cow::Borrowed(name),
        None if lower == database => Cow::Borrowed(database),
        None => Cow::Owned(lower),
    }
}

/// `telemetry.sdk.language` of the names that X-Ray's SDKs give themselves, and of runtimes.
const LANGUAGES: &[(&str, &str)] = &[
    ("x-ray for python", "python"),
    ("x-ray for node", "nodejs"),
    ("x-ray for javascript", "nodejs"),
    ("x-ray for java", "java"),
    ("x-ray for go", "go"),
    ("x-ray for ruby", "ruby"),
    ("x-ray for .net", "dotnet"),
];

/// In which language a process with this SDK is written.
pub(super) fn language_of(sdk: &str) -> Option<&'static str> {
    let lower = sdk.to_ascii_lowercase();
    let known = LANGUAGES.iter().find(|(name, _)| lower.starts_with(name));
    known.map(|(_, language)| *language)
}

/// Name and language of an OpenTelemetry SDK, as `aws.xray.sdk` has them: `opentelemetry for rust`.
pub(super) fn of_opentelemetry(sdk: &str) -> Option<(&str, &str)> {
    let (name, language) = sdk.rsplit_once(" for ")?;
    name.starts_with("opentelemetry").then_some((name, language))
}
