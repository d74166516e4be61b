//! One batch at a time on a real database.

use saga_runtime::core::Message;

use crate::support::{Inventory, approved, pet_reserved, release, shuffle, told};

#[tokio::test]
async fn a_life_of_an_order_is_written_and_balances() {
    let inventory = Inventory::with(&[("FOOD", 10), ("TOY", 12)]).await;
    let lines = [("TOY", 2), ("FOOD", 1)];
    assert_eq!(told(&inventory.deliver(&[pet_reserved(1, &lines)]).await), ["INVENTORY_RESERVED"]);
    assert_eq!(inventory.levels("TOY").await, (12, 2, 2));
    inventory.assert_balanced().await;
    assert_eq!(told(&inventory.deliver(&[approved(1, &lines)]).await), ["INVENTORY_COMMITTED"]);
    assert_eq!(inventory.levels("TOY").await, (10, 0, 2));
    assert_eq!(inventory.levels("FOOD").await, (9, 0, 1));
    inventory.assert_balanced().await;
}

#[tokio::test]
async fn a_later_message_of_a_batch_sees_what_an_earlier_one_did() {
    let inventory = Inventory::with(&[("TOY", 2)]).await;
    let batch = [
        pet_reserved(1, &[("TOY", 2)]),
        pet_reserved(2, &[("TOY", 1)]),
        release(1),
        pet_reserved(3, &[("TOY", 1)]),
        approved(3, &[("TOY", 1)]),
        pet_reserved(1, &[("TOY", 2)]),
    ];
    let expected = [
        "INVENTORY_RESERVED",
        "INVENTORY_REFUSED",
        "INVENTORY_RELEASED",
        "INVENTORY_RESERVED",
        "INVENTORY_COMMITTED",
        "INVENTORY_REFUSED",
    ];
    assert_eq!(told(&inventory.deliver(&batch).await), expected);
    assert_eq!(inventory.levels("TOY").await, (1, 0, 1));
    inventory.assert_balanced().await;
    let states = "SELECT state FROM reservations ORDER BY saga_id";
    let states: Vec<String> = inventory.owner.query(states, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(states, ["released", "committed"]);
}

#[tokio::test]
async fn a_malformed_message_is_parked_and_its_neighbours_pass() {
    let inventory = Inventory::with(&[("TOY", 2)]).await;
    let mut wrong = pet_reserved(2, &[("TOY", 1)]);
    wrong.data["items"] = serde_json::json!([{ "sku": "TOY", "quantity": 0 }]);
    let mut without_saga = pet_reserved(3, &[("TOY", 1)]);
    without_saga.saga_id = None;
    let batch = [pet_reserved(1, &[("TOY", 1)]), wrong, without_saga, pet_reserved(4, &[("TOY", 1)])];
    let told = told(&inventory.deliver(&batch).await).join(" ");
    assert_eq!(told, "INVENTORY_RESERVED malformed_data no_saga INVENTORY_RESERVED");
    assert_eq!(inventory.levels("TOY").await, (2, 2, 2));
    inventory.assert_balanced().await;
}

#[tokio::test]
async fn an_operators_retry_reserves_anew_in_place_of_what_was_released() {
    let inventory = Inventory::with(&[("FOOD", 5), ("TOY", 2)]).await;
    inventory.deliver(&[pet_reserved(1, &[("TOY", 2)])]).await;
    inventory.deliver(&[release(1)]).await;
    let reprice = "UPDATE stock SET price = 300, version = version + 1 WHERE sku = 'TOY'";
    inventory.owner.execute(reprice, &[]).await.unwrap();
    let read_model = |rows: Vec<String>| rows.into_iter().filter(|row| row.starts_with("pets ")).collect::<Vec<_>>();
    let before = read_model(inventory.rows().await);
    let retry = pet_reserved(1, &[("TOY", 1), ("FOOD", 1)]).for_step("reserve_inventory", 1);
    assert_eq!(told(&inventory.deliver(&[retry]).await), ["INVENTORY_RESERVED"]);
    let lines =
        "SELECT sku || ' ' || quantity || ' ' || price || ' ' || state || ' ' || version FROM reservations ORDER BY 1";
    let lines: Vec<String> = inventory.owner.query(lines, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(lines, ["FOOD 1 250 reserved 3", "TOY 1 300 reserved 3"]);
    assert_eq!(read_model(inventory.rows().await), before, "a copy is no news of the pet");
    inventory.assert_balanced().await;
}

/// Twelve orders, of which some are refused, some undone (before or after) and some approved.
fn all_messages() -> Vec<Message> {
    let lines = |saga: u128| [("FOOD", 1 + (saga % 3) as i64), ("TOY", 1)];
    let mut messages: Vec<Message> = (1..=12).map(|saga| pet_reserved(saga, &lines(saga))).collect();
    messages.extend((1..=12).filter(|saga| saga % 3 == 0).map(release));
    messages.insert(0, release(12));
    messages.extend([1, 2, 4].map(|saga| approved(saga, &lines(saga))));
    messages
}

#[tokio::test]
async fn a_replay_of_all_messages_five_times_in_any_order_leaves_every_row_as_it_was() {
    let inventory = Inventory::with(&[("FOOD", 12), ("TOY", 20)]).await;
    let messages = all_messages();
    for message in &messages {
        inventory.deliver(std::slice::from_ref(message)).await;
    }
    inventory.assert_balanced().await;
    let settled = inventory.rows().await;
    let refused = "SELECT count(*) FROM effects WHERE state = 'refused'";
    let refused: i64 = inventory.owner.query_one(refused, &[]).await.unwrap().get(0);
    assert!(refused > 0, "some were refused");
    for seed in 1..=5 {
        let mut replay = messages.clone();
        shuffle(&mut replay, seed);
        for batch in replay.chunks(4) {
            inventory.deliver(batch).await;
        }
        assert_eq!(inventory.rows().await, settled, "seed {seed}");
    }
}

#[tokio::test]
async fn the_database_itself_refuses_nonsense() {
    let inventory = Inventory::with(&[("TOY", 2)]).await;
    for nonsense in [
        "UPDATE stock SET on_hand = -1",
        "UPDATE stock SET reserved = 3, taken = 3",
        "UPDATE stock SET reserved = 1, taken = 0",
        "UPDATE stock SET currency = 'euro'",
        "INSERT INTO pets VALUES (gen_random_uuid(), 'lost', 1, 0, now())",
        "INSERT INTO pets VALUES (gen_random_uuid(), 'sold', 0, 0, now())",
        "INSERT INTO reservations VALUES (gen_random_uuid(), 'NONE', gen_random_uuid(), 1, 1, 'EUR', 'reserved', 1, now())",
    ] {
        let error = inventory.owner.execute(nonsense, &[]).await.unwrap_err();
        let code = error.code().unwrap().code();
        assert!(["23514", "23503"].contains(&code), "{nonsense}: {error}");
    }
}
