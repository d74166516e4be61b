//! Recorded ids: what the Python package uuid-forge 0.1.1 made of the same calls, namespaces and salt.

use idforge::{UuidText, id};
use saga_core::Direction::{Do, Undo};
use uuid::{Uuid, uuid};

use crate::support::ids;

const SAGA: Uuid = uuid!("5c1f9a2e-0000-5000-8000-000000000001");
const MESSAGE: Uuid = uuid!("5c1f9a2e-0000-5000-8000-000000000002");

#[test]
fn the_id_that_a_sagas_messages_share() {
    assert_eq!(ids().correlation(SAGA), uuid!("8a80abf0-b02c-5832-b053-50373198fe11"));
}

#[test]
fn the_id_of_a_saga_is_made_in_the_sagas_namespace() {
    let saga = id!(ids().sagas(), "order_saga", user_id = UuidText(SAGA), order_id = UuidText(MESSAGE));
    assert_eq!(saga, uuid!("19dbe193-746f-533e-9190-14a9715d69a2"));
}

#[test]
fn the_id_of_a_command_tells_step_direction_and_epoch_apart() {
    for (step, direction, epoch, expected) in [
        ("reserve_pet", Do, 0, uuid!("08a85c3a-c635-556c-b73c-745e649761f3")),
        ("reserve_pet", Undo, 0, uuid!("d09f0650-6667-5155-a866-beeb73acd17e")),
        ("reserve_pet", Do, 1, uuid!("437c3c5a-d5ce-51f4-8ebd-be84c9079af1")),
        ("create_order", Do, 7, uuid!("206fc304-4ae7-5123-b4a5-93e88b3fc5c6")),
    ] {
        assert_eq!(ids().command(SAGA, step, direction, epoch), expected, "{step} {direction:?} {epoch}");
    }
}

#[test]
fn the_id_of_an_event_follows_from_its_cause() {
    let event = |kind| ids().event_caused(MESSAGE, kind);
    assert_eq!(event("SAGA_PREPARED"), uuid!("315b030c-7c22-521d-a659-3a2bb0f25a78"));
    assert_eq!(event("SAGA_COMPLETED"), uuid!("5b98809a-2bda-5a1e-9488-33c58bbc1906"));
}

#[test]
fn the_id_of_an_event_without_a_message_as_cause_follows_from_the_aggregates_version() {
    let event = |version, kind| ids().event_at(&SAGA.to_string(), version, kind);
    assert_eq!(event(1, "SAGA_REJECTED"), uuid!("4d6eef65-f5d7-528f-bab7-ba1fb19f6219"));
    assert_eq!(event(u64::MAX, "SAGA_NEEDS_INTERVENTION"), uuid!("f84302d4-f65c-5966-8bd8-e9f36ce4867e"));
}

#[test]
fn the_id_of_an_edited_copy_counts_the_edits() {
    assert_eq!(ids().edit(MESSAGE, 1), uuid!("b0d2584b-9245-568d-9fd1-e68e0827f8b6"));
    assert_eq!(ids().edit(MESSAGE, 2), uuid!("92ab9543-1012-5d2b-a1f1-67c8bf251a46"));
}

#[test]
fn the_id_of_a_timer_tells_each_attempt_apart() {
    for (step, direction, kind, epoch, attempt, expected) in [
        ("reserve_pet", Do, "resend", 0, 0, uuid!("8eb0825d-c1fc-5ca9-966a-d314bbb3bee5")),
        ("reserve_pet", Undo, "deadline", 1, 3, uuid!("f2d266b6-26a8-5678-b5e4-3459e1e59f9d")),
        ("approval", Do, "expiry", 0, 0, uuid!("3f6e29a8-ad4b-530f-96ca-531ed9f9ce6b")),
    ] {
        assert_eq!(ids().timer(SAGA, step, direction, kind, epoch, attempt), expected, "{step} {kind} {attempt}");
    }
}
