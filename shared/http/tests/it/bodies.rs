//! Bodies of answers: compressed, too long, damaged.

use std::time::Duration;

use async_compression::tokio::write::{GzipEncoder, ZlibEncoder, ZstdEncoder};
use http::Method;
use pomost_http::{FailureClass, OutgoingRequest};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::support::{FakeServer, Reply, SystemFile, things};

const MIB: usize = 1 << 20;

async fn compressed(coding: &str, body: &[u8]) -> Vec<u8> {
    async fn written(mut encoder: impl AsyncWrite + Unpin, body: &[u8]) {
        encoder.write_all(body).await.unwrap();
        encoder.shutdown().await.unwrap();
    }
    let mut bytes = Vec::new();
    match coding {
        "gzip" => written(GzipEncoder::new(&mut bytes), body).await,
        "deflate" => written(ZlibEncoder::new(&mut bytes), body).await,
        _ => written(ZstdEncoder::new(&mut bytes), body).await,
    }
    bytes
}

async fn answering(reply: Reply) -> (FakeServer, SystemFile) {
    let server = FakeServer::start(move |_| reply.clone()).await;
    let system = SystemFile::at(&server.url).with("max_answer: 1MiB");
    (server, system)
}

#[tokio::test]
async fn what_is_asked_for_compressed_is_read() {
    let body = "{\"name\":\"żółw\"}".repeat(10_000);
    for coding in ["gzip", "deflate", "zstd"] {
        let reply = Reply::of(200, compressed(coding, body.as_bytes()).await)
            .with("content-encoding", coding);
        let (server, system) = answering(reply).await;
        let answer = system.lone().await.send(things(&server.url)).await.unwrap();
        assert!(answer.body == body, "{coding}");
        assert!(
            server.requests()[0]
                .header("accept-encoding")
                .contains(coding)
        );
    }
}

#[tokio::test]
async fn an_answer_of_several_members_is_read_to_its_end() {
    for coding in ["gzip", "zstd"] {
        let parts = [
            compressed(coding, b"[1,").await,
            compressed(coding, b"2]").await,
        ]
        .concat();
        let (server, system) =
            answering(Reply::of(200, parts).with("content-encoding", coding)).await;
        assert_eq!(
            system
                .lone()
                .await
                .send(things(&server.url))
                .await
                .unwrap()
                .body,
            "[1,2]"
        );
    }
}

#[tokio::test]
async fn an_answer_may_be_as_long_as_allowed_and_no_longer() {
    for (length, fits) in [(MIB, true), (MIB + 1, false)] {
        let (server, system) = answering(Reply::of(200, vec![b'1'; length])).await;
        let outcome = system.lone().await.send(things(&server.url)).await;
        assert_eq!(outcome.is_ok(), fits, "{length}");
        if let Err(failure) = outcome {
            assert_eq!(failure.class, FailureClass::Invalid);
            assert!(failure.message.contains("longer than 1 MiB"), "{failure}");
        }
    }
}

#[tokio::test]
async fn a_small_answer_that_decompresses_to_a_long_one_is_cut_off() {
    for coding in ["gzip", "deflate", "zstd"] {
        let bomb = compressed(coding, &vec![b' '; 64 * MIB]).await;
        assert!(bomb.len() < MIB, "{coding}: {}", bomb.len());
        let (server, system) =
            answering(Reply::of(200, bomb).with("content-encoding", coding)).await;
        let failure = system.failure_at(&server.url).await;
        assert!(
            failure.message.contains("longer than 1 MiB"),
            "{coding}: {failure}"
        );
    }
}

#[tokio::test]
async fn a_long_answer_that_decompresses_to_nothing_is_cut_off() {
    let nothing = compressed("gzip", b"").await;
    let reply =
        Reply::of(200, nothing.repeat(2 * MIB / nothing.len())).with("content-encoding", "gzip");
    let (server, system) = answering(reply).await;
    let failure = system.failure_at(&server.url).await;
    assert!(failure.message.contains("longer than 1 MiB"), "{failure}");
}

#[tokio::test]
async fn a_damaged_answer_is_asked_for_again() {
    for coding in ["gzip", "deflate", "zstd"] {
        let whole = compressed(coding, b"{\"a\":1}").await;
        for damaged in [b"{\"a\":1}".to_vec(), whole[..whole.len() / 2].to_vec()] {
            let (server, system) =
                answering(Reply::of(200, damaged).with("content-encoding", coding)).await;
            let failure = system.failure_at(&server.url).await;
            assert_eq!(
                failure.class,
                FailureClass::Transient,
                "{coding}: {failure}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_in_a_coding_that_nobody_asked_for_is_refused_by_name() {
    let (server, system) = answering(Reply::of(200, "x").with("content-encoding", "br")).await;
    let failure = system.failure_at(&server.url).await;
    assert!(failure.message.contains("compressed by 'br'"), "{failure}");
}

#[tokio::test]
async fn an_answer_without_a_body_has_no_coding() {
    let (server, system) = answering(Reply::of(200, "").with("content-encoding", "gzip")).await;
    let head = OutgoingRequest {
        method: Method::HEAD,
        ..things(&server.url)
    };
    assert!(
        system
            .lone()
            .await
            .send(head)
            .await
            .unwrap()
            .body
            .is_empty()
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_to_its_end_is_given_up() {
    for limit in ["timeout: 300ms", "read_timeout: 300ms"] {
        let (server, system) = answering(Reply::of(200, "{").that_never_ends()).await;
        let began = std::time::Instant::now();
        let failure = system
            .with(limit)
            .lone()
            .await
            .send(things(&server.url))
            .await
            .unwrap_err();
        assert_eq!(failure.class, FailureClass::Transient, "{limit}: {failure}");
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{limit}: {:?}",
            began.elapsed()
        );
    }
}
