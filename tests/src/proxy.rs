//! A connection that a test can cut, slow down or silence.

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

/// Number of bytes that pass at a time.
const CHUNK_BYTES: usize = 16 * 1024;

/// Passes connections on to a server until it is cut.
pub struct Proxy {
    address: SocketAddr,
    server: String,
    state: watch::Sender<WireState>,
    accepting: JoinHandle<()>,
}

/// The way in which bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireState {
    /// They pass at once.
    Open,
    /// Each chunk passes after this time, in both directions.
    Slow(Duration),
    /// Nothing passes while connections stay open, as where a network swallows packets.
    Silent,
    /// Requests reach the server, and its responses are held back.
    ResponsesHeld,
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
        let state = watch::Sender::new(WireState::Open);
        let accepting = tokio::spawn(accept(listener, server.clone(), state.subscribe()));
        Proxy {
            address,
            server,
            state,
            accepting,
        }
    }

    /// The server's URL with the address of the proxy.
    pub fn url(&self, url: &str) -> String {
        let mut url = Url::parse(url).unwrap();
        url.set_host(Some(&self.address.ip().to_string())).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    /// Changes the way in which bytes pass.
    pub fn set(&self, state: WireState) {
        self.state.send_replace(state);
    }

    /// Breaks all connections and refuses new ones, like a server that is away.
    pub async fn cut(&mut self) {
        self.accepting.abort();
        // It ends by being aborted, which is what was asked for.
        let _ = (&mut self.accepting).await;
    }

    /// Accepts connections again after [`Proxy::cut`].
    pub async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.accepting = tokio::spawn(accept(
            listener,
            self.server.clone(),
            self.state.subscribe(),
        ));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: String, state: watch::Receiver<WireState>) {
    // Dropped with this future, the set aborts the connections that are left.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => { connections.spawn(pass(client, server.clone(), state.clone())); }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(client: TcpStream, server: String, state: watch::Receiver<WireState>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // Small requests and responses are not to wait for acknowledgements; failing is no harm.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::join!(
        carry(from_client, to_server, state.clone(), |state| {
            state == WireState::Silent
        }),
        carry(from_server, to_client, state, |state| {
            matches!(state, WireState::Silent | WireState::ResponsesHeld)
        }),
    );
}

/// Carries one direction to its end. A connection that breaks is for the two ends to notice.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<WireState>,
    is_held: fn(WireState) -> bool,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        let now = *state.borrow();
        match now {
            WireState::Slow(pause) => tokio::time::sleep(pause).await,
            now if is_held(now) => drop(state.wait_for(|state| !is_held(*state)).await),
            _ => {}
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            break;
        }
    }
}
