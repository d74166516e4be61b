//! Four processes, two copies of each, a broker, a crowd, and the virtual clock that runs them.

mod delivering;
mod misfortunes;
mod operating;
mod ordering;
mod publishing;

use std::collections::{BTreeMap, BTreeSet};

use idforge::Salt;
use pet_service::domain::Pet;
use saga_contract::Names;
use saga_core::{Engine, Ids, Time, Timings};
use time::Duration;
use uuid::Uuid;

use super::agenda::Agenda;
use super::book::{After, Book};
use super::broker::{Broker, Letter, PublishOutcome};
use super::bugs::Bug;
use super::copies::{Copies, Copy, CopyId, Owner};
use super::crowd::{Crowd, Says};
use super::dice::Dice;
use super::effects::EffectTable;
use super::faults::Fault;
use super::inventory::InventoryTables;
use super::orders::OrderTables;
use super::pets::PetTables;
use super::process::{Process, Service};
use super::report::{Counts, Step};
use super::sagas::SagaTables;
use super::skips::Skips;
use super::{APPROVAL_LIMIT, DOMAIN, SALT, START, Settings, Stopped, lawful};

/// So long after the last order nothing goes wrong any more.
const BAD_TIMES: Duration = Duration::minutes(20);
/// So long after that no saga is woken any more: one that has not ended by then never will.
const PATIENCE: Duration = Duration::hours(3);
/// So long after that an operator replays what was put off too often. Until then everything late arrives.
const PARKED_FOR: Duration = Duration::minutes(30);
/// How often a loop looks for what is due.
const LOOK_EVERY: Duration = Duration::SECOND;

pub(super) struct World {
    pub(super) pets: Process<PetTables>,
    pub(super) orders: Process<OrderTables>,
    pub(super) inventory: Process<InventoryTables>,
    pub(super) sagas: Process<SagaTables>,
    pub(super) counts: Counts,
    pub(super) dice: Dice,
    /// What operators counted as done or undone.
    pub(super) skips: Skips,
    agenda: Agenda<Event>,
    broker: Broker,
    copies: Copies,
    /// Until when each database is gone.
    databases_down_until: BTreeMap<Owner, Time>,
    /// What is entered in the agenda already.
    sweeping: BTreeSet<Owner>,
    looking: BTreeSet<&'static str>,
    wake_after: Time,
    crowd: Crowd,
    ids: Ids,
    names: Names,
    last_order: Time,
    bug: Option<Bug>,
    trace: Option<Vec<String>>,
}

