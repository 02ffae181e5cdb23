//! Black-box tests: each starts the real program on free ports with a fresh data folder, and talks to it through the typed
//! client, plain HTTP, or the command line. What a test promises is in its name.

mod support;

mod smoke;
