//! A database that can be turned on.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use url::Url;

use super::url;

/// The database for tests at another port, where nothing listens until it is turned on.
pub(crate) struct SwitchedDatabase {
    port: u16,
}

impl SwitchedDatabase {
    pub(crate) async fn turned_off() -> SwitchedDatabase {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        SwitchedDatabase {
            port: listener.local_addr().unwrap().port(),
        }
    }

    pub(crate) fn url(&self) -> String {
        let mut url = Url::parse(&url()).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }

    pub(crate) async fn turn_on(&self) {
        let database = Url::parse(&url()).unwrap();
        let server = (
            database.host_str().unwrap().to_owned(),
            database.port().unwrap_or(5432),
        );
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
    }
}
