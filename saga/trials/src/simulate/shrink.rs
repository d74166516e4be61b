//! The smallest run that breaks a rule: fewer sagas, fewer kinds of faults, perhaps another seed.

use super::{Settings, Simulation, Stopped};

/// How many seeds are tried with each number of sagas.
const SEEDS: u64 = 40;

impl Simulation {
    /// A smaller run that breaks the first of the rules that this one breaks, the smallest that was
    /// found; none if there is none, or if this one breaks no rule.
    ///
    /// # Errors
    /// [`Stopped`]: as [`Simulation::run`].
    pub fn smaller(&self) -> Result<Option<Self>, Stopped> {
        let Some(rule) = self.broken.first().map(|broken| broken.rule) else { return Ok(None) };
        let breaks = |settings| {
            let run = Self::run(Settings { trace: false, ..settings })?;
            Ok(run.broken.iter().any(|broken| broken.rule == rule).then_some(run))
        };
        let fewer = fewer_sagas(self.settings, &breaks)?;
        let settings = fewer.as_ref().map_or(self.settings, |run| run.settings);
        let simpler = fewer_faults(settings, &breaks)?;
        Ok(simpler.or(fewer))
    }
}

/// Tries with one saga, then two, then four, over a few seeds each.
fn fewer_sagas(
    settings: Settings,
    breaks: &impl Fn(Settings) -> Result<Option<Simulation>, Stopped>,
) -> Result<Option<Simulation>, Stopped> {
    let doubled = std::iter::successors(Some(1_u32), |n| n.checked_mul(2));
    for sagas in doubled.take_while(|n| *n < settings.sagas) {
        for seed in settings.seed..settings.seed.saturating_add(SEEDS) {
            if let Some(found) = breaks(Settings { seed, sagas, ..settings })? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// Leaves out one kind of faults after the other, as long as the rule is broken without it.
fn fewer_faults(
    mut settings: Settings,
    breaks: &impl Fn(Settings) -> Result<Option<Simulation>, Stopped>,
) -> Result<Option<Simulation>, Stopped> {
    let mut found = None;
    for fault in settings.faults.kinds() {
        let faults = settings.faults.without(fault);
        if faults.kinds().next().is_none() {
            break;
        }
        if let Some(run) = breaks(Settings { faults, ..settings })? {
            settings = run.settings;
            found = Some(run);
        }
    }
    Ok(found)
}
