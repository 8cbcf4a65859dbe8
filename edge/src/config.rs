//! What the edge is told by its bindings, read once per isolate.
//!
//! | binding | kind | what |
//! |---|---|---|
//! | `WEIR_PUBLIC_KEYS` | variable | JSON array of [`PublicKeyDoc`]: who may sign keys and pulls |
//! | `WEIR_HOSTS` | variable | the hosts that are served, with their ports, separated by commas; any when absent or empty |
//! | `UPSTREAM_URL` | variable | upstream's base, scheme and host only; default `https://api.coze.cn` |
//! | `UPSTREAM_WS_URL` | variable | the same for websockets; default `https://ws.coze.cn`, or `UPSTREAM_URL` when that is set |
//! | `DIFY_URL` | variable | Dify's base as its users know it, with `/v1`; default `https://api.dify.ai/v1` |
//! | `COZE_DEVICE_INFO` | variable | `on` stamps calls for upstream's bill (enterprise plan); default `off` |
//! | `NOTE_IDS_AFTER_MS` | variable | how long a stream runs before its ids are noted; default 5000, 0 for at once |
//! | `COZE_BOT_ID` | variable | the bot behind the model `coze-bot`, for callers that name none; optional |
//! | `WEIR_EDGE_SIGNING_KEY` | secret | what `weir signing-key` prints; signs the keys of OAuth JWT callers, who get none without it |
//! | `CORS_ORIGINS` | variable | the origins whose pages may read replies, parted by commas; none by default |
//! | `GUEST_CALLS_PER_MINUTE` | variable | how many calls a guest's address may begin; default 10 |
//! | `JOURNAL` | Durable Object namespace | the class `Journal` |
//!
//! Credentials for upstream are not among it: `credential` reads them at each use.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::VerifyingKey;
use meter::cors::Origins;
use meter::wire::claims::PublicKeyDoc;
use worker::{Env, Error, Result, js_sys};

use crate::log;
use crate::oauth::EdgeKey;

/// Most public keys that are configured at once: one in use, one being rotated in, some to spare.
const PUBLIC_KEYS_MAX: usize = 16;
/// How long a stream runs before its ids are noted, unless configured: most are over by then, and a note
/// is a row more.
const NOTE_IDS_AFTER_MS_DEFAULT: u64 = 5_000;
/// A stream that is silent for longer is asked about, which takes its ids (`meter::journal`).
const NOTE_IDS_AFTER_MS_MAX: u64 = 60_000;
/// How many calls one guest's address may begin in a minute, unless configured.
const GUEST_CALLS_DEFAULT: u32 = 10;
/// Whoever allows more than this does not mean one visitor.
const GUEST_CALLS_MAX: u32 = 10_000;
/// Most hosts that are served by name.
const HOSTS_MAX: usize = 32;
const UPSTREAM_DEFAULT: &str = "https://api.coze.cn";
const UPSTREAM_SOCKET_DEFAULT: &str = "https://ws.coze.cn";
const DIFY_DEFAULT: &str = "https://api.dify.ai/v1";

/// The edge's configuration.
pub(crate) struct Config {
    public_keys: Vec<(String, VerifyingKey)>,
    /// In lower case; none when every host is served.
    hosts: Vec<String>,
    /// What signs the keys that are given for statements of registered keys.
    pub(crate) edge_key: Option<EdgeKey>,
    /// Scheme and host of upstream, without a slash at the end.
    pub(crate) upstream: String,
    /// The same for websockets, under `http` or `https`.
    pub(crate) upstream_socket: String,
    /// Dify's base, without a slash at the end.
    pub(crate) dify: String,
    /// Whether calls are stamped, so that upstream's bill names them.
    pub(crate) stamps_calls: bool,
    /// How long a stream runs before the ids of its work are noted in the journal.
    pub(crate) note_ids_after: Duration,
    /// How many calls one address may begin in a minute without a key of its own.
    pub(crate) guest_calls_per_minute: u32,
    /// Whose pages may read replies.
    pub(crate) origins: Origins,
}

thread_local! {
    static CONFIG: OnceCell<Rc<Config>> = const { OnceCell::new() };
}

impl Config {
    /// The configuration of this isolate. Bindings do not change during its life.
    pub(crate) fn of(env: &Env) -> Result<Rc<Self>> {
        CONFIG.with(|cell| {
            if let Some(config) = cell.get() {
                return Ok(config.clone());
            }
            let config = Rc::new(Self::read(env)?);
            Ok(cell.get_or_init(|| config).clone())
        })
    }

