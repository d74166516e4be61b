//! Four processes, a broker, a crowd, and the virtual clock that runs them.

use std::collections::BTreeMap;

use fastrand::Rng;
use idforge::Salt;
use order_service::domain::{Identity, Key, Request, Wish, Word};
use pet_service::domain::Pet;
use saga_contract::messages::PetCreated;
use saga_contract::{Names, OrderNumber, PetStatus, TOPOLOGY, processes};
use saga_core::{Body, Engine, Ids, Message, Payload, Time, Timings};
use saga_runtime::{Outgoing, Output};
use time::Duration;
use uuid::Uuid;

use super::agenda::Agenda;
use super::broker::{Broker, Conditions, Letter, up_to};
use super::crowd::{Crowd, Intent, Says};
use super::effects::EffectTable;
use super::inventory::InventoryTables;
use super::orders::{OrderRows, OrderTables};
use super::pets::{PetRows, PetTables};
use super::process::{After, Book, Process, Tables};
use super::report::Counts;
use super::sagas::SagaTables;
use super::{APPROVAL_LIMIT, Bug, DOMAIN, SALT, START, Settings, Stopped, lawful};

/// How long a process takes to publish what it committed, at most.
const PUBLISHING: Duration = Duration::microseconds(500);
/// What has not ended so long after the last order never will.
const PATIENCE: Duration = Duration::hours(3);

pub(super) struct World {
    pub(super) pets: Process<PetTables>,
    pub(super) orders: Process<OrderTables>,
    pub(super) inventory: Process<InventoryTables>,
    pub(super) sagas: Process<SagaTables>,
    pub(super) counts: Counts,
    agenda: Agenda<Event>,
    broker: Broker,
    dice: Rng,
    crowd: Crowd,
    ids: Ids,
    names: Names,
    last_order: Time,
    trace: Option<Vec<String>>,
}

/// What can happen.
enum Event {
    /// A customer orders.
    Order(u32),
    /// A person says something about an order.
    Says(Uuid, Says),
    /// A process publishes what it has marked.
    Publish(Owner, u64),
    /// A copy of a message reaches its consumer.
    Deliver(&'static str, Letter),
    /// A message that was put off is due.
    Due(&'static str, Letter),
}

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Pets,
    Orders,
    Inventory,
    Sagas,
}

impl World {
    /// A store that just opened, and everybody who will ever order.
    pub(super) fn new(settings: Settings) -> Result<Self, Stopped> {
        let salt = lawful(Salt::new(SALT))?;
        let (ids, names) = (Ids::new(&salt, DOMAIN), Names::new(&salt, DOMAIN));
        let definition = lawful(saga::order_saga::order_saga(&ids, APPROVAL_LIMIT))?;
        let engine = Engine {
            definition,
            ids: ids.clone(),
            timings: Timings::default(),
            source: saga_runtime::orchestrator::SOURCE,
        };
        let (crowd, effects) = (Crowd::new(settings.sagas), || EffectTable::new(settings.bug));
        let mut world = Self {
            pets: Process::new(PetTables::new(ids.clone(), effects())),
            orders: Process::new(OrderTables::new(ids.clone(), effects())),
            inventory: Process::new(InventoryTables::new(ids.clone(), crowd.stock()?, effects())),
            sagas: Process::new(SagaTables::new(engine)),
            counts: Counts::default(),
            agenda: Agenda::new(START),
            broker: Broker::new(Conditions::GOOD_DAY),
            dice: Rng::with_seed(settings.seed),
            last_order: START,
            trace: settings.trace.then(Vec::new),
            crowd,
            ids,
            names,
        };
        let forgets = settings.bug == Some(Bug::NoDedupe);
        world.pets.forgets_what_it_handled = forgets;
        world.orders.forgets_what_it_handled = forgets;
        world.inventory.forgets_what_it_handled = forgets;
        world.open(settings.sagas)?;
        Ok(world)
    }

