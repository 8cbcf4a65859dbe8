//! What a caller holds, and who that makes the caller.
//!
//! Path: **key** → route → admission. The shell verifies the signature (a key is an `EdDSA` JSON web
//! token) and hands over the claims as text; here they become a [`Caller`] or a refusal. Knows nothing
//! of signatures and nothing of the clock.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::account::Limits;
use crate::ids::{AccountId, JournalName, KeyId, SessionId};
use crate::refusal::{Reason, Refusal};
use crate::route::Right;
use crate::time::UnixMs;

/// Longest key that is looked at, in bytes. Ours have about 400.
pub const KEY_BYTES_MAX: usize = 4_096;
/// The audience of a caller's key.
pub const CALLER_AUDIENCE: &str = "weir";
/// The audience of the origin's own key when it pulls.
pub const PULL_AUDIENCE: &str = "weir-edge";
/// What callers may put in front of a key, since some software insists on it.
pub const KEY_PREFIX: &str = "sk-";
/// How far two clocks may be apart before a key counts as expired or not yet valid.
pub const CLOCK_SKEW_MS: u64 = 30_000;

/// Most networks that one key may be limited to.
pub const NETWORKS_MAX: usize = 32;

/// Reads networks such as `203.0.113.0/24`; a lone address is a network of one.
pub fn networks(texts: &[String]) -> Result<Vec<IpNet>, NetworkError> {
    if texts.len() > NETWORKS_MAX {
        return Err(NetworkError::TooMany(texts.len()));
    }
    texts.iter().map(|text| network(text)).collect()
}

fn network(text: &str) -> Result<IpNet, NetworkError> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => text.parse(),
    };
    network.map_err(|_| NetworkError::Unreadable(text.to_owned()))
}

/// What keeps a list of networks from being one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// More than [`NETWORKS_MAX`].
    #[error("names {0} networks, {NETWORKS_MAX} are allowed")]
    TooMany(usize),
    /// Neither an address nor a network.
    #[error("{0:?} is neither an address nor a network such as 203.0.113.0/24")]
    Unreadable(String),
}

/// The key inside an `Authorization` header.
///
/// The scheme is matched without regard to case (RFC 9110 §11.1).
pub fn from_header(authorization: Option<&str>) -> Result<&str, Refusal> {
    let value = authorization.map(str::trim).filter(|value| !value.is_empty());
    let Some(value) = value else { return Err(Reason::KeyMissing.into()) };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Reason::KeyInvalid.into());
    }
    let token = token.trim_start();
    let key = token.strip_prefix(KEY_PREFIX).unwrap_or(token);
    if key.is_empty() {
        return Err(Reason::KeyMissing.into());
    }
    if token.len() > KEY_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Reason::KeyInvalid.into());
    }
    Ok(key)
}

/// The claims of a key whose signature was found good, still unchecked.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a> {
    /// `aud`.
    pub audience: &'a str,
    /// `sub`.
    pub account: &'a str,
    /// `jti`.
    pub key: &'a str,
    /// `jnl`.
    pub journal: &'a str,
    /// `exp`.
    pub expires_at: Option<UnixMs>,
    /// `scp`: operations the key may use; all of them when absent.
    pub operations: Option<&'a [String]>,
    /// `sub_allow`: bots and workflows the key may use; all of them when absent.
    pub subjects: Option<&'a [String]>,
    /// `ips`: networks the key may be used from; all of them when absent.
    pub networks: Option<&'a [String]>,
    /// `lim`: how much the key may do.
    pub limits: Limits,
    /// `sn`: which of its sessions the caller speaks for.
    pub session: Option<&'a str>,
}

/// Who a request turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who pays.
    pub account: AccountId,
    /// Which of the account's keys was used.
    pub key: KeyId,
    /// Where the account's calls are kept.
    pub journal: JournalName,
    /// When the key stops being good.
    pub expires_at: Option<UnixMs>,
    /// How much the key may do, beside what its account may.
    pub limits: Limits,
    /// Which of its sessions the caller speaks for, when it tells them apart.
    pub session: Option<SessionId>,
    operations: Option<Vec<String>>,
    subjects: Option<Vec<String>>,
    networks: Option<Vec<IpNet>>,
}

