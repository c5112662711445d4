//! The chores of the workspace: `cargo xtask tidy`, `book`, `ci`, `soak` and `turn`.
//!
//! `tidy` checks the rules of the house that no compiler checks. `ci` is what the build machine
//! runs, so that everybody can run it. `soak` is the same table with the long steps. `turn` counts
//! the instructions of a room's turn, which is a step of `ci` too.

mod book;
mod printer;
mod steps;
mod tidy;
mod turn;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND

commands:
  tidy             check the rules of the house
  book             check the links of the book that `make docs` built
  ci [--fast]      run every check; --fast leaves out the browser, wasm and the turn
  soak             run the long checks
  turn [--accept]  count the instructions of a room's turn; --accept makes them the baseline";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            printer::error(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Runs one command; `false` says that a check failed.
fn run(arguments: &[&str]) -> Result<bool> {
    let root = root()?;
    match arguments {
        ["tidy"] => tidy::run(&root),
        ["book"] => book::check(&root),
        ["ci"] => steps::run(&root, steps::CI, steps::Extent::Full),
        ["ci", "--fast"] => steps::run(&root, steps::CI, steps::Extent::Fast),
        ["soak"] => steps::run(&root, steps::SOAK, steps::Extent::Full),
        ["turn"] => turn::check(&root),
        ["turn", "--accept"] => turn::accept(&root),
        ["help" | "--help" | "-h"] => {
            printer::line(USAGE);
            Ok(true)
        }
        _ => bail!("unknown command\n{USAGE}"),
    }
}

/// The folder of the workspace: the one above this package.
///
/// Asked when run, not when built: clones that share a target folder share the program too.
fn root() -> Result<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run it as `cargo xtask`")?;
    let root = Path::new(&package)
        .parent()
        .context("xtask lies in the workspace")?;
    Ok(root.to_path_buf())
}
