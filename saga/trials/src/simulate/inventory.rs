//! inventory-service's code on tables in memory.

use std::collections::BTreeMap;

use inventory_service::domain::{Pet, Reservation, Stock, Warehouse};
use inventory_service::messages::{Inventory, Request, Turn};
use inventory_service::store::Touched;
use saga_contract::Sku;
use saga_core::{Ids, Message, Time};
use saga_runtime::Verdict;
use uuid::Uuid;

use super::effects::{EffectRows, EffectTable, changed};
use super::process::Tables;

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

    /// The rows that a request touches, those of the supplies that are set aside included.
    fn read(&self, request: &Request) -> Inventory {
        let mut touched = Touched::default();
        request.touches(&mut touched);
        let Touched { sagas, mut supplies, pets } = touched;
        let reservation = |saga: Uuid| Some((saga, self.reservations.get(&saga)?.clone()));
        let reservations: BTreeMap<Uuid, Reservation> = sagas.into_iter().filter_map(reservation).collect();
        supplies.extend(reservations.values().flat_map(|r| r.items.iter().map(|item| item.sku.clone())));
        let stock = supplies.iter().filter_map(|sku| self.stock.get(sku).cloned());
        let pets = pets.into_iter().filter_map(|pet| Some((pet, *self.pets.get(&pet)?)));
        let effects = self.effects.read(request.asked().map(|asked| (asked.saga, asked.step)));
        Inventory { warehouse: Warehouse::new(stock, reservations), pets: pets.collect(), effects }
    }
}

impl Tables for InventoryTables {
    type Write = InventoryRows;
    const ANSWERS_AGAIN: bool = true;

    fn handle(&self, message: &Message, now: Time) -> (Verdict, InventoryRows) {
        let request = match Request::read(message) {
            Ok(request) => request,
            Err(parked) => return (parked, InventoryRows::default()),
        };
        let mut inventory = self.read(&request);
        match inventory.decide(request, Turn { ids: &self.ids, cause: message, now }) {
            Ok(verdict) => {
                let effects = changed(&inventory.effects);
                (verdict, InventoryRows { inventory, effects })
            }
            Err(error) => (Verdict::malformed(&error), InventoryRows::default()),
        }
    }

    fn write(&mut self, rows: InventoryRows) {
        let Inventory { warehouse, pets, .. } = rows.inventory;
        self.stock.extend(warehouse.supplies().map(|stock| (stock.sku.clone(), stock.clone())));
        self.reservations.extend(warehouse.reservations().map(|(saga, reservation)| (*saga, reservation.clone())));
        self.pets.extend(pets.iter().map(|(id, pet)| (*id, *pet)));
        self.effects.write(rows.effects);
    }
}
