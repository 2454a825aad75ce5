//! How much there may be: nobody fills what everybody needs.

use actix_web::http::StatusCode;
use serde::de::DeserializeOwned;

use super::Call;
use super::refusal::Refusal;

/// So many documents of each type there may be.
const MOST: usize = 10_000;
/// So many of them may be one user's who is no administrator.
const MOST_OF_ONE: usize = 1000;

impl Call<'_> {
    /// Whether there may be one more document of this type, of which those are counted that `counts` picks. `what` they are called.
    ///
    /// # Errors
    /// 507.
    pub(super) fn room_for<T: DeserializeOwned>(
        &self,
        kind: &str,
        what: &str,
        counts: impl Fn(&T) -> bool,
    ) -> Result<(), Refusal> {
        if self.store().count(kind) < MOST_OF_ONE {
            return Ok(());
        }
        // What was configured at doors of other agents is bounded there.
        let mut all = self.all::<T>(kind);
        all.retain(|found| found.document.origin().is_none() && counts(&found.is));
        let own = all.iter().filter(|found| found.document.acl.is_owned_by(self.caller())).count();
        let own = (!self.caller().is_admin()).then_some(own);
        fits(all.len(), own, what).map_err(|text| Refusal::new(StatusCode::INSUFFICIENT_STORAGE, text))
    }
}

/// Whether one more fits to `all`; `own` of them are the caller's, where that is bounded.
fn fits(all: usize, own: Option<usize>, what: &str) -> Result<(), String> {
    if own.is_some_and(|own| own >= MOST_OF_ONE) {
        return Err(format!("You have {MOST_OF_ONE} {what} here, the most that a user may have. Delete some."));
    }
    if all >= MOST {
        return Err(format!(
            "There are {MOST} {what} here, the most that there may be. Delete some; an administrator can delete anybody's."
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_bound_of_his_own_and_an_administrator_that_of_all() {
        assert_eq!((fits(9999, Some(999), "leases"), fits(9999, None, "leases")), (Ok(()), Ok(())));
        let own = fits(1000, Some(1000), "leases").unwrap_err();
        assert_eq!(own, "You have 1000 leases here, the most that a user may have. Delete some.");
        for own in [Some(0), None] {
            assert!(fits(10_000, own, "leases").unwrap_err().starts_with("There are 10000 leases here"));
        }
    }
}
