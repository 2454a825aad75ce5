//! The types that a testbed has and the fog has not: projects, experiments, and what is said about computers and images.
//! They are made by the services of DETER's testbed API alone, and so take no verbs here; whoever may see them there may
//! see them here.

pub mod computer;
pub mod experiment;
pub mod image;
pub mod project;

use crate::resource::kind::{Field, Kind, list};

/// Which projects may do what with a resource.
pub(super) const PROJECT_DELETE: Field =
    list("projectDelete", &Kind::NonBlank).optional("projects whose members may delete it");
pub(super) const PROJECT_MODIFY: Field =
    list("projectModify", &Kind::NonBlank).optional("projects whose members may change it");
pub(super) const PROJECT_USE: Field = list("projectUse", &Kind::NonBlank).optional("projects whose members may use it");
pub(super) const PROJECT_READ: Field =
    list("projectRead", &Kind::NonBlank).optional("projects whose members may see it");
