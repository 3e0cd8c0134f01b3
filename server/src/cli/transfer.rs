//! `thexr export` and `thexr import`: a space as one file, and such a file into a space.

mod bundle;

use super::tool::{self, Place};
use super::{Failure, exit};
use crate::space::doc::{CheckedUpdate, Encoding, Keep, Refused, SpaceDoc};
use crate::space::load;
use crate::store::NewEvent;
use bytes::Bytes;
use serde_json::json;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;

const EXPORT_HELP: &str = "\
yjs: one Yjs update (v1), which Y.applyUpdate and thexr import read. json: the entities and strokes as they are now.
A running server gives the same: GET /api/v1/spaces/{id}/document with Accept: application/octet-stream or
application/json.

--bundle writes everything that is kept of the space: its document, its past, its journal, its settings. A running
server gives the same: GET /api/v1/admin/spaces/{id}/bundle, with the admin token.

Examples:
  thexr export lobby -o lobby.yjs
  thexr export lobby --bundle -o lobby.thexr
  thexr export lobby --format json | jq '.entities | keys'
";

const IMPORT_HELP: &str = "\
The file is one Yjs update (v1), as thexr export writes it. It is checked like an update from a client, merged into
the space and appended as one edit; importing it again changes nothing. An update that builds on edits the space does
not have is refused. A running server takes the same by POST /api/v1/spaces/{id}/update.

--bundle reads what thexr export --bundle writes and makes a space of it, with its past and its journal, under the name it
had or another one. All of the file is checked first; a file that is damaged or cut off changes no space. The space gets a
new epoch: clients that know it from before keep what they have apart and begin anew. Whoever was there when the bundle
was written has left. Webhooks are told what happens from then on. With --replace those of the old space become those of
the new one; what they were still to be told of the old one goes with it, dead letters too.

Examples:
  thexr import --bundle lobby.thexr
  thexr import --bundle lobby.thexr --as lobby-copy
  thexr import lobby lobby.yjs --create
  thexr export lobby --data old | thexr import lobby - --data new --create
";

/// Flags of `thexr export`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{EXPORT_HELP}\n{}", super::EXIT_CODES))]
pub(super) struct Export {
    /// The space
    space: String,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Yjs)]
    format: Format,
    /// Everything: the document, its past, the journal, the settings
    #[arg(long, conflicts_with = "format")]
    bundle: bool,
    /// Where to write; - is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: std::path::PathBuf,
    /// The summary as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One Yjs update, v1
    Yjs,
    /// Entities and strokes
    Json,
}

