//! Which app a caller means.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::ids::{IdError, UpstreamId};
use crate::key::Caller;
use crate::refusal::{Reason, Refusal};
use crate::route::{Operation, Provider};

/// Most apps that are configured at once.
pub const DIFY_APPS_MAX: usize = 200;
/// Longest name of an app, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// What stands where an app's name could stand, and is none.
const VERSION: &str = "v1";

/// What the operator calls an app: the subject that its calls are priced by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppName(Box<str>);

/// Why a text is no app's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppNameError {
    /// Not a plain word.
    #[error(transparent)]
    Id(#[from] IdError),
    /// It would be taken for the version in a path.
    #[error("cannot be `v1`")]
    Version,
}

impl AppName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as the subject of a call.
    pub fn subject(&self) -> Result<UpstreamId, IdError> {
        self.0.parse()
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AppName {
    type Err = AppNameError;

    fn from_str(text: &str) -> Result<Self, AppNameError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match text {
            "" => Err(IdError::Empty.into()),
            VERSION => Err(AppNameError::Version),
            _ if text.len() > NAME_BYTES_MAX => Err(IdError::TooLong(NAME_BYTES_MAX).into()),
            _ if !text.bytes().all(is_plain) => Err(IdError::Character.into()),
            _ => Ok(Self(text.into())),
        }
    }
}

/// Whether a caller's key opens this app to any of Dify's operations. One that is limited to Coze's
/// opens none, not even for what costs nothing.
pub fn allows(caller: &Caller, app: &AppName) -> bool {
    let of_dify = Operation::ALL.into_iter().filter(|it| it.provider() == Provider::Dify);
    let mut scopes = of_dify.map(|it| caller.check_scope(it.name(), Some(app.as_str())));
    scopes.any(|checked| checked.is_ok())
}

/// The app that a caller means: the one it names in the path, or else the only one it may use.
///
/// `configured` are all there are; `allows` says which of them the caller's key allows.
pub fn choose<'a>(
    named: Option<&str>,
    configured: impl Iterator<Item = &'a AppName>,
    allows: impl Fn(&AppName) -> bool,
) -> Result<&'a AppName, Refusal> {
    let mut allowed = configured.filter(|app| allows(app));
    if let Some(named) = named {
        // An app that the key does not allow and one that there is not look alike.
        return allowed.find(|app| app.as_str() == named).ok_or_else(|| Reason::KeyScope.into());
    }
    let refused = |detail: &'static str| {
        Err(Refusal::with_detail(Reason::BodyInvalid, Cow::Borrowed(detail)))
    };
    match (allowed.next(), allowed.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Reason::KeyScope.into()),
        (Some(_), Some(_)) => {
            refused("the key allows several Dify apps; name one as /dify/{app}/v1")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Limits;
    use crate::key::{CALLER_AUDIENCE, Claims};
    use crate::time::UnixMs;

    #[test]
    fn a_key_opens_the_apps_it_names_and_none_to_coze_alone() {
        let opens = |operations: Option<&[&str]>, subjects: Option<&[&str]>| {
            let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect();
            let (operations, subjects): (Option<Vec<_>>, Option<Vec<_>>) =
                (operations.map(owned), subjects.map(owned));
            let claims = Claims {
                audience: CALLER_AUDIENCE,
                account: "acc_1",
                key: "key_1",
                journal: "j0",
                expires_at: None,
                operations: operations.as_deref(),
                subjects: subjects.as_deref(),
                networks: None,
                limits: Limits::default(),
                session: None,
            };
            let caller = Caller::from_claims(&claims, UnixMs::new(0)).unwrap();
            allows(&caller, &"help".parse().unwrap())
        };
        assert!(opens(None, None));
        assert!(opens(Some(&["chat", "dify_chat"]), Some(&["7490", "help"])));
        assert!(!opens(None, Some(&["7490"])) && !opens(None, Some(&[])));
        assert!(!opens(Some(&["chat"]), None) && !opens(Some(&["chat"]), Some(&["help"])));
    }

    #[test]
    fn a_name_is_a_plain_word() {
        for (text, want) in [
            ("", "is empty"),
            ("v1", "cannot be `v1`"),
            ("a/b", "holds a character that an id cannot have"),
            ("a.b", "holds a character that an id cannot have"),
            (&"a".repeat(NAME_BYTES_MAX + 1), "is longer than 64 bytes"),
        ] {
            assert_eq!(text.parse::<AppName>().unwrap_err().to_string(), want);
        }
        assert!("a".repeat(NAME_BYTES_MAX).parse::<AppName>().is_ok());
        assert_eq!("help-desk_2".parse::<AppName>().unwrap().as_str(), "help-desk_2");
    }

    #[test]
    fn the_only_app_that_a_key_allows_needs_no_name() {
        let apps: Vec<AppName> = ["a", "b", "c"].iter().map(|app| app.parse().unwrap()).collect();
        let choose = |named, allowed: &[&str]| {
            let allows = |app: &AppName| allowed.contains(&app.as_str());
            choose(named, apps.iter(), allows)
                .map(ToString::to_string)
                .map_err(|refusal| refusal.reason)
        };
        assert_eq!(choose(None, &["b"]), Ok("b".to_owned()));
        // A bot that the key allows as well is no app.
        assert_eq!(choose(None, &["7490", "b"]), Ok("b".to_owned()));
        assert_eq!(choose(None, &["a", "b"]), Err(Reason::BodyInvalid));
        assert_eq!(choose(Some("b"), &["a", "b"]), Ok("b".to_owned()));
        assert_eq!(choose(Some("c"), &["a", "b"]), Err(Reason::KeyScope));
        assert_eq!(choose(Some("d"), &["d"]), Err(Reason::KeyScope));
        assert_eq!(choose(None, &[]), Err(Reason::KeyScope));
    }
}
