//! A sandbox under way: what it runs on, and what goes wrong around it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use emulator::{Config, Entry, Environment, Faults, FunctionCommand, InitAt, KilledAs, Part, What};
use tokio::sync::{Mutex, watch};

use super::files;
use super::kernel::stand_still;
use super::plan::{Plan, Spell};
use super::slot::Slot;
use super::trouble::{Damage, Headroom, Trouble};
use crate::destination::{Certificate, Destination, Door};
use crate::lab::{binary, otlp_address};
use crate::masks::{Mask, Masks};
use crate::resolver::{Answers, NAME, Resolver};
use crate::wrapped::proxied_on;

/// After SHUTDOWN was handed out, nothing stands still later than this: the rest of its time is the extension's.
const ENDING_MAX: Duration = Duration::from_millis(800);
/// Longest wait for processes to stand still, and how often they are looked at.
const STILL_MAX: Duration = Duration::from_millis(200);
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// Sizes of sandboxes that are not held to theirs.
const MEMORY_MB: u32 = 256;
/// Credentials that are given out one after another.
const KEYS: [&str; 6] = ["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX"];

/// See the module.
pub(super) struct Stage {
    pub(super) plan: Arc<Plan>,
    pub(super) environment: Environment,
    pub(super) destination: Destination,
    pub(super) slot: Slot,
    resolver: Option<Resolver>,
    meminfo: Option<Mask>,
    _masks: Masks,
    /// Only one standstill at a time: the end of one would be the other's.
    standing: Mutex<()>,
    harmed: AtomicU64,
    /// When the destination's queue of connections was filled up.
    filled: std::sync::Mutex<Vec<Instant>>,
    /// Set when the last call has its answer.
    is_ending: watch::Sender<bool>,
}

impl Stage {
    pub(super) async fn set(plan: Arc<Plan>) -> Self {
        let destination = if plan.reach.is_secure {
            Destination::with_tls().await
        } else {
            Destination::start().await
        };
        destination.script(plan.acts.iter().cloned());
        destination.set_clock(plan.clock_ahead_s);
        let slot = Slot::take();
        let mut config = config(&plan, &destination, &slot);
        let mut masks = Masks::new();
        let mut resolver = None;
        if plan.reach.is_named {
            let started = Resolver::start(slot.udp_address().ip(), Answers::Address).await;
            masks.put("/etc/resolv.conf", &started.configuration());
            resolver = Some(started);
        }
        let mut troubles = plan.troubles.iter().flatten();
        let has_levels = troubles.any(|spell| matches!(spell.what, Trouble::Memory(_)));
        let meminfo =
            has_levels.then(|| masks.put("/proc/meminfo", &Headroom::Ample.meminfo(config.memory_mb)));
        if resolver.is_some() || meminfo.is_some() {
            config.extensions = vec![masks.before(&binary("fluoroscope-extension"))];
        }
        let environment = Environment::start(config).await.expect("the environment starts");
        Self {
            plan,
            environment,
            destination,
            slot,
            resolver,
            meminfo,
            _masks: masks,
            standing: Mutex::new(()),
            harmed: AtomicU64::new(0),
            filled: std::sync::Mutex::default(),
            is_ending: watch::Sender::new(false),
        }
    }

    /// What the journal says, without a copy of it.
    pub(super) async fn look<T: Default>(&self, look: impl Fn(&[Entry]) -> T) -> T {
        let seen = |entries: &[Entry]| Some(look(entries));
        let seen = self.environment.wait_until(seen, Duration::ZERO).await;
        seen.unwrap_or_default()
    }

    /// Records of spill files that were destroyed.
    pub(super) fn harmed(&self) -> u64 {
        self.harmed.load(Ordering::SeqCst)
    }

    /// Questions that the name server got.
    pub(super) fn questions(&self) -> u64 {
        self.resolver.as_ref().map_or(0, Resolver::questions)
    }

    /// Brings a part to a standstill for a time, and something about meanwhile; not where the end of the sandbox
    /// could miss that time.
    pub(super) async fn stand_still(&self, part: Part, lasts: Duration, meanwhile: impl Future<Output = ()>) {
        let _turn = self.standing.lock().await;
        if self.look(is_late).await {
            return;
        }
        self.environment.suspend(part).await;
        meanwhile.await;
        tokio::time::sleep(lasts).await;
        self.environment.resume().await;
    }

