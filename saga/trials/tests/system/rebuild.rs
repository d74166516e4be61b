//! The read model made anew from pet-service's feed, by the command and through a crash.

use reqwest::Method;
use saga_runtime::testing::eventually;
use serde_json::{Value, json};

use crate::command::{program, saga, text, told, word};
use crate::real::Real;
use crate::shop::{PATIENCE, Settings, Shop, count, order};

async fn figures(shop: &Shop, inventory: &str) -> Value {
    shop.send(Method::GET, &format!("{inventory}/api/v3/store/inventory"), &[], None).await.body
}

/// What the figures are by pet-service's own rows.
async fn right(shop: &Shop) -> Value {
    let of = async |status: &str| {
        count(&shop.databases.pets, &format!("SELECT count(*) FROM pets WHERE status = '{status}'")).await
    };
    json!({ "available": of("available").await, "pending": of("pending").await, "sold": of("sold").await })
}

/// Figures that no history leads to: rows and counts are changed by hand.
const WRONG: &str = "
    UPDATE pets SET version = version + 100, status = 'available';
    UPDATE pet_counts SET available = available + 7 WHERE slot = (SELECT min(slot) FROM pet_counts)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_model_that_is_wrong_is_found_and_made_right_by_the_command() {
    let shop = Shop::open(Settings::default()).await;
    for pet in 1..=3 {
        shop.add_pet(pet, 1000).await;
    }
    shop.place("order", &order(1, "ada", &[])).await;
    shop.settled().await;
    let inventory = shop.url("inventory-service", 0);
    shop.databases.inventory.batch_execute(WRONG).await.unwrap();
    let found = saga(&shop, &["verify"]).await;
    assert_eq!(found.status.code(), Some(1), "{}", text(&found.stderr));
    let said = text(&found.stdout);
    assert!(said.contains("unbalanced_pets must be empty") && said.contains("which pet-service never had"), "{said}");

    let rebuilt = told(&shop, &["rebuild", "inventory", "--reason", "counts-were-off"]).await;
    let expected = ("inventory-service", "inventory", &json!(1), &json!(3));
    let found = (word(&rebuilt, "process"), word(&rebuilt, "name"), &rebuilt["serving"], &rebuilt["filled"]);
    assert_eq!(found, expected, "{rebuilt}");
    assert_eq!(figures(&shop, &inventory).await, json!({ "available": 2, "pending": 0, "sold": 1 }));
    assert_eq!(told(&shop, &["verify"]).await["disagree"], 0);
    let audited = "SELECT string_agg(who || ' ' || action || ' ' || target || ' ' || why, ',') FROM audit";
    let audited: String = shop.databases.inventory.query_one(audited, &[]).await.unwrap().get(0);
    assert_eq!(audited, "tester rebuild inventory counts-were-off");

    let again = saga(&shop, &["rebuild", "inventory"]).await;
    assert!(text(&again.stdout).contains("inventory-service  inventory  generation 2  3 entries read"), "{again:?}");
    let unknown = saga(&shop, &["rebuild", "pets"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("no process has a read model pets; there is inventory"), "{unknown:?}");
    let stranger = program(&shop, &["rebuild", "inventory"]).env_remove("SAGA_TOKEN").output().await.unwrap();
    assert_eq!(stranger.status.code(), Some(2), "{stranger:?}");
    shop.settled().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_pets_orders_and_sagas_are_computed_again() {
    let shop = Shop::open(Settings::default()).await;
    shop.add_pet(1, 1000).await;
    shop.place("order", &order(1, "ada", &[])).await;
    shop.settled().await;
    let fine = told(&shop, &["verify"]).await;
    let rows = |name: &str| {
        let of = fine["processes"].as_array().unwrap().iter().find(|process| process["process"] == name);
        of.unwrap()["rows"].as_i64()
    };
    assert_eq!(["pet-service", "order-service", "inventory-service"].map(rows), [Some(1); 3], "{fine}");
    let (other_pet, other_saga) = ("UPDATE pets SET uuid = gen_random_uuid()", "UPDATE requests SET saga_id = pet");
    shop.databases.pets.batch_execute(other_pet).await.unwrap();
    shop.databases.orders.batch_execute(other_saga).await.unwrap();
    let found = saga(&shop, &["verify"]).await;
    let said = text(&found.stdout);
    assert_eq!(found.status.code(), Some(1), "{said}");
    for why in [
        "its id does not follow from its number",
        "its saga's id does not follow from customer and order",
        "not in the read model; pet-service has it at version 3",
    ] {
        assert!(said.contains(why), "{why}: {said}");
    }
    shop.close().await;
}

/// How many pets pet-service has besides those of the test; six pages of the feed.
const MANY: i64 = 6000;

async fn make_pets(shop: &Shop) {
    let sql = format!(
        "INSERT INTO pets (id, uuid, version, name, photo_urls, tags, price, currency, status)
         SELECT n, md5('pet ' || n)::uuid, 2, 'pet', '[]', '[]', 1, 'EUR', 'available'
         FROM generate_series(1000, 1000 + {MANY} - 1) n"
    );
    shop.databases.pets.batch_execute(&sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_goes_on_after_a_crash_and_loses_no_event_that_came_meanwhile() {
    let mut shop = Shop::open(Settings::default()).await;
    for pet in 1..=3 {
        shop.add_pet(pet, 1000).await;
    }
    let counted = "SELECT count(*) FROM pets";
    eventually("they are counted", PATIENCE, async || count(&shop.databases.inventory, counted).await == 3).await;
    make_pets(&shop).await;
    shop.databases.inventory.batch_execute(WRONG).await.unwrap();
    shop.stop("inventory-service").await;
    let mut process = Real::start(&shop, "inventory-service").await;
    let old = json!({ "available": 10, "pending": 0, "sold": 0 });
    assert_eq!(figures(&shop, &process.url).await, old);

    // Whoever would write this row has to wait: the fifth page does.
    let held = "BEGIN; INSERT INTO pets (generation, pet, status, version, updated_at)
                VALUES (1, md5('pet 5500')::uuid, 'available', 1, now())";
    shop.databases.inventory.batch_execute(held).await.unwrap();
    let url = format!("{}/admin/read-models/inventory/rebuild", process.url);
    let started = shop.send(Method::POST, &url, &[shop.token()], Some(&json!({}))).await;
    assert_eq!(started.status, 202, "{started:?}");
    let place = async |process: &Real| {
        let url = format!("{}/admin/read-models", process.url);
        shop.send(Method::GET, &url, &[], None).await.body["read_models"][0].clone()
    };
    eventually("four pages are read", PATIENCE, async || place(&process).await["filled"] == 4000).await;
    assert_eq!(figures(&shop, &process.url).await, old, "the old figures are served");
    // Reserved and sold: two events for a pet whose row was read, and told of, before.
    shop.place("meanwhile", &order(1, "ada", &[])).await;
    shop.add_pet(4, 1000).await;
    let both = "SELECT count(*) FROM pets WHERE generation = 1 AND status = 'sold'";
    eventually("the new generation has the events", PATIENCE, async || {
        count(&shop.databases.inventory, both).await == 1
    })
    .await;
    process.kill();
    let begun = "SELECT count(*) FROM read_models WHERE state = 'filling' AND filled = 4000";
    assert_eq!(count(&shop.databases.inventory, begun).await, 1, "there is something to go on with");
    shop.databases.inventory.batch_execute("ROLLBACK").await.unwrap();
    // The fourth came when its page was read already; the feed told of three.
    shop.place("without", &order(2, "bob", &[])).await;

    process = Real::start(&shop, "inventory-service").await;
    eventually("it is served", PATIENCE * 2, async || place(&process).await["state"] == "served").await;
    let found = place(&process).await;
    assert_eq!((&found["serving"], found["filled"].as_i64()), (&json!(1), Some(MANY + 3)), "no page twice: {found}");
    eventually("it is as pet-service says", PATIENCE, async || {
        figures(&shop, &process.url).await == right(&shop).await
    })
    .await;
    shop.settled().await;
    process.kill();
    shop.close().await;
}
