//! The embedded server, for real: it is made, filled, killed and started again.

use std::env::temp_dir;
use std::fs;
use std::process;

use xtask::cache::remove_all;
use xtask::postgres::{Keep, Postgres, has_data, remove_data};

#[test]
fn a_database_is_there_again_after_the_server_was_killed() {
    let folder = temp_dir().join(format!("weir-postgres-test-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    assert!(!has_data(&folder).unwrap());

    let mut postgres = Postgres::start(&folder, Keep::Nothing).unwrap();
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
    assert!(has_data(&folder).unwrap());
    remove_data(&folder).unwrap();
    remove_all(&folder).unwrap();
}
