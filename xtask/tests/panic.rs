//! What is alive after the Worker died: everything but the calls that were running.
//!
//! The product's shim around a Worker that panics when asked to, on the real runtime.
#![expect(clippy::unwrap_used, reason = "what a test cannot set up, it fails at")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use xtask::edge::build::{Mode, build_package};
use xtask::process::{Process, port, probe};
use xtask::project;
use xtask::scratch::Scratch;
use xtask::tools::npm::npm;

struct Worker {
    port: u16,
    // Dropped in this order.
    _process: Process,
    _scratch: Scratch,
}

impl Worker {
    fn start() -> Self {
        let scratch = Scratch::new("panic-test").unwrap();
        let folder = scratch.path();
        for part in ["edge", "journals"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        // Kept, so that only the first run in a checkout has to optimise it.
        let built = project::root().join("target/panicking");
        build_package("panicking", &built, Mode::Worker).unwrap();
        symlink(&built, folder.join("build")).unwrap();
        let config = "edge/workerd.capnp";
        fs::copy(project::root().join(config), folder.join(config)).unwrap();

        let port = port::free().unwrap();
        let mut command = Command::new(npm().unwrap().workerd());
        command
            .arg("serve")
            .arg(folder.join(config))
            .arg(format!("--socket-addr=http=127.0.0.1:{port}"))
            .arg(format!("--directory-path=journals={}", folder.join("journals").display()));
        let ready = move || probe::answers(port, "/health");
        let mut process = Process::new("panicking", command, &folder.join("log"), ready);
        process.start().unwrap();
        Self { port, _process: process, _scratch: scratch }
    }

    /// Status and body of an answer.
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        // A call that nobody answers must not look like a test that takes long.
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: worker\r\n\r\n").unwrap();
        // The runtime keeps the connection open, so the body's length says where it ends.
        let mut answer = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(answer.read_line(&mut head).unwrap() > 0, "cut off after {head}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        answer.read_exact(&mut body).unwrap();
        (status, String::from_utf8(body).unwrap())
    }

    fn rows(&self) -> (u16, String) {
        self.get("/rpc/add")
    }
}

#[test]
fn a_panic_costs_the_calls_that_were_running_and_nothing_else() {
    let worker = Worker::start();
    assert_eq!(worker.rows(), (200, "1 rows".to_owned()));

    for how in ["/panic", "/panic-later", "/overflow"] {
        let (status, body) = worker.get(how);
        assert_eq!(status, 500, "{how}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(body["code"].as_u64() > Some(0) && body["error"]["code"].is_string(), "{body}");
        assert_eq!(worker.get("/health"), (200, "alive".to_owned()), "after {how}");
        assert_eq!(worker.get("/object/health").0, 200, "after {how}");
    }
    assert_eq!(worker.rows(), (200, "2 rows".to_owned()));

    assert_eq!(worker.get("/object/panic").0, 500);
    assert_eq!(worker.rows(), (200, "3 rows".to_owned()));

    // A method that fails half-way has stored nothing of it.
    for (how, status) in [("/rpc/error", 400), ("/rpc/panic", 500), ("/rpc/overflow", 500)] {
        assert_eq!(worker.get(how).0, status, "{how}");
        assert_eq!(worker.get("/health").0, 200, "after {how}");
    }
    assert_eq!(worker.rows(), (200, "4 rows".to_owned()));
}
