//! Callers who sign their own requests for tokens, as Coze's OAuth (JWT) apps do.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_compact::alg::{Hs256, Hs256Key, Rsa};
use jwt_compact::{AlgorithmExt as _, Claims, Header};
use reqwest::{Client, Method};
use rsa::RsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey as _;
use serde_json::{Value, json};
use xtask::scratch::Scratch;

use crate::clients::Library;
use crate::rsa_pair::RsaPair;
use crate::tester::{Tester, chat, shared, until};

const PATH: &str = "/api/permission/oauth2/token";

/// An account with a registered key.
struct Story {
    tester: Tester,
    pair: RsaPair,
    private: RsaPrivateKey,
    app: String,
    key_id: String,
    scratch: Scratch,
}

impl Story {
    async fn begin(name: &str, more: &[&str]) -> Self {
        let tester = Tester::new(name);
        let pair = RsaPair::draw();
        let scratch = Scratch::new("oauth").unwrap();
        fs::write(scratch.path().join("public.pem"), &pair.public).unwrap();
        fs::write(scratch.path().join("private.pem"), &pair.pkcs8).unwrap();
        let app = tester.subject(7);
        let key_id = register(&tester, &scratch, &app, more).unwrap();
        let private = RsaPrivateKey::from_pkcs8_pem(&pair.pkcs8).unwrap();
        let story = Self { tester, pair, private, app, key_id, scratch };
        until("the key to be known at the edge", async || {
            let (status, _) = story.redeem(&story.sign(&story.claims(&json!({})))).await;
            (status == 200).then_some(())
        })
        .await;
        story
    }

    /// Valid claims with these changes; null takes one away.
    fn claims(&self, changes: &Value) -> Value {
        let host = self.tester.edge.trim_start_matches("http://");
        let mut claims = json!({
            "iss": self.app, "aud": host, "iat": now(), "exp": now() + 3_600, "jti": draw(),
        });
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as("kid-1", claims)
    }

    fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let claims: Claims<Value> = serde_json::from_value(claims.clone()).unwrap();
        let header = Header::empty().with_key_id(kid);
        Rsa::rs256().token(&header, &claims, &self.private).unwrap()
    }

    async fn redeem(&self, jwt: &str) -> (u16, Value) {
        self.ask(jwt, &grant(&json!({}))).await
    }

    async fn ask(&self, jwt: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{PATH}", self.tester.edge);
        let reply = Client::new().post(url).bearer_auth(jwt).json(body).send().await.unwrap();
        let status = reply.status().as_u16();
        (status, reply.json().await.unwrap())
    }

    /// A new token, wished for like this.
    async fn token(&self, body: &Value) -> String {
        let (status, granted) = self.ask(&self.sign(&self.claims(&json!({}))), &grant(body)).await;
        assert_eq!(status, 200, "{granted}");
        granted["access_token"].as_str().unwrap().to_owned()
    }
}

/// The largest body that is read at these paths.
const BODY_BYTES_MAX: usize = 16 << 10;

/// The answer denies, with this word and these in its sentence.
#[track_caller]
fn denied((status, body): &(u16, Value), want: u16, code: &str, because: &str) {
    assert_eq!((*status, body["error_code"].as_str()), (want, Some(code)), "{body}");
    assert!(body["error_message"].as_str().unwrap().contains(because), "{body}");
}

fn register(
    tester: &Tester,
    scratch: &Scratch,
    app: &str,
    more: &[&str],
) -> anyhow::Result<String> {
    let file = scratch.path().join("public.pem");
    let file = file.to_str().unwrap();
    let named = ["--name", "app", "--app-id", app, "--kid", "kid-1", "--public-key", file];
    let arguments = [&["key", "register", &tester.account], &named[..], more].concat();
    let registered: Value = shared().weir_json(&arguments)?;
    Ok(registered["key_id"].as_str().unwrap().to_owned())
}

