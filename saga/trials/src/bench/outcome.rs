//! What must be true after a run.

use std::time::Duration;

use crate::demo::shop::until;
use crate::invariants::Findings;
use crate::servers::Trouble;

use super::Goal;
use super::ground::Ground;
use super::load::Answered;
use super::meter::Messages;

/// How long nothing may move until all is handled.
const STILL: Duration = Duration::from_millis(300);

/// What clients were told until now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    /// Orders that were placed.
    pub(super) placed: usize,
    /// Orders that were refused.
    pub(super) refused: usize,
}

impl Told {
    /// How many orders there were.
    pub(super) fn all(self) -> usize {
        self.placed + self.refused
    }

    /// Adds what came of a run.
    pub(super) fn add(&mut self, answered: &Answered) {
        self.placed += answered.placed;
        self.refused += answered.refused;
    }
}

/// Waits until nothing is on its way: nothing is unpublished, and no message is published or delivered for a while.
///
/// # Errors
/// When that does not come about.
pub(super) async fn quiet(ground: &Ground) -> Result<(), Trouble> {
    let mut before = None;
    until("everything to be handled", async || {
        let now = Messages::read(ground).await?;
        let still = before.replace(now) == Some(now) && ground.databases.unpublished().await? == 0;
        tokio::time::sleep(STILL).await;
        Ok(still.then_some(()))
    })
    .await
}

/// Waits until every saga has ended.
///
/// # Errors
/// When one does not.
pub(super) async fn ended(ground: &Ground) -> Result<(), Trouble> {
    until("all sagas to end", async || Ok((ground.databases.live().await? == 0).then_some(()))).await
}

/// Checks every rule, and that the databases agree with what clients were told.
///
/// # Errors
/// When a rule is broken.
pub(super) async fn check(ground: &Ground, to: Goal, told: Told) -> Result<(), Trouble> {
    quiet(ground).await?;
    let broken = broken(&ground.databases.check().await?, to, told);
    if broken.is_empty() {
        return Ok(());
    }
    Err(Trouble::Unmet(format!("the run does not count, since a rule is broken: {}", broken.join("; "))))
}

fn broken(findings: &Findings, to: Goal, told: Told) -> Vec<String> {
    let mut broken = findings.violations();
    let phase = match to {
        Goal::Placed => "prepared",
        Goal::Approved => "completed",
    };
    for (phase, told) in [(phase, told.placed), ("rejected", told.refused)] {
        let found = findings.in_phase(phase);
        if usize::try_from(found) != Ok(told) {
            broken.push(format!("{found} sagas are {phase}, and {told} clients were told so"));
        }
    }
    let all: i64 = findings.sagas.values().sum();
    if usize::try_from(all) != Ok(told.all()) {
        broken.push(format!("{all} sagas for {} orders", told.all()));
    }
    if findings.needing_intervention > 0 {
        broken.push(format!("{} sagas need intervention", findings.needing_intervention));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_counts_only_if_databases_and_clients_agree() {
        let told = Told { placed: 9, refused: 1 };
        let sagas = [("prepared".to_owned(), 9), ("rejected".to_owned(), 1)].into();
        let right = Findings { sagas, ..Findings::default() };
        assert_eq!(broken(&right, Goal::Placed, told), Vec::<String>::new());
        assert!(!broken(&right, Goal::Approved, told).is_empty(), "they are prepared, not completed");
        assert!(!broken(&right, Goal::Placed, Told { placed: 10, refused: 0 }).is_empty());
        assert!(!broken(&Findings { units_taken: 1, ..right.clone() }, Goal::Placed, told).is_empty());
        assert!(!broken(&Findings { needing_intervention: 1, ..right }, Goal::Placed, told).is_empty());
    }
}
