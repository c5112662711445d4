//! The load generator of Greenroom and the runner of its benchmarks.
//!
//! One thread on one core plays all the peers; the server under test has another core to itself.
//! See `benches/README.md` for what is measured and how.

mod acknowledgements;
mod compare;
mod dialect;
mod fan_out;
mod frame;
mod idle;
mod joins;
mod machine;
mod measurement;
mod pacer;
mod server;
mod stats;
mod swarm;
mod update;
mod workload;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::server::{Kind, Places};
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
        Command::Run { server, workload } => run(server::kind(&server)?, &workload, &places),
        Command::Compare {
            a,
            b,
            pairs,
            workload,
        } => {
            let (a, b) = (server::kind(&a)?, server::kind(&b)?);
            compare::run(a, b, pairs, &workload.workload()?, &places).map(drop)
        }
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
        root,
    })
}
