//! Many at once: one wins, and everybody is told.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use saga_runtime::testing::eventually;

use crate::shop::{Answer, PATIENCE, Settings, Shop, count, order};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_orders_for_one_pet_exactly_one_wins_and_the_others_are_told() {
    let shop = Shop::open(Settings { approval_limit: 0, ..Settings::default() }).await;
    shop.add_pet(1, 1000).await;
    let place = async |n: usize| shop.place(&format!("race-{n}"), &order(1, &format!("customer{n}"), &[])).await;
    let answers: Vec<Answer> = join_all((0..100).map(place)).await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    let other: Vec<&Answer> = answers.iter().filter(|a| a.status != 200 && a.status != 409).collect();
    assert_eq!((with(200), with(409)), (1, 99), "{other:?}");
    assert!(answers.iter().filter(|a| a.status == 409).all(|a| a.text("reason") == "pet_taken"), "{answers:?}");
    let reserved = count(&shop.databases.pets, "SELECT count(*) FROM journal WHERE type = 'PET_RESERVED'").await;
    let orders = count(&shop.databases.orders, "SELECT count(*) FROM orders").await;
    let requests = count(&shop.databases.orders, "SELECT count(*) FROM requests").await;
    assert_eq!((reserved, orders, requests), (1, 1, 100));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approve_and_cancel_at_the_same_time_one_wins_and_the_pet_ends_sold_or_available() {
    let shop = Shop::open(Settings { approval_limit: 0, ..Settings::default() }).await;
    let mut approvals = Vec::new();
    for pet in 1..=10 {
        shop.add_pet(pet, 1000).await;
        let placed = shop.place(&format!("both-{pet}"), &order(pet, "ada", &[])).await;
        assert_eq!(placed.text("status"), "placed", "{placed:?}");
        let number = placed.text("id");
        let (approved, cancelled) =
            tokio::join!(shop.order(&number, Method::POST, "/approve"), shop.order(&number, Method::DELETE, ""),);
        let won = (approved.status.as_u16(), cancelled.status.as_u16());
        assert!(won == (200, 409) || won == (409, 200), "{approved:?} {cancelled:?}");
        approvals.push((pet, won == (200, 409)));
    }
    let findings = shop.settled().await;
    let approved = i64::try_from(approvals.iter().filter(|(_, approved)| *approved).count()).unwrap();
    assert_eq!((findings.in_phase("completed"), findings.in_phase("cancelled")), (approved, 10 - approved));
    for (pet, approved) in approvals {
        assert_eq!(shop.pet_status(pet).await, if approved { "sold" } else { "available" }, "pet {pet}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approvals_around_the_moment_an_order_expires_are_granted_whole_or_refused_and_undone() {
    const PETS: i64 = 40;
    let (resend_after, reservation_ttl) = (Duration::from_secs(1), Duration::from_secs(4));
    let settings = Settings { approval_limit: 0, resend_after, reservation_ttl, ..Settings::default() };
    let shop = Shop::open(settings).await;
    for pet in 1..=PETS {
        shop.add_pet(pet, 1000).await;
    }
    let place = async |pet: i64| shop.place(&format!("late-{pet}"), &order(pet, "ada", &[])).await;
    let placed = join_all((1..=PETS).map(place)).await;
    assert!(placed.iter().all(|answer| answer.text("status") == "placed"), "{placed:?}");
    let due = "SELECT count(*) FROM sagas WHERE alarm <= now() OR phase <> 'prepared'";
    eventually("the first expires", PATIENCE, async || count(&shop.databases.sagas, due).await > 0).await;
    // One after the other, while the orchestrator wakes those that are due.
    let mut approvals = Vec::new();
    for (pet, answer) in (1..).zip(&placed) {
        let approved = shop.order(&answer.text("id"), Method::POST, "/approve").await;
        assert!([200, 409].contains(&approved.status.as_u16()), "{approved:?}");
        approvals.push((pet, approved.status == 200));
    }
    let findings = shop.settled().await;
    let granted = i64::try_from(approvals.iter().filter(|(_, granted)| *granted).count()).unwrap();
    assert_eq!((findings.in_phase("completed"), findings.in_phase("cancelled")), (granted, PETS - granted));
    for (pet, granted) in approvals {
        assert_eq!(shop.pet_status(pet).await, if granted { "sold" } else { "available" }, "pet {pet}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_two_copies_of_everything_the_same_rules_hold_and_a_client_may_wait_at_either() {
    let mut shop = Shop::open(Settings::default()).await;
    for name in crate::shop::ALL {
        shop.start(name).await;
    }
    shop.set_stock("FOOD", 12).await;
    for pet in 1..=12 {
        shop.add_pet(pet, 1000).await;
    }
    // Two customers want each pet, each at another copy, and stock is enough for half of them.
    let place = async |n: usize| {
        let pet = i64::try_from(n / 2 + 1).unwrap();
        shop.place_at(n % 2, &format!("copies-{n}"), &order(pet, &format!("c{n}"), &[("FOOD", 2)])).await
    };
    let answers: Vec<Answer> = join_all((0..24).map(place)).await;
    assert!(answers.iter().all(|a| [200, 409, 422].contains(&a.status.as_u16())), "{answers:?}");
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((1..=6).contains(&won), "{won} orders got supplies for 6");
    let findings = shop.settled().await;
    assert_eq!(findings.in_phase("completed"), i64::try_from(won).unwrap(), "{findings:?}");
    assert_eq!(findings.in_phase("completed") + findings.in_phase("rejected"), 24, "{findings:?}");
    shop.close().await;
}
