//! Many sandboxes, several at a time, until a time is over, their number is reached, or one goes wrong.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::judge::{Verdict, judge};
use super::means::Means;
use super::met::Met;
use super::plan::Plan;
use super::play::play;
use super::report::report;

/// What to play.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// What every plan is drawn from.
    pub seed: u64,
    /// The first sandbox's number; each further one is one more.
    pub first: u64,
    /// Sandboxes at a time.
    pub together: usize,
    /// When to stop.
    pub until: Until,
}

/// When a campaign is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// No sandbox begins later.
    Elapsed(Duration),
    /// So many were played.
    Sandboxes(u64),
}

/// What came of a campaign so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Score {
    /// Sandboxes that went as promised.
    pub sandboxes: u64,
    /// Invocations in them.
    pub invocations: u64,
    /// Documents that their functions sent.
    pub documents: u64,
    /// Documents that the extension counted as lost.
    pub lost: u64,
    /// Documents that came twice because an acknowledgement was lost.
    pub forced_repeats: u64,
    /// Sandboxes that tell nothing: the machine was too busy to end them in time. Not among the others.
    pub starved: u64,
    /// What they went through.
    pub met: Met,
}

impl Score {
    fn add(&mut self, plan: &Plan, verdict: &Verdict) {
        if verdict.is_starved {
            self.starved += 1;
            return;
        }
        self.sandboxes += 1;
        self.invocations += u64::try_from(plan.groups.iter().flatten().count()).unwrap_or_default();
        self.documents += verdict.documents;
        self.lost += verdict.lost;
        self.forced_repeats += verdict.forced_repeats;
        self.met.add(&verdict.met);
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} sandboxes, {} invocations, {} documents, {} lost and counted, {} repeated for a lost answer",
            self.sandboxes, self.invocations, self.documents, self.lost, self.forced_repeats
        )?;
        match self.starved {
            0 => Ok(()),
            starved => write!(f, "; {starved} more on a machine too busy for them"),
        }
    }
}

impl Campaign {
    /// Plays sandboxes whose plans `draw` makes of a seed and a number. `progress` hears of each.
    ///
    /// # Errors
    /// The report of the first sandbox that went wrong.
    pub fn run(
        &self,
        draw: impl Fn(u64, u64) -> Plan + Sync,
        progress: impl Fn(&Score) + Sync,
    ) -> Result<Score, String> {
        let began = Instant::now();
        let (next, is_broken) = (AtomicU64::new(self.first), AtomicBool::new(false));
        let outcome = Mutex::new((Score::default(), None));
        std::thread::scope(|scope| {
            for _ in 0..self.together {
                scope.spawn(|| {
                    while !is_broken.load(Ordering::SeqCst) {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let is_over = match self.until {
                            Until::Elapsed(time) => began.elapsed() >= time,
                            Until::Sandboxes(count) => number >= self.first + count,
                        };
                        if is_over {
                            return;
                        }
                        let plan = Arc::new(Means::here().fit(draw(self.seed, number)));
                        let (verdict, failure) = one(&plan);
                        let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                        let (score, broken) = &mut *outcome;
                        if let Some(failure) = failure {
                            is_broken.store(true, Ordering::SeqCst);
                            broken.get_or_insert(failure);
                            return;
                        }
                        score.add(&plan, &verdict);
                        progress(score);
                    }
                });
            }
        });
        match outcome.into_inner().unwrap_or_else(PoisonError::into_inner) {
            (score, None) => Ok(score),
            (_, Some(failure)) => Err(failure),
        }
    }
}

/// Plays one sandbox on an executor of its own: whatever it leaves behind ends with it.
fn one(plan: &Arc<Plan>) -> (Verdict, Option<String>) {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let executor = executor.expect("an executor can be made");
    let evidence = executor.block_on(play(Arc::clone(plan)));
    executor.shutdown_background();
    let verdict = judge(plan, &evidence);
    let failure = (!verdict.problems.is_empty()).then(|| report(plan, &verdict, &evidence));
    (verdict, failure)
}