fn grant(more: &Value) -> Value {
    let mut body = json!({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn draw() -> String {
    format!("{:032x}", fastrand::u128(..))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_libraries_get_their_tokens_and_their_calls_are_metered() {
    let story = Story::begin("jwt libraries", &[]).await;
    let tester = &story.tester;
    let (bot, workflow) = (tester.subject(1), tester.subject(2));
    let file = story.scratch.path().join("private.pem");
    let caller =
        ["--app-id", &story.app, "--kid", "kid-1", "--private-key", file.to_str().unwrap()];
    for library in [Library::Python, Library::JavaScript] {
        let doings: [&[&str]; 3] = [
            &["--do", "chat-stream", "--bot-id", &bot],
            &["--do", "run", "--workflow-id", &workflow],
            &["--do", "whoami"],
        ];
        for doing in doings {
            let (code, result) = library.run_as(tester, &caller, doing).await;
            assert_eq!(code, 0, "{library:?} {doing:?}: {result:#}");
        }
    }
    let calls = tester.calls(4).await;
    for call in calls {
        assert_eq!(call["ending"], "settled");
        assert_eq!(call["key"], json!(story.key_id), "{call:#}");
        assert!(call["amount_nanos"].as_i64().unwrap() > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_not_right_gets_no_token() {
    let story = Story::begin("bad statements", &[]).await;
    let (client, request) = ("invalid_client", "invalid_request");
    let good = story.claims(&json!({}));
    for (changes, because) in [
        (json!({"aud": "other.example"}), "aud"),
        (json!({"iat": now() + 120, "exp": now() + 600}), "future"),
        (json!({"iat": now() - 7_200, "exp": now() - 3_600}), "expired"),
        (json!({"exp": now() + 90_000}), "exp"),
        (json!({"iss": "nobody"}), "registered"),
        (json!({"jti": null}), "jti"),
    ] {
        let answer = story.redeem(&story.sign(&story.claims(&changes))).await;
        denied(&answer, 401, client, because);
    }
    denied(&story.redeem(&story.sign_as("kid-2", &good)).await, 401, client, "registered");

    // Signed by nobody, by the public key taken for a secret, by somebody else, and changed afterwards.
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = format!("{}.{}.", part(&json!({"alg": "none", "kid": "kid-1"})), part(&good));
    denied(&story.redeem(&none).await, 401, client, "RS256");
    let claims: Claims<Value> = serde_json::from_value(good.clone()).unwrap();
    let header = Header::empty().with_key_id("kid-1");
    let secret = Hs256Key::new(story.pair.public.as_bytes());
    let confused = Hs256.token(&header, &claims, &secret).unwrap();
    denied(&story.redeem(&confused).await, 401, client, "RS256");
    let stranger = RsaPrivateKey::from_pkcs8_pem(&RsaPair::draw().pkcs8).unwrap();
    let foreign = Rsa::rs256().token(&header, &claims, &stranger).unwrap();
    denied(&story.redeem(&foreign).await, 401, client, "signature");
    let signed = story.sign(&good);
    let (head, signature) = signed.rsplit_once('.').unwrap();
    let (head, _) = head.split_once('.').unwrap();
    let other = part(&story.claims(&json!({"session_name": "root"})));
    let changed = format!("{head}.{other}.{signature}");
    denied(&story.redeem(&changed).await, 401, client, "signature");
    for nonsense in ["sk-x", "a.b.c", &"x".repeat(5_000)] {
        denied(&story.redeem(nonsense).await, 401, client, "");
    }

    // It was the changes that were refused: unchanged it is redeemed, and only once.
    assert_eq!(story.redeem(&signed).await.0, 200);
    denied(&story.redeem(&signed).await, 400, request, "redeemed before");

    // Other flows, and what cannot be granted.
    let jwt = || story.sign(&story.claims(&json!({})));
    let device = json!({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"});
    let unsupported = "unsupported_grant_type";
    denied(&story.ask("x", &device).await, 400, unsupported, "device flow");
    let web = json!({"grant_type": "authorization_code", "code": "1", "client_id": "2"});
    denied(&story.ask("x", &web).await, 400, unsupported, "PKCE");
    let long = grant(&json!({"duration_seconds": 86_400}));
    denied(&story.ask(&jwt(), &long).await, 400, request, "duration_seconds");
    let padded = |bytes: usize| {
        let bare = grant(&json!({"padding": ""})).to_string().len();
        grant(&json!({"padding": "x".repeat(bytes - bare)}))
    };
    assert_eq!(story.ask(&jwt(), &padded(BODY_BYTES_MAX)).await.0, 200);
    denied(&story.ask(&jwt(), &padded(BODY_BYTES_MAX + 1)).await, 400, request, "16 kB");
    let url = format!("{}/api/permission/oauth2/device/code", story.tester.edge);
    let reply = Client::new().post(url).json(&json!({"client_id": "1"})).send().await.unwrap();
    let answer = (reply.status().as_u16(), reply.json().await.unwrap());
    denied(&answer, 400, unsupported, "device flow");
    story.tester.calls(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_what_was_granted_until_its_key_is_revoked() {
    let bots = ["7490000000000000801", "7490000000000000802"];
    let more =
        ["--allow-operation", "chat", "--allow-subject", bots[0], "--allow-subject", bots[1]];
    let story = Story::begin("granted", &more).await;
    let tester = &story.tester;
    let call = async |token: &str, path: &str, body: &Value| {
        let request = tester.ask_without_key(Method::POST, path).bearer_auth(token);
        let reply = request.json(body).send().await.unwrap();
        let status = reply.status().as_u16();
        let body: Value = reply.json().await.unwrap_or_default();
        (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |status: u16, code: &str| (status, code.to_owned());

    let lasting = grant(&json!({"duration_seconds": 86_399}));
    let (_, granted) = story.ask(&story.sign(&story.claims(&json!({}))), &lasting).await;
    let end = granted["expires_in"].as_u64().unwrap();
    assert!(end.abs_diff(now() + 86_399) <= 5, "a point in time: {granted}");
    assert_eq!(granted["token_type"], "Bearer");
    let token = granted["access_token"].as_str().unwrap();
    assert_eq!(call(token, "/v3/chat", &chat(bots[0], false, "hi")).await.0, 200);
    let elsewhere = chat("7490000000000000803", false, "hi");
    assert_eq!(call(token, "/v3/chat", &elsewhere).await, refused(403, "key_scope"));
    let run = json!({"workflow_id": bots[0], "parameters": {}});
    assert_eq!(call(token, "/v1/workflow/run", &run).await, refused(403, "key_scope"));

    // A wish can narrow what the key may, and not widen it.
    let only = |bot: &str| {
        let bots = json!({"connector_bot_chat_attribute": {"bot_id_list": [bot]}});
        json!({"scope": {"attribute_constraint": bots}})
    };
    let narrow = story.token(&only(bots[1])).await;
    let body = chat(bots[0], false, "hi");
    assert_eq!(call(&narrow, "/v3/chat", &body).await, refused(403, "key_scope"));
    let wide = grant(&only("7490000000000000803"));
    let answer = story.ask(&story.sign(&story.claims(&json!({}))), &wide).await;
    denied(&answer, 403, "access_denied", "bot");

    // The edge's key may sign for nobody else: not for a pull, and not for a key that was issued.
    let pull = format!("/_weir/journals/{}/pull", journal_of(token));
    assert_eq!(call(token, &pull, &json!({"v": 1, "ack": 0, "limit": 1})).await.0, 401);

    shared().weir(&["key", "revoke", &story.key_id]).unwrap();
    until("the revocation to take effect", async || {
        let answer = call(token, "/v3/chat", &chat(bots[0], false, "hi")).await;
        (answer == refused(401, "key_revoked")).then_some(())
    })
    .await;
    let answer = story.redeem(&story.sign(&story.claims(&json!({})))).await;
    assert_eq!((answer.0, &answer.1["error_code"]), (401, &json!("invalid_client")));
    // Its name is free again.
    let again = register(tester, &story.scratch, &story.app, &[]).unwrap();
    assert_ne!(again, story.key_id);
    assert!(register(tester, &story.scratch, &story.app, &[]).is_err(), "and taken by now");
}

/// The journal that a token names.
fn journal_of(token: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["jnl"].as_str().unwrap().to_owned()
}
