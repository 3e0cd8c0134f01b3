//! The program as its operator meets it: exit codes, one line per mistake, settings by layer, the offline commands.

#[path = "cli/bundle.rs"]
mod bundle;
#[path = "cli/fsck.rs"]
mod fsck;
#[path = "cli/restore.rs"]
mod restore;
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/support.rs"]
mod support;
#[path = "cli/survival.rs"]
mod survival;
#[path = "cli/transfer.rs"]
mod transfer;
