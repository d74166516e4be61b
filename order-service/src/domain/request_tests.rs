//! What may happen to an order, told as requirements.

use saga_contract::{Currency, Items, Money, OrderNumber, PetNumber, Reason};
use saga_core::Outcome;
use time::macros::datetime;
use uuid::Uuid;

use super::*;

const TOTAL: i64 = 4_999;

pub(crate) fn money(amount: i64) -> Money {
    Money::new(amount, Currency::EUR).unwrap()
}

/// A request that was just taken.
pub(crate) fn request() -> Request {
    Request {
        order: Uuid::from_u128(1),
        number: OrderNumber::new(1001).unwrap(),
        user: Uuid::from_u128(2),
        pet: Uuid::from_u128(3),
        pet_number: PetNumber::new(12).unwrap(),
        items: Items::none(),
        ship_date: None,
        saga: Uuid::from_u128(4),
        created_at: datetime!(2026-11-20 12:00 UTC),
        version: 1,
        granted: false,
        cancellation_requested: false,
        end: None,
        life: None,
    }
}

/// A request whose order has come to a state in the usual way.
fn at(state: State) -> Request {
    let mut request = request();
    let path: &[State] = match state {
        State::Requested => &[],
        State::Pending => &[State::Pending],
        State::Placed => &[State::Pending, State::Placed],
        State::Approved => &[State::Pending, State::Placed, State::Approved],
        State::Delivered => &[State::Pending, State::Placed, State::Approved, State::Delivered],
        State::Rejected => &[State::Pending, State::Rejected],
        State::Cancelled => &[State::Pending, State::Placed, State::Cancelled],
    };
    for step in path {
        match step {
            State::Requested => {}
            State::Pending => assert_eq!(request.create(), Ok(Change::Changed)),
            State::Placed => assert_eq!(request.prepared(money(TOTAL)), Ok(Change::Changed)),
            State::Approved => assert_eq!(request.approve(money(TOTAL)), Ok(Change::Changed)),
            State::Delivered => assert_eq!(request.deliver(), Ok(true)),
            State::Rejected => {
                assert_eq!(request.close(Outcome::Rejected, &Reason::OUT_OF_STOCK), Ok(Change::Changed));
            }
            State::Cancelled => {
                assert_eq!(request.close(Outcome::Cancelled, &Reason::CANCELLED_BY_CUSTOMER), Ok(Change::Changed));
            }
        }
    }
    assert_eq!(request.state(), state);
    request
}

/// The same once the saga has ended, too.
fn ended(state: State) -> Request {
    let mut request = at(state);
    let (outcome, reason) = match state {
        State::Rejected => (Outcome::Rejected, Reason::OUT_OF_STOCK),
        State::Cancelled => (Outcome::Cancelled, Reason::CANCELLED_BY_CUSTOMER),
        State::Requested | State::Pending | State::Placed | State::Approved | State::Delivered => {
            panic!("{} is no end", state.as_str())
        }
    };
    request.ended(outcome, reason).unwrap();
    request
}

