//! What a key may do: which operations, which bots and workflows, from where, and how much.
//!
//! It stands in the key itself, so that the edge needs no notice of a new key, and is kept beside the
//! key's name so that it can be shown and given to the key that takes its place. It cannot be changed:
//! a key with another scope is another key.
//!
//! # Bounds
//! At most [`NAMED_MAX`] operations, [`NAMED_MAX`] bots and workflows and
//! [`NETWORKS_MAX`](meter::key::NETWORKS_MAX) networks, so that a key fits into a header.

use meter::account::Limits;
use meter::ids::UpstreamId;
use meter::key;
use meter::route::is_scope_word;
use meter::wire::claims::KeyClaims;
use meter::wire::settings::LimitsDoc;
use serde_json::{Value, json};

use crate::account::settings::{SettingsChange, To};
use crate::error::Error;

/// Most operations, and most bots and workflows, that one key names.
pub const NAMED_MAX: usize = 50;
/// Longest list of bots and workflows, in bytes, so that the key stays below
/// [`KEY_BYTES_MAX`](key::KEY_BYTES_MAX) with everything else that it holds.
pub const SUBJECTS_BYTES_MAX: usize = 1_200;

/// What a key may do; what is `None` is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Operations, by their names.
    pub operations: Option<Vec<String>>,
    /// Bots and workflows, by their ids.
    pub subjects: Option<Vec<String>>,
    /// Networks that it may be used from.
    pub networks: Option<Vec<String>>,
    /// How much it may do, beside what its account may.
    pub limits: Limits,
}

impl Scope {
    /// Refuses what no key could be used with, by the name of its field.
    pub fn check(&self) -> Result<(), Error> {
        let Self { operations, subjects, networks, limits } = self;
        for operation in count("operations", operations.as_deref())? {
            if !is_scope_word(operation) {
                let problem = format_args!("names {operation:?}, which is none");
                return Err(Error::invalid("operations", problem));
            }
        }
        let subjects = count("subjects", subjects.as_deref())?;
        for subject in subjects {
            subject.parse::<UpstreamId>().map_err(|error| {
                Error::invalid("subjects", format_args!("names {subject:?}, which {error}"))
            })?;
        }
        if subjects.iter().map(String::len).sum::<usize>() > SUBJECTS_BYTES_MAX {
            let problem =
                format_args!("are longer than {SUBJECTS_BYTES_MAX} bytes together").to_string();
            return Err(Error::invalid("subjects", problem));
        }
        key::networks(networks.as_deref().unwrap_or_default())
            .map_err(|error| Error::invalid("networks", error))?;
        // A key's limits have the bounds of an account's.
        let Limits { requests_per_minute, concurrent_calls, daily_budget } = *limits;
        let as_settings = SettingsChange {
            requests_per_minute: Some(To(requests_per_minute)),
            concurrent_calls: Some(To(concurrent_calls)),
            daily_budget: Some(To(daily_budget)),
            ..SettingsChange::default()
        };
        as_settings.check()
    }

    /// What it says, for the record of who issued it.
    pub fn document(&self) -> Value {
        let Self { operations, subjects, networks, limits } = self;
        json!({
            "operations": operations,
            "subjects": subjects,
            "networks": networks,
            "limits": LimitsDoc::from(*limits),
        })
    }

    /// The claims of a key with this scope.
    pub fn claims(&self, account: &str, key: &str, journal: &str) -> KeyClaims {
        let Self { operations, subjects, networks, limits } = self.clone();
        KeyClaims {
            scp: operations,
            sub_allow: subjects,
            ips: networks,
            lim: limits.into(),
            ..KeyClaims::unlimited(account, key, journal)
        }
    }
}

fn count<'a>(field: &'static str, list: Option<&'a [String]>) -> Result<&'a [String], Error> {
    match list {
        Some(list) if list.len() > NAMED_MAX => {
            Err(Error::invalid(field, format_args!("are more than {NAMED_MAX}")))
        }
        list => Ok(list.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use meter::key::KEY_BYTES_MAX;
    use meter::route::{Operation, Right};
    use meter::time::UnixMs;

    use super::*;
    use crate::signing::Signer;

    fn list(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[track_caller]
    fn refused(scope: &Scope, field: &str) {
        let error = scope.check().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{field}` ")), "{error}");
    }

    #[test]
    fn what_no_key_can_be_used_with_is_refused_by_name() {
        let open = Scope::default;
        refused(&Scope { operations: Some(list(&["chat", "dance"])), ..open() }, "operations");
        refused(&Scope { operations: Some(list(&["chat"; 51])), ..open() }, "operations");
        refused(&Scope { subjects: Some(list(&["74 80"])), ..open() }, "subjects");
        refused(&Scope { subjects: Some(vec!["7".repeat(100); 13]), ..open() }, "subjects");
        refused(&Scope { networks: Some(list(&["10.0.0.0/33"])), ..open() }, "networks");
        refused(&Scope { networks: Some(list(&["10.0.0.1"; 33])), ..open() }, "networks");
        let limits = Limits { requests_per_minute: Some(0), ..Limits::default() };
        refused(&Scope { limits, ..open() }, "requests_per_minute");
        let fine = Scope {
            operations: Some(list(&["chat", "operator_read"])),
            subjects: Some(list(&["7480"])),
            ..open()
        };
        assert!(fine.check().is_ok() && open().check().is_ok());
    }

    #[test]
    fn the_largest_scope_makes_a_key_that_is_still_looked_at() {
        let operations = Operation::ALL.iter().map(|operation| operation.name());
        let operations = operations.chain(Right::ALL.iter().map(|right| right.name()));
        let operations = operations.map(str::to_owned);
        let largest = Scope {
            operations: Some(operations.take(NAMED_MAX).collect()),
            subjects: Some(vec!["7".repeat(24); NAMED_MAX]),
            networks: Some(vec!["2001:db8:1234:5678::/64".to_owned(); key::NETWORKS_MAX]),
            limits: Limits { requests_per_minute: Some(1_000_000), ..Limits::default() },
        };
        largest.check().unwrap();
        let longest = "k".repeat(meter::ids::ID_BYTES_MAX);
        let claims = largest.claims(&longest, &longest, &longest);
        let key = Signer::generate().unwrap().issue(claims, UnixMs::new(0), None).unwrap();
        assert!(key.len() <= KEY_BYTES_MAX, "{} bytes", key.len());
    }

    #[test]
    fn a_list_of_subjects_has_its_bounds() {
        let subjects =
            |list: Vec<String>| Scope { subjects: Some(list), ..Scope::default() }.check();
        assert!(subjects(vec!["7".repeat(100); SUBJECTS_BYTES_MAX / 100]).is_ok());
        let mut beyond = vec!["7".repeat(100); SUBJECTS_BYTES_MAX / 100];
        beyond.push("7".to_owned());
        assert!(subjects(beyond).is_err());
        assert!(subjects(vec!["7".to_owned(); NAMED_MAX]).is_ok());
        assert!(subjects(vec!["7".to_owned(); NAMED_MAX + 1]).is_err());
    }
}
