//! order-service's code on tables in memory.

use std::collections::BTreeMap;

use order_service::domain::{Answer, Request};
use order_service::messages::{Desk, Job};
use order_service::store::Ledger;
use saga_core::{Ids, Message, Time};
use saga_runtime::Verdict;
use uuid::Uuid;

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
    request: Option<Request>,
    effects: EffectRows,
}

impl OrderTables {
    pub(super) fn new(ids: Ids, effects: EffectTable) -> Self {
        Self { requests: BTreeMap::new(), effects, told: BTreeMap::new(), ids }
    }

    fn decide(&self, message: &Message, now: Time) -> Result<(Verdict, OrderRows), Verdict> {
        let job = Job::read(message)?;
        let mut ledger = Ledger::of(self.requests.get(&job.order()).cloned());
        let mut effects = self.effects.read(job.effect());
        let verdict = Desk { ids: &self.ids, ledger: &mut ledger, effects: &mut effects, now }.decide(&job, message)?;
        let request = ledger.get_mut(job.order()).cloned();
        Ok((verdict, OrderRows { request, effects: changed(&effects) }))
    }
}

impl OrderRows {
    pub(super) fn of(request: Request) -> Self {
        Self { request: Some(request), effects: EffectRows::new() }
    }
}

impl Tables for OrderTables {
    type Write = OrderRows;
    const ANSWERS_AGAIN: bool = true;

    fn handle(&self, message: &Message, now: Time) -> (Verdict, OrderRows) {
        self.decide(message, now).unwrap_or_else(|verdict| (verdict, OrderRows::default()))
    }

    fn write(&mut self, rows: OrderRows) {
        if let Some(request) = rows.request {
            if let Some(answer) = request.answer() {
                self.told.entry(request.order).or_insert(answer);
            }
            self.requests.insert(request.order, request);
        }
        self.effects.write(rows.effects);
    }
}
