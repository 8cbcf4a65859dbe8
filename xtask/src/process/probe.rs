//! Asking a program on this machine whether it answers.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::str;
use std::time::Duration;

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The start of an answer: `HTTP/1.1 200`.
const START_BYTES: usize = 12;

/// Whether somebody listens on the port.
pub fn listens(port: u16) -> bool {
    connect(port).is_some()
}

/// Whether `GET path` on the port answers 200.
pub fn answers(port: u16, path: &str) -> bool {
    status(port, path, "") == Some(200)
}

/// The status that `GET path` is answered with, given some header lines, each with its line end.
pub fn status(port: u16, path: &str, headers: &str) -> Option<u16> {
    let mut stream = connect(port)?;
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    let question = format!("GET {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).ok()?;
    let mut start = [0; START_BYTES];
    stream.read_exact(&mut start).ok()?;
    str::from_utf8(&start).ok()?.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

/// A connection that gives up in time.
pub(crate) fn connect(port: u16) -> Option<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn check(answer: &'static str, expect: bool) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        assert_eq!(answers(port, "/health"), expect);
        assert!(server.join().unwrap().starts_with("GET /health HTTP/1.1\r\n"));
    }

    #[test]
    fn only_200_is_a_yes() {
        check("HTTP/1.1 503 Service Unavailable\r\n\r\n", false);
        check("HTTP/1.1", false);
        check("", false);
        check("HTTP/1.1 200 OK\r\n\r\n", true);
    }
}
