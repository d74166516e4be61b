//! What must hold once all is quiet, over the tables of all four processes. An operator who skips a
//! step takes it upon them that it was done, or undone: then less can be said of that saga.

mod messages;
mod undoing;

use std::collections::BTreeMap;

use inventory_service::domain::ReservationState;
use order_service::domain::{Request, State as OrderState};
use pet_service::domain::{Pet, State as PetState};
use saga_contract::{PetNumber, Sku};
use saga_core::effect::EffectState;
use saga_core::{Direction, Instance, Kind, Phase, StepState};
use uuid::Uuid;

use super::book::Sent;
use super::world::World;

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub rule: &'static str,
    /// What is against it.
    pub what: String,
    /// The saga that it is about, if it is about one.
    pub saga: Option<Uuid>,
}

/// Everything that is against the rules.
pub(super) fn check(world: &World) -> Vec<Broken> {
    let rules = [
        ends,
        pets,
        one_order_per_pet,
        stock,
        units,
        steps,
        effects,
        orders,
        answers,
        read_model,
        messages::quiet,
        messages::nothing_lost,
        messages::nothing_made_up,
        messages::once,
        messages::once_per_cause,
        messages::one_request_per_epoch,
        undoing::in_order,
        undoing::before_the_end,
    ];
    rules.iter().flat_map(|rule| rule(world)).collect()
}

fn broken(rule: &'static str, saga: Option<Uuid>, what: String) -> Broken {
    Broken { rule, what, saga }
}

/// Every saga ends, and leaves no alarm behind; one that cannot, since a step was skipped that others
/// need, carries the mark.
fn ends(world: &World) -> Vec<Broken> {
    const RULE: &str = "every saga reaches an end";
    let may_rest = |saga: &Instance| {
        let is_held_up = saga.needs_intervention && world.skips.touched(saga.id);
        saga.phase.is_end() || is_held_up
    };
    let judge = |request: &Request| match world.sagas.tables.get(request.saga) {
        None => Some(format!("order {} was requested and its saga never started", request.number)),
        Some(saga) if saga.phase.is_end() && saga.alarm.is_some() => {
            Some(format!("saga {} ended with an alarm", saga.id))
        }
        Some(saga) if !may_rest(saga) => Some(format!("saga {} is {}", saga.id, saga.phase.as_str())),
        Some(_) => None,
    };
    let requests = world.orders.tables.requests.values();
    requests.filter_map(|request| Some(broken(RULE, Some(request.saga), judge(request)?))).collect()
}

/// A pet is reserved or sold to a saga that is live or completed; a completed saga has its pet.
fn pets(world: &World) -> Vec<Broken> {
    const RULE: &str = "a pet is held by a saga that is live or completed, and sold to one that completed";
    let phase = |saga: Uuid| world.sagas.tables.get(saga).map(|saga| saga.phase);
    let judge = |pet: &Pet| match pet.state {
        PetState::Reserved(by) if phase(by.saga).is_none_or(Phase::is_end) => Some((by.saga, "reserved")),
        PetState::Sold(to) if !matches!(phase(to.saga), Some(Phase::Completed | Phase::Completing)) => {
            Some((to.saga, "sold"))
        }
        PetState::Available | PetState::Reserved(_) | PetState::Sold(_) | PetState::Deleted => None,
    };
    let held = world.pets.tables.pets.values().filter_map(|pet| {
        let (saga, word) = judge(pet).filter(|(saga, _)| !world.skips.touched(*saga))?;
        let phase = phase(saga).map_or("unknown", Phase::as_str);
        Some(broken(RULE, Some(saga), format!("pet {} is {word} by saga {saga}, which is {phase}", pet.number)))
    });
    let unsold = completed(world).filter(|(_, saga)| !world.skips.touched(saga.id)).filter(|(request, saga)| {
        let pet = world.pets.tables.pets.get(&request.pet_number).map(|pet| pet.state);
        !matches!(pet, Some(PetState::Sold(to)) if to.saga == saga.id && to.order == request.order)
    });
    let unsold = unsold.map(|(request, saga)| {
        broken(
            RULE,
            Some(saga.id),
            format!("saga {} completed, and pet {} is not sold to it", saga.id, request.pet_number),
        )
    });
    held.chain(unsold).collect()
}

fn one_order_per_pet(world: &World) -> Vec<Broken> {
    const RULE: &str = "a pet has one live or completed order at most";
    let mut claims: BTreeMap<PetNumber, Vec<&Request>> = BTreeMap::new();
    for request in world.orders.tables.requests.values().filter(|request| is_live(request)) {
        claims.entry(request.pet_number).or_default().push(request);
    }
    let twice = claims.into_iter().filter(|(_, claims)| claims.len() > 1);
    twice
        .map(|(pet, claims)| broken(RULE, Some(claims[0].saga), format!("pet {pet} has {} orders", claims.len())))
        .collect()
}

