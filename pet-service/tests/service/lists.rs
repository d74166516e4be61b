//! Lists that take long, and what goes on beside them.

use futures_util::future::{join_all, select_all};
use saga_runtime::testing::{RELEASE, TRAPPED, eventually, trap};

use crate::running::{Running, SOON, Saga, read};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_lists_take_their_time_pets_are_reserved_and_the_process_is_ready() {
    let pets = Running::start().await;
    for id in [12, 99] {
        pets.given_pet(id).await;
    }
    pets.sql.batch_execute(&trap("pets", "id <> 99")).await.unwrap();
    let list = || {
        let asked = pets.client.get(pets.url("/pet/findByStatus")).send();
        tokio::spawn(async { read(asked.await.unwrap()).await })
    };
    let lists: Vec<_> = (0..20).map(|_| list()).collect();
    let waiting = async || pets.sql.query_one(TRAPPED, &[]).await.unwrap().get::<_, i64>(0);
    eventually("as many are read as may be", SOON, async || waiting().await == 2).await;

    let ready = pets.client.get(format!("{}/readyz", pets.urls[0])).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let saga = Saga { n: 1, pet: 12 };
    pets.command(&pets.reserve(saga)).await;
    pets.answered(saga, 1).await;
    assert_eq!(pets.status_of(12).await, "pending");
    assert!(waiting().await <= 2, "a quarter of the connections");

    let (first, _, rest) = select_all(lists).await;
    let (status, problem) = first.unwrap();
    assert_eq!((status.as_u16(), problem["type"].as_str()), (503, Some("urn:sagaforge:problem:timeout")), "{problem}");
    pets.sql.batch_execute(RELEASE).await.unwrap();
    for list in join_all(rest).await {
        let status = list.unwrap().0;
        assert!([200, 503].contains(&status.as_u16()), "{status}");
    }
    eventually("lists are read again", SOON, async || list().await.unwrap().0 == 200).await;
    pets.stop().await;
}
