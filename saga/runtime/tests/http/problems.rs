//! Whatever goes wrong is a problem with the right status, and says what to do.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use saga_runtime::http::{Limits, app, problem};
use tokio::sync::Notify;

use super::alone::{TOKEN, application, ask, fetch, parts, routes, send};

#[tokio::test]
async fn a_body_is_refused_for_its_syntax_its_shape_or_its_type() {
    let app = application();
    for path in ["/notes", "/foreign"] {
        assert_eq!(send(&app, path, r#"{"text":"miso"}"#).await.json()["text"], "miso");
    }
    let detail = send(&app, "/notes", "{").await.assert_problem(400, "invalid_json");
    assert!(detail.contains("line 1"), "{detail}");
    let detail = send(&app, "/notes", "{}").await.assert_problem(422, "invalid_body");
    assert!(detail.contains("missing field `text`"), "{detail}");
    let detail = send(&app, "/notes", r#"["miso"]"#).await.assert_problem(422, "invalid_body");
    assert!(detail.contains("expected a JSON object"), "{detail}");
    let untyped = Request::post("/notes").body(Body::from("{}")).unwrap();
    ask(&app, untyped).await.assert_problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn extractors_that_are_not_ours_refuse_with_problems_too() {
    let app = application();
    send(&app, "/foreign", "{").await.assert_problem(400, "bad_request");
    let detail = send(&app, "/foreign", "{}").await.assert_problem(422, "invalid_body");
    assert!(detail.contains("missing field `text`"), "{detail}");
    send(&app, "/foreign", vec![b' '; 2_000_000]).await.assert_problem(413, "too_large");
}

#[tokio::test]
async fn parameters_are_named_when_they_do_not_fit() {
    let app = application();
    assert_eq!(fetch(&app, "/notes/7").await.text, "7");
    fetch(&app, "/notes/seven").await.assert_problem(400, "invalid_parameter");
    let detail = fetch(&app, "/pages?page=x").await.assert_problem(400, "invalid_parameter");
    assert!(detail.contains("page"), "{detail}");
    fetch(&app, "/pages").await.assert_problem(400, "invalid_parameter");
}

#[tokio::test]
async fn a_body_may_have_a_mebibyte_and_no_more() {
    let app = application();
    assert_eq!(send(&app, "/raw", vec![0; 1024 * 1024]).await.text, "1048576");
    send(&app, "/raw", vec![0; 1024 * 1024 + 1]).await.assert_problem(413, "too_large");
    // Without a length that would tell beforehand.
    let chunks = (0..1025).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1024])));
    let streamed = || Body::from_stream(futures_util::stream::iter(chunks.clone()));
    send(&app, "/raw", streamed()).await.assert_problem(413, "too_large");
    send(&app, "/notes", streamed()).await.assert_problem(413, "too_large");
}

#[tokio::test]
async fn nowhere_and_not_like_this() {
    let app = application();
    fetch(&app, "/nowhere").await.assert_problem(404, "not_found");
    let answer = fetch(&app, "/notes").await;
    answer.assert_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST");
    // A status that has no problem of ours is still a problem.
    let teapot = ask(&app, Request::delete("/panic").body(Body::empty()).unwrap()).await;
    assert_eq!((teapot.status, teapot.json()["type"].as_str()), (418, Some("about:blank")));
}

#[tokio::test]
async fn what_broke_inside_stays_inside() {
    let app = application();
    let answer = fetch(&app, "/panic").await;
    assert_eq!(answer.assert_problem(500, "internal"), "");
    assert!(!answer.text.contains("cat"), "{}", answer.text);
    let answer = fetch(&app, "/broken").await;
    assert_eq!(answer.status, 502);
    assert!(!answer.text.contains("hunter2"), "{}", answer.text);
}

#[tokio::test]
async fn a_problem_carries_what_its_kind_adds() {
    let answer = fetch(&application(), "/taken").await;
    assert_eq!(answer.assert_problem(409, "conflict"), "pet 7 is taken");
    assert_eq!(answer.json()["pet"], 7);
}

#[tokio::test]
async fn a_token_opens_and_its_name_is_known() {
    let app = application();
    let with = |header: &str| Request::post("/secret").header("authorization", header).body(Body::empty()).unwrap();
    assert_eq!(ask(&app, with(&format!("Bearer {TOKEN}"))).await.text, "anna");
    for header in ["Bearer wrong", "Bearer", &format!("Basic {TOKEN}"), ""] {
        let answer = ask(&app, with(header)).await;
        answer.assert_problem(401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_in_time() {
    let limits = Limits { timeout: Duration::from_millis(30), ..Limits::default() };
    let app = app(parts(limits), routes(Arc::default()));
    let detail = fetch(&app, "/wait").await.assert_problem(503, "timeout");
    assert_eq!(detail, "no answer within 30ms");
}

#[tokio::test]
async fn what_is_too_much_is_sent_away_and_health_is_not() {
    let go_on = Arc::new(Notify::new());
    let limits = Limits { concurrency: 2, ..Limits::default() };
    let app = app(parts(limits), routes(Arc::clone(&go_on)));
    let waiting: Vec<_> =
        (0..2).map(|_| app.clone()).map(|app| tokio::spawn(async move { fetch(&app, "/wait").await })).collect();
    let answer = saga_runtime::testing::eventually("the desk is full", Duration::from_secs(5), async || {
        let answer = fetch(&app, "/notes/7").await;
        (answer.status != 200).then_some(answer)
    });
    let answer = answer.await;
    answer.assert_problem(503, "overloaded");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(fetch(&app, "/healthz").await.status, 200);
    go_on.notify_waiters();
    for one in waiting {
        assert_eq!(one.await.unwrap().status, 200, "whoever was let in is served");
    }
    assert_eq!(fetch(&app, "/notes/7").await.status, 200);
}

#[tokio::test]
async fn every_answer_tells_browsers_and_caches_to_keep_off_and_has_an_id() {
    let app = application();
    for path in ["/notes/7", "/nowhere", "/healthz", "/openapi.json", "/panic"] {
        let answer = fetch(&app, path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
    }
    let named = Request::get("/healthz").header("x-request-id", "mine").body(Body::empty()).unwrap();
    assert_eq!(ask(&app, named).await.header("x-request-id"), "mine");
}

#[test]
fn kinds_have_a_name_each_and_say_what_to_do() {
    let mut names: Vec<_> = problem::ALL.iter().map(|kind| kind.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), problem::ALL.len());
    assert!(problem::ALL.iter().all(|kind| kind.remedy.ends_with('.') && kind.status.as_u16() >= 400));
}