#[test]
fn a_state_has_one_name_everywhere() {
    for state in State::ALL {
        assert_eq!(State::from_name(state.as_str()), Some(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
    assert_eq!(State::from_name("sold"), None);
}

#[test]
fn every_state_answers_every_message() {
    use Change::{Changed, Unchanged};
    let close = |request: &mut Request| request.close(Outcome::Rejected, &Reason::PET_TAKEN);
    for state in State::ALL {
        let (mut created, mut closed, mut prepared, mut approved) = (at(state), at(state), at(state), at(state));
        let creation = created.create();
        let (closing, preparation, approval) =
            (close(&mut closed), prepared.prepared(money(1)), approved.approve(money(1)));
        match state {
            State::Requested => {
                assert_eq!((creation, created.state()), (Ok(Changed), State::Pending));
                assert!(matches!(closing, Ok(Unchanged(_))));
                assert!(matches!(preparation, Err(Stuck::NotYet(_))));
                assert!(matches!(approval, Err(Stuck::NotYet(_))));
            }
            State::Pending => {
                assert!(matches!(creation, Ok(Unchanged(_))));
                assert_eq!((closing, closed.state()), (Ok(Changed), State::Rejected));
                assert_eq!((preparation, prepared.state()), (Ok(Changed), State::Placed));
                assert_eq!((approval, approved.state()), (Ok(Changed), State::Approved), "it overtook SAGA_PREPARED");
            }
            State::Placed => {
                assert!(matches!(creation, Ok(Unchanged(_))));
                assert_eq!((closing, closed.state()), (Ok(Changed), State::Rejected));
                assert!(matches!(preparation, Ok(Unchanged(_))));
                assert_eq!((approval, approved.state()), (Ok(Changed), State::Approved));
                assert_eq!(approved.total(), Some(money(TOTAL)), "the total that was told first stays");
            }
            State::Approved | State::Delivered => {
                assert!(matches!(creation, Ok(Unchanged(_))));
                assert_eq!(closing, Err(Stuck::Never("order_approved")));
                assert!(matches!(preparation, Ok(Unchanged(_))));
                assert!(matches!(approval, Ok(Unchanged(_))));
            }
            State::Rejected | State::Cancelled => {
                assert_eq!(creation, Err(Reason::CANCELLED));
                assert!(matches!(closing, Ok(Unchanged(_))));
                assert!(matches!(preparation, Ok(Unchanged(_))));
                assert_eq!(approval, Err(Stuck::Never("order_closed")));
            }
        }
    }
}

#[test]
fn a_change_raises_the_version_once_and_nothing_else_does() {
    let mut request = request();
    assert_eq!((request.create(), request.version), (Ok(Change::Changed), 2));
    assert!(matches!(request.create(), Ok(Change::Unchanged(_))));
    assert_eq!(request.version, 2);
    assert_eq!((request.cancel(), request.version), (Ok(Word::HandedOn), 3));
    assert_eq!((request.cancel(), request.version), (Ok(Word::UnderWay), 3));
    assert_eq!((request.ended(Outcome::Cancelled, Reason::CANCELLED), request.version), (Ok(Change::Changed), 4));
}

#[test]
fn a_request_that_never_became_an_order_is_closed_by_the_sagas_end_alone() {
    let mut request = request();
    assert_eq!(request.ended(Outcome::Rejected, Reason::PET_TAKEN), Ok(Change::Changed));
    assert_eq!((request.state(), request.reason()), (State::Rejected, Some(&Reason::PET_TAKEN)));
    assert_eq!(request.life, None);
    assert_eq!(request.create(), Err(Reason::CANCELLED), "and never becomes one");
}

#[test]
fn after_an_end_nothing_changes_it() {
    for state in [State::Rejected, State::Cancelled] {
        let before = ended(state);
        let mut request = before.clone();
        assert!(matches!(request.prepared(money(1)), Ok(Change::Unchanged(_))));
        assert!(matches!(request.ended(Outcome::Rejected, Reason::PET_TAKEN), Ok(Change::Unchanged(_))));
        assert!(matches!(request.close(Outcome::Rejected, &Reason::PET_TAKEN), Ok(Change::Unchanged(_))));
        assert!(request.approve(money(1)).is_err() && request.create().is_err());
        assert_eq!(request, before);
    }
}

#[test]
fn an_end_closes_an_order_whose_own_undo_was_skipped_but_never_an_approved_one() {
    let mut request = at(State::Placed);
    request.ended(Outcome::Cancelled, Reason::CANCELLED_BY_OPERATOR).unwrap();
    assert_eq!(request.life.as_ref().map(|order| order.state), Some(State::Cancelled));
    let mut approved = at(State::Approved);
    assert_eq!(approved.ended(Outcome::Rejected, Reason::PET_TAKEN), Err(Stuck::Never("order_approved")));
    assert_eq!(approved, at(State::Approved));
}

#[test]
fn a_post_is_answered_by_the_total_or_by_the_end_and_by_nothing_in_between() {
    for state in State::ALL {
        let is_placed = match at(state).answer() {
            Some(Answer::Placed(view)) => {
                assert_eq!((view.state, view.total), (State::Placed, Some(money(TOTAL))), "the body is as placed");
                true
            }
            Some(Answer::Refused(..)) => panic!("{state:?}: something may still be undone"),
            None => false,
        };
        // A cancelled order was placed before, here; a rejected one was not.
        let expected = matches!(state, State::Placed | State::Approved | State::Delivered | State::Cancelled);
        assert_eq!(is_placed, expected, "{state:?}");
    }
}

#[test]
fn a_post_is_refused_once_all_is_undone() {
    let mut request = at(State::Pending);
    request.close(Outcome::Rejected, &Reason::OUT_OF_STOCK).unwrap();
    assert_eq!(request.answer(), None, "the pet is still on its way back");
    request.ended(Outcome::Rejected, Reason::OUT_OF_STOCK).unwrap();
    let Some(Answer::Refused(end, view)) = request.answer() else { panic!("it ended") };
    assert_eq!((end.outcome, end.reason), (Outcome::Rejected, Reason::OUT_OF_STOCK));
    assert_eq!((view.state, view.total), (State::Rejected, None));
}

#[test]
fn an_answer_never_changes_again() {
    let mut request = at(State::Placed);
    let answer = request.answer();
    request.close(Outcome::Cancelled, &Reason::CANCELLED_BY_CUSTOMER).unwrap();
    assert_eq!(request.answer(), answer);
    request.ended(Outcome::Cancelled, Reason::CANCELLED_BY_CUSTOMER).unwrap();
    assert_eq!(request.answer(), answer, "the same request again is told the same again");
    assert_eq!(request.view().state, State::Cancelled, "though everybody else is told how it is now");
}

#[test]
fn a_cancellation_is_handed_on_once_and_answered_when_all_is_undone() {
    for state in State::ALL {
        let mut request = at(state);
        match state {
            State::Requested | State::Pending | State::Placed => {
                assert_eq!(request.cancel(), Ok(Word::HandedOn), "{state:?}");
                assert_eq!(request.cancel(), Ok(Word::UnderWay), "{state:?}");
                assert_eq!(request.after_cancel(), None);
            }
            State::Cancelled => {
                assert_eq!(request.cancel(), Ok(Word::UnderWay), "the pet is still on its way back");
                assert_eq!(request.after_cancel(), None);
            }
            State::Approved | State::Delivered | State::Rejected => {
                assert_eq!(request.cancel(), Err(Conflict(state)));
                assert_eq!(request.after_cancel(), Some(Err(Conflict(state))));
            }
        }
    }
    assert_eq!(ended(State::Cancelled).cancel(), Ok(Word::Fulfilled));
    assert_eq!(ended(State::Cancelled).after_cancel(), Some(Ok(())));
    assert_eq!(ended(State::Rejected).cancel(), Err(Conflict(State::Rejected)));
}

#[test]
fn an_approval_is_handed_on_once_and_answered_when_the_order_is_approved() {
    for state in State::ALL {
        let mut request = at(state);
        match state {
            State::Requested | State::Pending | State::Placed => {
                assert_eq!(request.grant(), Ok(Word::HandedOn), "{state:?}");
                assert_eq!(request.grant(), Ok(Word::UnderWay), "{state:?}");
                assert_eq!(request.after_grant(), None);
            }
            State::Approved | State::Delivered => {
                assert_eq!(request.grant(), Ok(Word::Fulfilled));
                assert_eq!(request.after_grant(), Some(Ok(())));
            }
            State::Rejected | State::Cancelled => {
                assert_eq!(request.grant(), Err(Conflict(state)));
                assert_eq!(request.after_grant(), Some(Err(Conflict(state))));
            }
        }
    }
}

#[test]
fn whoever_cancels_and_whoever_approves_get_opposite_answers() {
    let mut both = at(State::Placed);
    assert_eq!((both.cancel(), both.grant()), (Ok(Word::HandedOn), Ok(Word::HandedOn)), "the saga decides");
    let (mut approved, mut cancelled) = (both.clone(), both);
    approved.approve(money(TOTAL)).unwrap();
    assert_eq!(approved.after_grant(), Some(Ok(())));
    assert_eq!(approved.after_cancel(), Some(Err(Conflict(State::Approved))));
    cancelled.close(Outcome::Cancelled, &Reason::CANCELLED_BY_CUSTOMER).unwrap();
    cancelled.ended(Outcome::Cancelled, Reason::CANCELLED_BY_CUSTOMER).unwrap();
    assert_eq!(cancelled.after_grant(), Some(Err(Conflict(State::Cancelled))));
    assert_eq!(cancelled.after_cancel(), Some(Ok(())));
}

#[test]
fn only_an_approved_order_is_delivered_and_only_once() {
    for state in State::ALL {
        let mut request = at(state);
        match state {
            State::Approved => {
                assert_eq!(request.deliver(), Ok(true));
                assert_eq!(request.deliver(), Ok(false));
            }
            State::Delivered => assert_eq!(request.deliver(), Ok(false)),
            State::Requested | State::Pending | State::Placed | State::Rejected | State::Cancelled => {
                assert_eq!(request.deliver(), Err(Conflict(state)));
            }
        }
    }
}

#[test]
fn the_petstores_status_knows_three_states_and_the_total_is_shown_with_it() {
    for state in State::ALL {
        let view = at(state).view();
        let status = serde_json::to_value(view.status()).unwrap();
        let known = matches!(state, State::Placed | State::Approved | State::Delivered);
        assert_eq!(status.as_str(), known.then(|| state.as_str()), "{state:?}");
        assert_eq!(view.total.is_some(), known, "{state:?}");
        assert_eq!(view.is_complete(), state == State::Delivered, "{state:?}");
        assert_eq!(view.reason.is_some(), matches!(state, State::Rejected | State::Cancelled), "{state:?}");
    }
}
