//! inventory-service's code on tables in memory.

use std::collections::BTreeMap;

use inventory_service::domain::{Pet, Pets, Reservation, Stock, Warehouse};
use inventory_service::messages::{Inventory, Request, answers};
use inventory_service::store::Touched;
use saga_contract::Sku;
use saga_core::{Ids, Time};
use saga_runtime::Verdict;
use uuid::Uuid;

use super::broker::Letter;
use super::effects::{EffectRows, EffectTable, changed};
use super::process::Tables;

/// The only generation of the read model: nobody rebuilds it here.
const GENERATION: i32 = 0;

pub(super) struct InventoryTables {
    pub(super) stock: BTreeMap<Sku, Stock>,
    pub(super) reservations: BTreeMap<Uuid, Reservation>,
    pub(super) pets: BTreeMap<Uuid, Pet>,
    pub(super) effects: EffectTable,
    ids: Ids,
}

#[derive(Default)]
pub(super) struct InventoryRows {
    inventory: Inventory,
    effects: EffectRows,
}

impl InventoryTables {
    pub(super) fn new(ids: Ids, stock: BTreeMap<Sku, Stock>, effects: EffectTable) -> Self {
        Self { stock, reservations: BTreeMap::new(), pets: BTreeMap::new(), effects, ids }
    }

    /// The rows that a batch touches, those of the supplies that are set aside included.
    fn read(&self, requests: &[Result<Request<'_>, Verdict>]) -> Inventory {
        let mut touched = Touched::default();
        requests.iter().flatten().for_each(|request| request.touches(&mut touched));
        let Touched { sagas, mut supplies, pets } = touched;
        let reservation = |saga: Uuid| Some((saga, self.reservations.get(&saga)?.clone()));
        let reservations: BTreeMap<Uuid, Reservation> = sagas.into_iter().filter_map(reservation).collect();
        supplies.extend(reservations.values().flat_map(|r| r.items.iter().map(|item| item.sku.clone())));
        let stock = supplies.iter().filter_map(|sku| self.stock.get(sku).cloned());
        let pets = pets.into_iter().filter_map(|pet| Some((pet, *self.pets.get(&pet)?)));
        let steps = requests.iter().flatten().filter_map(Request::step);
        let effects = self.effects.read(steps.map(|step| step.key()));
        let pets = [(GENERATION, pets.collect())].into_iter().collect();
        Inventory { warehouse: Warehouse::new(stock, reservations), pets, effects }
    }
}

impl Tables for InventoryTables {
    type Write = InventoryRows;
    const ANSWERS_AGAIN: bool = true;

    fn handle(&self, batch: &[Letter], now: Time) -> (Vec<Verdict>, InventoryRows) {
        let requests: Vec<Result<Request<'_>, Verdict>> = batch.iter().map(|letter| Request::read(letter)).collect();
        let mut inventory = self.read(&requests);
        let answers = answers(&self.ids, now);
        let decide = |request: Result<Request<'_>, Verdict>| {
            request.and_then(|request| Ok(inventory.decide(request, answers)?)).unwrap_or_else(|parked| parked)
        };
        let verdicts = requests.into_iter().map(decide).collect();
        let effects = changed(&inventory.effects);
        (verdicts, InventoryRows { inventory, effects })
    }

    fn write(&mut self, rows: InventoryRows) {
        let Inventory { warehouse, pets, .. } = rows.inventory;
        self.stock.extend(warehouse.supplies().map(|stock| (stock.sku.clone(), stock.clone())));
        self.reservations.extend(warehouse.reservations().map(|(saga, reservation)| (*saga, reservation.clone())));
        self.pets.extend(pets.get(GENERATION).into_iter().flat_map(Pets::iter).map(|(id, pet)| (*id, *pet)));
        self.effects.write(rows.effects);
    }
}
