//! The database refuses nonsense, whoever writes it.

use tokio_postgres::error::SqlState;

use crate::support::Shop;

#[tokio::test(flavor = "multi_thread")]
async fn no_row_can_contradict_itself() {
    let shop = Shop::open().await;
    let (_, placed) = shop.placed(12).await;
    assert_eq!(placed.body["state"], "placed");
    let db = shop.database.connect().await;
    for nonsense in [
        "UPDATE requests SET state = 'placed'",
        "UPDATE requests SET state = 'rejected'",
        "UPDATE requests SET reason = 'pet_taken'",
        "UPDATE requests SET number = 0",
        "UPDATE requests SET number = 9007199254740992",
        "UPDATE requests SET request_hash = 'short'",
        "UPDATE orders SET state = 'requested'",
        "UPDATE orders SET state = 'cancelled'",
        "UPDATE orders SET reason = 'pet_taken'",
        "UPDATE orders SET total = NULL, currency = NULL",
        "UPDATE orders SET currency = NULL",
        "UPDATE orders SET currency = 'euro'",
        "UPDATE orders SET total = -1",
    ] {
        let error = db.execute(nonsense, &[]).await.expect_err(nonsense);
        assert_eq!(error.code(), Some(&SqlState::CHECK_VIOLATION), "{nonsense}");
    }
    let orphan = db.execute("DELETE FROM requests", &[]).await.expect_err("an order without its request");
    assert_eq!(orphan.code(), Some(&SqlState::FOREIGN_KEY_VIOLATION));
}
