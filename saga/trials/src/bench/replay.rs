//! All of history, five times into every queue bound for its types: how fast, and that no row changes. Then a replay of
//! whose processes some are killed.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use saga_runtime::process::shutdown_signal;
use serde_json::{Value, json};

use crate::processes::beside_us;
use crate::replayed::digest;
use crate::replays::{Operator, Survived, Victim, interrupted};
use crate::screen::Line;
use crate::servers::apt::Suite;
use crate::servers::programs::Programs;
use crate::servers::{Given, Place, Trouble};

use super::ground::Ground;
use super::outcome::{self, Told};
use super::{Goal, Plan, load};

/// How often all of history is replayed.
const TIMES: usize = 5;
/// What a replay itself writes.
const ITS_OWN: [&str; 3] = ["replays", "replay_messages", "audit"];
/// Who is killed, one after the other.
const VICTIMS: [Victim; 4] = [Victim::Orchestrator, Victim::Broker, Victim::Orchestrator, Victim::Broker];

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// How many sagas made the history.
    pub sagas: usize,
    /// How many of its messages are for queues.
    pub messages: i64,
    /// How many times all of it was replayed, and how many of those messages a second each time.
    pub rates: Vec<f64>,
    /// From the first message to the moment when its consumers had handled the last, each time.
    pub handled: Vec<Duration>,
    /// What came of the replay whose processes were killed.
    pub survived: Survived,
}

/// Replays on servers and processes of its own, and leaves nothing running.
///
/// # Errors
/// When a row changes, a message is no duplicate, `saga verify` finds something, or the replay whose processes are killed
/// loses a message.
pub async fn replay(place: Place, plan: Plan, messages: i64) -> Result<Replayed, Trouble> {
    let told_to_stop = shutdown_signal().map_err(|error| Trouble::Unmet(error.to_string()))?;
    let programs = Programs::find(&place, Suite::Machine, &Given::default())?;
    // Approved by rule and to their ends: then nothing is on its way.
    let plan = Plan { to: Goal::Approved, ..plan };
    let mut ground = Ground::prepare(place, &plan).await?;
    let replayed = tokio::select! {
        replayed = all(&mut ground, &programs, &plan, messages) => replayed,
        () = told_to_stop.cancelled() => Err(Trouble::Unmet("interrupted".into())),
    };
    ground.clear().await?;
    replayed
}

async fn all(ground: &mut Ground, programs: &Programs, plan: &Plan, messages: i64) -> Result<Replayed, Trouble> {
    let mut replayed = history(ground, plan).await?;
    let line = Line::start("killed", format!("replaying {messages} messages, and killing who does it"));
    let (stack, system) = ground.stack();
    replayed.survived = interrupted(stack, programs, system, messages, &VICTIMS).await?;
    line.done(&format!("{messages} messages, {} kills: all there", VICTIMS.len()));
    Ok(replayed)
}

async fn history(ground: &Ground, plan: &Plan) -> Result<Replayed, Trouble> {
    let line = Line::start("history", format!("{} sagas run to their ends", plan.sagas));
    let orders = load::prepare(ground, plan, 0).await?;
    let load = *plan.loads.first().ok_or_else(|| Trouble::Unmet("no load".into()))?;
    let answered = load::drive(orders, load).await?;
    outcome::ended(ground).await?;
    let mut told = Told::default();
    told.add(&answered);
    outcome::check(ground, plan.to, told).await?;
    line.done(&format!("{} sagas, every rule holds", plan.sagas));
    let line = Line::start("rows", "a digest of each table is made");
    let before = digests(ground).await?;
    line.done("digested");
    let survived = Survived { messages: 0, kills: 0, copies: 0, took: Duration::ZERO };
    let mut replayed = Replayed { sagas: plan.sagas, messages: 0, rates: Vec::new(), handled: Vec::new(), survived };
    let operator = Operator::new(&ground.urls[0].saga, &ground.system.token);
    for time in 1..=TIMES {
        let line = Line::start("replay", format!("{time} of {TIMES}"));
        one(ground, &operator, &mut replayed).await?;
        let rate = replayed.rates.last().copied().unwrap_or_default();
        line.done(&format!("{time} of {TIMES}: {rate:.0} messages/s"));
    }
    let line = Line::start("rows", "a digest of each table is made again");
    let changed: Vec<String> = differing(&before, &digests(ground).await?);
    if !changed.is_empty() {
        return Err(Trouble::Unmet(format!("rows were changed in {}", changed.join(", "))));
    }
    outcome::check(ground, plan.to, told).await?;
    line.done("no row changed, every rule holds");
    verify(ground)?;
    Ok(replayed)
}

