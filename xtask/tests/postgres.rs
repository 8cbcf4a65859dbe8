//! The embedded server, for real: it is made, filled, killed and started again.

use xtask::postgres::{Keep, Postgres};
use xtask::scratch::Scratch;

#[test]
fn a_database_is_there_again_after_the_server_was_killed() {
    let scratch = Scratch::new("postgres-test").unwrap();
    let mut postgres = Postgres::start(scratch.path(), Keep::Nothing).unwrap();
    let url = postgres.create_database("story").unwrap();
    assert!(url.ends_with("/story"), "{url}");
    postgres.process.kill().unwrap();
    assert!(postgres.create_database("unreachable").is_err());

    postgres.process.start().unwrap();
    let twice = postgres.create_database("story").unwrap_err().to_string();
    assert!(twice.contains("already exists"), "{twice}");

    postgres.process.pause().unwrap();
    assert!(postgres.create_database("frozen").is_err());
    postgres.process.resume().unwrap();
    postgres.create_database("thawed").unwrap();

    postgres.process.stop().unwrap();
    postgres.process.start().unwrap();
    assert!(postgres.create_database("thawed").is_err());
}
