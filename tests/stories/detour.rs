//! A way between two parts on which things go wrong: it drops, delays, halves, or lets nothing through.
//!
//! # Bounds
//! A piece of at most [`PIECE_BYTES_MAX`] is under way in each direction of a connection.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How many bytes are passed on in one piece.
const PIECE_BYTES_MAX: usize = 16 << 10;

/// What becomes of what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is passed on.
    Open,
    /// Connections are closed, those that are there and those that come.
    Dropped,
    /// Each piece is passed on so much later.
    Slow(Duration),
    /// Half of the next piece is passed on, then the connection is closed.
    Halved,
    /// Connections stay open, and nothing is passed on.
    Blocked,
    /// Connections that are there go on; those that come wait.
    Held,
}

/// A port of this machine behind which somebody passes on what comes.
pub(crate) struct Detour {
    pub(crate) port: u16,
    way: watch::Sender<Way>,
    /// How many connections are passed on.
    carried: watch::Receiver<usize>,
}

impl Detour {
    /// A way from `port` to `to`, both on this machine. It is there until it is dropped.
    pub(crate) async fn open(port: u16, to: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (way, watched) = watch::channel(Way::Open);
        let (carrying, carried) = watch::channel(0);
        tokio::spawn(serve(listener, to, watched, carrying));
        Self { port, way, carried }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Lets nobody in any more, and waits until those who are in have left.
    pub(crate) async fn hold(&mut self) {
        self.set(Way::Held);
        self.carried.wait_for(|carried| *carried == 0).await.unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn serve(
    listener: TcpListener,
    to: u16,
    mut way: watch::Receiver<Way>,
    carrying: watch::Sender<usize>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Nobody holds the detour any more.
            Err(_) = way.wait_for(|_| false) => return,
        };
        let Ok((near, _)) = accepted else { continue };
        let (mut way, carrying) = (way.clone(), carrying.clone());
        tokio::spawn(async move {
            if way.wait_for(|way| *way != Way::Held).await.is_err() {
                return;
            }
            carrying.send_modify(|carried| *carried += 1);
            pass_on(near, to, way).await;
            carrying.send_modify(|carried| *carried -= 1);
        });
    }
}

async fn pass_on(near: TcpStream, to: u16, way: watch::Receiver<Way>) {
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else { return };
    // Small pieces must not be gathered by the kernel.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    // When one direction is cut, so is the other.
    tokio::select! {
        () = carry(near_in, far_out, way.clone()) => {}
        () = carry(far_in, near_out, way) => {}
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: watch::Receiver<Way>,
) {
    let mut piece = vec![0; PIECE_BYTES_MAX];
    loop {
        let count = tokio::select! {
            read = from.read(&mut piece) => read.unwrap_or(0),
            _ = way.wait_for(|way| *way == Way::Dropped) => return,
        };
        let now = *way.borrow_and_update();
        let passed = match now {
            _ if count == 0 => return,
            Way::Open | Way::Held => count,
            Way::Dropped => return,
            Way::Slow(by) => {
                tokio::time::sleep(by).await;
                count
            }
            Way::Halved => count / 2,
            Way::Blocked => {
                if way.wait_for(|way| *way != Way::Blocked).await.is_err() {
                    return;
                }
                count
            }
        };
        if to.write_all(&piece[..passed]).await.is_err() || passed < count {
            return;
        }
    }
}
