//! `Resources`.

use mf2c_soap::{Request, Service, Value};

use super::SLASHED;
use super::call::Call;
use super::fault::Fault;

pub(super) static SERVICE: Service = Service { name: "Resources", target_namespace: SLASHED, operations: &[] };

pub(super) async fn answer(_: &Call<'_>, operation: &str, _: &Request) -> Result<Value, Fault> {
    Err(Fault::unanswered(operation))
}
