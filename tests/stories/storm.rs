//! Minutes of load in which everything breaks that can: each part is killed and frozen, each way between
//! two parts is cut, slowed, blocked or broken in the middle, and the database's disk is full. Then it is
//! counted: what upstream charged is billed, each once and to the token.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::block_in_place;
use xtask::process::port;
use xtask::stack::{Detours, Stack};
use xtask::{command, report};

use crate::bill::{billed_plan, subscribe};
use crate::counting::count;
use crate::detour::{Detour, Way};
use crate::load::Load;
use crate::tester::{Tester, until_within};

/// How long the storm lasts, unless `WEIR_STORM_MINUTES` says otherwise.
const MINUTES: u64 = 3;
/// What the faults are drawn from, unless `WEIR_STORM_SEED` says otherwise.
const SEED: u64 = 20_261_128;
/// How long one fault lasts, in milliseconds.
const FAULT_MS: std::ops::Range<u64> = 300..2_500;
/// How long nothing breaks after it.
const CALM_MS: std::ops::Range<u64> = 500..2_000;
/// The longest pause of a caller: some 50 calls a second in all, so that an hour's works fit in memory.
const PAUSE_MS_MAX: u64 = 400;
/// How long bill and edge are quiet before the bill ends a call: longer than any fault and what comes
/// after it, as in production it is longer than any run.
const BILL_QUIET_MS: u64 = 15_000;
/// How long the parts may take to come to themselves.
const RECOVERY: Duration = Duration::from_mins(1);
/// What the database's disk holds: for its logs, and for each minute of calls.
const DISK_MB: u64 = 1_400;
const DISK_MB_A_MINUTE: u64 = 40;

#[derive(Debug, Clone, Copy)]
enum Part {
    Edge,
    Origin,
    Postgres,
    Upstream,
}

/// Which way: from whom to whom.
#[derive(Debug, Clone, Copy)]
enum Between {
    CallersAndEdge,
    EdgeAndUpstream,
    OriginAndEdge,
    OriginAndPostgres,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed(Part),
    Frozen(Part),
    Broken(Between, Way),
    DiskFull,
}

fn every_fault() -> Vec<Fault> {
    let parts = [Part::Edge, Part::Origin, Part::Postgres, Part::Upstream];
    let ways = [
        Between::CallersAndEdge,
        Between::EdgeAndUpstream,
        Between::OriginAndEdge,
        Between::OriginAndPostgres,
    ];
    let wrong = [Way::Dropped, Way::Slow(Duration::from_millis(150)), Way::Halved, Way::Blocked];
    let dead = parts.into_iter().flat_map(|part| [Fault::Killed(part), Fault::Frozen(part)]);
    let cut = ways.into_iter().flat_map(|way| wrong.map(|how| Fault::Broken(way, how)));
    dead.chain(cut).chain([Fault::DiskFull]).collect()
}

/// A disk of the database's own, which can be filled; where none may be mounted, a folder that is not.
struct Disk {
    folder: PathBuf,
    is_mounted: bool,
}

impl Disk {
    fn mount(folder: &Path, megabytes: u64) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=0711"), "tmpfs"]);
        let is_mounted = command::output_of(mount.arg(folder)).is_ok();
        if !is_mounted {
            report::line("weir: no disk can be mounted here, so none is filled");
        }
        Self { folder: folder.to_owned(), is_mounted }
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.ballast()).unwrap();
        let mut piece = vec![0_u8; 1 << 20];
        while !piece.is_empty() {
            while file.write_all(&piece).is_ok() {}
            piece.truncate(piece.len() / 2);
        }
    }

    fn relieve(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !self.is_mounted {
            return;
        }
        // Whatever still has it open loses it a moment later.
        let _ = command::output_of(Command::new("umount").arg("-l").arg(&self.folder));
    }
}

struct Ways {
    callers: Detour,
    upstream: Detour,
    edge: Detour,
    postgres: Detour,
}

impl Ways {
    fn of(&self, between: Between) -> &Detour {
        match between {
            Between::CallersAndEdge => &self.callers,
            Between::EdgeAndUpstream => &self.upstream,
            Between::OriginAndEdge => &self.edge,
            Between::OriginAndPostgres => &self.postgres,
        }
    }
}

/// Everything that can break.
struct Storm {
    stack: Stack,
    ways: Ways,
    // Goes after the stack, which has files on it.
    disk: Disk,
}

impl Storm {
    /// A stack whose parts reach each other by ways that can be cut.
    async fn new(minutes: u64) -> Self {
        let mut plan = billed_plan(BILL_QUIET_MS);
        let ports = [(); 4].map(|()| port::free().unwrap());
        let [callers, upstream, edge, postgres] = ports;
        let xtask::stack::Upstream::StandIn { port: upstream_port } = plan.upstream else {
            panic!("a stand-in")
        };
        let ways = Ways {
            callers: Detour::open(callers, plan.edge_port).await,
            upstream: Detour::open(upstream, upstream_port).await,
            edge: Detour::open(edge, plan.edge_port).await,
            postgres: Detour::open(postgres, plan.postgres_port).await,
        };
        plan.detours =
            Detours { upstream: Some(upstream), edge: Some(edge), postgres: Some(postgres) };
        let hosts = [plan.edge_port, callers, edge].map(|port| format!("127.0.0.1:{port}"));
        plan.edge_variables.push(("WEIR_HOSTS", hosts.join(",")));
        let disk = Disk::mount(&plan.folder.join("disk"), DISK_MB + DISK_MB_A_MINUTE * minutes);
        plan.postgres_folder = Some(disk.folder.clone());
        let stack = block_in_place(|| Stack::start(plan)).expect("a running stack");
        Self { stack, ways, disk }
    }

