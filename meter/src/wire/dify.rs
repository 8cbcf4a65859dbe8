//! The keys of the operator's Dify apps, as they are configured.

use std::collections::BTreeMap;

use crate::credential::Secret;
use crate::dify::{AppName, DIFY_APPS_MAX};

use super::{WireError, parse};

const FIELD: &str = "DIFY_APPS";
/// Longest key that is believed, in bytes. Dify's have 28.
const KEY_BYTES_MAX: usize = 256;

/// Reads the apps: a JSON object of name → the app's key at Dify. An error names the app and never its key.
pub fn read_apps(json: &str) -> Result<BTreeMap<AppName, Secret>, WireError> {
    let keys: BTreeMap<String, String> = serde_json::from_str(json).map_err(|error| {
        // The parser's own words may quote what it read, so only the place is told.
        let (line, column) = (error.line(), error.column());
        let problem = format!("does not read as names and keys, at line {line}, column {column}");
        WireError::new(FIELD, problem)
    })?;
    if keys.len() > DIFY_APPS_MAX {
        let problem = format!("names {} apps, {DIFY_APPS_MAX} are allowed", keys.len());
        return Err(WireError::new(FIELD, problem));
    }
    let app = |(name, key): (String, String)| {
        if !is_key(&key) {
            return Err(WireError::new(FIELD, format!("{name}: what it holds is not a key")));
        }
        Ok((parse(FIELD, &name)?, Secret::new(key)))
    };
    keys.into_iter().map(app).collect()
}

/// What can stand in a header behind `Bearer`.
fn is_key(text: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> String {
        read_apps(json).unwrap_err().to_string()
    }

    #[test]
    fn apps_are_names_and_keys() {
        let apps = read_apps(r#"{"help":"app-1","Desk_2":"app-2"}"#).unwrap();
        let read: Vec<_> = apps.iter().map(|(name, key)| (name.as_str(), key.reveal())).collect();
        assert_eq!(read, [("Desk_2", "app-2"), ("help", "app-1")]);
        assert_eq!(read_apps("{}").unwrap().len(), 0);
    }

    #[test]
    fn what_is_wrong_is_told_without_the_key() {
        assert!(refused("").contains("line 1, column 0"));
        assert!(refused(r#"["app-secret"]"#).contains("does not read as names and keys"));
        assert!(!refused(r#"{"help":["app-secret"]}"#).contains("secret"));
        assert_eq!(
            refused(r#"{"a/b":"app-1"}"#),
            "`DIFY_APPS` holds a character that an id cannot have"
        );
        assert_eq!(refused(r#"{"v1":"app-1"}"#), "`DIFY_APPS` cannot be `v1`");
        for key in ["", "app secret", "app-\\u00e9", &"a".repeat(KEY_BYTES_MAX + 1)] {
            let problem = refused(&format!(r#"{{"help":"{key}"}}"#));
            assert_eq!(problem, "`DIFY_APPS` help: what it holds is not a key");
        }
        let many = (0..=DIFY_APPS_MAX).map(|number| format!(r#""a{number}":"app-1""#));
        let many = format!("{{{}}}", many.collect::<Vec<_>>().join(","));
        assert!(refused(&many).contains("names 201 apps, 200 are allowed"));
    }
}
