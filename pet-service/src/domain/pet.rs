//! A pet and what may become of it. Every state answers every wish by name.

use saga_contract::{PetNumber, PetStatus, Quantity, Reason};
use uuid::Uuid;

use super::{Draft, Entry, InvalidDraft};

/// Why more than one of a pet cannot be reserved.
pub const ONE_OF_A_KIND: &str = "one_of_a_kind";

/// A pet: one of a kind, so it is reserved by one order at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pet {
    /// Its public number, which is never given again.
    pub number: PetNumber,
    /// Its id, forged from the number when it was born.
    pub id: Uuid,
    /// How often it has changed, its birth included.
    pub version: u64,
    /// What the catalogue says about it.
    pub entry: Entry,
    /// Where it stands.
    pub state: State,
}

/// Where a pet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Anybody may order it.
    Available,
    /// An order holds it: `pending` in the Petstore's words.
    Reserved(Holder),
    /// An order bought it.
    Sold(Holder),
    /// It left the store unsold. Its row stays, so that its number is never free again.
    Deleted,
}

/// The order that holds or bought a pet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The order.
    pub order: Uuid,
    /// The saga of the order.
    pub saga: Uuid,
}

/// Why the owner of the store may not do what they asked for. The text is for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What they wrote is not valid.
    #[error(transparent)]
    Invalid(#[from] InvalidDraft),
    /// They want to say where the pet stands, which only orders do.
    #[error("a pet's status follows its orders: it is {present} and cannot be set to {asked}", asked = .asked.as_str(), present = .present.as_str())]
    StatusFollowsOrders {
        /// The status that they asked for.
        asked: PetStatus,
        /// The status that the pet has, or that a new one gets.
        present: PetStatus,
    },
    /// An order holds the pet.
    #[error("the pet is reserved by an order; it can be deleted once that order is cancelled or rejected")]
    Reserved,
    /// The pet was sold.
    #[error("the pet was sold and stays on record")]
    Sold,
    /// It was deleted, so it is as good as unknown.
    #[error("the pet was deleted")]
    Deleted,
}

/// A pet that is to be released was sold to the same order: past the point of no return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlreadySold;

/// A pet that is to be sold is not reserved by the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotReserved;

impl State {
    /// The status that the Petstore knows; none for a deleted pet.
    #[must_use]
    pub fn status(self) -> Option<PetStatus> {
        match self {
            Self::Available => Some(PetStatus::Available),
            Self::Reserved(_) => Some(PetStatus::Pending),
            Self::Sold(_) => Some(PetStatus::Sold),
            Self::Deleted => None,
        }
    }
}

impl Pet {
    /// A new pet.
    ///
    /// # Errors
    /// [`Refusal::Invalid`]; [`Refusal::StatusFollowsOrders`] unless it is to be `available`.
    pub fn born(number: PetNumber, id: Uuid, draft: Draft) -> Result<Self, Refusal> {
        let asked = draft.status;
        let entry = draft.into_first_entry()?;
        check_status(asked, PetStatus::Available)?;
        Ok(Self { number, id, version: 1, entry, state: State::Available })
    }

    /// The pet with another entry; `None` when that says what the present one says.
    ///
    /// # Errors
    /// [`Refusal::Invalid`]; [`Refusal::StatusFollowsOrders`] when the draft names another status
    /// than the present one; [`Refusal::Deleted`].
    pub fn update(&self, draft: Draft) -> Result<Option<Self>, Refusal> {
        let present = self.state.status().ok_or(Refusal::Deleted)?;
        let asked = draft.status;
        let entry = draft.into_entry(self.entry.price)?;
        check_status(asked, present)?;
        Ok((entry != self.entry).then(|| Self { entry, ..self.next(self.state) }))
    }

    /// The pet once it left the store.
    ///
    /// # Errors
    /// [`Refusal::Reserved`], [`Refusal::Sold`], [`Refusal::Deleted`].
    pub fn delete(&self) -> Result<Self, Refusal> {
        match self.state {
            State::Available => Ok(self.next(State::Deleted)),
            State::Reserved(_) => Err(Refusal::Reserved),
            State::Sold(_) => Err(Refusal::Sold),
            State::Deleted => Err(Refusal::Deleted),
        }
    }