/// What can happen.
pub(super) enum Event {
    /// The owner puts pets in.
    PetsCome(Vec<Pet>),
    /// A customer orders, perhaps not for the first time.
    Order(u32),
    /// A person says something about an order.
    Says(Uuid, Says),
    /// A message reaches a queue.
    Arrive(&'static str, Letter, u32),
    /// A copy goes on with its work, if it still lives that life.
    Work(CopyId, u32, Job),
    /// A process looks for messages that it put off.
    Due(Owner, &'static str),
    /// A process looks for what a copy left unpublished.
    Sweep(Owner),
    /// A copy starts again.
    Start(CopyId),
    /// The broker takes a silent copy for dead.
    HungUp(CopyId, u32),
    /// The broker, or a copy's connection to it, is back.
    Offer,
    /// Something befalls the whole system.
    Misfortune,
    /// An operator says a word to a saga: to this one, or to any.
    Word(Option<Uuid>),
    /// An operator replays a message.
    Replay,
    /// From now on nothing goes wrong.
    CalmDown,
    /// An operator replays what was put off too often.
    ReplayParked,
}

/// What a copy does next.
pub(super) enum Job {
    /// Handles what it took from a queue.
    Handle(&'static str),
    /// Acknowledges what it took from a queue.
    Acknowledge(&'static str),
    /// Publishes a message.
    Publish(super::book::Outbound),
    /// Hears what became of it, over a connection.
    Hear(super::book::Outbound, u32, PublishOutcome),
}

impl World {
    /// A store that just opened, and everybody who will ever order.
    pub(super) fn new(settings: Settings) -> Result<Self, Stopped> {
        let Settings { seed, sagas, faults, bug, trace } = settings;
        let salt = lawful(Salt::new(SALT))?;
        let (ids, names) = (Ids::new(&salt, DOMAIN), Names::new(&salt, DOMAIN));
        let definition = lawful(saga::order_saga::order_saga(&ids, APPROVAL_LIMIT))?;
        let engine = Engine {
            definition,
            ids: ids.clone(),
            timings: Timings::default(),
            source: saga_runtime::orchestrator::SOURCE,
        };
        let (crowd, effects) = (Crowd::new(seed, sagas, faults.between_orders()), || EffectTable::new(bug));
        let mut world = Self {
            pets: Process::new(PetTables::new(ids.clone(), effects()), START, bug),
            orders: Process::new(OrderTables::new(ids.clone(), effects()), START, bug),
            inventory: Process::new(InventoryTables::new(ids.clone(), crowd.stock()?, effects()), START, bug),
            sagas: Process::new(SagaTables::new(engine, bug), START, bug),
            counts: Counts::default(),
            dice: Dice::new(seed, faults),
            skips: Skips::default(),
            agenda: Agenda::new(START),
            broker: Broker::new(START),
            copies: Copies::new(START),
            databases_down_until: BTreeMap::new(),
            sweeping: BTreeSet::new(),
            looking: BTreeSet::new(),
            wake_after: START,
            last_order: START,
            bug,
            trace: trace.then(Vec::new),
            crowd,
            ids,
            names,
        };
        world.open(sagas)?;
        Ok(world)
    }

    /// Runs until nothing is left to happen, or patience ends.
    pub(super) fn run(&mut self) -> Result<(), Stopped> {
        while self.step()? {}
        Ok(())
    }

    /// One thing happens. Says whether anything did.
    fn step(&mut self) -> Result<bool, Stopped> {
        let wake = self.next_wake();
        match (wake, self.agenda.next_time()) {
            (Some((at, copy)), next) if next.is_none_or(|next| at < next) => self.wake(copy, at)?,
            (_, Some(_)) => match self.agenda.take() {
                Some(event) => self.happen(event)?,
                None => return Ok(false),
            },
            (_, None) => return Ok(false),
        }
        Ok(true)
    }

    fn happen(&mut self, event: Event) -> Result<(), Stopped> {
        match event {
            Event::PetsCome(pets) => self.put_in(pets)?,
            Event::Order(n) => self.order(n)?,
            Event::Says(order, says) => self.hear(order, says)?,
            Event::Arrive(queue, letter, times) => self.arrive(queue, letter, times),
            Event::Work(copy, life, job) => self.work(copy, life, job),
            Event::Due(owner, queue) => self.handle_due(owner, queue),
            Event::Sweep(owner) => self.sweep(owner),
            Event::Start(copy) => self.start(copy),
            Event::HungUp(copy, session) => self.hang_up(copy, session),
            Event::Offer => self.offer_all(),
            Event::Misfortune => self.misfortune(),
            Event::Word(saga) => self.operator_speaks(saga)?,
            Event::Replay => self.operator_replays(),
            Event::CalmDown => self.dice.calm_down(),
            Event::ReplayParked => self.operator_replays_parked(),
        }
        Ok(())
    }

    /// A copy goes on with its work, unless it dies or stands still at this very step.
    fn work(&mut self, copy: CopyId, life: u32, job: Job) {
        let now = self.now();
        let Some(frozen_until) = self.copies.get(copy).filter(|c| c.up && c.life == life).map(|c| c.frozen_until)
        else {
            return;
        };
        if frozen_until > now {
            return self.enter(frozen_until, Event::Work(copy, life, job));
        }
        if self.dies(copy, Step::before(&job)) {
            return;
        }
        if self.freezes(copy) {
            return self.work(copy, life, job);
        }
        match job {
            Job::Handle(queue) => self.handle(copy, queue),
            Job::Acknowledge(queue) => self.acknowledge(copy, queue),
            Job::Publish(outbound) => self.publish(copy, outbound),
            Job::Hear(outbound, session, outcome) => self.published(copy, outbound, session, outcome),
        }
    }

    /// A transaction, and what the copy knows of it: it may fail, the copy may die, and it may be
    /// committed without the copy's ever knowing.
    fn transaction(
        &mut self,
        copy: CopyId,
        work: impl FnOnce(&mut Self) -> Result<After, Stopped>,
    ) -> Result<Option<After>, Stopped> {
        let down = self.databases_down_until.get(&copy.owner).is_some_and(|until| *until > self.now());
        let is_up = self.copies.get(copy).is_some_and(|copy| copy.up);
        if !is_up || down || self.dice.strikes(Fault::Failure) || self.dies(copy, Step::BeforeCommit) {
            return Ok(None);
        }
        let unknown = self.dice.strikes(Fault::Unknown);
        if unknown && self.dice.coin() {
            return Ok((self.bug == Some(Bug::UnknownIsCommitted)).then(After::default));
        }
        self.set_clock(copy.owner);
        let after = work(self)?;
        self.counts.committed(&after);
        self.look_after(copy.owner);
        let known = !unknown && !self.dies(copy, Step::AfterCommit);
        Ok(known.then_some(after))
    }

    /// What was committed will be looked after, whatever becomes of the copy that committed it.
    fn look_after(&mut self, owner: Owner) {
        if !self.book(owner).outbox.is_empty() && self.sweeping.insert(owner) {
            self.enter(self.now() + publishing::LEFT_FOR, Event::Sweep(owner));
        }
        for queue in owner.queues() {
            self.look_for_due(owner, queue);
        }
    }

    fn set_clock(&mut self, owner: Owner) {
        let now = self.now();
        self.service(owner).book_mut().clock = now;
    }

    fn now(&self) -> Time {
        self.agenda.now()
    }

    /// What the clock of a copy says.
    fn clock(&self, copy: CopyId) -> Time {
        self.now() + self.copies.get(copy).map_or(Duration::ZERO, |copy| copy.offset)
    }

    fn enter(&mut self, at: Time, event: Event) {
        self.agenda.enter(at, event);
    }

    /// A copy goes on a little later.
    fn goes_on(&mut self, copy: CopyId, after: Duration, job: Job) {
        let Some(life) = self.copies.get(copy).map(|copy| copy.life) else { return };
        self.enter(self.now() + after, Event::Work(copy, life, job));
    }

    /// A copy that can do something now.
    fn someone(&mut self, owner: Owner) -> Option<CopyId> {
        let now = self.now();
        let is_ready = |id: &CopyId| self.copies.get(*id).is_some_and(|copy: &Copy| copy.is_ready(now));
        let ready: Vec<CopyId> = owner.copies().filter(is_ready).collect();
        let chosen = self.dice.below(ready.len());
        ready.get(chosen).copied()
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let since = (self.agenda.now() - START).as_seconds_f64();
            trace.push(format!("{since:>12.6} {}", line()));
        }
    }

    pub(super) fn trace(&self) -> &[String] {
        self.trace.as_deref().unwrap_or_default()
    }

    /// How long it took, on the virtual clock.
    pub(super) fn virtual_time(&self) -> Duration {
        self.agenda.now() - START
    }

    /// The pipeline's rows of each process.
    pub(super) fn books(&self) -> impl Iterator<Item = (Owner, &Book)> {
        Owner::ALL.into_iter().map(|owner| (owner, self.book(owner)))
    }

    /// Where a message belongs.
    pub(super) fn routes(&self, letter: &Letter, queue: Option<&str>) -> Vec<&'static str> {
        self.broker.routes(letter, queue)
    }

    pub(super) fn book(&self, owner: Owner) -> &Book {
        match owner {
            Owner::Pets => self.pets.book(),
            Owner::Orders => self.orders.book(),
            Owner::Inventory => self.inventory.book(),
            Owner::Sagas => self.sagas.book(),
        }
    }

    fn service(&mut self, owner: Owner) -> &mut dyn Service {
        match owner {
            Owner::Pets => &mut self.pets,
            Owner::Orders => &mut self.orders,
            Owner::Inventory => &mut self.inventory,
            Owner::Sagas => &mut self.sagas,
        }
    }
}
