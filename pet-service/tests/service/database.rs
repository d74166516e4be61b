//! What the database refuses, whatever a program does.

use crate::running::{Running, Saga};

#[tokio::test]
async fn the_database_holds_the_rules_as_well() {
    let pets = Running::start().await;
    pets.given_pet(12).await;
    let order = "'00000000-0000-0000-0000-000000000001'";
    for (change, rule) in [
        ("status = 'pending'".to_owned(), "pending_means_reserved"),
        (format!("reserved_by_order = {order}, reserved_by_saga = {order}"), "pending_means_reserved"),
        (format!("status = 'pending', reserved_by_order = {order}"), "pending_means_reserved"),
        ("status = 'sold'".to_owned(), "sold_means_to_somebody"),
        (format!("sold_to_order = {order}, sold_to_saga = {order}"), "sold_means_to_somebody"),
        ("status = 'lost'".to_owned(), "pets_status_check"),
        ("name = ''".to_owned(), "pets_name_check"),
        ("price = -1".to_owned(), "pets_price_check"),
        ("currency = 'eur'".to_owned(), "pets_currency_check"),
        ("id = 0".to_owned(), "pets_id_check"),
        ("version = 0".to_owned(), "pets_version_check"),
    ] {
        let error = pets.sql.execute(&format!("UPDATE pets SET {change}"), &[]).await.unwrap_err();
        assert_eq!(error.as_db_error().and_then(|e| e.constraint()), Some(rule), "{change}");
    }
    for remove in ["DELETE FROM pets", "TRUNCATE pets"] {
        let error = pets.sql.batch_execute(remove).await.unwrap_err();
        let message = error.as_db_error().unwrap().message();
        assert_eq!(message, "a pet is never removed, it is marked as deleted", "{remove}");
    }
    pets.stop().await;
}

#[tokio::test]
async fn a_change_and_its_event_happen_together_or_not_at_all() {
    let pets = Running::start().await;
    // The event of the pet's birth cannot be journalled: its id is there already, and may be once only.
    pets.sql.batch_execute("CREATE UNIQUE INDEX once ON journal_entries (day, (ids[1]))").await.unwrap();
    let id = pets.ids.event_at(&pets.names.pet(12.try_into().unwrap()).to_string(), 1, "PET_CREATED");
    let taken = "
        INSERT INTO journal_entries (day, time, ids, types, saga_ids, bodies)
        VALUES (current_date, now(), ARRAY[$1::uuid], '{X}', '{NULL}', '{x}')";
    pets.sql.execute(taken, &[&id]).await.unwrap();
    let (status, _) = pets.post(serde_json::json!({"id": 12, "name": "Miso", "photoUrls": []})).await;
    assert_eq!(status, 503);
    assert_eq!(pets.get("/pet/12").await.0, 404);
    pets.sql.batch_execute("DELETE FROM journal_entries; DROP INDEX once").await.unwrap();
    pets.given_pet(12).await;
    pets.command(&pets.reserve(Saga { n: 1, pet: 12 })).await;
    pets.answered(Saga { n: 1, pet: 12 }, 1).await;
    pets.stop().await;
}
