//! `cargo xtask sim`: many worlds at full speed.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program speaks to a terminal"
)]

use std::io::{IsTerminal as _, Write as _, stderr};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use sim::mutant::Mutant;
use sim::plan::Plan;
use sim::run::{Failed, Survey, catch, live};
use sim::world::Tally;
use sim::{run, shrink, story};

/// How often progress is shown on a terminal, and elsewhere.
const TICK: Duration = Duration::from_millis(500);
const TICKS_PER_LINE: u32 = 20;

/// Simulates the whole journey of calls, with faults at every step, and holds the books against what
/// upstream really did.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim")]
struct Arguments {
    /// How many worlds are lived, each from a seed of its own.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// How many calls people make in each world. Those that follow from them come on top.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    calls: u64,
    /// The first seed. Without --seeds it is the only one.
    #[arg(long)]
    seed: Option<u64>,
    /// How many worlds are lived at once; as many as there are processors unless named.
    #[arg(long)]
    threads: Option<usize>,
    /// Tell what happens in the one world of --seed: the lines that hold one of these words, such as
    /// c42, chat7 or FAULT.
    #[arg(long, requires = "seed", num_args = 1..)]
    about: Vec<String>,
    /// Make deliberate mistakes instead, one after the other, and see which seed notices each.
    #[arg(long)]
    mutants: bool,
}

/// How many worlds are lived unless told otherwise: with 20,000 calls each, ten million calls.
const SEEDS: u64 = 500;
/// In how many worlds a mistake has to be noticed.
const MUTANT_SEEDS: u64 = 100;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.mutants {
        return mutants();
    }
    if let (Some(seed), false) = (arguments.seed, arguments.about.is_empty()) {
        return about(seed, arguments.calls, &arguments.about);
    }
    let first = arguments.seed.unwrap_or(1);
    let worlds = if arguments.seed.is_some() { 1 } else { SEEDS };
    let seeds = arguments.seeds.unwrap_or(worlds);
    let calls = usize::try_from(arguments.calls).unwrap_or(usize::MAX);
    let here = thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.unwrap_or(here).clamp(1, 256);
    let started = Instant::now();
    let survey = Survey::of(first..first.saturating_add(seeds), calls);
    let result = thread::scope(|scope| {
        let running = scope.spawn(|| survey.run(threads, None));
        let mut ticks = 0;
        while !running.is_finished() {
            thread::sleep(TICK);
            ticks += 1;
            progress(&survey, seeds, started, ticks);
        }
        if stderr().is_terminal() {
            eprint!("\r\x1b[2K");
        }
        running.join()
    });
    match result {
        Ok(Ok(tally)) => {
            println!("{}", summary(&tally, seeds, started.elapsed()));
            ExitCode::SUCCESS
        }
        Ok(Err(failed)) => {
            report(&failed, calls);
            ExitCode::FAILURE
        }
        Err(_) => {
            eprintln!("weir: a thread of the simulation broke off");
            ExitCode::FAILURE
        }
    }
}

fn about(seed: u64, calls: u64, words: &[String]) -> ExitCode {
    let calls = usize::try_from(calls).unwrap_or(usize::MAX);
    let outcome = run::tell(&Plan::draw(seed, calls), None);
    let is_meant = |line: &&String| {
        let mut parts = line.split(|letter: char| !letter.is_alphanumeric());
        parts.any(|part| words.iter().any(|word| word == part))
    };
    outcome.story.iter().filter(is_meant).for_each(|line| println!("{line}"));
    match outcome.broken {
        None => ExitCode::SUCCESS,
        Some(broken) => {
            println!("BROKEN: {broken}");
            ExitCode::FAILURE
        }
    }
}

fn progress(survey: &Survey, seeds: u64, started: Instant, ticks: u32) {
    let is_terminal = stderr().is_terminal();
    if !is_terminal && !ticks.is_multiple_of(TICKS_PER_LINE) {
        return;
    }
    let (worlds, tally) = survey.so_far();
    let seconds = started.elapsed().as_secs().max(1);
    let rate = tally.calls / seconds;
    let line = format!("weir: {worlds} of {seeds} worlds, {} calls, {rate} calls/s", tally.calls);
    if is_terminal {
        eprint!("\r\x1b[2K{line}");
        // A closed terminal is no reason to stop.
        let _ = stderr().flush();
    } else {
        eprintln!("{line}");
    }
}

fn summary(tally: &Tally, seeds: u64, took: Duration) -> String {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = tally.calls.saturating_mul(1_000) / ms;
    let faults: u64 = tally.faults.values().sum();
    let mut lines = vec![
        format!("{} calls in {seeds} worlds, {} of them let in", tally.calls, tally.admitted),
        format!("{faults} faults:"),
    ];
    lines.extend(tally.faults.iter().map(|(name, times)| format!("  {times:>9}  {name}")));
    lines.push(format!("{} entries posted", tally.posted));
    lines.push(format!(
        "{} calls whose usage nobody could learn, each of them a finding; the bill named {}",
        tally.unknown, tally.corrected
    ));
    lines.push(format!(
        "{} storages put back or lost, noticed wherever the ledger had seen more",
        tally.excepted
    ));
    lines.push(format!(
        "{}.{} s, {rate} calls/s, {} events",
        took.as_secs(),
        took.subsec_millis() / 100,
        tally.events
    ));
    lines.push(format!(
        "upstream charged {} tokens: {} are billed by tokens, {} by the call, {} are findings",
        tally.tokens.used, tally.tokens.billed, tally.tokens.by_call, tally.tokens.unknown
    ));
    lines.push(format!("{} lost, {} doubled", tally.tokens.lost(), tally.tokens.doubled()));
    lines.join("\n")
}

/// Tells how a seed failed, as shortly as it can be told.
fn report(failed: &Failed, calls: usize) {
    let Failed { seed, broken } = failed;
    println!("{}", story::how_to_replay(*seed, calls, broken));
    eprintln!("weir: making it smaller …");
    let plan = Plan::draw(*seed, calls);
    let (smaller, _) = shrink::shrink(&plan, broken, |plan| live(plan, None).broken);
    println!("{}", story::tell(&smaller, None));
}

fn mutants() -> ExitCode {
    let mut unnoticed = 0;
    for mutant in Mutant::ALL {
        let caught = catch(mutant, 1..MUTANT_SEEDS + 1);
        if let Some(Failed { seed, broken }) = caught {
            println!("{:<40} noticed by seed {seed:>3}: {}", mutant.name(), broken.law);
        } else {
            unnoticed += 1;
            println!("{:<40} NOT NOTICED in {MUTANT_SEEDS} worlds", mutant.name());
        }
    }
    println!("{} of {} mistakes are noticed", Mutant::ALL.len() - unnoticed, Mutant::ALL.len());
    if unnoticed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