impl Caller {
    /// The caller that these claims describe at this time.
    pub fn from_claims(claims: &Claims<'_>, now: UnixMs) -> Result<Self, Refusal> {
        if claims.audience != CALLER_AUDIENCE {
            return Err(Reason::KeyInvalid.into());
        }
        let session = claims.session.map(str::parse);
        let caller = Self {
            account: claims.account.parse().map_err(|_| Reason::KeyInvalid)?,
            key: claims.key.parse().map_err(|_| Reason::KeyInvalid)?,
            journal: claims.journal.parse().map_err(|_| Reason::KeyInvalid)?,
            expires_at: claims.expires_at,
            limits: claims.limits,
            session: session.transpose().map_err(|_| Reason::KeyInvalid)?,
            operations: claims.operations.map(<[String]>::to_vec),
            subjects: claims.subjects.map(<[String]>::to_vec),
            networks: claims.networks.map(networks).transpose().map_err(|_| Reason::KeyInvalid)?,
        };
        caller.check_expiry(now)?;
        Ok(caller)
    }

    /// Refuses when the key has expired by now, for a caller that was remembered.
    pub fn check_expiry(&self, now: UnixMs) -> Result<(), Refusal> {
        match self.expires_at {
            Some(end) if end.plus_ms(CLOCK_SKEW_MS) <= now => Err(Reason::KeyExpired.into()),
            _ => Ok(()),
        }
    }

    /// Whether the key may be used from some addresses only.
    pub fn has_networks(&self) -> bool {
        self.networks.is_some()
    }

    /// Refuses when the key is limited to other addresses than this one, or the address is not known.
    pub fn check_address(&self, address: Option<&str>) -> Result<(), Refusal> {
        let Some(networks) = &self.networks else { return Ok(()) };
        let address = address.and_then(|text| text.trim().parse::<IpAddr>().ok());
        // An IPv4 address that comes as an IPv6 one is the same machine.
        let address = address.map(|address| address.to_canonical());
        match address {
            Some(address) if networks.iter().any(|network| network.contains(&address)) => Ok(()),
            _ => Err(Reason::AddressNotAllowed.into()),
        }
    }

    /// Whether the key may use this operation at all.
    pub fn may(&self, operation: &str) -> bool {
        self.operations.as_ref().is_none_or(|list| list.iter().any(|item| item == operation))
    }

    /// Refuses when the key's scope does not name this right. One without a scope has none.
    pub fn check_right(&self, right: Right) -> Result<(), Refusal> {
        let names = |list: &Vec<String>| list.iter().any(|item| item == right.name());
        if self.operations.as_ref().is_some_and(names) {
            return Ok(());
        }
        let detail = format!("it is the operator's, and takes a key that names {}", right.name());
        Err(Refusal::with_detail(Reason::KeyScope, detail))
    }

    /// The bots and workflows that the key is limited to; none when it is not limited.
    pub fn subjects(&self) -> &[String] {
        self.subjects.as_deref().unwrap_or_default()
    }

