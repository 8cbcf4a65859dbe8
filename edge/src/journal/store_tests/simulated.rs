//! The object's real SQL under the simulation of the whole path, with every fault of it.
//!
//! The same worlds are lived over the simulation's own storage in memory, too: what becomes of them may not
//! depend on where a journal is stored.

use std::cell::RefCell;
use std::rc::Rc;

use rusqlite::Connection;
use rusqlite::backup::Backup;
use sim::plan::Plan;
use sim::run::{live, live_over};
use sim::shelf::{Opened, Shelf};

use crate::journal::sql::{Sql, SqlError, Value};
use crate::journal::store::Store;

use super::native::database;

/// One object's storage. A clone is the same one.
#[derive(Clone)]
struct Disk(Rc<RefCell<Connection>>);

impl Sql for Disk {
    fn run(&self, statement: &str, values: &[Value]) -> Result<Vec<Vec<Value>>, SqlError> {
        (&*self.0.borrow()).run(statement, values)
    }
}

impl Disk {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(database())))
    }

    fn execute(&self, statement: &str) {
        self.0.borrow().execute_batch(statement).unwrap();
    }
}

fn copied(from: &Connection) -> Connection {
    let mut to = database();
    Backup::new(from, &mut to).unwrap().step(-1).unwrap();
    to
}

impl Shelf for Disk {
    type Store = Store<Self>;
    type Copy = Connection;

    fn open(&self, new_epoch: &str) -> Result<Opened<Store<Self>>, String> {
        let opened = Store::open(self.clone(), || new_epoch.to_owned());
        let (store, epoch) = opened.map_err(|error| error.to_string())?;
        let (stored, next) = store.load().map_err(|error| error.to_string())?;
        Ok(Opened { store, epoch, stored, next })
    }

    fn begin(&self) {
        self.execute("BEGIN");
    }

    fn commit(&self) {
        self.execute("COMMIT");
    }

    fn roll_back(&self) {
        self.execute("ROLLBACK");
    }

    fn copy(&self) -> Connection {
        copied(&self.0.borrow())
    }

    fn restore(&self, copy: &Connection) {
        self.0.replace(copied(copy));
    }

    fn lose(&self) {
        self.0.replace(database());
    }
}

#[track_caller]
fn check(seeds: std::ops::Range<u64>, calls: usize) {
    for seed in seeds {
        let plan = Plan::draw(seed, calls);
        let lived = live_over(&plan, None, |_| Disk::new());
        assert_eq!(lived.broken, None, "seed {seed}");
        assert_eq!(lived.tally, live(&plan, None).tally, "seed {seed}");
    }
}

#[test]
fn nothing_is_lost_and_nothing_is_doubled_over_the_objects_own_sql() {
    check(1..17, 300);
}

/// Of some thousand calls each journal makes marks, and deletes what was posted and is old.
#[test]
fn nothing_is_lost_and_nothing_is_doubled_over_marks_that_the_object_stored() {
    check(1..3, 4_000);
}
