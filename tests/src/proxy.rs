//! A wire that can be cut, slow or silent.

use std::{net::SocketAddr, time::Duration};

use pomost_broker::testing::address_of_our_own;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use url::Url;

/// How many bytes pass at a time.
const CHUNK: usize = 16 * 1024;

/// Passes connections on to a server, until the wire is cut.
pub struct Proxy {
    address: SocketAddr,
    server: String,
    flow: watch::Sender<Flow>,
    accepting: JoinHandle<()>,
}

/// How what is sent passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// At once.
    Free,
    /// Each chunk, either way, after so long.
    Slow(Duration),
    /// Not at all, while connections stay open, as where a network swallows packets.
    Silent,
}

impl Proxy {
    /// Listens on loopback and passes on to the server of a URL.
    pub async fn start(url: &str, default_port: u16) -> Proxy {
        let url = Url::parse(url).unwrap();
        let server = format!(
            "{}:{}",
            url.host_str().unwrap(),
            url.port().unwrap_or(default_port)
        );
        let address = address_of_our_own(default_port);
        let listener = TcpListener::bind(address).await.unwrap();
        let flow = watch::Sender::new(Flow::Free);
        let accepting = tokio::spawn(accept(listener, server.clone(), flow.subscribe()));
        Proxy {
            address,
            server,
            flow,
            accepting,
        }
    }

    /// The server's URL, by way of this.
    pub fn url(&self, url: &str) -> String {
        let mut url = Url::parse(url).unwrap();
        url.set_host(Some(&self.address.ip().to_string())).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    /// Has what is sent pass so from now on.
    pub fn set(&self, flow: Flow) {
        self.flow.send_replace(flow);
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
        self.accepting = tokio::spawn(accept(listener, self.server.clone(), self.flow.subscribe()));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: String, flow: watch::Receiver<Flow>) {
    // Dropped with this future, the set aborts the connections that are left.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => { connections.spawn(pass(client, server.clone(), flow.clone())); }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(client: TcpStream, server: String, flow: watch::Receiver<Flow>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::join!(
        carry(from_client, to_server, flow.clone()),
        carry(from_server, to_client, flow)
    );
}

/// Carries one direction to its end. A connection that breaks is for the two ends to notice.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut flow: watch::Receiver<Flow>) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        let now = *flow.borrow();
        match now {
            Flow::Free => {}
            Flow::Slow(pause) => tokio::time::sleep(pause).await,
            Flow::Silent => drop(flow.wait_for(|flow| *flow != Flow::Silent).await),
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            break;
        }
    }
}
