//! order-service's code on tables in memory.

use std::collections::BTreeMap;

use order_service::domain::{Answer, Request};
use order_service::messages::{Decisions, Job, answers};
use order_service::store::Ledger;
use saga_core::{Ids, Time};
use saga_runtime::Verdict;
use uuid::Uuid;

use super::broker::Letter;
use super::effects::{EffectRows, EffectTable, changed};
use super::process::Tables;

pub(super) struct OrderTables {
    pub(super) requests: BTreeMap<Uuid, Request>,
    pub(super) effects: EffectTable,
    /// What each waiting client was told: the first answer that there was.
    pub(super) told: BTreeMap<Uuid, Answer>,
    ids: Ids,
}

#[derive(Default)]
pub(super) struct OrderRows {
    requests: Vec<Request>,
    effects: EffectRows,
}

impl OrderTables {
    pub(super) fn new(ids: Ids, effects: EffectTable) -> Self {
        Self { requests: BTreeMap::new(), effects, told: BTreeMap::new(), ids }
    }
}

impl OrderRows {
    pub(super) fn of(request: Request) -> Self {
        Self { requests: vec![request], effects: EffectRows::new() }
    }
}

impl Tables for OrderTables {
    type Write = OrderRows;
    const ANSWERS_AGAIN: bool = true;

    fn handle(&self, batch: &[Letter], now: Time) -> (Vec<Verdict>, OrderRows) {
        let jobs: Vec<Result<Job<'_>, Verdict>> = batch.iter().map(|letter| Job::read(letter)).collect();
        let orders: Vec<Uuid> = jobs.iter().flatten().map(Job::order).collect();
        let mut ledger = Ledger::of(orders.iter().filter_map(|order| self.requests.get(order).cloned()));
        let mut effects = self.effects.read(jobs.iter().flatten().filter_map(Job::step).map(|step| step.key()));
        let answers = answers(&self.ids, now);
        let mut decisions = Decisions { answers, ledger: &mut ledger, effects: &mut effects };
        let decide =
            |job: Result<Job<'_>, Verdict>| job.and_then(|job| decisions.decide(&job)).unwrap_or_else(|park| park);
        let verdicts = jobs.into_iter().map(decide).collect();
        let requests = orders.into_iter().filter_map(|order| ledger.get_mut(order).cloned()).collect();
        (verdicts, OrderRows { requests, effects: changed(&effects) })
    }

    fn write(&mut self, rows: OrderRows) {
        for request in rows.requests {
            if let Some(answer) = request.answer() {
                self.told.entry(request.order).or_insert(answer);
            }
            self.requests.insert(request.order, request);
        }
        self.effects.write(rows.effects);
    }
}