/// No stock is below zero, and what is set aside is what the reservations say.
fn stock(world: &World) -> Vec<Broken> {
    const RULE: &str = "stock never goes below zero, and what is set aside has an owner";
    let mut aside: BTreeMap<&Sku, i64> = BTreeMap::new();
    let reservations = world.inventory.tables.reservations.values();
    for line in reservations.filter(|r| r.state == ReservationState::Reserved).flat_map(|r| r.items.iter()) {
        *aside.entry(&line.sku).or_default() += line.quantity.get();
    }
    let wrong = world.inventory.tables.stock.values().filter(|stock| {
        let owned = aside.get(&stock.sku).copied().unwrap_or_default();
        stock.on_hand < 0
            || stock.reserved < 0
            || stock.reserved > stock.on_hand.min(stock.taken)
            || stock.reserved != owned
    });
    wrong.map(|stock| broken(RULE, None, format!("{stock:?}"))).collect()
}

/// The units taken are the units in live and completed orders.
fn units(world: &World) -> Vec<Broken> {
    const RULE: &str = "the units taken are the units in live and completed orders";
    let mut ordered: BTreeMap<&Sku, i64> = BTreeMap::new();
    let sure = world.orders.tables.requests.values().filter(|request| !world.skips.touched(request.saga));
    for item in sure.filter(|request| is_live(request)).flat_map(|request| request.items.iter()) {
        *ordered.entry(&item.sku).or_default() += item.quantity.get();
    }
    let skipped = world.inventory.tables.reservations.iter().filter(|(saga, _)| world.skips.touched(**saga));
    let skipped = skipped.map(|(_, reservation)| reservation).filter(|r| r.state != ReservationState::Released);
    for line in skipped.flat_map(|reservation| reservation.items.iter()) {
        *ordered.entry(&line.sku).or_default() += line.quantity.get();
    }
    let wrong = world.inventory.tables.stock.values().filter_map(|stock| {
        let ordered = ordered.get(&stock.sku).copied().unwrap_or_default();
        let what = format!("{}: {} taken, {ordered} in orders", stock.sku, stock.taken);
        (stock.taken != ordered).then(|| broken(RULE, None, what))
    });
    wrong.collect()
}

/// At its end, a completed saga has every step done, and any other has none.
fn steps(world: &World) -> Vec<Broken> {
    const RULE: &str = "the steps of a saga agree with its end";
    let agrees = |phase: Phase, state: StepState| match state {
        StepState::Done => phase == Phase::Completed,
        StepState::Pending | StepState::Refused | StepState::Undone => phase != Phase::Completed,
        StepState::Skipped => true,
        StepState::Sent | StepState::Undoing => false,
    };
    let ended = world.sagas.tables.all().filter(|saga| saga.phase.is_end());
    let wrong = ended.filter(|saga| !saga.steps.iter().all(|step| agrees(saga.phase, step.state)));
    let what = |saga: &Instance| format!("saga {} is {}: {:?}", saga.id, saga.phase.as_str(), states(saga));
    wrong.map(|saga| broken(RULE, Some(saga.id), what(saga))).collect()
}

/// For each step, what was done less what was undone is 0 or 1 at any time, and in the end 1 if the
/// saga completed, and otherwise 0: by the journals, and by what the participants remember.
fn effects(world: &World) -> Vec<Broken> {
    const RULE: &str = "for each step, times done less times undone agrees with the saga's end";
    let (journalled, mut wrong) = times_done(world);
    for saga in world.sagas.tables.all().filter(|saga| saga.phase.is_end()) {
        let rows = world.sagas.tables.engine.definition.steps.iter().zip(&saga.steps).enumerate();
        for (row, (step, record)) in rows.filter(|(_, (step, _))| step.kind != Kind::Pivot) {
            let completed = saga.phase == Phase::Completed;
            let taken_for = if completed { Direction::Do } else { Direction::Undo };
            let expected = i64::from(completed && record.state != StepState::Skipped);
            let done = journalled.get(&(saga.id, row)).copied().unwrap_or_default();
            let remembered = i64::from(remembered(world, saga.id, step.name) == Some(EffectState::Done));
            if (done != expected || remembered != expected) && !world.skips.has(saga.id, row, taken_for) {
                let (name, phase) = (step.name, saga.phase.as_str());
                let what = format!("{name} was done {done} times, remembered as {remembered}; the saga is {phase}");
                wrong.push(broken(RULE, Some(saga.id), what));
            }
        }
    }
    wrong
}