    fn part(&mut self, part: Part) -> &mut xtask::process::Process {
        match part {
            Part::Edge => &mut self.stack.edge,
            Part::Origin => &mut self.stack.origin,
            Part::Postgres => &mut self.stack.postgres.as_mut().expect("our own").process,
            Part::Upstream => self.stack.upstream.as_mut().expect("a stand-in"),
        }
    }

    fn strike(&mut self, fault: Fault) {
        match fault {
            Fault::Killed(part) => self.part(part).kill().unwrap(),
            Fault::Frozen(part) => self.part(part).pause().unwrap(),
            Fault::Broken(between, way) => self.ways.of(between).set(way),
            Fault::DiskFull => self.disk.fill(),
        }
    }

    fn mend(&mut self, fault: Fault) {
        match fault {
            Fault::Killed(part) => self.part(part).start().unwrap(),
            Fault::Frozen(part) => self.part(part).resume().unwrap(),
            Fault::Broken(between, _) => self.ways.of(between).set(Way::Open),
            Fault::DiskFull => {
                self.disk.relieve();
                // A server that could not write its log has given itself up.
                let server = self.part(Part::Postgres);
                server.take_if_ended().unwrap();
                server.start().unwrap();
            }
        }
    }
}

/// What the bill tells, once more and from the start, as a file of it that is downloaded does.
async fn tell_all(tester: &Tester) {
    let url = format!("{}/_standin/callbacks?within_ms=60000", tester.upstream);
    let told = async || {
        let reply = reqwest::get(&url).await.unwrap();
        (reply.status() == 200).then_some(reply.json::<Value>().await.unwrap())
    };
    let before = until_within(RECOVERY, "the bill to be told", told).await;
    subscribe(tester, json!({"from_the_start": true})).await;
    let after = until_within(RECOVERY * 5, "the bill to be told again", told).await;
    assert_eq!(after["failed"], before["failed"], "a charge could not be told: {after}");
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_what_upstream_charged_is_billed_each_once_and_to_the_token() {
    let (minutes, seed) = (number("WEIR_STORM_MINUTES", MINUTES), number("WEIR_STORM_SEED", SEED));
    let mut storm = Storm::new(minutes).await;
    let mut tester = Tester::on(&storm.stack, "storm");
    tester.edge = storm.ways.callers.url();
    let load = Arc::new(Load::new(tester, PAUSE_MS_MAX).await);
    subscribe(&load.tester, json!({})).await;

    let (over, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let calling = tokio::spawn({
        let (load, over, made) = (Arc::clone(&load), Arc::clone(&over), Arc::clone(&made));
        async move {
            let another = move || {
                made.fetch_add(1, Ordering::Relaxed);
                !over.load(Ordering::Relaxed)
            };
            load.run(another).await;
        }
    });
    let deadline = Instant::now() + Duration::from_secs(60 * minutes);
    let mut draw = fastrand::Rng::with_seed(seed);
    let (mut faults, mut struck) = (Vec::new(), 0_u32);
    while Instant::now() < deadline {
        if faults.is_empty() {
            faults = every_fault();
            faults.retain(|fault| storm.disk.is_mounted || !matches!(fault, Fault::DiskFull));
            draw.shuffle(&mut faults);
        }
        let Some(fault) = faults.pop() else { break };
        block_in_place(|| storm.strike(fault));
        tokio::time::sleep(Duration::from_millis(draw.u64(FAULT_MS))).await;
        block_in_place(|| storm.mend(fault));
        if matches!(fault, Fault::Killed(Part::Upstream)) {
            // It has forgotten what it was told.
            load.teach().await;
            subscribe(&load.tester, json!({})).await;
        }
        struck += 1;
        tokio::time::sleep(Duration::from_millis(draw.u64(CALM_MS))).await;
    }
    over.store(true, Ordering::Relaxed);
    calling.await.unwrap();

    tell_all(&load.tester).await;
    let count = count(&load.tester, &load.subjects).await;
    let findings = load.tester.origin_as_admin("/api/v1/findings?state=open&limit=100").await;
    let is_loss = |finding: &&Value| finding["code"] != "usage_missing";
    let losses: Vec<&Value> =
        findings["items"].as_array().unwrap().iter().filter(is_loss).collect();
    assert!(losses.is_empty(), "{losses:#?}");
    report::line(&format!(
        "storm of {minutes} minutes, seed {seed}: {struck} faults, {} calls; {} charged upstream and billed \
         ({} by upstream's bill, {} by asking), 0 doubled, 0 missing; {} open of which upstream charged \
         nothing, the oldest for {} s",
        made.load(Ordering::Relaxed),
        count.charged,
        count.by_bill,
        count.by_asking,
        count.open,
        count.oldest_ms / 1_000,
    ));
}
