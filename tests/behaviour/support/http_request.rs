//! Requests that a test sends itself.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

/// Sends a request with these header lines; returns the status and the body of the response.
pub(crate) async fn send_request(
    method: &str,
    url: &str,
    headers: &str,
    body: &str,
) -> (u16, String) {
    try_to_send(method, url, headers, body).await.unwrap()
}

/// Sends a request to a server that may be gone.
pub(crate) async fn try_to_send(
    method: &str,
    url: &str,
    headers: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    let url = Url::parse(url).unwrap();
    let address = (url.host_str().unwrap().to_owned(), url.port().unwrap());
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "{method} {} HTTP/1.0\r\n{headers}Content-Length: {}\r\n\r\n",
        url.path(),
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    let mut response = String::new();
    stream.read_to_string(&mut response).await?;
    let (head, body) = response
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    ))
}