    /// The pet reserved by an order; `None` when that order holds it already.
    ///
    /// # Errors
    /// Why not: [`Reason::PET_TAKEN`], [`Reason::PET_UNKNOWN`], or [`ONE_OF_A_KIND`] for more than one.
    pub fn reserve(&self, by: Holder, quantity: Quantity) -> Result<Option<Self>, Reason> {
        if quantity != Quantity::ONE {
            return Err(Reason::from(ONE_OF_A_KIND.to_owned()));
        }
        match self.state {
            State::Available => Ok(Some(self.next(State::Reserved(by)))),
            State::Reserved(holder) if holder == by => Ok(None),
            State::Reserved(_) | State::Sold(_) => Err(Reason::PET_TAKEN),
            State::Deleted => Err(Reason::PET_UNKNOWN),
        }
    }

    /// The pet available again; `None` when the order does not hold it, which is success as well.
    ///
    /// # Errors
    /// [`AlreadySold`] to that order.
    pub fn release(&self, by: Holder) -> Result<Option<Self>, AlreadySold> {
        match self.state {
            State::Reserved(holder) if holder == by => Ok(Some(self.next(State::Available))),
            State::Sold(holder) if holder == by => Err(AlreadySold),
            State::Available | State::Reserved(_) | State::Sold(_) | State::Deleted => Ok(None),
        }
    }

    /// The pet sold to the order that holds it; `None` when it was sold to that order before.
    ///
    /// # Errors
    /// [`NotReserved`] by that order.
    pub fn sell(&self, to: Holder) -> Result<Option<Self>, NotReserved> {
        match self.state {
            State::Reserved(holder) if holder == to => Ok(Some(self.next(State::Sold(to)))),
            State::Sold(holder) if holder == to => Ok(None),
            State::Available | State::Reserved(_) | State::Sold(_) | State::Deleted => Err(NotReserved),
        }
    }

    fn next(&self, state: State) -> Self {
        Self { version: self.version + 1, state, ..self.clone() }
    }
}

