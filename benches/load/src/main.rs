//! The load generator of Greenroom and the runner of its benchmarks.
//!
//! One thread on one core plays all the peers; the server under test has another core to itself.
//! See `benches/README.md` for what is measured and how.

mod acknowledgements;
mod bench;
mod compare;
mod dialect;
mod fan_out;
mod frame;
mod idle;
mod joins;
mod kinds;
mod machine;
mod measurement;
mod pacer;
mod plan;
mod report;
mod results;
mod server;
mod session;
mod stats;
mod swarm;
mod update;
mod workload;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::kinds::Kind;
use crate::plan::Wanted;
use crate::results::Results;
use crate::server::Places;
use crate::workload::Workload;

/// Load for room servers, and comparisons between them
#[derive(Debug, Parser)]
#[command(name = "load", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one workload against one server
    Run {
        /// The server
        #[arg(long)]
        server: String,
        #[command(flatten)]
        workload: WorkloadOptions,
    },
    /// Run one workload against two servers in turn, and give the ratio of CPU per delivery
    Compare {
        /// The server in question
        #[arg(long)]
        a: String,
        /// The server that it is measured against
        #[arg(long)]
        b: String,
        /// How often
        #[arg(long, default_value_t = 7)]
        pairs: usize,
        #[command(flatten)]
        workload: WorkloadOptions,
    },
    /// Run every workload on every server, each next to the floor, and keep what comes
    Bench(BenchOptions),
    /// Show the results of a bench as the tables of docs/performance.md
    Report {
        /// Results of a bench; the newest when none is named
        files: Vec<PathBuf>,
        /// Put the tables into docs/performance.md instead of showing them
        #[arg(long)]
        write: bool,
    },
}

/// Which part of the table, and how often.
#[derive(Args, Debug)]
struct BenchOptions {
    /// One short round, to see that everything works
    #[arg(long)]
    quick: bool,
    /// How often each workload runs at most
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// How often with the servers of others
    #[arg(long, default_value_t = 3)]
    peer_rounds: usize,
    /// Only this workload; repeatable
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<String>,
    /// Only this server; repeatable
    #[arg(long, value_name = "SERVER")]
    server: Vec<String>,
}

impl BenchOptions {
    /// What of the plan is wanted.
    ///
    /// # Errors
    /// When something is wanted that there is not.
    fn wanted(&self) -> Result<Wanted> {
        self.server
            .iter()
            .try_for_each(|name| kinds::kind(name).map(drop))?;
        let rounds = |rounds: usize| if self.quick { rounds.min(1) } else { rounds };
        let wanted = Wanted {
            quick: self.quick,
            rounds: rounds(self.rounds),
            peer_rounds: rounds(self.peer_rounds),
            workloads: self.only.clone(),
            servers: self.server.clone(),
        };
        ensure!(
            !plan::steps(&wanted).is_empty(),
            "nothing of that is in the plan, which has {}",
            plan::workloads().join(", ")
        );
        Ok(wanted)
    }
}

/// A workload, and what to change in it.
#[derive(Args, Debug)]
struct WorkloadOptions {
    /// Its name
    #[arg(long)]
    workload: String,
    /// Change a number of it: `load_s=10`, `members=20`; repeatable
    #[arg(long, value_name = "NAME=NUMBER")]
    set: Vec<String>,
}

impl WorkloadOptions {
    /// The workload with its changes.
    fn workload(&self) -> Result<Workload> {
        let mut value = serde_json::to_value(workload::named(&self.workload)?)?;
        for change in &self.set {
            let (name, number) = change
                .split_once('=')
                .context("`--set` takes NAME=NUMBER")?;
            let field = value
                .get_mut(name)
                .with_context(|| format!("no number is called {name}"))?;
            *field = serde_json::from_str(number)?;
        }
        serde_json::from_value(value).context("a number of the workload")
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    machine::open_files_max()?;
    machine::pin(machine::OWN_CORE)?;
    let places = places()?;
    match cli.command {
        Command::Run { server, workload } => run(kinds::kind(&server)?, &workload, &places),
        Command::Compare {
            a,
            b,
            pairs,
            workload,
        } => {
            let (a, b) = (kinds::kind(&a)?, kinds::kind(&b)?);
            compare::run(a, b, pairs, &workload.workload()?, &places).map(drop)
        }
        Command::Bench(options) => bench::run(&options.wanted()?, options.quick, &places),
        Command::Report { files, write } => show(&files, write, &places),
    }
}

/// One run, by the name of its workload.
fn run(kind: &'static Kind, options: &WorkloadOptions, places: &Places) -> Result<()> {
    let sheet = match options.workload.as_str() {
        "joins" => joins::run(kind, places)?,
        "idle" => idle::run(kind, places)?,
        "acknowledgements" => acknowledgements::run(kind, places)?,
        _ => {
            let measurement = fan_out::run(kind, places, &options.workload()?)?;
            println!("{}", compare::side(&measurement));
            return measurement::append(&places.results, "runs", &measurement);
        }
    };
    println!("{} on {}", sheet.workload, sheet.server);
    for (name, value) in &sheet.values {
        println!("  {name:32} {value:10.2}");
    }
    measurement::append(&places.results, "sheets", &sheet)
}

/// Renders results.
fn show(files: &[PathBuf], write: bool, places: &Places) -> Result<()> {
    let files = match files {
        [] => vec![results::newest(&places.results)?],
        files => files.to_vec(),
    };
    let tables = report::tables(&Results::read(&files)?)?;
    if write {
        report::write(&places.page, &tables)
    } else {
        print!("{tables}");
        Ok(())
    }
}

/// Where this checkout is. `GREENROOM_BIN` and `FLOOR_BIN` name other builds.
fn places() -> Result<Places> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()?;
    let binary = |variable: &str, default: &str| {
        std::env::var_os(variable).map_or_else(|| root.join(default), PathBuf::from)
    };
    Ok(Places {
        greenroom: binary("GREENROOM_BIN", "target/release/greenroom"),
        floor: binary("FLOOR_BIN", "benches/floor/target/release/floor"),
        scratch: root.join("benches/results/scratch"),
        results: root.join("benches/results"),
        peers: root.join("benches/peers"),
        page: root.join("docs/performance.md"),
    })
}
