//! Edge and origin are replaced by other versions while calls go on, in every pair that an upgrade and a
//! step back go through: no call is lost or doubled, and no caller sees an error of ours.
//!
//! `cargo xtask test-upgrade REVISION` names the earlier version. By itself the story replaces this
//! version by itself, which shows that a restart is not seen. Cloudflare replaces a Worker between two
//! requests; on one machine whoever stands in front holds new connections back meanwhile.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::block_in_place;
use xtask::process::port;
use xtask::programs::Build;
use xtask::report;
use xtask::stack::{Plan, Stack};

use crate::agreement::agree;
use crate::detour::{Detour, Way};
use crate::tester::{Tester, chat, until};

/// How long calls are made with each pair of versions.
const EACH: Duration = Duration::from_secs(3);
/// How many callers make them.
const CALLERS: u64 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Earlier,
    This,
}

/// The pairs of edge and origin, in the order of an upgrade, of steps back, and of the upgrade again. The
/// first is what everything begins with; the schemas of journals and database only ever go forward.
const PAIRS: [(Version, Version); 6] = [
    (Version::Earlier, Version::Earlier),
    (Version::This, Version::Earlier),
    (Version::This, Version::This),
    (Version::Earlier, Version::This),
    (Version::Earlier, Version::Earlier),
    (Version::This, Version::This),
];

/// Makes calls until it is over, and says what was not as it should be.
async fn call(
    tester: Arc<Tester>,
    subjects: Arc<[String; 2]>,
    over: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    seed: u64,
) -> Vec<String> {
    // A connection for each call, so that one that is kept is not cut by a restart.
    let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let (mut draw, mut problems) = (fastrand::Rng::with_seed(seed), Vec::new());
    while !over.load(Ordering::Relaxed) {
        let workflow = json!({"workflow_id": subjects[1], "parameters": {"n": draw.u32(..1_000)}});
        let (path, body) = match draw.u8(..4) {
            0 => ("/v3/chat", chat(&subjects[0], true, "hello")),
            1 => ("/v3/chat", chat(&subjects[0], false, "hello")),
            2 => ("/v1/workflow/stream_run", workflow),
            _ => ("/v1/workflow/run", workflow),
        };
        let request = client.request(Method::POST, format!("{}{path}", tester.edge));
        let reply = request.bearer_auth(&tester.key).json(&body).send().await;
        made.fetch_add(1, Ordering::Relaxed);
        match reply {
            Ok(reply) if reply.status() == 200 => {
                if let Err(error) = reply.bytes().await {
                    problems.push(format!("{path} broke off: {error}"));
                }
            }
            Ok(reply) => {
                let status = reply.status();
                problems.push(format!("{path}: {status} {}", reply.text().await.unwrap()));
            }
            Err(error) => problems.push(format!("{path}: {error}")),
        }
    }
    problems
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_replaced_with_calls_going_on_and_nobody_notices() {
    let this = block_in_place(Build::this).unwrap();
    let earlier = std::env::var_os(xtask::upgrade::FROM).map(PathBuf::from);
    let earlier = earlier.map_or_else(|| this.clone(), |checkout| Build::in_checkout(&checkout));
    let build = |version| if version == Version::This { &this } else { &earlier };
    let mut plan = Plan::for_test().expect("a free port");
    let mut way = Detour::open(port::free().unwrap(), plan.edge_port).await;
    let hosts = [plan.edge_port, way.port].map(|port| format!("127.0.0.1:{port}"));
    plan.edge_variables.push(("WEIR_HOSTS", hosts.join(",")));
    plan.build = Some(build(PAIRS[0].1).clone());
    let mut stack = block_in_place(|| Stack::start(plan)).expect("a running stack");
    let mut tester = Tester::on(&stack, "upgrade");
    tester.edge = way.url();
    let tester = Arc::new(tester);
    let subjects = Arc::new([tester.subject(1), tester.subject(2)]);

    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|seed| {
            let (tester, subjects) = (Arc::clone(&tester), Arc::clone(&subjects));
            tokio::spawn(call(tester, subjects, Arc::clone(&over), Arc::clone(&made), seed))
        })
        .collect();
    let mut running = PAIRS[0];
    for (edge, origin) in PAIRS {
        if edge != running.0 {
            way.hold().await;
            block_in_place(|| stack.deploy_edge(build(edge))).unwrap();
            way.set(Way::Open);
        }
        if origin != running.1 {
            block_in_place(|| stack.deploy_origin(build(origin))).unwrap();
        }
        running = (edge, origin);
        tokio::time::sleep(EACH).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut problems = Vec::new();
    for caller in callers {
        problems.extend(caller.await.unwrap());
    }
    assert!(problems.is_empty(), "{problems:#?}");
    agree(&tester, subjects.as_slice()).await;
    let made = made.load(Ordering::Relaxed);
    until("every call to be listed", async || {
        (tester.every_call().await.len() as u64 == made).then_some(())
    })
    .await;
    let health: Value = tester.origin_as_admin("/health").await;
    assert_eq!(health["findings_open"], 0, "{health:#}");
    report::line(&format!(
        "{made} calls while {} pairs of versions ran: 0 errors, 0 lost, 0 doubled",
        PAIRS.len()
    ));
}