fn check_status(asked: Option<PetStatus>, present: PetStatus) -> Result<(), Refusal> {
    match asked {
        Some(asked) if asked != present => Err(Refusal::StatusFollowsOrders { asked, present }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: Holder = Holder { order: Uuid::from_u128(1), saga: Uuid::from_u128(2) };
    const THEIRS: Holder = Holder { order: Uuid::from_u128(3), saga: Uuid::from_u128(4) };
    const STATES: [State; 6] = [
        State::Available,
        State::Reserved(MINE),
        State::Reserved(THEIRS),
        State::Sold(MINE),
        State::Sold(THEIRS),
        State::Deleted,
    ];

    fn draft() -> Draft {
        Draft { name: "Miso".to_owned(), price: Some(25_000), ..Draft::default() }
    }

    fn given(state: State) -> Pet {
        let pet = Pet::born(PetNumber::new(12).unwrap(), Uuid::from_u128(12), draft()).unwrap();
        Pet { version: 7, state, ..pet }
    }

    /// What a wish leads to in each of `STATES`.
    fn in_each<E>(wish: impl Fn(&Pet) -> Result<Option<Pet>, E>) -> Vec<Result<Option<State>, E>> {
        let outcome = |state| wish(&given(state)).map(|pet| pet.inspect(|p| assert_eq!(p.version, 8)).map(|p| p.state));
        STATES.into_iter().map(outcome).collect()
    }

    #[test]
    fn a_pet_is_born_available() {
        let pet = Pet::born(PetNumber::new(12).unwrap(), Uuid::from_u128(12), draft()).unwrap();
        assert_eq!((pet.state, pet.version), (State::Available, 1));
        let said = Draft { status: Some(PetStatus::Available), ..draft() };
        assert!(Pet::born(PetNumber::MIN, Uuid::nil(), said).is_ok());
        for status in [PetStatus::Pending, PetStatus::Sold] {
            let refusal = Pet::born(PetNumber::MIN, Uuid::nil(), Draft { status: Some(status), ..draft() });
            let present = PetStatus::Available;
            assert_eq!(refusal, Err(Refusal::StatusFollowsOrders { asked: status, present }));
        }
    }

    #[test]
    fn what_is_not_valid_is_told_before_anything_else() {
        let nonsense = Draft { status: Some(PetStatus::Sold), ..Draft::default() };
        assert!(matches!(Pet::born(PetNumber::MIN, Uuid::nil(), nonsense.clone()), Err(Refusal::Invalid(_))));
        assert!(matches!(given(State::Available).update(nonsense), Err(Refusal::Invalid(_))));
    }

    #[test]
    fn the_catalogue_may_change_in_every_state_but_deleted() {
        let renamed = |pet: &Pet| pet.update(Draft { name: "Mochi".to_owned(), ..draft() });
        let mut expected: Vec<_> = STATES.into_iter().map(|state| Ok(Some(state))).collect();
        expected[5] = Err(Refusal::Deleted);
        assert_eq!(in_each(renamed), expected);
        assert_eq!(renamed(&given(State::Available)).unwrap().unwrap().entry.name, "Mochi");
    }

    #[test]
    fn an_update_that_says_nothing_new_changes_nothing() {
        assert_eq!(given(State::Sold(MINE)).update(draft()), Ok(None));
    }

    #[test]
    fn only_orders_say_where_a_pet_stands() {
        for state in STATES {
            let Some(present) = state.status() else { continue };
            for asked in PetStatus::ALL {
                let outcome = given(state).update(Draft { status: Some(asked), ..draft() });
                let expected =
                    if asked == present { Ok(None) } else { Err(Refusal::StatusFollowsOrders { asked, present }) };
                assert_eq!(outcome, expected, "{state:?} to {asked:?}");
            }
        }
    }

    #[test]
    fn only_a_free_pet_can_be_deleted() {
        let deleted = in_each(|pet| pet.delete().map(Some));
        let (reserved, sold) = (Err(Refusal::Reserved), Err(Refusal::Sold));
        let free = Ok(Some(State::Deleted));
        assert_eq!(deleted, [free, reserved.clone(), reserved, sold.clone(), sold, Err(Refusal::Deleted)]);
    }

    #[test]
    fn only_a_free_pet_can_be_reserved() {
        let taken = Err(Reason::PET_TAKEN);
        assert_eq!(
            in_each(|pet| pet.reserve(MINE, Quantity::ONE)),
            [Ok(Some(State::Reserved(MINE))), Ok(None), taken.clone(), taken.clone(), taken, Err(Reason::PET_UNKNOWN)]
        );
    }

    #[test]
    fn a_pet_is_one_of_a_kind() {
        let two = Quantity::new(2).unwrap();
        assert!(in_each(|pet| pet.reserve(MINE, two)).iter().all(|r| *r == Err(ONE_OF_A_KIND.to_owned().into())));
    }

    #[test]
    fn only_its_holder_gives_a_pet_back() {
        assert_eq!(
            in_each(|pet| pet.release(MINE)),
            [Ok(None), Ok(Some(State::Available)), Ok(None), Err(AlreadySold), Ok(None), Ok(None)]
        );
    }

    #[test]
    fn only_its_holder_buys_a_pet() {
        let no = Err(NotReserved);
        assert_eq!(in_each(|pet| pet.sell(MINE)), [no, Ok(Some(State::Sold(MINE))), no, Ok(None), no, no]);
    }

    #[test]
    fn another_saga_of_the_same_order_is_another_holder() {
        let other = Holder { saga: THEIRS.saga, ..MINE };
        assert_eq!(given(State::Reserved(MINE)).reserve(other, Quantity::ONE), Err(Reason::PET_TAKEN));
        assert_eq!(given(State::Reserved(MINE)).release(other), Ok(None));
        assert_eq!(given(State::Reserved(MINE)).sell(other), Err(NotReserved));
    }
}
