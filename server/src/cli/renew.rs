//! `thexr renew-epochs`: the step after a data folder was put back from a backup.

use super::Failure;
use super::tool::{self, Place};
use serde_json::json;

const HELP: &str = "\
For a data folder that was put back from a backup, before it is served again. It knows nothing of what happened since the
backup was made, and gives the numbers of those events to others. Clients that saw them find a new epoch: they keep
what they have of each space apart and begin anew. Without this they merge what they have into the older document. Nothing
else is changed, and what webhooks were still to be told they are told under the new epoch.

A folder that was only moved, or upgraded, needs none of this. A space that thexr import --bundle made has a new epoch already.

Examples:
  thexr renew-epochs --data /var/lib/thexr
";

/// Flags of `thexr renew-epochs`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{HELP}\n{}", super::EXIT_CODES))]
pub(super) struct Renew {
    /// The summary as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Gives every space a new epoch.
pub(super) async fn run(args: Renew) -> Result<(), Failure> {
    let store = args.place.open("stop the server first").await?;
    let spaces = store.renew_epochs().await.map_err(tool::store_failed)?;
    store.close().await;
    if args.json {
        return tool::print_json(&json!({"spaces": spaces}));
    }
    let what = if spaces == 1 { "space has" } else { "spaces have" };
    tool::print(&format!("{spaces} {what} a new epoch\n"))
}
