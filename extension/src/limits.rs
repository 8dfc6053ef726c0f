//! Every bound of the extension, and what happens at it.

use std::time::Duration;

use model::size::ByteCount;

/// Least memory of the whole process, as Lambda gives its own daemon.
pub const PROCESS_BUDGET_MIN: ByteCount = ByteCount::mib(16);
/// Above [`PROCESS_BUDGET_MIN`], this share of the function's memory, in percent.
pub const PROCESS_BUDGET_PERCENT: u64 = 3;
/// What the process needs besides documents: code, runtime, TLS, one batch on its way. The spool gets the rest.
pub const PROCESS_BASE: ByteCount = ByteCount::mib(8);
/// Kept free below the process's budget: the body of the batch on its way, the client's buffers, pages of code that
/// sending touches for the first time, and what the system's own count of pages may be off by.
pub const MEMORY_RESERVE: ByteCount = ByteCount::mib(2);
/// Memory that the allocator keeps without need, above which it is asked to give it back. Below it is left alone:
/// the next invocation would only take it again.
pub const HEAP_SLACK: ByteCount = ByteCount::mib(1);
/// The same where memory of the sandbox is low.
pub const HEAP_SLACK_IF_LOW: ByteCount = ByteCount::bytes(256 * 1024);
/// With less room than this for documents it is asked at once, before any is shed.
pub const HEAP_ROOM: ByteCount = ByteCount::mib(1);
/// Else so long after `next` was asked for, which must not wait for it.
pub const HEAP_PAUSE: Duration = Duration::from_millis(2);
/// Bytes received between two readings of memory in a burst.
pub const MEMORY_READ_EVERY: usize = 256 * 1024;
/// Memory is low when less than this part of the function's memory is available, and
/// [`LOW_HEADROOM_MAX`] at most. Then what is held leaves at the end of the invocation.
pub const LOW_HEADROOM_SHARE: u64 = 8;
/// See [`LOW_HEADROOM_SHARE`].
pub const LOW_HEADROOM_MAX: ByteCount = ByteCount::mib(64);
/// Likewise critical; the spool then has [`CRITICAL_SPOOL`] in memory.
pub const CRITICAL_HEADROOM_SHARE: u64 = 16;
/// See [`CRITICAL_HEADROOM_SHARE`].
pub const CRITICAL_HEADROOM_MAX: ByteCount = ByteCount::mib(32);
/// What documents may take up in memory at the critical level: one batch.
pub const CRITICAL_SPOOL: ByteCount = ByteCount::bytes(512 * 1024);
/// Smallest spool that holds the largest document. A smaller setting is raised to it.
pub const SPOOL_BUDGET_MIN: ByteCount = ByteCount::bytes(128 * 1024);
/// What a document costs beyond its bytes: its place in the queue and the allocator's rounding.
pub const DOCUMENT_OVERHEAD: ByteCount = ByteCount::bytes(160);

/// Documents remembered, at the least, to know their repeats; at most twice as many, in 36 KiB. A repeat of an
/// older one is sent again, which X-Ray takes for the same document.
pub const REPEATS_GENERATION: usize = 1024;

/// Bytes of documents in one call to X-Ray. A batch ends before it; one larger document leaves alone.
pub const BATCH_MAX: ByteCount = ByteCount::bytes(512 * 1024);

/// Documents looked at to fill a call with whole traces. What lies behind them is not looked at: a trace that is
/// spread wider may be split over two calls.
pub const TRACE_LOOK: usize = 512;

/// Outbounds at once. What is named beyond them is left out, and said so.
pub const LANES_MAX: usize = 4;
/// Documents of each value at the end of a lane's queue that are looked at for one that may be given up: more than
/// another lane has on its way. If none is among them, room is made at the expense of all.
pub const LANE_LOOK: usize = 64;