    fn read(env: &Env) -> Result<Self> {
        let upstream = env
            .var("UPSTREAM_URL")
            .map_or_else(|_| UPSTREAM_DEFAULT.to_owned(), |url| url.to_string());
        let public_keys = public_keys(&env.var("WEIR_PUBLIC_KEYS")?.to_string())?;
        Ok(Self {
            hosts: hosts(setting(env, "WEIR_HOSTS").as_deref())?,
            edge_key: edge_key(env, &public_keys),
            public_keys,
            upstream_socket: upstream_socket(env, &upstream),
            upstream: upstream.trim_end_matches('/').to_owned(),
            dify: dify(setting(env, "DIFY_URL")),
            stamps_calls: stamps_calls(setting(env, "COZE_DEVICE_INFO").as_deref())?,
            guest_calls_per_minute: guest_calls(setting(env, "GUEST_CALLS_PER_MINUTE").as_deref())?,
            origins: origins(setting(env, "CORS_ORIGINS").as_deref())?,
            note_ids_after: note_ids_after(setting(env, "NOTE_IDS_AFTER_MS").as_deref())?,
        })
    }

    /// Whether requests for this host are served.
    pub(crate) fn serves(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|served| served.eq_ignore_ascii_case(host))
    }

    /// The key that a token's header calls by this name.
    pub(crate) fn public_key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.public_keys.iter().find(|(name, _)| name == kid).map(|(_, key)| key)
    }
}

/// A variable or a secret as it is now; `None` when it is left out. `workerd` gives null for one that its
/// environment does not have.
pub(crate) fn setting(env: &Env, name: &str) -> Option<String> {
    let value = js_sys::Reflect::get(env, &name.into()).ok()?.as_string()?;
    Some(value).filter(|value| !value.is_empty())
}

fn dify(url: Option<String>) -> String {
    url.unwrap_or_else(|| DIFY_DEFAULT.to_owned()).trim_end_matches('/').to_owned()
}

fn stamps_calls(value: Option<&str>) -> Result<bool> {
    match value {
        Some("on") => Ok(true),
        Some("off") | None => Ok(false),
        Some(other) => {
            Err(Error::RustError(format!("COZE_DEVICE_INFO: {other:?} is neither on nor off")))
        }
    }
}

fn note_ids_after(value: Option<&str>) -> Result<Duration> {
    let parsed = value.map_or(Ok(NOTE_IDS_AFTER_MS_DEFAULT), str::parse);
    let bad = || {
        let range = format!("0 to {NOTE_IDS_AFTER_MS_MAX}");
        Error::RustError(format!("NOTE_IDS_AFTER_MS: {value:?} is not a number from {range}"))
    };
    let ms = parsed.ok().filter(|ms| *ms <= NOTE_IDS_AFTER_MS_MAX).ok_or_else(bad)?;
    Ok(Duration::from_millis(ms))
}

/// The hosts that are served.
fn hosts(value: Option<&str>) -> Result<Vec<String>> {
    let hosts = value.unwrap_or_default().to_ascii_lowercase();
    let hosts: Vec<_> = hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    if hosts.len() > HOSTS_MAX {
        let problem = format!("WEIR_HOSTS: names {} hosts, {HOSTS_MAX} are allowed", hosts.len());
        return Err(Error::RustError(problem));
    }
    Ok(hosts.into_iter().map(str::to_owned).collect())
}

/// The edge's own key. One that cannot be used takes nothing with it but the tokens it would sign.
fn edge_key(env: &Env, public_keys: &[(String, VerifyingKey)]) -> Option<EdgeKey> {
    let read = EdgeKey::read(&setting(env, "WEIR_EDGE_SIGNING_KEY")?);
    let is_origins = |key: &EdgeKey| public_keys.iter().any(|(kid, _)| kid == key.kid());
    let problem = match read {
        Ok(key) if is_origins(&key) => "is the origin's; the edge needs one of its own",
        Ok(key) => return Some(key),
        Err(problem) => problem,
    };
    log::error("edge_key_unusable", None, &format!("WEIR_EDGE_SIGNING_KEY {problem}"));
    None
}

fn guest_calls(value: Option<&str>) -> Result<u32> {
    let parsed = value.map_or(Ok(GUEST_CALLS_DEFAULT), str::parse);
    parsed.ok().filter(|calls| (1..=GUEST_CALLS_MAX).contains(calls)).ok_or_else(|| {
        let range = format!("1 to {GUEST_CALLS_MAX}");
        let problem = format!("GUEST_CALLS_PER_MINUTE: {value:?} is not a number from {range}");
        Error::RustError(problem)
    })
}

