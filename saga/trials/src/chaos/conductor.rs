//! Lets faults begin and end as planned, and measures how long it takes until orders flow again.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::customers::Customers;
use super::fleet::Fleet;
use super::plan::{Fault, Planned, Round};
use super::report::Report;
use super::strangers::Stranger;
use crate::screen::{Line, say};
use crate::servers::Trouble;

/// How long it may take after faults until an order goes through, and until every process has both servers.
const RECOVERS_WITHIN: Duration = Duration::from_secs(60);
/// How often is looked whether all is well.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Who brings faults about.
pub(super) struct Conductor<'a> {
    fleet: &'a mut Fleet,
    stranger: Stranger,
    report: &'a mut Report,
    customers: &'a Customers,
    can_skew: bool,
}

impl<'a> Conductor<'a> {
    /// One who does what follows from the seed.
    pub(super) fn new(fleet: &'a mut Fleet, seed: u64, report: &'a mut Report, customers: &'a Customers) -> Self {
        let can_skew = fleet.can_skew();
        if !can_skew {
            report.left_out.push("other clocks (libfaketime is missing)".to_owned());
        }
        Self { fleet, stranger: Stranger::of(seed), report, customers, can_skew }
    }

    /// The stranger, with what came of it.
    pub(super) fn leave(self) -> Stranger {
        self.stranger
    }

    /// Round after round of faults; in the end nothing is wrong any more.
    ///
    /// # Errors
    /// When the system does not recover, or something cannot be brought about.
    pub(super) async fn conduct(&mut self, rounds: impl Iterator<Item = Round>) -> Result<(), Trouble> {
        let (began, line) = (Instant::now(), Line::start("chaos", "the shop is open"));
        for Round { mut faults, calm } in rounds {
            faults.retain(|planned| self.can_skew || !matches!(planned.fault, Fault::Skew(..)));
            let told = faults.iter().map(|planned| told(&planned.fault)).collect::<Vec<_>>().join(", ");
            let faults_so_far = self.report.faults.values().sum::<u64>();
            line.now(format!("{} orders, {faults_so_far} faults; now: {told};", self.customers.wishes()));
            let done = self.round(&faults).await?;
            let (flow, whole) = self.recovery().await?;
            self.report.recovered(&done, flow);
            self.report.whole = self.report.whole.max(whole);
            self.report.lasted = began.elapsed();
            let (at, flow) = (began.elapsed().as_secs(), flow.as_secs_f64());
            say(
                "chaos",
                &format!(
                    "{:>2}:{:02}  {told}; orders flow after {flow:.1} s, all whole after {:.1} s",
                    at / 60,
                    at % 60,
                    whole.as_secs_f64()
                ),
            );
            sleep(calm).await;
        }
        line.done("the faults are over");
        Ok(())
    }

    /// Lets the faults of a round begin and end, each at its time; gives those that came about.
    async fn round(&mut self, faults: &[Planned]) -> Result<Vec<Fault>, Trouble> {
        let began = Instant::now();
        let begins = faults.iter().map(|planned| (planned.begins, planned.fault, true));
        let ends = faults.iter().filter_map(|planned| Some((planned.ends?, planned.fault, false)));
        let mut events: Vec<(Duration, Fault, bool)> = begins.chain(ends).collect();
        events.sort_by_key(|(at, _, _)| *at);
        let mut done = Vec::new();
        for (at, fault, is_begin) in events {
            sleep_until(began + at).await;
            if !is_begin {
                self.fleet.end(fault).await?;
            } else if self.begin(fault).await? {
                self.report.fault(fault);
                done.push(fault);
            }
        }
        Ok(done)
    }

    /// Lets a fault begin. A stranger may find the servers down.
    async fn begin(&mut self, fault: Fault) -> Result<bool, Trouble> {
        let outcome = match fault {
            Fault::Garbage => self.stranger.publish_garbage(&self.fleet.system).await,
            Fault::Duplicates => self.stranger.publish_again(&self.fleet.system).await,
            Fault::Kill(_)
            | Fault::Freeze(_)
            | Fault::Skew(..)
            | Fault::KillServer(_)
            | Fault::RestartServer(_)
            | Fault::Cut(..)
            | Fault::Stall(..)
            | Fault::MemoryAlarm
            | Fault::DiskAlarm => return self.fleet.begin(fault).await.map(|()| true),
        };
        Ok(outcome.is_ok())
    }

    /// How long it takes until an order goes through, and until every process has both servers.
    async fn recovery(&mut self) -> Result<(Duration, Duration), Trouble> {
        let began = Instant::now();
        let late = |what: &str| {
            Trouble::Unmet(format!(
                "a rule is broken: {what} within {} s of the end of faults",
                RECOVERS_WITHIN.as_secs()
            ))
        };
        let flow = timeout(RECOVERS_WITHIN, self.customers.probe()).await.map_err(|_| late("no order went through"))?;
        let flow = flow.map(|()| began.elapsed())?;
        while !self.fleet.is_whole().await {
            if let [ended, ..] = self.fleet.ended_by_themselves().as_slice() {
                return Err(Trouble::Unmet(format!("a rule is broken: {ended} ended by itself; its log says why")));
            }
            if began.elapsed() > RECOVERS_WITHIN {
                return Err(late("not every process was ready with both servers"));
            }
            sleep(LOOK_EVERY).await;
        }
        Ok((flow, began.elapsed()))
    }
}

fn told(fault: &Fault) -> String {
    let name = |copy: &Option<usize>| copy.map_or_else(|| "all".to_owned(), Fleet::name);
    match fault {
        Fault::Kill(copy) => format!("{} killed", Fleet::name(*copy)),
        Fault::Freeze(copy) => format!("{} frozen", Fleet::name(*copy)),
        Fault::Skew(copy, seconds) => format!("{} with a clock {seconds:+} s", Fleet::name(*copy)),
        Fault::Cut(copy, _) | Fault::Stall(copy, _) => format!("{} ({})", fault.kind(), name(copy)),
        Fault::KillServer(_)
        | Fault::RestartServer(_)
        | Fault::MemoryAlarm
        | Fault::DiskAlarm
        | Fault::Garbage
        | Fault::Duplicates => fault.kind().to_owned(),
    }
}
