//! How fast regcred is beside a bare actix-web handler that answers the same bytes: `cargo bench --bench compare`.
//!
//! A [`plan`] says which databases to make and what to measure on each. A [`world`] is a deployment on such a database, with
//! real servers, [filled](filler) through the library. A [case](cases) is a list of requests and the answer that regcred
//! gives, which the [baseline](bare) repeats. [`rounds`] measures both in turn under the same [`load`], and [`report`] and
//! [`plot`] say what came of it. All processes and databases are this program's own, and gone when it ends.

#![expect(clippy::print_stdout, reason = "a table is what this program is for")]

mod arguments;
mod bare;
mod cases;
#[allow(
    dead_code,
    unused_imports,
    clippy::disallowed_methods,
    reason = "it is the tests', which stand outside the house and use more of it"
)]
mod cluster;
mod filler;
mod load;
mod machine;
mod measure;
mod plan;
mod plot;
mod report;
mod rounds;
mod servers;
mod world;

use anyhow::{Context as _, Result, bail};
use arguments::{Arguments, Case};
use clap::Parser as _;
use plan::Plan;
use report::Row;
use std::fs;
use tokio::signal::unix::{SignalKind, signal};
use world::World;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.bare {
        Some(recording) => bare::serve(recording),
        None => tokio::runtime::Runtime::new()?.block_on(until_signal(arguments)),
    }
}

/// A signal ends it as a failure does: everything that was started is dropped.
async fn until_signal(arguments: Arguments) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        done = compare(&arguments) => return done,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    bail!("stopped by a signal")
}

async fn compare(arguments: &Arguments) -> Result<()> {
    tempfile::env::override_temp_dir(&arguments.work).map_err(|_| anyhow::anyhow!("nothing else chose a folder"))?;
    for line in machine::describe(arguments)? {
        println!("{line}");
    }
    let (plans, left_out) = plan::plans(arguments);
    for line in left_out {
        println!("left out: {line}");
    }
    let mut rows = Vec::new();
    for plan in &plans {
        measure(plan, arguments, &mut rows).await?;
    }
    fs::create_dir_all(&arguments.out)?;
    report::write_csv(&rows, &arguments.out.join("compare.csv"))?;
    plot::draw(&rows, &arguments.out.join("compare.svg"))?;
    println!("\n{}\n", report::table(&rows));
    println!("written: compare.csv and compare.svg in {}", arguments.out.display());
    Ok(())
}

async fn measure(plan: &Plan, arguments: &Arguments, rows: &mut Vec<Row>) -> Result<()> {
    let mut world = World::make(plan, arguments.keep.as_deref()).await?;
    println!("\n{}", machine::disk(arguments)?);
    let version = world.version.as_deref().unwrap_or("embedded");
    println!("{} ({version}) x {}: {} credentials", plan.engine, plan.replicas, plan.credentials);
    println!("requests go over {} of {} projects", world.working_set(), world.projects);
    if plan.points.iter().any(|(case, _)| *case == Case::Scatter) {
        println!("scatter goes over all projects, with a token for each organization");
    }
    println!(
        "ready {} ms after its start by its line, {} ms by /readyz (medians)",
        world.start.line.as_millis(),
        world.start.ready.as_millis()
    );
    let mut prepared: Option<cases::Prepared> = None;
    for (case, connections) in &plan.points {
        let place = || format!("{case} on {} x {} at {connections} connections", plan.engine, plan.replicas);
        if prepared.as_ref().is_none_or(|prepared| prepared.case != *case) {
            prepared = Some(case.prepare(&mut world).await.with_context(place)?);
        }
        let Some(prepared) = &prepared else { continue };
        let row = rounds::measure(&world, plan, prepared, *connections, arguments).await.with_context(place)?;
        println!(
            "{case:>8} {connections:>4} connections: {:>6.0}/s of {:>6.0}/s, {:.1} %",
            row.regcred.rate,
            row.bare.rate,
            row.ratio.median * 100.0
        );
        rows.push(row);
    }
    Ok(())
}