fn origins(value: Option<&str>) -> Result<Origins> {
    let parsed = Origins::parse(value.unwrap_or_default());
    parsed.map_err(|error| Error::RustError(format!("CORS_ORIGINS {error}")))
}

fn upstream_socket(env: &Env, upstream: &str) -> String {
    let url = match env.var("UPSTREAM_WS_URL") {
        Ok(url) => url.to_string(),
        Err(_) if upstream == UPSTREAM_DEFAULT => UPSTREAM_SOCKET_DEFAULT.to_owned(),
        Err(_) => upstream.to_owned(),
    };
    // Fetch opens websockets under the schemes of HTTP.
    let url = url.replacen("wss://", "https://", 1).replacen("ws://", "http://", 1);
    url.trim_end_matches('/').to_owned()
}

fn public_keys(json: &str) -> Result<Vec<(String, VerifyingKey)>> {
    let bad = |problem: String| Error::RustError(format!("WEIR_PUBLIC_KEYS: {problem}"));
    let docs: Vec<PublicKeyDoc> =
        serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
    if docs.is_empty() || docs.len() > PUBLIC_KEYS_MAX {
        return Err(bad(format!("holds {} keys, 1 to {PUBLIC_KEYS_MAX} are allowed", docs.len())));
    }
    docs.into_iter()
        .map(|PublicKeyDoc { kid, x }| {
            let bytes = URL_SAFE_NO_PAD.decode(&x).ok().and_then(|bytes| bytes.try_into().ok());
            let key = bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
            let key =
                key.ok_or_else(|| bad(format!("`x` of {kid:?} is not an Ed25519 public key")))?;
            Ok((kid, key))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_switch_is_an_error_and_not_off() {
        assert!(stamps_calls(Some("on")).unwrap());
        assert!(!stamps_calls(Some("off")).unwrap());
        assert!(!stamps_calls(None).unwrap());
        assert!(stamps_calls(Some("true")).is_err());
    }

    #[test]
    fn guests_have_some_calls_and_not_any_number() {
        assert_eq!(guest_calls(None).unwrap(), 10);
        let most = GUEST_CALLS_MAX.to_string();
        assert_eq!(guest_calls(Some(&most)).unwrap(), GUEST_CALLS_MAX);
        let too_many = (GUEST_CALLS_MAX + 1).to_string();
        for bad in ["0", &too_many, "-1", "ten"] {
            assert!(guest_calls(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn dify_is_in_the_cloud_unless_it_is_elsewhere() {
        assert_eq!(dify(None), "https://api.dify.ai/v1");
        assert_eq!(dify(Some("http://dify.internal/v1/".to_owned())), "http://dify.internal/v1");
    }

    #[test]
    fn ids_are_noted_after_a_time_within_bounds() {
        let ms = |value| note_ids_after(value).map(|after| after.as_millis());
        assert_eq!(ms(None).unwrap(), 5_000);
        assert_eq!(ms(Some("0")).unwrap(), 0);
        let longest = NOTE_IDS_AFTER_MS_MAX.to_string();
        assert_eq!(ms(Some(&longest)).unwrap(), u128::from(NOTE_IDS_AFTER_MS_MAX));
        let too_long = (NOTE_IDS_AFTER_MS_MAX + 1).to_string();
        for bad in [&too_long, "-1", "5s", "1.5"] {
            assert!(ms(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn so_many_hosts_are_served_and_no_more() {
        let list = |count: usize| {
            let hosts: Vec<_> = (0..count).map(|host| format!("h{host}.example")).collect();
            hosts.join(" , ")
        };
        assert_eq!(hosts(None).unwrap(), [""; 0]);
        assert_eq!(hosts(Some(&list(HOSTS_MAX))).unwrap().len(), HOSTS_MAX);
        assert!(hosts(Some(&list(HOSTS_MAX + 1))).is_err());
    }

    #[test]
    fn so_many_public_keys_are_configured_and_at_least_one() {
        // The x of RFC 8037 appendix A.2.
        let key = r#"{"kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let read = |count: usize| public_keys(&format!("[{}]", vec![key; count].join(",")));
        assert_eq!(read(PUBLIC_KEYS_MAX).unwrap().len(), PUBLIC_KEYS_MAX);
        assert!(read(PUBLIC_KEYS_MAX + 1).is_err() && read(0).is_err());
    }
}