/// Times done less times undone, by saga and row; and where that was neither 0 nor 1 on the way. An
/// undo of what never happened carries no version.
fn times_done(world: &World) -> (BTreeMap<(Uuid, usize), i64>, Vec<Broken>) {
    const RULE: &str = "a step is done once before it is undone, and undone once before it is done again";
    let steps = world.sagas.tables.engine.definition.steps;
    let mut meaning: BTreeMap<&str, (usize, i64)> = BTreeMap::new();
    for (row, step) in steps.iter().enumerate() {
        meaning.insert(step.done, (row, 1));
        let undone = step.undo.map(|undo| undo.undone).unwrap_or_default();
        meaning.extend(undone.iter().map(|kind| (*kind, (row, -1))));
    }
    let (mut times, mut wrong) = (BTreeMap::new(), Vec::new());
    for (_, book) in world.books() {
        let mut sent: Vec<&Sent> = book.journal.values().filter(|sent| sent.queue.is_none()).collect();
        sent.sort_by_key(|sent| sent.row);
        for message in sent.into_iter().map(|sent| &sent.letter) {
            let Some((row, change)) = meaning.get(message.kind.as_str()).copied() else { continue };
            let Some(saga) = message.saga_id.filter(|_| change > 0 || message.aggregate_version.is_some()) else {
                continue;
            };
            let done = times.entry((saga, row)).or_default();
            *done += change;
            if !(0..=1).contains(done) {
                let what = format!("{} of saga {saga}: it was done {done} times by then", message.kind);
                wrong.push(broken(RULE, Some(saga), what));
            }
        }
    }
    (times, wrong)
}

fn remembered(world: &World, saga: Uuid, step: &str) -> Option<EffectState> {
    let tables = [&world.pets.tables.effects, &world.orders.tables.effects, &world.inventory.tables.effects];
    tables.iter().find_map(|effects| effects.state(saga, step))
}

/// An order is where its saga is, for the same reason.
fn orders(world: &World) -> Vec<Broken> {
    const RULE: &str = "an order is where its saga is, for the same reason";
    let agrees = |request: &Request, saga: &Instance| match saga.phase {
        Phase::Completed => request.state() == OrderState::Approved,
        Phase::Rejected | Phase::Cancelled => {
            let end = request.end.as_ref().map(|end| (end.outcome, end.reason.as_str()));
            end.is_some() && end == saga.end.as_ref().map(|end| (end.outcome, end.reason.as_str()))
        }
        Phase::Running | Phase::Prepared | Phase::Completing | Phase::Compensating => true,
    };
    let wrong = both(world).filter(|(request, saga)| !agrees(request, saga));
    let what = |request: &Request, saga: &Instance| {
        format!("order {} is {}, its saga {}", request.number, request.state().as_str(), saga.phase.as_str())
    };
    wrong.map(|(request, saga)| broken(RULE, Some(saga.id), what(request, saga))).collect()
}

/// Every client who waits is told what came of it, and never anything else.
fn answers(world: &World) -> Vec<Broken> {
    const RULE: &str = "a client is answered, and what it was told stays true";
    let ended = both(world).filter(|(_, saga)| saga.phase.is_end());
    let wrong = ended.filter(|(request, _)| {
        let told = world.orders.tables.told.get(&request.order);
        told.is_none() || told != request.answer().as_ref()
    });
    wrong.map(|(request, saga)| broken(RULE, Some(saga.id), format!("order {}", request.number))).collect()
}

/// inventory-service counts the pets as they are.
fn read_model(world: &World) -> Vec<Broken> {
    const RULE: &str = "the read model of the pets is as the pets are";
    let wrong = world.pets.tables.pets.values().filter(|pet| {
        let read = world.inventory.tables.pets.get(&pet.id).map(|read| (read.status, read.version));
        read != Some((pet.state.status(), pet.version))
    });
    let saga = |pet: &Pet| match pet.state {
        PetState::Reserved(holder) | PetState::Sold(holder) => Some(holder.saga),
        PetState::Available | PetState::Deleted => None,
    };
    wrong.map(|pet| broken(RULE, saga(pet), format!("pet {} at version {}", pet.number, pet.version))).collect()
}

fn both(world: &World) -> impl Iterator<Item = (&Request, &Instance)> {
    let requests = world.orders.tables.requests.values();
    requests.filter_map(|request| Some((request, world.sagas.tables.get(request.saga)?)))
}

fn completed(world: &World) -> impl Iterator<Item = (&Request, &Instance)> {
    both(world).filter(|(_, saga)| saga.phase == Phase::Completed)
}

fn is_live(request: &Request) -> bool {
    match request.state() {
        OrderState::Pending | OrderState::Placed | OrderState::Approved | OrderState::Delivered => true,
        OrderState::Requested | OrderState::Rejected | OrderState::Cancelled => false,
    }
}

fn states(saga: &Instance) -> Vec<StepState> {
    saga.steps.iter().map(|step| step.state).collect()
}

#[cfg(test)]
mod tests;
