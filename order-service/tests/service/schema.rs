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
        "UPDATE requests SET order_state = 'requested'",
        "UPDATE requests SET order_state = 'cancelled'",
        "UPDATE requests SET order_state = NULL",
        "UPDATE requests SET order_reason = 'pet_taken'",
        "UPDATE requests SET total = NULL, currency = NULL",
        "UPDATE requests SET currency = NULL",
        "UPDATE requests SET total = NULL",
        "UPDATE requests SET currency = 'euro'",
        "UPDATE requests SET total = -1",
    ] {
        let error = db.execute(nonsense, &[]).await.expect_err(nonsense);
        assert_eq!(error.code(), Some(&SqlState::CHECK_VIOLATION), "{nonsense}");
    }
}
