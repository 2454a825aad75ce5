//! `mf2c sla`: agreements from and to OpenSLO, and what an agreement would have said about reports.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mf2c_client::args::{ConnectionArgs, Format};
use mf2c_domain::id::ResourceId;
use mf2c_domain::time::Timestamp;

use crate::config::ReportUnit;

const IMPORT_EXAMPLES: &str = "\
Takes OpenSLO v1, several documents in one file. SLOs of one service become one agreement, named like the service, so
that its instances are held against it; it is stopped until it is started. Metrics are numbers of the reports, by name,
such as `metricSource: {spec: {metric: execution_time}}`.

Examples:
  mf2c sla import slo.yaml
  mf2c sla import --print slo.yaml           show the agreements, and store none
  kubectl get slo -o yaml | mf2c sla import -";

const EXPORT_EXAMPLES: &str = "\
Writes one OpenSLO v1 document for each guarantee. What OpenSLO has no place for stands in annotations below mf2c.eu/.

Examples:
  mf2c sla export agreement/8a31... >slo.yaml
  mf2c sla export 8a31... -o json";

const TEST_EXAMPLES: &str = "\
Nothing is stored and no agent is asked. The agreement is taken as started; the reports, one JSON document a line,
come when they were stored (`updated`, `created`), else when they ended. The time between them passes as it would
for an agent: windows empty, silence is noticed, the agreement expires. It ends with the last report, or at --until.
The exit code is 1 if a promise would have been broken, for scripts.

Examples:
  mf2c sla test agreement.json reports.ndjson
  mf2c query service-operation-report --filter \"requesting_application_id/href='service-instance/8a31...'\" \\
    -o json | jq -c '.[]' | mf2c sla test agreement.json -
  mf2c sla test agreement.json reports.ndjson -o json";

/// What to do with agreements.
#[derive(Debug, Subcommand)]
pub enum SlaCommand {
    /// Make agreements of OpenSLO documents
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Write an agreement as OpenSLO documents
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Tell what an agreement would have said about reports
    #[command(after_help = TEST_EXAMPLES)]
    Test(TestArgs),
}

/// What to import.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// OpenSLO documents in YAML or JSON; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print the agreements as JSON instead of storing them
    #[arg(long)]
    pub print: bool,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What to export.
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// The agreement, by its id or the part behind the slash
    #[arg(value_name = "AGREEMENT", value_parser = agreement)]
    pub agreement: String,
    /// Write as yaml or json
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml", hide_possible_values = true)]
    pub output: Format,
    /// Which agent.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// What to try.
#[derive(Debug, Clone, Args)]
pub struct TestArgs {
    /// The agreement in JSON, as it would be sent
    #[arg(value_name = "AGREEMENT")]
    pub agreement: PathBuf,
    /// Reports in JSON, one a line; - is standard input
    #[arg(value_name = "REPORTS")]
    pub reports: PathBuf,
    /// Let time pass until then, such as 2026-05-01T12:00:00Z [default: the last report]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<Timestamp>,
    /// The unit of execution times: s or ms [default: s]
    #[arg(long, value_name = "UNIT", default_value = "s", hide_default_value = true)]
    pub unit: ReportUnit,
    /// Write as table, json, yaml or csv
    #[arg(short, long, value_name = "FORMAT", default_value = "table", hide_possible_values = true)]
    pub output: Format,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let expected = "expected a time as RFC 3339 has it, such as 2026-05-01T12:00:00Z";
    Timestamp::parse_partial(text).ok_or_else(|| expected.to_owned())
}

fn agreement(text: &str) -> Result<String, String> {
    let whole = if text.contains('/') { text.to_owned() } else { format!("agreement/{text}") };
    let id = ResourceId::parse(&whole).map_err(|error| error.to_string())?;
    match id.kind() {
        "agreement" => Ok(whole),
        _ => Err("this is no agreement: expected such as agreement/8a31...".to_owned()),
    }
}
