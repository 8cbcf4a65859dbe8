use meter::key::PULL_AUDIENCE;
use meter::wire::claims::{KeyClaims, PublicKeyDoc, PullClaims};
use meter::wire::settings::LimitsDoc;

use super::{pinned, unreadable};

#[test]
fn a_key_carries_what_it_did() {
    let open = KeyClaims::unlimited("acc_1", "key_1", "j0");
    pinned(&open, r#"{"aud":"weir","sub":"acc_1","jti":"key_1","jnl":"j0"}"#);
    let limited = KeyClaims {
        scp: Some(vec!["chat".to_owned(), "workflow_run".to_owned()]),
        sub_allow: Some(vec!["7480".to_owned()]),
        ips: Some(vec!["203.0.113.0/24".to_owned()]),
        lim: LimitsDoc { requests_per_minute: Some(60), ..LimitsDoc::default() },
        sn: Some("5e".to_owned()),
        ..open.clone()
    };
    pinned(
        &limited,
        r#"{"aud":"weir","sub":"acc_1","jti":"key_1","jnl":"j0","scp":["chat","workflow_run"],"sub_allow":["7480"],"ips":["203.0.113.0/24"],"lim":{"requests_per_minute":60},"sn":"5e"}"#,
    );
    // A list of nothing allows nothing; it must not turn into no list, which allows everything.
    let closed = KeyClaims { scp: Some(Vec::new()), ..open };
    pinned(&closed, r#"{"aud":"weir","sub":"acc_1","jti":"key_1","jnl":"j0","scp":[]}"#);
}

#[test]
fn a_key_without_account_key_id_journal_or_audience_is_no_key() {
    let all = r#"{"aud":"weir","sub":"acc_1","jti":"key_1","jnl":"j0"}"#;
    for (part, field) in [
        (r#""aud":"weir","#, "aud"),
        (r#""sub":"acc_1","#, "sub"),
        (r#""jti":"key_1","#, "jti"),
        (r#","jnl":"j0""#, "jnl"),
    ] {
        unreadable::<KeyClaims>(&all.replace(part, ""), &format!("missing field `{field}`"));
    }
}

#[test]
fn the_origin_pulls_with_what_it_did() {
    let claims = PullClaims { aud: PULL_AUDIENCE.to_owned(), jnl: "j0".to_owned() };
    pinned(&claims, r#"{"aud":"weir-edge","jnl":"j0"}"#);
    unreadable::<PullClaims>(r#"{"aud":"weir-edge"}"#, "missing field `jnl`");
}

#[test]
fn the_edge_is_configured_with_public_keys_as_it_was() {
    let key = PublicKeyDoc {
        kid: "k1".to_owned(),
        x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned(),
    };
    pinned(&vec![key], r#"[{"kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]"#);
}