    /// The owner puts the pets in, and the customers make up their minds.
    fn open(&mut self, sagas: u32) -> Result<(), Stopped> {
        let pets = self.crowd.pets(&self.names)?;
        let created: Vec<Message> = pets.iter().map(|pet| self.created(pet)).collect::<Result<_, _>>()?;
        let after = self.pets.change(PetRows::of(pets), sending(created));
        self.follow(Owner::Pets, after);
        for n in 0..sagas {
            let at = START + self.crowd.comes_after(n, &mut self.dice);
            self.last_order = self.last_order.max(at);
            self.agenda.enter(at, Event::Order(n));
        }
        Ok(())
    }

    fn created(&self, pet: &Pet) -> Result<Message, Stopped> {
        let (name, category) = (pet.entry.name.clone(), pet.entry.category.clone());
        let (status, price) = (PetStatus::Available, pet.entry.price);
        let event = PetCreated { pet: pet.id, pet_id: pet.number, name, status, category, price };
        let (id, subject) = (self.ids.event_at(&pet.id.to_string(), pet.version, PetCreated::TYPE), pet.id.to_string());
        let body = lawful(Body::of(&event))?;
        Ok(Message::new(id, processes::PET_SERVICE, subject, body, START).at_version(pet.version))
    }

    /// Runs until nothing is left to happen, or patience ends.
    pub(super) fn run(&mut self) -> Result<(), Stopped> {
        while self.step()? {}
        Ok(())
    }