/// Bytes of the largest document that the spill file takes. A larger one stays in memory or is shed.
pub const SPILL_DOCUMENT_MAX: usize = 128 * 1024;
/// Bytes on disk where no setting says otherwise. Beyond it the oldest documents of the least value go.
pub const SPILL_LIMIT: ByteCount = ByteCount::mib(32);
/// Bytes of one file of the spill folder: an eighth of the limit, between these two. A whole file is given up at
/// once when the limit is reached, and deleted at once when everything in it is settled.
pub const SPILL_CHUNK_MIN: u64 = 64 * 1024;
/// See [`SPILL_CHUNK_MIN`].
pub const SPILL_CHUNK_MAX: u64 = 1024 * 1024;
/// Files of the spill folder that are known at once; an earlier process's files beyond it stay for a later one.
pub const SPILL_FILES: usize = 1024;
/// The part of /tmp's file system that is left free for the function, as its divisor, and [`SPILL_RESERVE_MAX`] at
/// most. With less nothing is written: documents that memory has no room for are shed.
pub const SPILL_RESERVE_SHARE: u64 = 8;
/// See [`SPILL_RESERVE_SHARE`].
pub const SPILL_RESERVE_MAX: ByteCount = ByteCount::mib(64);
/// How long after the spill files could not be written the first INVOKE has it tried again.
pub const SPILL_RETRY: Duration = Duration::from_secs(30);
/// Bytes written to, or read from, the spill file at once. Longer work is cut.
pub const SPILL_IO_MAX: usize = 256 * 1024;
/// Bytes handed over to be written in one turn of the loop, and one document more. The rest follows in the next
/// turns, between which whoever else has something to say is heard.
pub const SPILL_STEP: ByteCount = ByteCount::bytes(128 * 1024);
/// Bytes of the spill files looked at in one turn of the loop for documents that wait. If there were none among
/// them, the next turn looks on.
pub const SPILL_LOOK_MAX: u64 = 1024 * 1024;
/// Bytes moved to the spill file when memory has no room for a document, so that not every one costs a write.
pub const SPILL_BATCH: ByteCount = ByteCount::bytes(64 * 1024);
/// What a mebibyte held at SHUTDOWN after a timeout or a failure takes of its time, beyond [`SHUTDOWN_MARGIN`], to be put
/// into files: less than 5 ms of processor time, on the share of a 128 MB function (7.2 %). So much earlier nothing is
/// sent any more, but for the first half of the time, which is for sending whatever is held.
pub const SAVE_TIME_OF_MIB: Duration = Duration::from_millis(100);
/// What is left of SHUTDOWN's time when the last document goes to the spill file: the tally still has to be told.
pub const SPILL_MARGIN: Duration = Duration::from_millis(60);

/// Datagrams moved from the socket to the backlog at once. What lies beyond stays in the kernel's buffer.
pub const DATAGRAMS_PER_DRAIN: usize = 512;
/// Bytes of datagrams moved from the socket to the backlog at once; likewise.
pub const DATAGRAM_BYTES_PER_DRAIN: usize = 1024 * 1024;
/// Bytes of datagrams that may lie between the socket and the engine even when the spool is full. Else they have
/// the room that the spool has left. Beyond it the oldest goes, counted: a sender faster than we think costs
/// documents that are accounted for, not ones that the kernel drops unseen.
pub const BACKLOG_MIN_BYTES: usize = 256 * 1024;
/// Datagrams looked at before the socket is emptied again: at full speed about 100 more arrive meanwhile.
pub const DATAGRAMS_PER_LOOK: usize = 32;
/// Bytes of datagrams looked at likewise, and one datagram more: less than what goes to the files in the same time
/// ([`SPILL_STEP`]), so that what is on its way there does not pile up.
pub const DATAGRAM_BYTES_PER_LOOK: usize = 32 * 1024;
/// Datagrams taken from the socket at the end of an invocation. A sender that never stops cannot hold it up.
pub const DATAGRAMS_AT_THE_END: usize = 16 * 1024;
/// Receive buffer asked of the system. It gives what it allows (208 KiB as a rule, doubled for bookkeeping).
pub const UDP_RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Longest telemetry delivery that is read. Lambda's own bound is about twice the 256 KiB we ask for.
/// A longer one is answered 200 and counted as damaged.
pub const TELEMETRY_BODY_MAX: usize = 1024 * 1024;
/// Telemetry deliveries waiting for the engine; at the limit the listener makes Lambda wait.
pub const TELEMETRY_QUEUE: usize = 1;
/// Telemetry deliveries that are decoded at once, and again that many larger than [`TELEMETRY_BODY_SMALL`] that are
/// read; further ones are left in their connections.
pub const TELEMETRY_BODIES: usize = 1;
/// Deliveries up to this size are read whatever else is: a large one that stalls cannot hold up the end of an
/// invocation.
pub const TELEMETRY_BODY_SMALL: u64 = 64 * 1024;

