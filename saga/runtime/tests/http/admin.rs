//! What operators read, and what they discard.

use saga_core::{Message, Time};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use time::macros::offset;
use time::{Duration, UtcOffset};

use super::process::{Running, saga_of};
use crate::crash_loop::{old, was_handled};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_nobody_understands_is_parked_with_its_bytes_and_headers() {
    let desk = Running::start().await;
    desk.publish(b"not json at all").await;
    desk.publish(&[0xff, 0x00, 0xfe]).await;
    let parked = desk.parked(2).await;
    assert_eq!(parked[0]["queue"], "notes.taken");
    assert_eq!((&parked[0]["reason"], &parked[0]["state"]), (&json!("not_json"), &json!("parked")));
    let (status, first) = desk.get(&format!("/admin/parked/{}", parked[0]["id"])).await;
    assert_eq!(status, 200);
    assert_eq!(first["body"], json!({"text": "not json at all"}));
    assert!(first["incoming"].to_string().contains("a test"), "the headers are kept: {}", first["incoming"]);
    let (_, second) = desk.get(&format!("/admin/parked/{}", parked[1]["id"])).await;
    assert_eq!(second["body"], json!({"base64": "/wD+"}));
    assert_eq!(desk.get("/admin/parked/999").await.0, 404);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_messages_are_grouped_by_cause_and_listed_page_by_page() {
    let desk = Running::start().await;
    for body in ["one", "two", "three"] {
        desk.publish(body.as_bytes()).await;
    }
    desk.close_desk(true);
    let note = desk.publish_note("a note").await;
    let all = desk.parked(4).await;
    let (_, groups) = desk.get("/admin/parked/groups").await;
    let counts: Vec<_> = groups["groups"].as_array().unwrap().iter().map(|g| (&g["reason"], &g["count"])).collect();
    assert_eq!(counts, [(&json!("not_json"), &json!(3)), (&json!("desk_closed"), &json!(1))]);
    assert_eq!(groups["groups"][1]["queues"], json!(["notes.taken"]));

    let (_, page) = desk.get("/admin/parked?limit=3").await;
    assert_eq!(page["parked"].as_array().unwrap().len(), 3);
    let (_, rest) = desk.get(&format!("/admin/parked?limit=3&after={}", page["next"])).await;
    assert_eq!(rest["parked"], json!([all[3]]));
    assert_eq!(rest["next"], json!(null));
    let fingerprint = all[3]["fingerprint"].as_str().unwrap().replace('/', "%2F");
    let (_, same) = desk.get(&format!("/admin/parked?fingerprint={fingerprint}")).await;
    assert_eq!(same["parked"][0]["message_id"], json!(note.id));
    let (_, of_saga) = desk.get(&format!("/admin/parked?saga={}", saga_of("a note"))).await;
    assert_eq!(of_saga["parked"].as_array().unwrap().len(), 1);
    for wrong in ["limit=0", "limit=1001", "state=lost", "saga=7", "fingerprint=%00"] {
        let (status, problem) = desk.get(&format!("/admin/parked?{wrong}")).await;
        assert_eq!((status, &problem["type"]), (400, &json!("urn:sagaforge:problem:invalid_parameter")), "{wrong}");
    }
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discarding_needs_a_token_and_a_reason_and_is_audited_once() {
    let desk = Running::start().await;
    desk.publish(b"rubbish").await;
    let id = desk.parked(1).await[0]["id"].clone();
    let path = format!("/admin/parked/{id}/discard");
    assert_eq!(desk.post_as_nobody(&path).await.0, 401);
    for reason in ["", "  ", "nul\0"] {
        assert_eq!(desk.post(&path, json!({"reason": reason})).await.0, 422, "{reason:?}");
    }
    assert_eq!(desk.parked(1).await.len(), 1, "nothing happened so far");
    let (status, message) = desk.post(&path, json!({"reason": "a test's rubbish"})).await;
    assert_eq!((status, &message["state"]), (200, &json!("discarded")));
    let (status, problem) = desk.post(&path, json!({"reason": "again"})).await;
    assert_eq!((status, &problem["state"]), (409, &json!("discarded")));
    assert_eq!(desk.post("/admin/parked/999/discard", json!({"reason": "x"})).await.0, 404);
    desk.parked(0).await;
    let (_, list) = desk.get("/admin/parked?state=discarded").await;
    assert_eq!(list["parked"][0]["id"], id);
    let rows = desk.database.connect().await.query("SELECT who, action, target, why FROM audit", &[]).await.unwrap();
    let audit: Vec<[String; 4]> = rows.iter().map(|row| std::array::from_fn(|n| row.get(n))).collect();
    assert_eq!(audit, [["tester", "discard", &format!("parked/{id}"), "a test's rubbish"].map(str::to_owned)]);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_of_a_saga_is_in_the_inbox_and_the_journal() {
    let desk = Running::start().await;
    let note = desk.publish_note("first").await;
    desk.publish_note("second").await;
    let saga = saga_of("first");
    let sent = desk.sent_for(saga).await;
    assert_eq!((sent.len(), &sent[0]["type"]), (1, &json!("NOTE_FILED")));
    let envelope = Message::parse(sent[0]["body"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!((envelope.causation_id, envelope.saga_id), (Some(note.id), Some(saga)));
    assert_eq!(json!(envelope.id), sent[0]["id"]);

    let (_, received) = desk.get(&format!("/admin/inbox?saga={saga}")).await;
    let received = received["messages"].as_array().unwrap();
    assert_eq!((received.len(), &received[0]["id"]), (1, &json!(note.id)));
    assert_eq!((&received[0]["consumer"], &received[0]["type"]), (&json!("notes.taken"), &json!("NOTE_TAKEN")));
    assert_eq!(desk.get("/admin/inbox").await.0, 400, "the inbox is asked for one saga");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_is_read_page_by_page_and_by_time() {
    let desk = Running::start().await;
    for n in 0..5 {
        desk.publish_note(&format!("note {n}")).await;
        desk.sent_for(saga_of(&format!("note {n}"))).await;
    }
    let (mut after, mut subjects) = (json!(0), Vec::new());
    while !after.is_null() {
        let (_, page) = desk.get(&format!("/admin/journal?limit=2&after_seq={after}")).await;
        let envelopes =
            page["messages"].as_array().unwrap().iter().map(|sent| sent["body"].as_str().unwrap().as_bytes());
        subjects.extend(envelopes.map(|body| Message::parse(body).unwrap().subject));
        after = page["next"].clone();
    }
    assert_eq!(subjects, ["note 0", "note 1", "note 2", "note 3", "note 4"]);
    let (_, all) = desk.get("/admin/journal").await;
    let third = all["messages"][2]["time"].as_str().unwrap();
    let count =
        async |query: &str| desk.get(&format!("/admin/journal?{query}")).await.1["messages"].as_array().unwrap().len();
    assert_eq!(count(&format!("from={third}")).await, 3);
    assert_eq!(count(&format!("until={third}")).await, 2);
    assert_eq!(count(&format!("from={third}&until={third}")).await, 0);
    assert_eq!(desk.get("/admin/journal?from=yesterday").await.0, 400);
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_finds_the_same_messages_whatever_offset_it_is_written_with() {
    let desk = Running::start().await;
    let note = desk.publish_note("far away").await;
    let sent = desk.sent_for(saga_of("far away")).await;
    let made = Time::parse(sent[0]["time"].as_str().unwrap(), &Rfc3339).unwrap();
    let written = |time: Time, offset: UtcOffset| time.to_offset(offset).format(&Rfc3339).unwrap();
    // Where it is tomorrow, and where it was yesterday, nearly all day.
    let from = written(made, offset!(+23:59)).replace('+', "%2B");
    let until = written(made + Duration::SECOND, offset!(-23:59));
    for span in [format!("from={from}"), format!("until={until}"), format!("from={from}&until={until}")] {
        let (_, list) = desk.get(&format!("/admin/journal?{span}")).await;
        assert_eq!(list["messages"], json!(sent), "{span}");
        let (_, extent) = desk.get(&format!("/admin/journal/extent?{span}")).await;
        assert_eq!(extent["messages"], 1, "{span}");
    }
    let message = json!({"id": note.id, "time": written(note.time, offset!(+23:59)), "key": "a key"});
    let (_, fates) = desk.post("/admin/fates", json!({"queue": "notes.taken", "messages": [message]})).await;
    assert_eq!(fates, json!({"fates": ["handled"]}));
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_utc_has_not_is_refused_and_the_first_and_the_last_that_it_has_are_taken() {
    let desk = Running::start().await;
    for path in ["/admin/journal", "/admin/journal/extent"] {
        for end in ["from", "until"] {
            for time in ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00%2B01:00", "0000-12-31T23:59:59Z"] {
                let (status, problem) = desk.get(&format!("{path}?{end}={time}")).await;
                let kind = &json!("urn:sagaforge:problem:invalid_parameter");
                assert_eq!((status, &problem["type"]), (400, kind), "{path} {end} {time}");
            }
            for time in ["9999-12-31T23:59:59Z", "9999-12-31T22:59:59-01:00", "0001-01-01T00:00:00Z"] {
                assert_eq!(desk.get(&format!("{path}?{end}={time}")).await.0, 200, "{path} {end} {time}");
            }
        }
    }
    let message = json!({"id": saga_of("x"), "time": "9999-12-31T23:59:59-01:00", "key": "a key"});
    let (_, fates) = desk.post("/admin/fates", json!({"queue": "notes.taken", "messages": [message]})).await;
    assert_eq!(fates, json!({"fates": ["unknown"]}), "no message has that time");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_is_verified_up_to_the_place_that_its_sequence_has_reached() {
    let desk = Running::start().await;
    desk.publish_note("verified").await;
    desk.sent_for(saga_of("verified")).await;
    // As after messages whose transactions were rolled back.
    desk.database.connect().await.execute("SELECT setval('journal_entries_seq_seq', 2500 * 16)", &[]).await.unwrap();
    let (mut query, mut looked) = (String::new(), Vec::new());
    loop {
        let (status, part) = desk.get(&format!("/admin/verify{query}")).await;
        assert_eq!(status, 200, "{part}");
        looked.push((part["messages"].clone(), part["next"].clone()));
        let Some(next) = part["next"].as_str() else { break };
        query = format!("?after={next}");
    }
    let parts = [json!("journal/16000"), json!("journal/32000"), json!(null)];
    assert_eq!(looked, [json!(1), json!(0), json!(0)].into_iter().zip(parts).collect::<Vec<_>>());
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_what_is_too_old_a_dry_run_knows_what_was_handled() {
    let desk = Running::start().await;
    let (handled, new) = (old(1, "handled"), old(2, "new"));
    was_handled(&desk.database.connect().await, &handled).await;
    let messages = [&handled, &new].map(|note| String::from_utf8(note.to_bytes()).unwrap());
    let (_, would) = desk.post("/admin/dry-run", json!({"queue": "notes.taken", "messages": messages})).await;
    let outcomes = [&would["outcomes"][0]["would"], &would["outcomes"][1]["would"]];
    assert_eq!(outcomes, [&json!("duplicate"), &json!("park")], "{would}");
    assert!(would["outcomes"][1]["why"].as_str().unwrap().starts_with("too_old"), "{would}");
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_ahead_and_back_needs_a_token_and_what_can_be_looked_for() {
    let desk = Running::start().await;
    let note = desk.publish_note("seen").await;
    desk.sent_for(saga_of("seen")).await;
    let seen = |key: &str| {
        let message = json!({"id": note.id, "time": "2026-11-20T12:00:00Z", "key": key});
        json!({"queue": "notes.taken", "messages": [message]})
    };
    for path in ["/admin/dry-run", "/admin/fates"] {
        assert_eq!(desk.post_as_nobody(path).await.0, 401, "{path}");
    }
    let came = json!({"queue": "notes.taken", "messages": [String::from_utf8(note.to_bytes()).unwrap(), "\0"]});
    let (status, would) = desk.post("/admin/dry-run", came).await;
    let outcomes = [&would["outcomes"][0]["would"], &would["outcomes"][1]["would"]];
    assert_eq!((status, outcomes), (200, [&json!("duplicate"), &json!("park")]), "{would}");
    assert_eq!(desk.post("/admin/fates", seen("a key")).await, (200, json!({"fates": ["unknown"]})));
    assert_eq!(desk.post("/admin/fates", seen("\0")).await.0, 422);
    desk.stop().await;
}
