//! `thexr compact`: what the server does on its own, done now and to a stopped server's data.

use super::Failure;
use super::tool::{self, Place, Progress};
use crate::space::compactor;

const HELP: &str = "\
The log of edits is folded into a snapshot, which is loaded again and compared before it takes the log's place; the
edits themselves are packed, not dropped. A running server does this by itself, and on demand:
  curl -X POST -H \"Authorization: Bearer $THEXR_ADMIN_TOKEN\" \\
    http://localhost:4000/api/v1/admin/spaces/lobby/compact

Examples:
  thexr compact lobby --dry-run    how much there is to gain
  thexr compact --all --json       every space, one JSON object per line
";

/// Flags of `thexr compact`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{HELP}\n{}", super::EXIT_CODES))]
pub(super) struct Compact {
    /// The space
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    space: Option<String>,
    /// Every space
    #[arg(long)]
    all: bool,
    /// Build and verify the snapshot, change nothing
    #[arg(long)]
    dry_run: bool,
    /// For programs: one object per line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Compacts. One space that cannot be compacted stops no other; the first failure's code is the exit code.
pub(super) async fn run(args: Compact) -> Result<(), Failure> {
    let id = args.space.as_deref().map(tool::space_id).transpose()?;
    let store = args
        .place
        .open(
            "ask it instead, with curl -X POST -H \"Authorization: Bearer $THEXR_ADMIN_TOKEN\" \
             http://localhost:4000/api/v1/admin/spaces/<space>/compact",
        )
        .await?;
    let spaces = match &id {
        Some(id) => vec![tool::find(&store, id).await?],
        None => tool::all(&store).await?,
    };
    let mut progress = Progress::new();
    let mut first_failure = None;
    for (done, space) in spaces.iter().enumerate() {
        progress.at(|| format!("compacting {} ({done}/{})", space.slug, spaces.len()));
        let outcome = compactor::run(&store, space.key, args.dry_run).await;
        progress.clear();
        match outcome {
            Ok(done) if args.json => tool::print_json(&done.result)?,
            Ok(done) => tool::print(&format!("{}: {}\n", space.slug, done.result.summary))?,
            Err(error) => {
                let failure = tool::trouble(space.slug.as_ref(), error);
                eprintln!("thexr: {failure}");
                first_failure.get_or_insert(failure.code);
            }
        }
    }
    store.close().await;
    match first_failure {
        None => Ok(()),
        Some(code) => Err(Failure::new(code, "")),
    }
}