/// Largest body of a request to the TCP side of the daemon's port. A larger one is answered 413: its sender can
/// send fewer documents at once.
pub const DOCUMENT_BODY_MAX: usize = 1024 * 1024;
/// Such bodies in memory at once; further ones are left in their connections.
pub const DOCUMENT_BODIES: usize = 2;
/// Requests with documents waiting for the engine; at the limit their senders wait for the answer.
pub const DOCUMENT_QUEUE: usize = 1;

/// Largest body of a sampler's request; a larger one is answered 413. The statistics of 25 rules, and as many of their
/// anomalies, take 12 KiB.
pub const SAMPLING_BODY_MAX: usize = 64 * 1024;
/// Requests of samplers at once; a further one is answered 429. They are put to X-Ray one after another, and one silence
/// is an answer to all of them.
pub const SAMPLING_ASKS: usize = 8;
/// Largest body of a request of OTLP, as it came and as it unpacks. A larger one is answered 413, which SDKs take for final:
/// their batches of 512 spans stay well below.
pub const OTLP_BODY_MAX: usize = 4 * 1024 * 1024;
/// Such bodies in memory at once; further ones are left in their connections.
pub const OTLP_BODIES: usize = 1;

/// Connections a listener serves at once. For a further one the oldest without a request is closed; if all are
/// within a request it waits.
pub const HTTP_CONNECTIONS: usize = 32;
/// Longest head of a request; a longer one is refused.
pub const HTTP_HEAD_MAX_BYTES: usize = 32 * 1024;
/// Longest wait for the body of a request; then it is given up.
pub const HTTP_BODY_WAIT: Duration = Duration::from_millis(5000);
/// Bytes of a body over its limit that are read and thrown away so that its sender hears why. Beyond it the
/// connection is closed.
pub const HTTP_DISCARD_MAX: usize = 8 * 1024 * 1024;
/// Pause after a connection could not be accepted (out of descriptors, or all places within a request).
pub const HTTP_ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections of the runtime that the proxy serves at once; further ones wait to be accepted. Managed instances
/// run up to 1,600 requests at once.
pub const PROXY_CONNECTIONS: usize = 2048;
/// Pause after a connection could not be accepted, or made, or after a defect.
pub const PROXY_ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Attempts to connect to the Runtime API. Then the runtime is told by closing its connection.
pub const PROXY_CONNECT_ATTEMPTS: u32 = 4;
/// Bytes moved at once. What the other side does not take at once is kept, and no more is read before it is taken.
pub const PROXY_BUFFER: usize = 16 * 1024;
/// Moves after which other tasks get a turn.
pub const PROXY_TURNS: u32 = 16;
/// Longest head, or trailers, that the proxy looks at: Python posts the cause of an error in one. What is longer
/// passes unwatched, and the rest of its connection likewise.
pub const PROXY_HEAD_MAX: usize = 256 * 1024;
/// Headers of one message that the proxy looks at; with more the connection passes unwatched from there on.
pub const PROXY_HEADERS_MAX: usize = 64;
/// Calls on one connection whose answer is still to come; with more it passes unwatched from there on.
pub const PROXY_CALLS_MAX: usize = 16;
/// Bytes kept of an error that the runtime posts. A longer one is told by its headers and its first bytes.
pub const PROXY_ERROR_BODY_MAX: usize = 64 * 1024;
/// What the proxy saw and the engine has not taken yet; at the limit it is given up and counted.
pub const PROXY_SIGNS: usize = 64;
/// Longest the exec wrapper waits for the proxy's answer; then the runtime talks to Lambda itself.
pub const PROXY_PROBE_MAX: Duration = Duration::from_millis(500);
/// Its attempts while the connection is refused, and the pause between them.
pub const PROXY_PROBE_ATTEMPTS: u32 = 10;
/// See [`PROXY_PROBE_ATTEMPTS`].
pub const PROXY_PROBE_PAUSE: Duration = Duration::from_millis(10);