    /// Damages the spill files while nobody works on them.
    pub(super) async fn damage(&self, damage: Damage) {
        let meanwhile = async {
            let deadline = Instant::now() + STILL_MAX;
            let pids = self.look(started).await;
            while !stand_still(&pids) && Instant::now() < deadline {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            if stand_still(&pids) {
                let harmed = files::damage(self.environment.scratch(), damage);
                self.harmed.fetch_add(harmed, Ordering::SeqCst);
            }
        };
        self.stand_still(Part::Everything, Duration::ZERO, meanwhile)
            .await;
    }

    /// One trouble after another until the row or the sandbox is over.
    pub(super) async fn play_row(&self, row: &[Spell<Trouble>]) {
        for spell in row {
            if self.is_over_within(spell.after).await {
                return;
            }
            self.begin(spell.what).await;
            if self.is_over_within(spell.lasts).await {
                return;
            }
            self.end(spell.what).await;
        }
    }

    async fn is_over_within(&self, time: Duration) -> bool {
        let mut is_ending = self.is_ending.subscribe();
        let ending = is_ending.wait_for(|is_ending| *is_ending);
        tokio::time::timeout(time, ending).await.is_ok()
    }

    async fn begin(&self, trouble: Trouble) {
        match trouble {
            Trouble::Door(door) => {
                if door == Door::Full {
                    self.lock_filled().push(Instant::now());
                }
                self.destination.door(door).await;
            }
            Trouble::Certificate(certificate) => self.destination.present(certificate),
            Trouble::Name(answers) => self.answer(answers),
            Trouble::Clock(ahead_s) => self.destination.set_clock(ahead_s),
            Trouble::Expiry => self.destination.expire_last(),
            Trouble::Memory(headroom) => self.show(headroom),
            Trouble::Files(damage) => self.damage(damage).await,
        }
    }

    async fn end(&self, trouble: Trouble) {
        match trouble {
            Trouble::Door(_) => self.destination.door(Door::Open).await,
            Trouble::Certificate(_) => self.destination.present(Certificate::Good),
            Trouble::Name(_) => self.answer(Answers::Address),
            Trouble::Clock(_) => self.destination.set_clock(self.plan.clock_ahead_s),
            Trouble::Memory(_) => self.show(Headroom::Ample),
            Trouble::Expiry | Trouble::Files(_) => {}
        }
    }

    /// When the destination's queue of connections was filled up.
    pub(super) fn filled(&self) -> Vec<Instant> {
        self.lock_filled().clone()
    }

    fn lock_filled(&self) -> std::sync::MutexGuard<'_, Vec<Instant>> {
        self.filled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, answers: Answers) {
        if let Some(resolver) = &self.resolver {
            resolver.answer(answers);
        }
    }

    fn show(&self, headroom: Headroom) {
        if let Some(meminfo) = &self.meminfo {
            meminfo.rewrite(&headroom.meminfo(self.plan.memory_mb.unwrap_or(MEMORY_MB)));
        }
    }

    /// The last call has its answer: rows of troubles end where they are.
    pub(super) fn end_troubles(&self) {
        self.is_ending.send_replace(true);
    }

    /// The destination works, or it does not, until the end.
    pub(super) async fn settle(&self) {
        if !self.plan.is_mended {
            self.destination.door(Door::Closed).await;
            return;
        }
        self.destination.mend();
        self.destination.set_clock(self.plan.clock_ahead_s);
        self.destination.door(Door::Open).await;
        self.answer(Answers::Address);
        if self.plan.reach.is_secure {
            self.destination.present(Certificate::Good);
        }
    }
}

fn config(plan: &Plan, destination: &Destination, slot: &Slot) -> Config {
    let function = FunctionCommand::new(binary("scripted-function"));
    let url = if plan.reach.is_named {
        destination.url_of(NAME)
    } else {
        destination.url()
    };
    let mut config = Config::new("chaos", function)
        .with_extension(binary("fluoroscope-extension"))
        .with_variable("FLUOROSCOPE_UDP_ADDRESS", slot.udp_address().to_string())
        .with_variable(
            "FLUOROSCOPE_OTLP_ADDRESS",
            otlp_address(slot.udp_address()).to_string(),
        )
        .with_variable("AWS_ENDPOINT_URL_XRAY", url)
        .with_timeout(plan.timeout)
        .with_id_style(plan.id_style)
        .with_init_type(plan.init_type)
        .with_init_at(InitAt::FirstInvocation)
        .with_faults(Faults {
            subscription: plan.subscription.clone(),
            mishaps: plan.mishaps.clone(),
            invoke_event_delay: plan.invoke_event_delay,
            ..Faults::default()
        });
    config.memory_mb = plan.memory_mb.unwrap_or(MEMORY_MB);
    config.enforce_memory = plan.memory_mb.is_some();
    config.killed_as = if config.enforce_memory {
        KilledAs::Detect
    } else {
        plan.killed_as
    };
    if plan.reach.is_secure {
        let authority = destination.authority().display().to_string();
        config.variables.insert("AWS_CA_BUNDLE".into(), authority);
    }
    if plan.is_renewed {
        destination.give_out(KEYS);
        let credentials = destination.credentials_url();
        config
            .variables
            .insert("AWS_CONTAINER_CREDENTIALS_FULL_URI".into(), credentials);
    }
    if plan.has_proxy {
        proxied_on(&mut config, slot.udp_address().ip());
    }
    let variables = plan.variables.iter();
    variables.fold(config, |config, (name, value)| config.with_variable(*name, value))
}

/// Whether a shutdown is so far on that a standstill could use up the rest of its time.
fn is_late(journal: &[Entry]) -> bool {
    let newest_first = journal.iter().rev();
    let told = newest_first
        .take_while(|entry| !matches!(entry.what, What::Reset { .. } | What::ProcessStarted { .. }))
        .find(|entry| matches!(entry.what, What::ShutdownSent { .. }));
    told.is_some_and(|entry| entry.at.elapsed() > ENDING_MAX)
}

/// Process ids, which are also their groups'.
pub(super) fn started(journal: &[Entry]) -> Vec<u32> {
    let pids = journal.iter().filter_map(|entry| match &entry.what {
        What::ProcessStarted { pid, .. } => Some(*pid),
        _ => None,
    });
    pids.collect()
}
