//! Talking to registries: whether a login works, told by the registry itself.
//!
//! Whoever may add a credential chooses where this module connects to, and so it is a way into the network that regcred stands
//! in, unless it is guarded. What guards it: every connection goes through [`dial`], which looks at each address that a name
//! has before it takes one of them, and asks for a name only once; it is TLS unless the operator has named the host and port;
//! nothing is followed elsewhere; a login goes to the registry's own host and to no other, but for token servers that are
//! known to be its own ([`realm`]); and everything has a limit of time and size.
//!
//! A [`Verifier`] takes a login as the domain has it and answers a [`Finding`](crate::domain::check::Finding). It knows no
//! SQL, and nothing of the listeners that regcred itself answers on.

mod address;
mod challenge;
mod dial;
mod exchange;
mod login;
mod reading;
mod realm;
mod rules;
mod token;
mod trust;
mod verify;

pub use dial::{Resolve, SystemResolver};
pub use rules::{HostAndPort, Network, Rules, TokenServer};
pub use verify::{Attempt, Verdict, Verifier};
