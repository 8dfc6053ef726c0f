//! Bounds of the outbounds, and what happens at each.

use std::time::Duration;

use model::size::ByteCount;

/// Time for a TCP connection and its TLS handshake; beyond it the endpoint counts as out of reach.
pub const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// Time for one request and its whole answer; beyond it the endpoint counts as silent.
pub const ATTEMPT_WAIT: Duration = Duration::from_secs(3);
/// Time to read an answer that lay in the socket when the time was found to be over, as after a thaw. It is
/// taken from the margin before the deadline.
pub const READ_WAIT: Duration = Duration::from_millis(10);
/// Turns of the loop after that, in which it is read if it lies there: a few are enough.
pub const READ_TURNS: u32 = 32;
/// Share of the time left that an attempt on an older connection gets: what is dead without telling must
/// leave time for a fresh one.
pub const OLDER_CONNECTION_SHARE: u32 = 2;
/// Least time that must be left for a second attempt; below it the first failure stands.
pub const SECOND_ATTEMPT_MIN: Duration = Duration::from_millis(20);
/// Idle connections kept. Calls go out one after another, so a second one would only age.
pub const IDLE_CONNECTIONS_MAX: usize = 1;
/// Age at which an idle connection is closed rather than used: what stands before X-Ray closes at about 60 s.
pub const IDLE_CONNECTION_WAIT: Duration = Duration::from_secs(55);
/// TLS sessions remembered for resumption; the oldest is forgotten. One endpoint needs one name.
pub const TLS_SESSIONS_MAX: usize = 8;
/// Bytes of a request of OpenTelemetry's protocol before it is packed; a batch that is larger leaves in several. X-Ray
/// takes 5 MB, collectors 4 MiB or more; this much is in memory beside the batch.
pub const OTLP_BODY_MAX: ByteCount = ByteCount::mib(1);
/// Spans in it; likewise. So many X-Ray takes.
pub const OTLP_SPANS_MAX: usize = 10_000;
/// Bytes of a resource and a scope together, for X-Ray; spans with more are refused, since X-Ray refuses the whole request.
pub const XRAY_AROUND_MAX_BYTES: usize = 16 * 1024;
/// Bytes of an answer that are read. Fifty unprocessed items take about 15 KiB; a longer answer is not X-Ray's.
pub const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// Characters kept of a text that came from outside; the rest is cut.
pub const QUOTE_MAX_CHARS: usize = 300;
/// Characters kept of an error code; real ones are below 40.
pub const CODE_MAX_CHARS: usize = 64;
/// Time for the container credentials endpoint, which is in the same sandbox.
pub const CREDENTIALS_WAIT: Duration = Duration::from_secs(1);
/// Container credentials are renewed this long before they expire.
pub const CREDENTIALS_MARGIN: Duration = Duration::from_secs(300);
/// Bytes of a credentials answer; a longer one is refused. Real ones are below 3 KiB.
pub const CREDENTIALS_ANSWER_MAX_BYTES: usize = 16 * 1024;
/// Bytes of `AWS_CA_BUNDLE`; a longer file is not read. What systems come with is below 300 KiB.
pub const AUTHORITIES_MAX_BYTES: u64 = 1024 * 1024;
/// Bytes of an authorization token file; a longer one is refused.
pub const TOKEN_FILE_MAX_BYTES: u64 = 16 * 1024;

/// Longest wait for X-Ray's answer to a sampler. Then it hears what is known from before, or an error: some samplers ask
/// while the function starts, and wait.
pub const SAMPLING_WAIT: Duration = Duration::from_secs(1);
/// Age up to which an answer of GetSamplingRules is given again without asking: less than the 300 s in which samplers
/// ask anew, so that one that asks alone always hears X-Ray.
pub const SAMPLING_RULES_FRESH: Duration = Duration::from_secs(240);
/// Age up to which it is given again where X-Ray has no better one: so long samplers themselves go by their rules.
pub const SAMPLING_RULES_KEPT: Duration = Duration::from_secs(3600);
/// Answers of GetSamplingRules that are kept, one for each `NextToken`; for a further one the oldest goes. A page has
/// 25 rules or more, which is a whole account as a rule.
pub const SAMPLING_PAGES: usize = 8;
/// Bytes of those answers; likewise. Two of the longest that are read ([`ANSWER_MAX_BYTES`]).
pub const SAMPLING_PAGES_MAX_BYTES: usize = 2 * ANSWER_MAX_BYTES;
