//! Answers that are read as they come.

use std::time::Duration;

use async_compression::tokio::write::GzipEncoder;
use futures_util::TryStreamExt;
use pomost_http::{FailureClass, ManualClock, StreamLimits};
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::support::{Authority, FakeServer, Reply, SystemFile, by, things};

/// A body that is not read at once.
fn long() -> String {
    format!("[1,{}", " ".repeat(2 << 20))
}

#[tokio::test]
async fn an_answer_is_there_before_its_end() {
    let server = FakeServer::start(|_| Reply::of(200, long()).that_never_ends()).await;
    let client = SystemFile::at(&server.url)
        .with("read_timeout: 500ms")
        .lone()
        .await;
    let mut streamed = client
        .send_streaming(things(&server.url), StreamLimits::default())
        .await
        .unwrap();
    assert_eq!(streamed.status, 200);
    let (mut came, mut silent) = (0, None);
    while silent.is_none() {
        match streamed.try_next().await {
            Ok(chunk) => came += chunk.unwrap().len(),
            Err(failure) => silent = Some(failure),
        }
    }
    assert_eq!(came, long().len());
    let silent = silent.unwrap();
    assert_eq!(silent.class, FailureClass::Transient);
    assert!(
        silent.message.starts_with("shop: GET /things: "),
        "{silent}"
    );
}

#[tokio::test]
async fn a_long_answer_is_read_without_a_limit_and_by_one_cut_off() {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(&vec![b' '; 80 << 20]).await.unwrap();
    encoder.shutdown().await.unwrap();
    let compressed = encoder.into_inner();
    let server = FakeServer::start(move |_| {
        Reply::of(200, compressed.clone()).with("content-encoding", "gzip")
    })
    .await;
    let client = SystemFile::at(&server.url).lone().await;
    let length = async |limits| {
        let mut streamed = client
            .send_streaming(things(&server.url), limits)
            .await
            .unwrap();
        let mut length = 0;
        while let Some(chunk) = streamed.try_next().await? {
            assert!(chunk.len() <= 1 << 20);
            length += chunk.len();
        }
        Ok::<_, pomost_http::Failure>(length)
    };
    assert_eq!(length(StreamLimits::default()).await.unwrap(), 80 << 20);
    let limits = StreamLimits {
        max_bytes: Some(1 << 20),
        timeout: None,
    };
    assert!(
        length(limits)
            .await
            .unwrap_err()
            .message
            .contains("longer than 1 MiB")
    );
}

#[tokio::test]
async fn all_of_a_stream_may_have_a_time_out() {
    let server = FakeServer::start(|_| Reply::of(200, long()).that_never_ends()).await;
    let client = SystemFile::at(&server.url).lone().await;
    let limits = StreamLimits {
        max_bytes: None,
        timeout: Some(Duration::from_millis(300)),
    };
    let streamed = client
        .send_streaming(things(&server.url), limits)
        .await
        .unwrap();
    let failure = timeout(Duration::from_secs(20), streamed.try_collect::<Vec<_>>())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(failure.class, FailureClass::Transient);
}

#[tokio::test]
async fn a_short_answer_is_read_at_once_and_in_flight_no_longer() {
    let server = FakeServer::start(|_| Reply::of(200, "[]")).await;
    let client = SystemFile::at(&server.url)
        .with("concurrency: 1")
        .lone()
        .await;
    let first = client
        .send_streaming(things(&server.url), StreamLimits::default())
        .await
        .unwrap();
    client
        .send_streaming(things(&server.url), StreamLimits::default())
        .await
        .unwrap();
    assert_eq!(first.try_collect::<Vec<_>>().await.unwrap().concat(), b"[]");
}

#[tokio::test]
async fn time_in_which_nobody_asks_for_more_is_no_silence() {
    let server = FakeServer::start(|_| Reply::of(200, long())).await;
    let clock = ManualClock::default();
    let client = SystemFile::at(&server.url)
        .with("read_timeout: 20s")
        .lone_with(&by(&clock))
        .await;
    let streamed = client
        .send_streaming(things(&server.url), StreamLimits::default())
        .await
        .unwrap();
    clock.advance(Duration::from_secs(50));
    let body = streamed.try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!(body.len(), long().len());
}

#[tokio::test]
async fn a_long_answer_that_is_being_read_keeps_no_other_request_waiting() {
    let server = FakeServer::start(|_| Reply::of(200, long()).that_never_ends()).await;
    let client = SystemFile::at(&server.url)
        .with("concurrency: 1")
        .lone()
        .await;
    let _first = client
        .send_streaming(things(&server.url), StreamLimits::default())
        .await
        .unwrap();
    client
        .send_streaming(things(&server.url), StreamLimits::default())
        .await
        .unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_short_answer_that_never_ends_has_the_system_s_time_out() {
    let server = FakeServer::start(|_| Reply::of(200, "[1,").that_never_ends()).await;
    let client = SystemFile::at(&server.url)
        .with("timeout: 300ms\nread_timeout: 5m")
        .lone()
        .await;
    let opening = client.send_streaming(things(&server.url), StreamLimits::default());
    let failure = timeout(Duration::from_secs(20), opening)
        .await
        .unwrap()
        .err()
        .unwrap();
    assert_eq!(failure.class, FailureClass::Transient);
    assert!(
        failure.message.contains("no answer within 0.3 s"),
        "{failure}"
    );
}

#[tokio::test]
async fn an_answer_that_fails_is_judged_as_a_whole_one() {
    let server = FakeServer::start(|_| Reply::of(429, "too many").with("retry-after", 7)).await;
    let client = SystemFile::at(&server.url).lone().await;
    let failure = client
        .send_streaming(things(&server.url), StreamLimits::default())
        .await
        .err()
        .unwrap();
    assert_eq!(
        (failure.class, failure.answer.as_str()),
        (FailureClass::Throttled, "too many")
    );
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_rule_that_looks_into_the_body_is_heeded_before_the_stream_is_there() {
    let server = FakeServer::start(|seen| match seen.query_text.as_str() {
        "" => Reply::of(200, r#"{"error":"no"}"#),
        _ => Reply::of(200, r#"{"rows":[]}"#),
    })
    .await;
    let rule = "answers:\n- { status: 200, when: '.body.error != null', means: transient }";
    let client = SystemFile::at(&server.url).with(rule).lone().await;
    let failure = client
        .send_streaming(things(&server.url), StreamLimits::default())
        .await
        .err()
        .unwrap();
    assert_eq!(failure.class, FailureClass::Transient);
    let mut good = things(&server.url);
    good.url.set_query(Some("good"));
    let chunks: Vec<_> = client
        .send_streaming(good, StreamLimits::default())
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(chunks.concat(), br#"{"rows":[]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_refused_is_opened_under_new_tokens() {
    let authority = Authority::start(1).await;
    let client = authority.system().lone().await;
    for _ in 0..2 {
        client
            .send_streaming(things(&authority.url), StreamLimits::default())
            .await
            .unwrap();
    }
    assert_eq!(
        (authority.standing().issued, authority.standing().served),
        (2, 2)
    );
}