/// Invocations known at once. Managed instances run up to 1,600; at the limit the oldest is closed as it stands.
pub const OPEN_INVOCATIONS: usize = 2048;
/// Closed invocations remembered for a late report or a straggling document; the oldest is forgotten.
pub const CLOSED_INVOCATIONS: usize = 256;
/// Ids remembered of one invocation's documents; beyond it nothing is adopted for `Invocation`.
pub const OBSERVED_IDS: usize = 16_384;
/// Ids remembered of the documents of all open invocations together, in 1.5 MiB at most; likewise, for those
/// invocations that would remember more.
pub const OBSERVED_IDS_IN_ALL: usize = 65_536;
/// Open (`in_progress`) documents kept until their invocation ends; beyond it the oldest leaves as it came, and
/// is no evidence.
pub const OPEN_DOCUMENTS: usize = 256;
/// The share of the spool's budget that open documents may take, as its divisor; likewise.
pub const OPEN_SHARE: u64 = 8;
/// Longest time an open document is kept: the longest invocation. Then it leaves as it came.
pub const OPEN_MAX: Duration = Duration::from_secs(900);

/// What is left of the invocation's time for Lambda itself: nothing of ours runs later.
pub const DEADLINE_MARGIN: Duration = Duration::from_millis(100);
/// What is left of the shutdown's time to write the tally and leave.
pub const SHUTDOWN_MARGIN: Duration = Duration::from_millis(200);
/// Longest hold at the end of an invocation, over all calls. What is not delivered by then is kept.
pub const FLUSH_MAX: Duration = Duration::from_millis(1000);
/// Longest hold at the end of an invocation for one call. Beyond it the call goes on alone, and nobody waits for
/// this destination again before it has answered in less.
pub const FLUSH_CALL_MAX: Duration = Duration::from_millis(300);
/// Gaps between invocations that make a rhythm. Before as many are known, documents leave at the end.
pub const RHYTHM_GAPS: usize = 4;
/// The longest gap of a rhythm in which documents may wait for the next invocation; after a longer one, they
/// leave at the end until the rhythm is back.
pub const RHYTHM_GAP_MAX: Duration = Duration::from_millis(2000);
/// Age at which documents of earlier invocations leave alongside a handler: at a high rate several invocations
/// share a call.
pub const GATHER_AGE: Duration = Duration::from_millis(100);
/// The spool counts as large from this share of its budget on, in percent.
pub const SPOOL_LARGE_PERCENT: u64 = 50;
/// A fault makes the next invocation deliver at its end at most once in this time.
pub const FAULT_END_EVERY: Duration = Duration::from_secs(10);
/// Longest period of `FLUSH=periodic`; no sandbox lives idle for longer. A longer one is no setting.
pub const PERIOD_MAX: Duration = Duration::from_secs(900);
/// Invocations whose end is still to be told after next was asked for: frozen time is short, and their records
/// come within the next few. At the limit the oldest is closed as it stands.
pub const LINGERING_INVOCATIONS: usize = 128;
/// Later invocations whose end may be told before that of an earlier one is taken for lost.
pub const OVERTAKEN_MAX: u32 = 4;
/// Time by which a wake-up is late that shows a freeze rather than a busy machine.
pub const THAW_SLACK: Duration = Duration::from_millis(100);
/// By how much a wake-up may be off before its timer is set anew.
pub const ALARM_SLACK: Duration = Duration::from_millis(1);
/// Upper bound of the distance to the first probe of a destination that does not answer, and of all later ones.
pub const PROBE_FIRST: Duration = Duration::from_millis(1000);
/// See [`PROBE_FIRST`].
pub const PROBE_MAX: Duration = Duration::from_secs(60);
/// Longest wait for one call while nobody waits for us (a handler runs, or SHUTDOWN's time).
pub const ATTEMPT_MAX: Duration = Duration::from_millis(2000);
/// Less time than this is not enough for a call: none is begun.
pub const ATTEMPT_MIN: Duration = Duration::from_millis(20);
/// Attempts in a row that are made soon after a refusal at once; the next ones are made at growing distances. A
/// success gives one of them back.
pub const SOON_RETRIES: u32 = 10;
/// Upper bound of the pause before an attempt made soon.
pub const SOON_MAX: Duration = Duration::from_millis(20);
/// Upper bound of the first pause after a failure.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// Upper bound of every pause that nobody asked for.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Longest pause X-Ray may ask for; a longer wish is shortened to it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Calls refused whole, one after another, before their documents are given up together: a document that is wrong
/// among fifty is found by the sixth.
pub const REFUSALS_IN_A_ROW_MAX: u32 = 10;
/// Pause after a failure that only somebody can mend, such as missing permissions.
pub const MENDED_PROBE: Duration = Duration::from_secs(60);
/// The account goes to X-Ray, and out as metrics, at most once in this time, as the daemon's does.
pub const REPORT_EVERY: Duration = Duration::from_secs(60);
/// Longest time the sender is busy with the account while a handler runs. What X-Ray did not get is told next time.
pub const TELL_MIDWAY_MAX: Duration = Duration::from_millis(100);
/// Longest wait for X-Ray to take the tally at SHUTDOWN.
pub const TELL_MAX: Duration = Duration::from_millis(300);
/// After INVOKE, how long the first record ever is waited for. An environment that accepts the subscription
/// and delivers nothing is then treated as one without the Telemetry API.
pub const TELEMETRY_PROOF: Duration = Duration::from_millis(1000);
/// Age at which documents leave while the handler still runs.
pub const SEND_AGE: Duration = Duration::from_millis(1000);
/// Longest wait of a document for the `platform.start` of its trace. Then it leaves as it came.
pub const HOLD_MAX: Duration = Duration::from_millis(2000);
/// The time for SHUTDOWN where the event names none.
pub const SHUTDOWN_UNNAMED: Duration = Duration::from_millis(2000);
/// Longest wait for the Telemetry API to take the subscription. Without an answer it is taken as absent: the
/// function's init waits for us.
pub const SUBSCRIBE_MAX: Duration = Duration::from_millis(500);
/// Characters kept of the name of an unknown record kind.
pub const KIND_CHARS: usize = 64;
/// At SHUTDOWN, how long records that are still to come are waited for.
pub const SHUTDOWN_TELEMETRY_WAIT: Duration = Duration::from_millis(100);

/// The gap between init and request above which the request did not wait for the init.
pub const WAITED_FOR_INIT: Duration = Duration::from_millis(1000);
/// The gap above which an init cannot belong to this sandbox's first request: none lives that long idle.
pub const INIT_BELONGS: Duration = Duration::from_secs(24 * 3600);

/// The same kind of problem is logged at most once in this time.
pub const NOTICE_INTERVAL: Duration = Duration::from_secs(60);
/// Kinds of problem remembered for that; further kinds are not logged.
pub const NOTICE_KINDS: usize = 64;
/// X-Ray error codes counted by name; further ones are counted together as `other`.
pub const ERROR_CODES: usize = 32;
