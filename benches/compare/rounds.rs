//! Measuring a case: bare and regcred in turn, so that what changes on the machine meanwhile meets both.

use crate::{
    arguments::{Arguments, Case},
    bare::Bare,
    cases::Prepared,
    load::{Counted, Load, float},
    measure::{computed, computed_with_children, resident},
    plan::Plan,
    report::{Figures, Row, Spread},
    servers::Server,
    world::World,
};
use anyhow::{Context as _, Result, ensure};
use std::time::Duration;

const WARM_UP: Duration = Duration::from_secs(1);
/// How far the lengths of both answers may lie apart: numbers and times in them differ a little.
const UNEVEN: f64 = 0.1;

/// One measurement of one of the two.
struct Round {
    counted: Counted,
    /// Microseconds for each request.
    cpu: f64,
    database_cpu: f64,
    memory_before: f64,
    memory_after: f64,
}

/// Measures a case at some number of connections.
pub async fn measure(
    world: &World,
    plan: &Plan,
    prepared: &Prepared,
    connections: usize,
    arguments: &Arguments,
) -> Result<Row> {
    let bare = Bare::start(&prepared.recording, &world.file("recording"))?;
    let duration = Duration::from_secs(u64::try_from(arguments.seconds)?);
    // As many of wrk for bare as for the replicas, so that the load costs both the same.
    let bare_load = Load { targets: vec![&bare.url; world.servers.len()], requests: &prepared.requests, connections };
    let targets = world.servers.iter().map(|server: &Server| prepared.case.url(server)).collect();
    let load = Load { targets, ..bare_load.clone() };
    let (mut bares, mut rounds) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        bare_load.run(WARM_UP).context("bare warms up")?;
        bares.push(round(&bare_load, &[bare.pid()], None, duration).context("a round of bare")?);
        load.run(WARM_UP).context("regcred warms up")?;
        let before = world.audited().await?;
        let measured = round(&load, &world.pids(), world.postmaster, duration).context("a round of regcred")?;
        audited(prepared.case, &measured, world.audited().await? - before)?;
        rounds.push(measured);
    }
    alike(&bares, &rounds)?;
    let ratios = bares.iter().zip(&rounds).map(|(bare, round)| round.counted.rate / bare.counted.rate);
    Ok(Row {
        engine: plan.engine,
        replicas: plan.replicas,
        credentials: plan.credentials,
        projects: if prepared.case == Case::Scatter { world.projects } else { world.working_set() },
        case: prepared.case,
        connections,
        ratio: Spread::of(ratios.collect()),
        regcred: figures(&rounds),
        bare: figures(&bares),
        database_cpu: world
            .postmaster
            .map(|_| Spread::of(rounds.iter().map(|round| round.database_cpu).collect()).median),
        start: world.start,
        memory: rounds[rounds.len() - 1].memory_after,
        memory_growth: rounds[rounds.len() - 1].memory_after - rounds[0].memory_before,
        bytes: prepared.recording.body.len(),
    })
}

fn round(load: &Load<'_>, pids: &[u32], postmaster: Option<u32>, duration: Duration) -> Result<Round> {
    let memory_before = resident(pids)?;
    let database = || postmaster.map_or(Ok(Duration::ZERO), computed_with_children);
    let (before, database_before) = (computed(pids)?, database()?);
    let counted = load.run(duration)?;
    ensure!(counted.answers > 0, "nothing was answered in {} s", duration.as_secs());
    let each = |since: Duration, now: Duration| {
        // A process of PostgreSQL's that ended between two looks can make a sum a little smaller.
        now.saturating_sub(since).as_secs_f64() * 1e6 / float(counted.answers)
    };
    let (cpu, database_cpu) = (each(before, computed(pids)?), each(database_before, database()?));
    Ok(Round { counted, cpu, database_cpu, memory_before, memory_after: resident(pids)? })
}

/// Holds the answers that were counted against the events that came meanwhile. Requests that were under way at the end leave
/// events and are not counted.
fn audited(case: Case, round: &Round, events: u64) -> Result<()> {
    let answers = round.counted.answers;
    if case.is_audited() {
        ensure!(events >= answers, "{case}: {answers} answers left {events} audit events");
    }
    if case == Case::NotModified {
        ensure!(events < answers / 10, "{case}: {events} of {answers} answers handed out secrets");
    }
    Ok(())
}

fn alike(bares: &[Round], rounds: &[Round]) -> Result<()> {
    let length = |round: &Round| float(round.counted.bytes) / float(round.counted.answers);
    for (bare, round) in bares.iter().zip(rounds) {
        let (bare, regcred) = (length(bare), length(round));
        ensure!(
            (regcred / bare - 1.0).abs() < UNEVEN,
            "answers of regcred have {regcred:.0} bytes, those of the baseline {bare:.0}"
        );
    }
    Ok(())
}

fn figures(rounds: &[Round]) -> Figures {
    let median = |figure: fn(&Round) -> f64| Spread::of(rounds.iter().map(figure).collect()).median;
    Figures {
        rate: median(|round| round.counted.rate),
        p50: median(|round| round.counted.p50),
        p99: median(|round| round.counted.p99),
        p999: median(|round| round.counted.p999),
        cpu: median(|round| round.cpu),
    }
}