    /// Refuses when the key is limited to other operations or other subjects.
    pub fn check_scope(&self, operation: &str, subject: Option<&str>) -> Result<(), Refusal> {
        let allows = |list: &Option<Vec<String>>, wanted: Option<&str>| match (list, wanted) {
            (None, _) => true,
            (Some(list), Some(wanted)) => list.iter().any(|item| item == wanted),
            (Some(_), None) => false,
        };
        if !allows(&self.operations, Some(operation)) {
            return Err(Refusal::with_detail(Reason::KeyScope, format!("operation {operation}")));
        }
        if !allows(&self.subjects, subject) {
            return Err(Refusal::with_detail(Reason::KeyScope, "bot or workflow not in its list"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_header(header: Option<&str>, want: Result<&str, Reason>) {
        assert_eq!(from_header(header).map_err(|refusal| refusal.reason), want, "{header:?}");
    }

    #[test]
    fn a_header_gives_the_key_or_says_what_is_wrong() {
        check_header(None, Err(Reason::KeyMissing));
        check_header(Some(""), Err(Reason::KeyMissing));
        check_header(Some("Bearer"), Err(Reason::KeyMissing));
        check_header(Some("Bearer  "), Err(Reason::KeyMissing));
        check_header(Some("Bearer sk-"), Err(Reason::KeyMissing));
        check_header(Some("Basic abc"), Err(Reason::KeyInvalid));
        check_header(Some("Bearer a b"), Err(Reason::KeyInvalid));
        check_header(Some("Bearer ключ"), Err(Reason::KeyInvalid));
        let longest = "a".repeat(KEY_BYTES_MAX);
        check_header(Some(&format!("Bearer {longest}")), Ok(&longest));
        check_header(Some(&format!("Bearer {longest}a")), Err(Reason::KeyInvalid));
        check_header(Some("Bearer a.b.c"), Ok("a.b.c"));
        check_header(Some("bearer sk-a.b.c"), Ok("a.b.c"));
    }

    fn claims() -> Claims<'static> {
        Claims {
            audience: CALLER_AUDIENCE,
            account: "acc_1",
            key: "key_1",
            journal: "j0",
            expires_at: None,
            operations: None,
            subjects: None,
            networks: None,
            limits: Limits::default(),
            session: None,
        }
    }

    #[track_caller]
    fn check_claims(claims: &Claims<'_>, now: u64, want: Result<(), Reason>) {
        let got = Caller::from_claims(claims, UnixMs::new(now));
        assert_eq!(got.map(|_| ()).map_err(|refusal| refusal.reason), want);
    }

    #[test]
    fn claims_are_refused_one_by_one_and_then_allowed() {
        check_claims(&Claims { audience: PULL_AUDIENCE, ..claims() }, 0, Err(Reason::KeyInvalid));
        check_claims(&Claims { account: "", ..claims() }, 0, Err(Reason::KeyInvalid));
        check_claims(&Claims { key: "a b", ..claims() }, 0, Err(Reason::KeyInvalid));
        check_claims(&Claims { journal: "../x", ..claims() }, 0, Err(Reason::KeyInvalid));
        check_claims(&Claims { session: Some("a b"), ..claims() }, 0, Err(Reason::KeyInvalid));
        let ends = Claims { expires_at: Some(UnixMs::new(1_000)), ..claims() };
        check_claims(&ends, 1_000 + CLOCK_SKEW_MS, Err(Reason::KeyExpired));
        check_claims(&ends, 999 + CLOCK_SKEW_MS, Ok(()));
        check_claims(&claims(), u64::MAX, Ok(()));
    }

    #[test]
    fn a_key_is_used_from_its_networks_only() {
        let caller = |networks: &[&str]| {
            let networks: Vec<_> = networks.iter().map(|text| (*text).to_owned()).collect();
            Caller::from_claims(&Claims { networks: Some(&networks), ..claims() }, UnixMs::new(0))
        };
        let office = caller(&["203.0.113.0/24", "2001:db8::/32", "198.51.100.7"]).unwrap();
        for refused in [None, Some(""), Some("203.0.114.1"), Some("198.51.100.8"), Some("::1")] {
            let refusal = office.check_address(refused).unwrap_err();
            assert_eq!(refusal.reason, Reason::AddressNotAllowed, "{refused:?}");
        }
        for fine in ["203.0.113.9", "::ffff:203.0.113.9", "2001:db8::1", "198.51.100.7"] {
            assert_eq!(office.check_address(Some(fine)), Ok(()), "{fine}");
        }
        assert!(caller(&[]).unwrap().check_address(Some("203.0.113.9")).is_err());
        assert!(caller(&["somewhere"]).is_err());
        assert!(caller(&["203.0.113.0/24"; NETWORKS_MAX + 1]).is_err());
        assert!(caller(&["203.0.113.0/24"; NETWORKS_MAX]).is_ok());
        let anywhere = Caller::from_claims(&claims(), UnixMs::new(0)).unwrap();
        assert_eq!(anywhere.check_address(None), Ok(()));
    }

    #[test]
    fn only_a_scope_that_names_a_right_gives_it() {
        let (read, other) = (["chat".to_owned(), "operator_read".to_owned()], ["chat".to_owned()]);
        let may = |operations: Option<&[String]>, right| {
            let claims = Claims { operations, ..claims() };
            Caller::from_claims(&claims, UnixMs::new(0)).unwrap().check_right(right).is_ok()
        };
        assert!(!may(None, Right::OperatorRead) && !may(Some(&[]), Right::OperatorRead));
        assert!(!may(Some(&other), Right::OperatorRead));
        assert!(!may(Some(&read), Right::OperatorChange));
        assert!(may(Some(&read), Right::OperatorRead));
    }

    #[test]
    fn a_limited_key_opens_only_what_it_names() {
        let (operations, subjects) = (["chat".to_owned()], ["7490".to_owned()]);
        let limited =
            Claims { operations: Some(&operations), subjects: Some(&subjects), ..claims() };
        let caller = Caller::from_claims(&limited, UnixMs::new(0)).unwrap();
        assert!(caller.check_scope("workflow_run", Some("7490")).is_err());
        assert!(caller.check_scope("chat", Some("7491")).is_err());
        assert!(caller.check_scope("chat", None).is_err());
        assert_eq!(caller.check_scope("chat", Some("7490")), Ok(()));
    }
}
