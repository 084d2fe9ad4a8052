//! Requests of a test's own.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

/// The status and the body of what a server answers to a request with these header lines.
pub(crate) async fn ask(method: &str, url: &str, headers: &str, body: &str) -> (u16, String) {
    let url = Url::parse(url).unwrap();
    let address = (url.host_str().unwrap().to_owned(), url.port().unwrap());
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "{method} {} HTTP/1.0\r\n{headers}Content-Length: {}\r\n\r\n",
        url.path(),
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}
