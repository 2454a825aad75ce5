//! The commands that read, write and follow resources.

use std::path::PathBuf;

use clap::Args;
use mf2c_domain::id::ResourceId;
use mf2c_domain::nearest::nearest;
use mf2c_domain::resource::{self, TypeSpec, types::entry_point};

use super::{ConnectionArgs, Format, ShownArgs};
use crate::output::clean;

pub(super) const GET_EXAMPLES: &str = "\
Examples:
  mf2c get device/5f0c...
  mf2c get service/8a31... -o yaml
  mf2c get cloud-entry-point -o json";

pub(super) const QUERY_EXAMPLES: &str = "\
Filters are those of the API; several of them must all hold. Scripts take -o json: a list of documents.

Examples:
  mf2c query service
  mf2c query service --filter 'memory_min>=512' --filter 'os=\"linux\"' --order created:desc --limit 10
  mf2c query device --select id,arch,memory -o csv
  mf2c query service-instance --watch";

pub(super) const CREATE_EXAMPLES: &str = "\
Text of key=value becomes what the type expects of that attribute: a text, a number, true or false, a list (by commas),
a link. key:=JSON takes JSON as it is; a/b=value sets b inside a. What stands on the line wins over the file.

Examples:
  mf2c create service name=hello exec=hello-world exec_type=docker agent_type=normal exec_ports=80,443
  mf2c create service -f service.yaml name=other
  mf2c create service -f - <service.json";

pub(super) const EDIT_EXAMPLES: &str = "\
Without -f and key=value the resource opens in $VISUAL, $EDITOR or vi. Only what was changed is sent, and only if nobody
else has changed the resource in the meantime; otherwise the edited text is kept in a file.

Examples:
  mf2c edit service/8a31...
  mf2c edit service/8a31... num_agents=3 description:='\"two words\"' --remove os,disk
  mf2c edit service/8a31... -f changes.json";

pub(super) const DELETE_EXAMPLES: &str = "\
Examples:
  mf2c delete service/8a31...
  mf2c delete --yes service/8a31... service/77fe...";

pub(super) const EVENTS_EXAMPLES: &str = "\
Goes on until Ctrl-C. A lost connection is made again and goes on where it ended.

Examples:
  mf2c events --types device,service-instance
  mf2c events --types service --filter 'os=\"linux\"' -o json";

/// Reads the name of a resource type.
fn kind(text: &str) -> Result<&'static TypeSpec, String> {
    let names = resource::all().iter().map(|spec| spec.name);
    resource::all().iter().find(|spec| spec.name == text).copied().ok_or_else(|| match nearest(text, names) {
        Some(near) => format!("`{}` is no type of resource; did you mean `{near}`?", clean(text)),
        None => format!("`{}` is no type of resource, expected one such as `device` or `service`", clean(text)),
    })
}

/// Reads the id of a resource.
fn id(text: &str) -> Result<String, String> {
    if text == entry_point::SPEC.name {
        return Ok(text.to_owned());
    }
    let id = ResourceId::parse(text).map_err(|error| error.to_string())?;
    kind(id.kind())?;
    Ok(id.as_str().to_owned())
}

/// Which resource to show.
#[derive(Debug, Clone, Args)]
pub struct GetArgs {
    /// The resource
    #[arg(value_name = "TYPE/NAME", value_parser = id)]
    pub id: String,
    /// How to show it.
    #[command(flatten)]
    pub shown: ShownArgs,
}

/// Which resources to list.
#[derive(Debug, Clone, Args)]
pub struct QueryArgs {
    /// The type of resource
    #[arg(value_name = "TYPE", value_parser = kind)]
    pub kind: &'static TypeSpec,
    /// Only those for which this holds; may be repeated
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// By these attributes: name or name:desc
    #[arg(long, value_name = "ATTRIBUTES", value_delimiter = ',')]
    pub order: Vec<String>,
    /// From this one on, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub first: Option<u64>,
    /// Up to this one
    #[arg(long, value_name = "N")]
    pub last: Option<u64>,
    /// At most this many
    #[arg(long, value_name = "N", conflicts_with = "last")]
    pub limit: Option<u64>,
    /// Only these attributes
    #[arg(long, value_name = "ATTRIBUTES", value_delimiter = ',')]
    pub select: Vec<String>,
    /// Then follow the changes
    #[arg(long)]
    pub watch: bool,
    /// How to show them.
    #[command(flatten)]
    pub shown: ShownArgs,
}

/// What to add.
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// The type of resource
    #[arg(value_name = "TYPE", value_parser = kind)]
    pub kind: &'static TypeSpec,
    /// Take the attributes from this file, in JSON or YAML; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Attributes: key=value, or key:=JSON
    #[arg(value_name = "KEY=VALUE")]
    pub attributes: Vec<String>,
    /// Write the answer as table (the id), json, yaml or csv
    #[arg(short, long, value_name = "FORMAT", default_value = "table", hide_possible_values = true)]
    pub output: Format,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What to change.
#[derive(Debug, Clone, Args)]
pub struct EditArgs {
    /// The resource
    #[arg(value_name = "TYPE/NAME", value_parser = id)]
    pub id: String,
    /// Take new values of attributes from this file, in JSON or YAML; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// New values: key=value, or key:=JSON
    #[arg(value_name = "KEY=VALUE")]
    pub attributes: Vec<String>,
    /// Remove these attributes
    #[arg(long, value_name = "ATTRIBUTES", value_delimiter = ',')]
    pub remove: Vec<String>,
    /// Edit as yaml or json
    #[arg(long, value_name = "FORMAT", default_value = "yaml", hide_possible_values = true)]
    pub format: Format,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What to delete.
#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    /// The resources
    #[arg(value_name = "TYPE/NAME", required = true, value_parser = id)]
    pub ids: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What to follow.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// Only resources of these types
    #[arg(long, value_name = "TYPES", value_delimiter = ',', value_parser = kind)]
    pub types: Vec<&'static TypeSpec>,
    /// Only those for which this holds; may be repeated
    #[arg(long, value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Go on behind the event with this id
    #[arg(long, value_name = "ID")]
    pub from: Option<String>,
    /// How to show them.
    #[command(flatten)]
    pub shown: ShownArgs,
}