/// All of history, once; every message must be a duplicate.
async fn one(ground: &Ground, operator: &Operator, replayed: &mut Replayed) -> Result<(), Trouble> {
    let began = Instant::now();
    let asked = operator.start(&json!({ "source": "journals", "reason": "a trial" })).await?;
    let replay = operator.follow(asked.id).await?;
    let took = began.elapsed();
    outcome::quiet(ground).await?;
    let (done, details) = (replay.counters.done, &replay.details.0);
    let duplicates = details.get("done").and_then(|done| done.get("duplicate")).copied().unwrap_or_default();
    if replay.counters.failed > 0 || duplicates != done || done == 0 {
        return Err(Trouble::Unmet(format!("of {done} messages, {duplicates} were duplicates: {details:?}")));
    }
    replayed.messages = done;
    replayed.rates.push(f64::from(u32::try_from(done).unwrap_or(u32::MAX)) / took.as_secs_f64());
    replayed.handled.push(began.elapsed());
    Ok(())
}

/// A digest of every table of every process.
async fn digests(ground: &Ground) -> Result<BTreeMap<String, String>, Trouble> {
    let mut all = BTreeMap::new();
    for (process, client) in ["pets", "orders", "inventory", "sagas"].iter().zip(ground.databases.each()) {
        let tables = digest(client).await?.into_iter().filter(|(table, _)| !ITS_OWN.contains(&table.as_str()));
        all.extend(tables.map(|(table, digest)| (format!("{process}.{table}"), digest)));
    }
    Ok(all)
}

fn differing(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let tables = before.keys().chain(after.keys().filter(|table| !before.contains_key(*table)));
    tables.filter(|table| before.get(*table) != after.get(*table)).cloned().collect()
}

/// `saga verify`, as an operator runs it.
fn verify(ground: &Ground) -> Result<(), Trouble> {
    let line = Line::start("verify", "ids, counts and read models are computed again");
    let program = beside_us("saga")?;
    let run = Command::new(&program).args(["verify", "--json"]).env("SAGA_URL", &ground.urls[0].saga).output();
    let output = run.map_err(Trouble::at("running", &program))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let found: Value = serde_json::from_str(&said).unwrap_or_default();
    if output.status.success() && found.get("disagree") == Some(&json!(0)) {
        line.done("nothing disagrees");
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(Trouble::Unmet(format!("saga verify: {complaint}{}", said.chars().take(2000).collect::<String>())))
}

impl Replayed {
    /// The middle one of the rates.
    #[must_use]
    pub fn median(&self) -> f64 {
        let mut rates = self.rates.clone();
        rates.sort_unstable_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    }

    /// For a person.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { sagas, messages, rates, handled, survived } = self;
        let Survived { messages: killed, kills, copies, took } = survived;
        let rates: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
        let handled: Vec<String> = handled.iter().map(|took| format!("{:.1}", took.as_secs_f64())).collect();
        format!(
            "all of history of {sagas} sagas, {messages} messages, {} times over: {} messages a second, median {:.0}\n\
             handled by all consumers after {} seconds; no row changed, nothing disagrees\n\
             {killed} messages, {kills} kills: all there after {:.1} seconds, {copies} came twice\n",
            self.rates.len(),
            rates.join(", "),
            self.median(),
            handled.join(", "),
            took.as_secs_f64(),
        )
    }

    /// For a program.
    #[must_use]
    pub fn json(&self) -> Value {
        let Self { sagas, messages, rates, handled, survived } = self;
        let handled: Vec<f64> = handled.iter().map(Duration::as_secs_f64).collect();
        json!({
            "sagas": sagas, "messages": messages, "per_second": rates, "handled_after_s": handled,
            "killed": {
                "messages": survived.messages, "kills": survived.kills, "copies": survived.copies,
                "took_s": survived.took.as_secs_f64(),
            },
        })
    }
}
