//! A replay puts a parked message back, and never loses it.

use std::time::Duration;

use lapin::options::{BasicGetOptions, QueueDeleteOptions};
use saga_runtime::testing::eventually;
use serde_json::json;

use super::process::{Running, SOON, saga_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_message_is_handled_as_if_nothing_had_happened() {
    let desk = Running::start().await;
    desk.close_desk(true);
    let note = desk.publish_note("lost and found").await;
    let id = desk.parked(1).await[0]["id"].clone();
    desk.close_desk(false);
    let path = format!("/admin/parked/{id}/replay");
    assert_eq!(desk.post_as_nobody(&path).await.0, 401);
    let (status, message) = desk.post(&path, json!({})).await;
    assert_eq!((status, &message["state"]), (200, &json!("replayed")), "{message}");
    let sent = desk.sent_for(saga_of("lost and found")).await;
    assert!(sent[0]["body"].as_str().unwrap().contains(&note.id.to_string()), "caused by the note under its own id");

    let (status, problem) = desk.post(&path, json!({})).await;
    assert_eq!((status, &problem["state"]), (409, &json!("replayed")));
    assert_eq!(desk.post("/admin/parked/999/replay", json!({})).await.0, 404);
    let rows = desk.database.connect().await.query("SELECT who, action, target FROM audit", &[]).await.unwrap();
    let audit: Vec<[String; 3]> = rows.iter().map(|row| std::array::from_fn(|n| row.get(n))).collect();
    assert_eq!(audit, [["tester", "replay", &format!("parked/{id}")].map(str::to_owned)]);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_still_not_understood_is_parked_again() {
    let desk = Running::start().await;
    desk.publish(b"gibberish").await;
    let before = desk.parked(1).await[0].clone();
    for times in 2..5 {
        let (status, _) = desk.post(&format!("/admin/parked/{}/replay", before["id"]), json!({})).await;
        assert_eq!(status, 200);
        let parked = eventually("it is parked again", SOON, async || {
            let parked = desk.parked(1).await.remove(0);
            (parked["times"] == times).then_some(parked)
        })
        .await;
        assert_eq!(parked["id"], before["id"]);
    }
    let (_, shown) = desk.get(&format!("/admin/parked/{}", before["id"])).await;
    assert_eq!(shown["body"], json!({"text": "gibberish"}));
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_without_a_body_has_no_options() {
    let desk = Running::start().await;
    desk.publish(b"gibberish").await;
    let path = format!("/admin/parked/{}/replay", desk.parked(1).await[0]["id"]);
    for (body, kind, status) in [
        ("{", "application/json", 400),
        ("null", "application/json", 422),
        ("{}", "text/plain", 415),
        (r#"{"reason": ""}"#, "application/json", 422),
        ("", "", 200),
    ] {
        let (found, answer) = desk.post_bytes(&path, body, kind).await;
        assert_eq!(found, status, "{body}: {answer}");
    }
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_replays_at_once_lose_nothing_and_repeat_nothing() {
    const NOTES: usize = 40;
    let desk = Running::start().await;
    desk.close_desk(true);
    for n in 0..NOTES {
        desk.publish_note(&format!("note {n}")).await;
    }
    let parked = desk.parked(NOTES).await;
    desk.close_desk(false);
    // Each twice, at once: one of the two finds it gone.
    let paths: Vec<_> = parked.iter().map(|one| format!("/admin/parked/{}/replay", one["id"])).collect();
    let replays = paths.iter().chain(&paths).map(|path| desk.post(path, json!({})));
    let answers = futures_util::future::join_all(replays).await;
    let with = |status| answers.iter().filter(|(code, _)| *code == status).count();
    assert_eq!((with(200), with(409)), (NOTES, NOTES), "{answers:?}");
    let database = desk.database.connect().await;
    let count = async |sql| database.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    eventually("every note was filed", SOON, async || count("SELECT count(*) FROM inbox").await == NOTES as i64).await;
    assert_eq!(count("SELECT count(*) FROM journal").await, NOTES as i64);
    assert_eq!(count("SELECT count(*) FROM parked WHERE state = 'parked'").await, 0);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_arrives_before_its_replay_is_written_down_is_no_copy_of_a_parked_one() {
    let desk = Running::start().await;
    desk.close_desk(true);
    let note = desk.publish_note("early").await;
    desk.parked(1).await;
    desk.close_desk(false);
    // A replay in slow motion: the row is taken out, the message is in its queue, the commit is to come.
    let mut database = desk.database.connect().await;
    let replay = database.transaction().await.unwrap();
    replay.execute("UPDATE parked SET state = 'replayed'", &[]).await.unwrap();
    desk.publish(&note.to_bytes()).await;
    let observer = desk.database.connect().await;
    let waiting = "
        SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND datname = current_database()";
    eventually("the consumer waits for the replay", SOON, async || {
        !observer.query(waiting, &[]).await.unwrap().is_empty()
    })
    .await;
    replay.commit().await.unwrap();
    assert_eq!(desk.sent_for(saga_of("early")).await.len(), 1);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_queue_is_gone_stays_parked() {
    let desk = Running::start().await;
    desk.publish(b"homeless").await;
    let parked = desk.parked(1).await;
    let rename = "UPDATE parked SET queue = 'somewhere.else'";
    desk.database.connect().await.execute(rename, &[]).await.unwrap();
    let (status, problem) = desk.post(&format!("/admin/parked/{}/replay", parked[0]["id"]), json!({})).await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("somewhere.else"), "{problem}");
    assert_eq!(desk.parked(1).await[0]["state"], "parked");
    assert_eq!(desk.database.connect().await.query("SELECT 1 FROM audit", &[]).await.unwrap().len(), 0);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_goes_back_into_the_queue_of_another_with_its_headers() {
    let desk = Running::start().await;
    desk.publish(b"for somebody else").await;
    let parked = desk.parked(1).await;
    desk.channel.queue_declare("other".into(), Default::default(), Default::default()).await.unwrap();
    let database = desk.database.connect().await;
    database.execute("UPDATE parked SET queue = 'other'", &[]).await.unwrap();
    assert_eq!(desk.post(&format!("/admin/parked/{}/replay", parked[0]["id"]), json!({})).await.0, 200);
    let got = eventually("it arrives", Duration::from_secs(5), async || {
        desk.channel.basic_get("other".into(), BasicGetOptions { no_ack: true }).await.unwrap()
    })
    .await;
    assert_eq!(got.delivery.data, b"for somebody else");
    let headers = format!("{:?}", got.delivery.properties);
    assert!(headers.contains("x-origin") && headers.contains("stranger"), "{headers}");
    desk.channel.queue_delete("other".into(), QueueDeleteOptions::default()).await.unwrap();
    desk.stop().await;
}
