//! Which databases to make, and what to measure on each, in which order.

use crate::arguments::{Arguments, CREDENTIALS_OF_A_PROJECT, Case, Engine, USUAL_CONNECTIONS, USUAL_CREDENTIALS};

const CONNECTIONS: [usize; 4] = [1, 8, USUAL_CONNECTIONS, 256];
const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
const REPLICAS: usize = 3;

/// One database, and what is measured on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Which database.
    pub engine: Engine,
    /// How many regcred processes use it.
    pub replicas: usize,
    /// How many credentials are in it.
    pub credentials: usize,
    /// The cases with their connections, in order.
    pub points: Vec<(Case, usize)>,
}

/// Everything to do, and in words what is left out.
pub fn plans(arguments: &Arguments) -> (Vec<Plan>, Vec<String>) {
    let mut left_out = Vec::new();
    let mut plans = Vec::new();
    for engine in arguments.databases.iter().copied() {
        let mut add = |replicas: usize, credentials: usize, connections: &[usize]| {
            if engine == Engine::Sqlite && replicas > 1 {
                left_out.push(format!("{replicas} replicas on sqlite: one process has it for itself"));
                return;
            }
            if credentials < CREDENTIALS_OF_A_PROJECT {
                left_out.push(format!("{credentials} credentials: a project has {CREDENTIALS_OF_A_PROJECT}"));
                return;
            }
            plans.push(Plan { engine, replicas, credentials, points: points(arguments, credentials, connections) });
        };
        if arguments.full {
            add(1, USUAL_CREDENTIALS, &CONNECTIONS);
            add(REPLICAS, USUAL_CREDENTIALS, &[USUAL_CONNECTIONS]);
            for size in SIZES {
                add(1, size, &[USUAL_CONNECTIONS]);
            }
            continue;
        }
        for credentials in &arguments.credentials {
            for replicas in &arguments.replicas {
                add(*replicas, *credentials, &arguments.connections);
            }
        }
    }
    if arguments.full {
        left_out.push(format!(
            "sizes {SIZES:?} and {REPLICAS} replicas with other than {USUAL_CONNECTIONS} connections, and sizes other than \
             {USUAL_CREDENTIALS} with {REPLICAS} replicas: one thing changes at a time"
        ));
    }
    (plans, left_out)
}

/// What changes the data comes last.
fn points(arguments: &Arguments, credentials: usize, connections: &[usize]) -> Vec<(Case, usize)> {
    let mut cases: Vec<_> = arguments.cases.iter().copied().filter(|case| *case != Case::Create).collect();
    // In a sweep, where there are not more projects than requests go over in any case, it would show nothing new.
    if arguments.scatter && (!arguments.full || credentials > USUAL_CREDENTIALS) {
        cases.push(Case::Scatter);
    }
    if arguments.cases.contains(&Case::Create) {
        cases.push(Case::Create);
    }
    cases.into_iter().flat_map(|case| connections.iter().map(move |count| (case, *count))).collect()
}
