//! A wire that can be cut.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use url::Url;

/// Passes connections on to a server, until the wire is cut.
pub struct Proxy {
    address: SocketAddr,
    server: String,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on loopback and passes on to the server of a URL.
    pub async fn start(url: &str, default_port: u16) -> Proxy {
        let url = Url::parse(url).unwrap();
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(default_port));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Proxy { address, accepting: tokio::spawn(accept(listener, server.clone())), server }
    }

    /// The server's URL, by way of this.
    pub fn url(&self, url: &str) -> String {
        let mut url = Url::parse(url).unwrap();
        url.set_host(Some(&self.address.ip().to_string())).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    /// Breaks all connections and refuses new ones.
    pub async fn cut(&mut self) {
        self.accepting.abort();
        // It ends by being aborted, which is what was asked for.
        let _ = (&mut self.accepting).await;
    }

    /// Takes connections again after [`Proxy::cut`].
    pub async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.accepting = tokio::spawn(accept(listener, self.server.clone()));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: String) {
    // Dropped with this future, the set aborts the connections that are left.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => { connections.spawn(pass(client, server.clone())); }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(mut client: TcpStream, server: String) {
    if let Ok(mut server) = TcpStream::connect(server).await {
        // A connection that breaks is for the two ends to notice.
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
