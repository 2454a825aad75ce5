//! Which types take an `Idempotency-Key`.

use super::spec::TypeSpec;

/// Types whose bodies hold a secret, or whose answers show one once: neither may be kept to be given again.
const SECRET: [&str; 5] = ["credential", "session", "user", "webhook", "callback"];

/// Whether a POST of this type may carry an `Idempotency-Key`.
#[must_use]
pub fn takes_idempotency_key(spec: &TypeSpec) -> bool {
    spec.form.is_none() && !SECRET.contains(&spec.name)
}
