//! Registered keys: kept, told to the journal that lists them, taken back.

use meter::wire::registered::RegisteredKeyDoc;
use origin::account::AccountRow;
use origin::clock;
use origin::error::Error;
use origin::key;
use origin::key::scope::Scope;
use origin::registered::{self, NewRegistered, PublicKey, Registered};

use crate::facts::cost;
use crate::tester::{Tester, actor};

pub(crate) const PEM: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwYPhStqzR70WzGsNCy9x
mq4g2pbZoAm72pAWLC4nyZ3ZnhIeScwlj84HEy0Vc6uj5QEFgYLaHYHHbgymnS7J
tujuNoAr3uVYl56pdc9eZ/cZB5SmBQy78D3WuStr1LDiW3WrtMePowC7qzC01S2r
A8h8DmYrmeDF6ijpUbvRo5UdJOC5wX4ZverGGpiojP/KM6PZmiFHQ5tRACtzl9hF
A4sKLhN7XK98eBO7Db03tqdrG9JY3TsSf/kk/MlcsZrYrrEosCTQdiW8tQ1+4TRk
EHlxpTj/6aIc1/drKjk+uq03nr6gkKTgVJKlljpSeCqQTVzx+a8NtTf2N7Nn9T1J
NwIDAQAB
-----END PUBLIC KEY-----
";

async fn register(
    tester: &Tester,
    account: &AccountRow,
    kid: &str,
    subjects: Option<&[String]>,
) -> Result<Registered, Error> {
    let new = NewRegistered {
        account,
        name: "app",
        app_id: "app-1",
        kid,
        public_key: &PublicKey::from_pem(PEM).unwrap(),
        scope: Scope { subjects: subjects.map(<[String]>::to_vec), ..Scope::default() },
    };
    registered::register(&tester.pool, &new, clock::now(), &actor()).await
}

/// What the journal that lists the keys was told since it was last looked at.
async fn told(tester: &Tester) -> Vec<RegisteredKeyDoc> {
    tester.pull_all().await;
    tester.edge.journal("j0", |journal| {
        let requests = std::mem::take(&mut journal.requests);
        let changes = requests.into_iter().filter_map(|request| request.changes);
        changes.flat_map(|changes| changes.registered_keys).collect()
    })
}

#[tokio::test]
async fn a_key_is_told_to_the_journal_that_lists_them_whichever_its_accounts_is() {
    let tester = Tester::new().await;
    let account = tester.account_in("j3", "a", cost(1)).await;
    told(&tester).await;
    let subjects = ["7490".to_owned()];
    let key = register(&tester, &account, "k1", Some(&subjects)).await.unwrap();
    let docs = told(&tester).await;
    let [doc] = docs.as_slice() else { panic!("{docs:?}") };
    assert_eq!((doc.key.as_str(), doc.journal.as_str()), (key.key_id.as_str(), "j3"));
    assert_eq!((doc.app.as_str(), doc.kid.as_str(), doc.withdrawn), ("app-1", "k1", false));
    assert_eq!((&doc.scp, &doc.sub_allow), (&None, &Some(subjects.to_vec())));
    assert!(PEM.replace('\n', "").contains(&doc.public_key));
    assert_eq!(told(&tester).await, [], "what was applied is not sent again");

    let revoke = async || {
        key::revoke(&tester.pool, &key.key_id, clock::now(), &actor()).await.unwrap();
    };
    revoke().await;
    let docs = told(&tester).await;
    assert!(docs.len() == 1 && docs[0].withdrawn, "{docs:?}");
    revoke().await;
    assert_eq!(told(&tester).await, [], "a second time changes nothing");
}

#[tokio::test]
async fn a_name_means_one_key_until_it_is_taken_back() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    let first = register(&tester, &account, "k1", None).await.unwrap();
    let again = register(&tester, &account, "k1", None).await.unwrap_err().to_string();
    assert!(again.contains(&first.key_id), "{again}");
    register(&tester, &account, "k2", None).await.unwrap();
    key::revoke(&tester.pool, &first.key_id, clock::now(), &actor()).await.unwrap();
    register(&tester, &account, "k1", None).await.unwrap();
    // A key that is in use is never taken off the list.
    let in_use = register(&tester, &account, "k3", None).await.unwrap();
    registered::withdraw(&tester.pool, &in_use.key_id).await.unwrap();
    assert!(told(&tester).await.iter().all(|doc| !doc.withdrawn || doc.key == first.key_id));
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_by_its_field() {
    let tester = Tester::new().await;
    let account = tester.account("a").await;
    let refused = async |kid: &str, subjects: Option<&[String]>, field: &str| {
        let error = register(&tester, &account, kid, subjects).await.unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    };
    refused("", None, "`kid`").await;
    refused(&"k".repeat(257), None, "`kid`").await;
    refused("k\n", None, "`kid`").await;
    refused("k1", Some(&["a b".to_owned()]), "`subjects`").await;
    refused("k1", Some(&vec!["7490".to_owned(); 51]), "`subjects`").await;
    assert_eq!(
        key::list(&tester.pool, None, &origin::page::Span::first(10)).await.unwrap().items.len(),
        0
    );
}
