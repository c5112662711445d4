//! The whole table: every workload on every server, round by round.

use std::time::Instant;

use anyhow::Result;

use crate::kinds::Kind;
use crate::plan::{self, Job, Step, Wanted};
use crate::results::{Journal, Line};
use crate::server::Places;
use crate::session::Session;
use crate::workload::{self, Workload};
use crate::{acknowledgements, compare, fan_out, idle, joins};

/// Runs the plan. A run that fails is noted and the others go on.
///
/// # Errors
/// When results cannot be written.
pub(crate) fn run(wanted: &Wanted, quick: bool, places: &Places) -> Result<()> {
    let steps = plan::steps(wanted);
    let mut servers: Vec<&'static Kind> = steps.iter().map(|step| step.kind).collect();
    servers.sort_by_key(|kind| kind.name);
    servers.dedup_by_key(|kind| kind.name);
    let session = Session::new(quick, &servers, places);
    let mut journal = Journal::begin(&places.results, session)?;
    let (started, total) = (Instant::now(), steps.len());
    for (number, step) in steps.iter().enumerate() {
        let line = one(step, quick, places).unwrap_or_else(|error| Line::Failed {
            workload: step.job.name().to_owned(),
            server: step.kind.name.to_owned(),
            why: format!("{error:#}"),
        });
        journal.append(&line)?;
        let (name, minutes) = (step.job.name(), started.elapsed().as_secs_f64() / 60.0);
        let said = say(&line);
        println!(
            "{:3}/{total} {minutes:5.1} min  {name:16} {said}",
            number + 1
        );
    }
    println!("{}", journal.path.display());
    Ok(())
}

fn one(step: &Step, quick: bool, places: &Places) -> Result<Line> {
    let sheet = match step.job {
        Job::FanOut(name) => {
            let mut workload = workload::named(name)?;
            if quick {
                shorten(&mut workload);
            }
            return Ok(Line::Run {
                group: step.group,
                measurement: Box::new(fan_out::run(step.kind, places, &workload)?),
            });
        }
        Job::Idle => idle::run(step.kind, places)?,
        Job::Joins => joins::run(step.kind, places)?,
        Job::Acknowledgements => acknowledgements::run(step.kind, places)?,
    };
    Ok(Line::Sheet { sheet })
}

/// Enough to see that everything works.
fn shorten(workload: &mut Workload) {
    workload.warm_up_s /= 2.0;
    workload.load_s /= 2.0;
    workload.settle_s /= 2.0;
}

/// One line about what came.
fn say(line: &Line) -> String {
    match line {
        Line::Session(session) => session.commit.clone(),
        Line::Run { measurement, .. } => compare::side(measurement),
        Line::Sheet { sheet } => {
            let values: Vec<String> = sheet
                .values
                .iter()
                .map(|(name, value)| format!("{name} {value:.2}"))
                .collect();
            format!("{:17} {}", sheet.server, values.join(", "))
        }
        Line::Failed { server, why, .. } => format!("{server:17} FAILED: {why}"),
    }
}
