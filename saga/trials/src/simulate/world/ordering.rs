//! What people do: they order, approve and cancel, and ask again when they get no answer.

use order_service::domain::{Identity, Key, Wish, Word};
use pet_service::domain::Pet;
use saga_contract::messages::PetCreated;
use saga_contract::{OrderNumber, PetStatus, processes};
use saga_core::{Body, Message, Payload};
use time::Duration;
use uuid::Uuid;

use super::{BAD_TIMES, Event, PARKED_FOR, World};
use crate::simulate::broker::Letter;
use crate::simulate::copies::Owner;
use crate::simulate::crowd::{Intent, Says};
use crate::simulate::faults::Fault;
use crate::simulate::orders::OrderRows;
use crate::simulate::pets::PetRows;
use crate::simulate::process::sending;
use crate::simulate::{START, Stopped, lawful};

/// A person who got no answer asks again after so long.
const ASKS_AGAIN: Duration = Duration::SECOND;

impl World {
    /// The owner orders the pets, and the customers make up their minds.
    pub(super) fn open(&mut self, sagas: u32) -> Result<(), Stopped> {
        for (after, pets) in self.crowd.pets(&self.names)? {
            self.enter(START + after, Event::PetsCome(pets));
        }
        for n in 0..sagas {
            let at = START + self.crowd.comes_after(n);
            self.last_order = self.last_order.max(at);
            self.enter(at, Event::Order(n));
            if self.dice.strikes(Fault::Word) {
                let at = at + self.dice.mostly_short([Duration::seconds(2), Duration::minutes(2), BAD_TIMES]);
                self.enter(at, Event::Word(None));
            }
            if self.dice.strikes(Fault::Replay) {
                let at = at + self.dice.up_to(BAD_TIMES);
                self.enter(at, Event::Replay);
            }
        }
        self.next_misfortune();
        self.enter(self.last_order + BAD_TIMES, Event::CalmDown);
        self.enter(self.last_order + BAD_TIMES + PARKED_FOR, Event::ReplayParked);
        Ok(())
    }

    /// The owner puts pets in.
    pub(super) fn put_in(&mut self, pets: Vec<Pet>) -> Result<(), Stopped> {
        let created: Vec<Message> = pets.iter().map(|pet| self.created(pet)).collect::<Result<_, _>>()?;
        self.set_clock(Owner::Pets);
        let after = self.pets.change(PetRows::of(pets), sending(created));
        self.look_after(Owner::Pets);
        if let Some(copy) = self.someone(Owner::Pets) {
            self.follow(copy, after);
        }
        Ok(())
    }

    fn created(&self, pet: &Pet) -> Result<Message, Stopped> {
        let (name, category) = (pet.entry.name.clone(), pet.entry.category.clone());
        let (status, price) = (PetStatus::Available, pet.entry.price);
        let event = PetCreated { pet: pet.id, pet_id: pet.number, name, status, category, price };
        let (id, subject) = (self.ids.event_at(&pet.id.to_string(), pet.version, PetCreated::TYPE), pet.id.to_string());
        let body = lawful(Body::of(&event))?;
        Ok(Message::new(id, processes::PET_SERVICE, subject, body, self.now()).at_version(pet.version))
    }

    /// A customer orders: the request and ORDER_REQUESTED in one transaction. Under the same key as
    /// often as it takes, which is one order.
    pub(super) fn order(&mut self, n: u32) -> Result<(), Stopped> {
        let Intent { draft, words } = self.crowd.intent(n);
        let wish = lawful(Wish::of(draft))?;
        let customer = wish.customer_email.as_deref().map(|email| self.names.user(email));
        let key = Key::Given(format!("cart-{n}"));
        let identity = Identity::new(&self.names, &self.ids, lawful(customer.transpose())?, &key);
        let Some(copy) = self.someone(Owner::Orders) else { return self.again(Event::Order(n)) };
        let clock = self.clock(copy);
        let mut request = identity.request(&wish, &self.names, clock);
        request.number = lawful(OrderNumber::new(i64::from(n) + 1001))?;
        let event = lawful(request.message(&self.ids, &request.requested_event(), clock))?;
        let order = request.order;
        let done = self.transaction(copy, |world| {
            if world.orders.tables.requests.contains_key(&order) {
                return Ok(Default::default());
            }
            world.note(|| format!("order {} is requested, for pet {}", request.number, request.pet_number));
            Ok(world.orders.change(OrderRows::of(request), sending(vec![event])))
        })?;
        let Some(after) = done else { return self.again(Event::Order(n)) };
        self.follow(copy, after);
        for (after, says) in words {
            self.enter(self.now() + after, Event::Says(order, says));
        }
        Ok(())
    }

    /// A person says something about an order: what it leads to goes out with the change.
    pub(super) fn hear(&mut self, order: Uuid, says: Says) -> Result<(), Stopped> {
        let Some(copy) = self.someone(Owner::Orders) else { return self.again(Event::Says(order, says)) };
        let clock = self.clock(copy);
        let done = self.transaction(copy, |world| {
            let Some(mut request) = world.orders.tables.requests.get(&order).cloned() else {
                return Ok(Default::default());
            };
            let heard = match says {
                Says::Approve => request.grant(),
                Says::Cancel => request.cancel(),
            };
            world.note(|| format!("order {}: {says:?} -> {heard:?}", request.number));
            if heard != Ok(Word::HandedOn) {
                return Ok(Default::default());
            }
            let event = match says {
                Says::Approve => request.message(&world.ids, &request.granted_event("owner".to_owned()), clock),
                Says::Cancel => request.message(&world.ids, &request.cancellation_event(), clock),
            };
            Ok(world.orders.change(OrderRows::of(request), sending(vec![lawful(event)?])))
        })?;
        let Some(after) = done else { return self.again(Event::Says(order, says)) };
        self.follow(copy, after);
        Ok(())
    }

    fn again(&mut self, event: Event) -> Result<(), Stopped> {
        self.enter(self.now() + ASKS_AGAIN, event);
        Ok(())
    }

    /// An operator replays what is parked because it was put off too often.
    pub(super) fn operator_replays_parked(&mut self) {
        for owner in Owner::ALL {
            for (queue, letter) in self.service(owner).book_mut().put_off_too_often() {
                self.note(|| format!("an operator replays {} {}, which was parked", letter.kind, letter.id));
                self.enter(self.now(), Event::Arrive(queue, letter, 0));
            }
        }
    }

    /// An operator replays any stored message into any queue that takes it.
    pub(super) fn operator_replays(&mut self) {
        let owner = Owner::ALL[self.dice.below(Owner::ALL.len())];
        let day = START.date();
        let from = (day, Uuid::from_u128(self.dice.bits()));
        let Some(sent) = self.book(owner).journal.range(from..).next().map(|(_, sent)| sent) else { return };
        let (letter, queue): (Letter, _) = (sent.letter.clone(), sent.queue.clone());
        let queues = self.routes(&letter, queue.as_deref());
        let chosen = self.dice.below(queues.len());
        let Some(queue) = queues.get(chosen).copied() else { return };
        self.note(|| format!("an operator replays {} {} into {queue}", letter.kind, letter.id));
        self.enter(self.now(), Event::Arrive(queue, letter, 0));
    }
}