/// Flags of `thexr import`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("{IMPORT_HELP}\n{}", super::EXIT_CODES))]
pub(super) struct Import {
    /// The space
    #[arg(required_unless_present = "bundle")]
    space: Option<String>,
    /// The Yjs update; - is stdin
    #[arg(required_unless_present = "bundle")]
    file: Option<std::path::PathBuf>,
    /// Make the space when there is none
    #[arg(long)]
    create: bool,
    /// Make a space of this bundle; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["space", "file", "create"])]
    bundle: Option<std::path::PathBuf>,
    /// The name of that space [default: the one it had]
    #[arg(long = "as", value_name = "SPACE")]
    name: Option<String>,
    /// Delete a space of that name first, with its past; its webhooks go on with the new one
    #[arg(long)]
    replace: bool,
    /// The summary as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Writes a space to a file.
pub(super) async fn export(args: Export) -> Result<(), Failure> {
    let id = tool::space_id(&args.space)?;
    let to_stdout = args.output == Path::new("-");
    if to_stdout && (args.bundle || args.format == Format::Yjs) && std::io::stdout().is_terminal() {
        let what = if args.bundle {
            "a bundle is not for a terminal: give a file with -o"
        } else {
            "an update is not for a terminal: give a file with -o, or --format json"
        };
        return Err(Failure::new(exit::USAGE, what));
    }
    if args.bundle {
        return bundle::export(&args, &id).await;
    }
    let store = args
        .place
        .open("use GET /api/v1/spaces/{id}/document, or stop the server first")
        .await?;
    let row = tool::find(&store, &id).await?;
    let on_space = |error| tool::trouble(id.as_ref(), error);
    let (row, stored) = load::read(&store, row.key).await.map_err(on_space)?;
    store.close().await;
    let doc = load::build(0, &stored).map_err(on_space)?;
    let bytes = match args.format {
        Format::Yjs => doc.encode(Encoding::V1),
        Format::Json => format!("{:#}\n", doc.to_json()).into_bytes(),
    };
    let written = if to_stdout {
        let mut out = std::io::stdout().lock();
        out.write_all(&bytes).and_then(|()| out.flush())
    } else {
        replace(&args.output, &bytes)
    };
    written.map_err(|error| {
        let code = if to_stdout { exit::IO } else { exit::CANNOT_CREATE };
        Failure::new(code, format!("cannot write {}: {error}", args.output.display()))
    })?;
    let summary = json!({
        "space": id, "seq": row.seq, "epoch": row.epoch, "entities": doc.entity_count(), "bytes": bytes.len(),
    });
    let said = if args.json {
        format!("{summary}\n")
    } else {
        let size = tool::human(bytes.len());
        format!(
            "{id}: {} entities at seq {}, {size}\n",
            doc.entity_count(),
            row.seq
        )
    };
    if to_stdout {
        // stdout is the document.
        let _ = std::io::stderr().write_all(said.as_bytes());
        Ok(())
    } else {
        tool::print(&said)
    }
}

/// The file beside `path` that is written first.
fn partial(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Writes beside the file and renames, so that a full disk leaves the old file as it was.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let partial = partial(path);
    let mut file = std::fs::File::create(&partial)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let done = written.and_then(|()| std::fs::rename(&partial, path));
    if done.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    done
}

/// Merges a Yjs update into a space, or makes a space of a bundle.
pub(super) async fn import(args: Import) -> Result<(), Failure> {
    if let Some(file) = &args.bundle {
        return bundle::import(&args, file).await;
    }
    // clap asks for a file that something else forbids no more.
    if args.replace || args.name.is_some() {
        return Err(Failure::new(exit::USAGE, "--as and --replace are for --bundle"));
    }
    let (space, file) = args.space.zip(args.file).expect("clap asks for both");
    let id = tool::space_id(&space)?;
    let shown = file.display();
    let bytes =
        read(&file).map_err(|error| Failure::new(exit::NO_INPUT, format!("cannot read {shown}: {error}")))?;
    let size = bytes.len();
    let looks_like_json = bytes.first().is_some_and(|byte| b"{[".contains(byte));
    let update = CheckedUpdate::parse(Bytes::from(bytes)).map_err(|fault| {
        let hint = if looks_like_json {
            " (it looks like JSON; import takes what thexr export --format yjs writes)"
        } else {
            ""
        };
        Failure::new(
            exit::DATA,
            format!("{shown} does not look like a Yjs v1 update ({fault}){hint}"),
        )
    })?;

    let store = args
        .place
        .open("use POST /api/v1/spaces/{id}/update, or stop the server first")
        .await?;
    let found = store.space(&id).await.map_err(tool::store_failed)?;
    if found.is_none() && !args.create {
        let line = format!("there is no space {id}; --create makes it");
        return Err(Failure::new(exit::NO_INPUT, line));
    }
    // Applied before anything is made or written: a refused update leaves no empty space behind.
    let on_space = |error| tool::trouble(id.as_ref(), error);
    let mut doc = match &found {
        Some(row) => {
            let (_, stored) = load::read(&store, row.key).await.map_err(on_space)?;
            load::build(0, &stored).map_err(on_space)?
        }
        None => SpaceDoc::new(0),
    };
    let effect = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| doc.apply(&update, Keep::Effect)))
        .unwrap_or_else(|_| Err(Refused::Broken("it panicked".into())))
        .map_err(|refused| Failure::new(exit::DATA, format!("{shown} does not fit {id}: {refused}")))?;
    let row = match found {
        Some(row) => row,
        None => store.create(&id, id.as_ref()).await.map_err(tool::store_failed)?,
    };
    let seq = match effect {
        None => row.seq,
        Some(payload) => {
            let appended = store.append(row.key, vec![NewEvent::edit(payload)]).await;
            appended.map_err(|error| on_space(error.into()))?.last
        }
    };
    store.close().await;
    let changed = seq != row.seq;
    if args.json {
        return tool::print_json(&json!({
            "space": id, "seq": seq, "changed": changed, "entities": doc.entity_count(), "bytes": size,
        }));
    }
    let what = if changed {
        format!("{} merged at seq {seq}", tool::human(size))
    } else {
        "nothing new in the file".into()
    };
    tool::print(&format!("{id}: {what}, {} entities\n", doc.entity_count()))
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(file)
}
