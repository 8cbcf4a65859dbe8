//! `weir admin`: who may sign in.

use std::io::{self, BufRead as _, Read as _};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::audit::Actor;
use crate::clock;
use crate::config::DatabaseSettings;
use crate::database;
use crate::error::Error;
use crate::person::password::{self, Hashed, PASSWORD_BYTES_MAX};
use crate::person::role::Role;
use crate::person::{self, PersonRow};

use super::Answer;
use super::answer::table;

/// What can be done about people.
#[derive(Subcommand)]
pub(super) enum AdminCommand {
    /// Add somebody; their password is made and printed once unless it is given
    Add(Add),
    /// Set somebody's password and end their sessions
    Passwd(Passwd),
    /// List who may sign in
    List(DatabaseSettings),
    /// Remove somebody; their sessions end at once
    Remove(Remove),
}

/// `weir admin add`
#[derive(Args)]
pub(super) struct Add {
    /// What is typed at the login
    name: String,
    /// `admin` may do everything, `finance` may read everything
    #[arg(long, value_enum, default_value = "admin")]
    role: Role,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir admin passwd`
#[derive(Args)]
pub(super) struct Passwd {
    /// Whose
    name: String,
    #[command(flatten)]
    password: Password,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// `weir admin remove`
#[derive(Args)]
pub(super) struct Remove {
    /// Who
    name: String,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Where a new password comes from. Not from an argument: those can be seen by others.
#[derive(Args)]
struct Password {
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

/// Somebody, and the password that was made for them.
#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    person: PersonRow,
    /// Null when it was given.
    password: Option<String>,
}

impl Password {
    /// The hash, and the password itself when it was made here.
    fn read(&self) -> Result<(Hashed, Option<String>), Error> {
        if self.password_stdin {
            return Ok((Hashed::of(&first_line()?)?, None));
        }
        let drawn = password::draw()?;
        Ok((Hashed::of(&drawn)?, Some(drawn)))
    }
}

fn first_line() -> Result<String, Error> {
    let unreadable = |error| Error::invalid("password", format!("cannot be read: {error}"));
    // Room for a line that is too long, which is then refused, and for its end.
    let bound = u64::try_from(PASSWORD_BYTES_MAX)?.saturating_add(3);
    let mut line = String::new();
    io::stdin().lock().take(bound).read_line(&mut line).map_err(unreadable)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

impl AdminCommand {
    pub(super) async fn run(self, actor: &Actor) -> Result<Answer, Error> {
        match self {
            Self::Add(Add { name, role, password, database }) => {
                let (hashed, drawn) = password.read()?;
                let pool = database::pool(&database.database_url)?;
                let person = person::add(&pool, &name, role, &hashed, actor).await?;
                made(person, drawn, "may sign in as")
            }
            Self::Passwd(Passwd { name, password, database }) => {
                let (hashed, drawn) = password.read()?;
                let pool = database::pool(&database.database_url)?;
                let person = person::set_password(&pool, &name, &hashed, actor).await?;
                made(person, drawn, "has a new password, as")
            }
            Self::List(database) => list(&database).await,
            Self::Remove(Remove { name, database }) => {
                let pool = database::pool(&database.database_url)?;
                let person = person::remove(&pool, &name, actor).await?;
                Answer::new(&person, format!("{name} may no longer sign in."))
            }
        }
    }
}

fn made(person: PersonRow, password: Option<String>, what: &str) -> Result<Answer, Error> {
    let mut text = format!("{} {what} {}.", person.person_id, person.role);
    if let Some(password) = &password {
        text = format!("{password}\n\n{text} This is the password; it is shown once.");
    }
    Answer::new(&Made { person, password }, text)
}

async fn list(settings: &DatabaseSettings) -> Result<Answer, Error> {
    let pool = database::pool(&settings.database_url)?;
    let rows = person::list(&pool).await?;
    if rows.is_empty() {
        return Answer::new(&rows, "Nobody was added yet: `weir admin add NAME`.");
    }
    let line = |row: &PersonRow| {
        [
            row.person_id.clone(),
            row.role.clone(),
            clock::text(row.created_at),
            clock::text(row.password_changed_at),
            row.sessions.to_string(),
        ]
    };
    let lines: Vec<_> = rows.iter().map(line).collect();
    Answer::new(&rows, table(["name", "role", "added", "password set", "sessions"], &lines))
}
