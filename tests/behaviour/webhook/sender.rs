//! A source that delivers.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// The token of the project's `.env`.
pub(super) const TOKEN: &str = "secret-of-the-tests";

/// A source that delivers to an address.
#[derive(Debug, Clone)]
pub(super) struct DeliverySender {
    pub(super) address: SocketAddr,
}

/// The response to a delivery.
#[derive(Debug)]
pub(super) struct DeliveryResponse {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl DeliverySender {
    /// Delivers with these headers beside the token, unless they bring another.
    pub(super) async fn deliver(&self, headers: &[(&str, &str)], body: &str) -> DeliveryResponse {
        DeliveryResponse::of(&self.exchange(head_and_body(headers, body).as_bytes()).await)
    }

    pub(super) async fn deliver_in_chunks(&self, body: &str) -> DeliveryResponse {
        let (first, second) = body.split_at(body.len() / 2);
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let chunks = format!(
            "Transfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n",
            chunk(first),
            chunk(second)
        );
        DeliveryResponse::of(
            &self
                .exchange(format!("{}{chunks}", head(&[])).as_bytes())
                .await,
        )
    }

    /// Delivers bodies under ids all at once; returns the status of each.
    pub(super) async fn deliver_at_once(
        &self,
        deliveries: impl Iterator<Item = (String, String)>,
    ) -> Vec<String> {
        let mut delivering = JoinSet::new();
        for (id, body) in deliveries {
            let sender = self.clone();
            delivering.spawn(async move {
                sender
                    .deliver(&[("X-Id", &id)], &body)
                    .await
                    .status_text()
                    .to_owned()
            });
        }
        delivering.join_all().await
    }

    /// Sends the bytes of a request; returns what comes back until the connection ends.
    pub(super) async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // Whoever is refused may find the connection closed while it is still sending.
        let _ = stream.write_all(request).await;
        read(&mut stream).await
    }

    /// Sends the bytes of a request and closes its half of the connection.
    pub(super) async fn exchange_and_leave(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let _ = stream.write_all(request).await;
        let _ = stream.shutdown().await;
        read(&mut stream).await
    }

    /// True where connections are accepted.
    pub(super) async fn connects(&self) -> bool {
        TcpStream::connect(self.address).await.is_ok()
    }
}

/// A delivery with these headers beside the token, unless they bring another.
pub(super) fn head_and_body(headers: &[(&str, &str)], body: &str) -> String {
    format!(
        "{}Content-Length: {}\r\n\r\n{body}",
        head(headers),
        body.len()
    )
}

fn head(headers: &[(&str, &str)]) -> String {
    let has_token = headers.iter().any(|(name, _)| *name == "X-Token");
    let token = if has_token {
        None
    } else {
        Some(&("X-Token", TOKEN))
    };
    let lines = headers
        .iter()
        .chain(token)
        .map(|(name, value)| format!("{name}: {value}\r\n"));
    format!(
        "POST /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}",
        lines.collect::<String>()
    )
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

impl DeliveryResponse {
    pub(super) fn of(text: &str) -> DeliveryResponse {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        DeliveryResponse {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .next()
    }

    /// The status in the response to a delivery that was accepted: `taken` or `repeated`.
    pub(super) fn status_text(&self) -> &str {
        match (self.body.contains("taken"), self.body.contains("repeated")) {
            (true, false) => "taken",
            (false, true) => "repeated",
            _ => panic!("{self:?}"),
        }
    }

    pub(super) fn error(&self) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        body["error"].as_str().unwrap().to_owned()
    }
}
