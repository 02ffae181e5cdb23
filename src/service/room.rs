//! How many more credentials a scope takes.
//!
//! A scope with very many makes every pull secret of its projects long and every list slow, so there is a most. To count at each
//! addition would cost the way that is taken most, so a process counts once for every [`STEP`] that it adds: the most is one
//! against accidents and abuse, and some too many, those which are under way when it is counted, harm nobody.

use super::Error;
use crate::{domain::id::ScopeId, store::Queries};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// How many credentials a scope has at most.
const MOST: u32 = 10_000;
/// How many are added to a scope before they are counted anew.
const STEP: u32 = 64;
/// Of how many scopes it is remembered. Others are counted again.
const MOST_SCOPES: usize = 10_000;

/// How many may be added to a scope without counting.
#[derive(Default)]
pub(super) struct Room {
    left: Mutex<HashMap<ScopeId, u32>>,
}

impl Room {
    /// Takes the place of one more in a scope.
    pub(super) async fn take(&self, queries: &mut dyn Queries, scope: ScopeId) -> Result<(), Error> {
        if self.take_known(scope) {
            return Ok(());
        }
        let there = queries.credential_count(scope, MOST).await?;
        let left = MOST.saturating_sub(u32::try_from(there).unwrap_or(MOST));
        let rest = left.min(STEP).checked_sub(1).ok_or(Error::ScopeFull { most: MOST })?;
        let mut known = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_SCOPES {
            known.clear();
        }
        known.insert(scope, rest);
        Ok(())
    }

    fn take_known(&self, scope: ScopeId) -> bool {
        let mut known = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = known.get_mut(&scope) else { return false };
        match left.checked_sub(1) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        }
    }
}