    /// One thing happens. Says whether anything did.
    fn step(&mut self) -> Result<bool, Stopped> {
        let alarm = self.sagas.tables.next_alarm();
        let next = [self.agenda.next_time(), alarm.map(|(at, _)| at)].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= self.last_order + PATIENCE) else { return Ok(false) };
        match alarm {
            Some((at, saga)) if at == next => self.wake(saga, at)?,
            Some(_) | None => match self.agenda.take() {
                Some(event) => self.happen(event)?,
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn happen(&mut self, event: Event) -> Result<(), Stopped> {
        match event {
            Event::Order(n) => self.order(n),
            Event::Says(order, says) => self.hear(order, says),
            Event::Publish(owner, mark) => {
                self.publish(owner, mark);
                Ok(())
            }
            Event::Deliver(queue, letter) => {
                self.deliver(queue, &letter, false);
                Ok(())
            }
            Event::Due(queue, letter) => {
                self.deliver(queue, &letter, true);
                Ok(())
            }
        }
    }

    /// A customer orders: the request and ORDER_REQUESTED in one transaction.
    fn order(&mut self, n: u32) -> Result<(), Stopped> {
        let now = self.agenda.now();
        let Intent { draft, words } = self.crowd.intent(n, &mut self.dice);
        let wish = lawful(Wish::of(draft))?;
        let customer = wish.customer_email.as_deref().map(|email| self.names.user(email));
        let key = Key::Given(format!("cart-{n}"));
        let identity = Identity::new(&self.names, &self.ids, lawful(customer.transpose())?, &key);
        let mut request = identity.request(&wish, &self.names, now);
        request.number = lawful(OrderNumber::new(i64::from(n) + 1001))?;
        for (after, says) in words {
            self.agenda.enter(now + after, Event::Says(request.order, says));
        }
        let event = lawful(request.message(&self.ids, &request.requested_event(), now))?;
        self.note(|| format!("order {} is requested, for pet {}", request.number, request.pet_number));
        self.tell(request, event);
        Ok(())
    }

    /// A person says something about an order: what it leads to goes out with the change.
    fn hear(&mut self, order: Uuid, says: Says) -> Result<(), Stopped> {
        let now = self.agenda.now();
        let Some(mut request) = self.orders.tables.requests.get(&order).cloned() else { return Ok(()) };
        let heard = match says {
            Says::Approve => request.grant(),
            Says::Cancel => request.cancel(),
        };
        self.note(|| format!("order {}: {says:?} -> {heard:?}", request.number));
        if heard != Ok(Word::HandedOn) {
            return Ok(());
        }
        let event = match says {
            Says::Approve => request.message(&self.ids, &request.granted_event("owner".to_owned()), now),
            Says::Cancel => request.message(&self.ids, &request.cancellation_event(), now),
        };
        self.tell(request, lawful(event)?);
        Ok(())
    }

    fn tell(&mut self, request: Request, event: Message) {
        let after = self.orders.change(OrderRows::of(request), sending(vec![event]));
        self.follow(Owner::Orders, after);
    }

    fn wake(&mut self, saga: Uuid, at: Time) -> Result<(), Stopped> {
        self.agenda.forward_to(at);
        self.counts.alarms += 1;
        let (rows, output) = lawful(self.sagas.tables.wake(saga, at))?;
        self.note(|| format!("the alarm of saga {saga}: {} new, {} again", output.send.len(), output.resend.len()));
        let after = self.sagas.change(rows, output);
        self.follow(Owner::Sagas, after);
        Ok(())
    }

    fn publish(&mut self, owner: Owner, mark: u64) {
        let Some((letter, queue)) = self.book(owner).load(mark) else { return };
        self.book_mut(owner).confirmed(mark);
        self.counts.published += 1;
        let now = self.agenda.now();
        for copy in self.broker.publish(&letter, queue.as_deref(), &mut self.dice) {
            self.agenda.enter(now + copy.after, Event::Deliver(copy.queue, letter.clone()));
        }
    }

    fn deliver(&mut self, queue: &'static str, letter: &Letter, is_due: bool) {
        let Some(owner) = owner_of(queue) else { return };
        let now = self.agenda.now();
        let after = match owner {
            Owner::Pets => delivered(&mut self.pets, queue, letter, now, is_due),
            Owner::Orders => delivered(&mut self.orders, queue, letter, now, is_due),
            Owner::Inventory => delivered(&mut self.inventory, queue, letter, now, is_due),
            Owner::Sagas => delivered(&mut self.sagas, queue, letter, now, is_due),
        };
        self.counts.delivered(&after.became);
        self.note(|| format!("{queue} {} {}: {:?}", letter.kind, letter.id, after.became));
        if let Some(due) = after.due {
            self.agenda.enter(due, Event::Due(queue, letter.clone()));
        }
        self.follow(owner, after);
    }

    /// What was committed is published soon.
    fn follow(&mut self, owner: Owner, after: After) {
        self.counts.again += after.again;
        for mark in after.publish {
            let at = self.agenda.now() + up_to(&mut self.dice, PUBLISHING);
            self.agenda.enter(at, Event::Publish(owner, mark));
        }
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
    pub(super) fn books(&self) -> BTreeMap<&'static str, &Book> {
        [
            (processes::PET_SERVICE, &self.pets.book),
            (processes::ORDER_SERVICE, &self.orders.book),
            (processes::INVENTORY_SERVICE, &self.inventory.book),
            (processes::SAGA, &self.sagas.book),
        ]
        .into()
    }

    fn book(&self, owner: Owner) -> &Book {
        match owner {
            Owner::Pets => &self.pets.book,
            Owner::Orders => &self.orders.book,
            Owner::Inventory => &self.inventory.book,
            Owner::Sagas => &self.sagas.book,
        }
    }

    fn book_mut(&mut self, owner: Owner) -> &mut Book {
        match owner {
            Owner::Pets => &mut self.pets.book,
            Owner::Orders => &mut self.orders.book,
            Owner::Inventory => &mut self.inventory.book,
            Owner::Sagas => &mut self.sagas.book,
        }
    }
}

fn delivered<T: Tables>(
    process: &mut Process<T>,
    queue: &'static str,
    letter: &Letter,
    now: Time,
    is_due: bool,
) -> After {
    let attempt = process.attempt(queue, letter, now, is_due);
    process.commit(attempt, now)
}

/// Who consumes a queue.
fn owner_of(queue: &str) -> Option<Owner> {
    let consumer = TOPOLOGY.queues.iter().find(|known| known.name == queue)?.consumer;
    match consumer {
        processes::PET_SERVICE => Some(Owner::Pets),
        processes::ORDER_SERVICE => Some(Owner::Orders),
        processes::INVENTORY_SERVICE => Some(Owner::Inventory),
        processes::SAGA => Some(Owner::Sagas),
        _ => None,
    }
}

fn sending(messages: Vec<Message>) -> Output {
    Output { send: messages.into_iter().map(Outgoing::from).collect(), ..Output::default() }
}
